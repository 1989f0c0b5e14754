"""When each record last changed, and which are gone: what harvesters ask for, kept over restarts."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_TABLE = """
CREATE TABLE IF NOT EXISTS record (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, changed TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0
) STRICT
"""


@dataclass(frozen=True)
class Stamp:
    """Of one record: when it was last seen to change (whole seconds, UTC), and whether it is gone."""

    changed: datetime
    deleted: bool = False


class Stamps:
    """The stamps of all records, in a file of the hub's state directory.

    Args:
        file: made when missing, for its owner alone.

    Raises:
        OSError, sqlite3.Error: if it cannot be used.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = file
        with closing(self._open()) as base, base:
            base.execute(_TABLE)
        file.chmod(0o600)

    def update(self, records: Iterable[tuple[str, Mapping[str, Any]]], now: datetime) -> dict[str, Stamp]:
        """Note what the records are now, and return all stamps, those of records that are gone too.

        Args:
            records: id and content of each.
            now: the time, with zone.
        """
        moment = now.astimezone(UTC).replace(microsecond=0).isoformat()
        current = {id: _digest(content) for id, content in records}
        with closing(self._open()) as base, base:
            base.execute("BEGIN IMMEDIATE")
            known = {row[0]: row for row in base.execute("SELECT id, digest, changed, deleted FROM record")}
            for id, digest in current.items():
                if id not in known or known[id][1] != digest or known[id][3]:
                    base.execute("REPLACE INTO record VALUES (?, ?, ?, 0)", (id, digest, moment))
            for id, row in known.items():
                if id not in current and not row[3]:
                    base.execute("REPLACE INTO record VALUES (?, ?, ?, 1)", (id, row[1], moment))
            rows = base.execute("SELECT id, changed, deleted FROM record").fetchall()
        return {id: Stamp(datetime.fromisoformat(changed), bool(deleted)) for id, changed, deleted in rows}

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=5, isolation_level=None)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
