"""What was staged: a receipt for each directory, so that data that are nobody's copy are never taken for one, and room is counted."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.state_db import open_state

_SCHEMA = """
CREATE TABLE IF NOT EXISTS staged (
    key TEXT PRIMARY KEY, remote TEXT NOT NULL, proposal TEXT NOT NULL, area TEXT NOT NULL, label TEXT NOT NULL,
    path TEXT NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL, untold INTEGER NOT NULL, manifest TEXT NOT NULL,
    owner INTEGER NOT NULL, shared INTEGER NOT NULL, published INTEGER NOT NULL, at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS staged_proposals ON staged (proposal);
"""
_COLUMNS = "key, remote, proposal, area, label, path, files, bytes, untold, manifest, owner, shared, published, at"


@dataclass(frozen=True)
class Receipt:
    """A directory that was staged.

    Attributes:
        key: of its place.
        remote: name of the storage it came from.
        proposal: ``esrf/ma1234``.
        area: raw, processed, scratch or shared; ``label`` the visit's directory, if there are several.
        path: where it is.
        files: how many; ``size`` in bytes.
        untold: files whose size alone could be compared.
        manifest: SHA-256 of its ``sha256sum`` list, ordered by name.
        owner: uid; ``shared``: its group reads it.
        published: False while the last step is under way.
        at: seconds since 1970.
    """

    key: str
    remote: str
    proposal: str
    area: str
    label: str
    path: str
    files: int
    size: int
    untold: int
    manifest: str
    owner: int
    shared: bool
    published: bool
    at: float = 0.0


class Receipts:
    """All receipts of a site.

    Args:
        file: made when missing, for the portal alone; None: in memory.

    Raises:
        ConfigurationError: if it cannot be used.
    """

    def __init__(self, file: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        try:
            self._db = open_state(file)
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(file or "", "", f"the receipts of staged data cannot be kept: {error}") from error

    def write(self, receipt: Receipt) -> None:
        """Write one down, in place of an earlier one of the same directory."""
        marks = ", ".join("?" * 14)
        one = receipt
        self._db.execute(
            f"INSERT OR REPLACE INTO staged ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 - our own words
            (
                *(one.key, one.remote, one.proposal, one.area, one.label, one.path, one.files, one.size, one.untold),
                *(one.manifest, one.owner, one.shared, one.published, self._clock()),
            ),
        )

    def get(self, key: str) -> Receipt | None:
        """Of one place."""
        found = self._select("WHERE key = ?", key)
        return found[0] if found else None

    def of(self, proposal: str) -> list[Receipt]:
        """Of a proposal's directories that are here, whole."""
        return self._select("WHERE proposal = ? AND published = 1 ORDER BY area, label", proposal)

    def forget(self, key: str) -> None:
        """It is not here any more."""
        self._db.execute("DELETE FROM staged WHERE key = ?", (key,))

    def used(self, remote: str, without: str) -> int:
        """Bytes that a storage's staged data take, without one place's."""
        row = self._db.execute(
            "SELECT coalesce(sum(bytes), 0) FROM staged WHERE remote = ? AND key <> ?", (remote, without)
        ).fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def _select(self, condition: str, value: str) -> list[Receipt]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM staged {condition}", (value,)).fetchall()  # noqa: S608
        return [_receipt(row) for row in rows]


def _receipt(row: tuple[Any, ...]) -> Receipt:
    names = [name.strip() for name in _COLUMNS.replace("bytes", "size").split(",")]
    values = dict(zip(names, row, strict=True))
    return Receipt(**values | {"shared": bool(values["shared"]), "published": bool(values["published"])})
