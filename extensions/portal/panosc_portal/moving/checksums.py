"""Checksums of files, computed once: kept by what tells that a file is still the same (device, inode, size, both times).

CRC-32s are those of zips, also of a file's beginning, so that a broken-off download goes on without reading all of it again.
SHA-256s are those of manifests. Nothing here says where a file is or whose it is.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from panosc_portal.moving.as_person import Identity
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.state_db import open_state

MOST_KEPT = 2_000_000
_LOOK_EVERY = 10_000
_SAME = "dev = ? AND ino = ? AND size = ? AND mtime = ? AND ctime = ?"


class Checksums:
    """All checksums that this portal has computed.

    Args:
        file: made when missing; None: in memory.
        most: so many are kept, the oldest are forgotten.

    Raises:
        ConfigurationError: if the file cannot be used.
    """

    def __init__(self, file: Path | None, most: int = MOST_KEPT) -> None:
        self._most, self._written = most, 0
        try:
            self._db = open_state(file)
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS sums (dev, ino, size, mtime, ctime, upto, crc32, sha256, at, "
                "PRIMARY KEY (dev, ino, size, mtime, ctime, upto)) WITHOUT ROWID"
            )
            self._db.execute("CREATE INDEX IF NOT EXISTS by_age ON sums (at)")
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(file or "", "", f"checksums cannot be kept: {error}") from error

    def crc(self, file: Identity, upto: int | None = None) -> tuple[int, int]:
        """The CRC-32 of as much of a file's beginning as is known, at most ``upto``: how much, and its CRC."""
        upto = file.size if upto is None else upto
        row = self._db.execute(
            f"SELECT upto, crc32 FROM sums WHERE {_SAME} AND upto <= ? AND crc32 IS NOT NULL ORDER BY upto DESC LIMIT 1",  # noqa: S608
            (*_key(file), upto),
        ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def sha256(self, file: Identity) -> str:
        """The SHA-256 of a file, in hex; empty if it is not known."""
        row = self._db.execute(f"SELECT sha256 FROM sums WHERE {_SAME} AND upto = size", _key(file)).fetchone()  # noqa: S608
        return str(row[0]) if row and row[0] else ""

    def keep_crc(self, file: Identity, upto: int, crc: int) -> None:
        """Remember the CRC-32 of a file's first ``upto`` bytes."""
        self._keep(file, upto, "crc32", crc)

    def keep_sha256(self, file: Identity, sha256: str) -> None:
        """Remember the SHA-256 of a file."""
        self._keep(file, file.size, "sha256", sha256)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _keep(self, file: Identity, upto: int, column: str, value: object) -> None:
        self._db.execute(
            f"INSERT INTO sums (dev, ino, size, mtime, ctime, upto, {column}, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
            f"ON CONFLICT DO UPDATE SET {column} = excluded.{column}, at = excluded.at",
            (*_key(file), upto, value, time.time()),
        )
        self._written += 1
        if self._written % min(_LOOK_EVERY, self._most) == 0:
            (count,) = self._db.execute("SELECT count(*) FROM sums").fetchone()
            if count > self._most:
                self._db.execute(
                    "DELETE FROM sums WHERE at <= (SELECT at FROM sums ORDER BY at LIMIT 1 OFFSET ?)",
                    (count - self._most,),
                )


def _key(file: Identity) -> tuple[int, ...]:
    # An inode may be wider than SQLite's integers.
    return tuple(number - 2**64 if number >= 2**63 else number for number in file.as_list())
