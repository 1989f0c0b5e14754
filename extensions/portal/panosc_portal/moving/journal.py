"""What of a staging is listed, copied and verified: a small SQLite file, so that it goes on where it was, at any size."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from panosc_portal.moving.remote_files import ListingError, RemoteFile
from panosc_spawner.state_db import open_state

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, checksums TEXT NOT NULL, key TEXT NOT NULL, tag TEXT NOT NULL,
    copied INTEGER NOT NULL DEFAULT 0, sha256 TEXT NOT NULL DEFAULT '', told INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_to_copy ON files (copied, path);
CREATE TABLE IF NOT EXISTS said (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_PAGE = 1000


@dataclass
class _Sum:
    """Files, and their bytes."""

    files: int = 0
    size: int = 0

    @property
    def both(self) -> tuple[int, int]:
        return self.files, self.size

    def add(self, files: int, size: int) -> None:
        self.files += files
        self.size += size

    def change(self, size: int | None, was: bool, now: bool) -> None:
        """A file of that size counted before, and counts now; None: there is none."""
        if size is not None:
            self.add(now - was, size * (now - was))


class Journal:
    """One directory's staging. All its methods are quick, but for :meth:`add_all`, :meth:`tangled`, and :meth:`here` of many files.

    Those are for a thread, as is making one of a file: what is in it is counted.

    Args:
        file: made when missing, for the portal alone; None: in memory.

    Raises:
        OSError, sqlite3.Error: if it cannot be used.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._db = open_state(file)
        self._db.executescript(_SCHEMA)
        # Counted once: they are asked for with each file and each mebibyte, and a table of a million files is slow to add up.
        self._all, self._copied, self._verified = (
            _Sum(*self._sums(condition)) for condition in ("", "WHERE copied = 1", "WHERE sha256 <> ''")
        )

    @property
    def listed(self) -> bool:
        """Whether the listing in it is whole."""
        return self.said("listed") == "yes"

    def said(self, key: str) -> str:
        """Something that was written down; empty if it was not."""
        row = self._db.execute("SELECT value FROM said WHERE key = ?", (key,)).fetchone()
        return row[0] if row else ""

    def say(self, key: str, value: str) -> None:
        """Write something down."""
        self._db.execute("INSERT OR REPLACE INTO said VALUES (?, ?)", (key, value))

    def empty(self) -> None:
        """Forget all: it is listed anew."""
        self._db.executescript("DELETE FROM files; DELETE FROM said;")
        self._all, self._copied, self._verified = _Sum(), _Sum(), _Sum()

    def add_all(self, files: Iterable[RemoteFile]) -> None:
        """Files of the listing.

        Raises:
            ListingError: if one was there already.
        """
        more = _Sum()

        def rows() -> Iterator[tuple[object, ...]]:
            for file in files:
                more.add(1, file.size)
                yield file.path, file.size, json.dumps(file.checksums), file.key, file.tag

        self._db.execute("BEGIN")
        try:
            self._db.executemany("INSERT INTO files (path, size, checksums, key, tag) VALUES (?, ?, ?, ?, ?)", rows())
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK")
            raise ListingError("The storage lists a file twice.") from None
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        self._all.add(more.files, more.size)

    def tangled(self) -> str | None:
        """A name that is a file and a directory at once, if there is one."""
        row = self._db.execute(
            "SELECT path FROM files AS one WHERE EXISTS "
            "(SELECT 1 FROM files AS two WHERE two.path >= one.path || '/' AND two.path < one.path || '0') LIMIT 1"
        ).fetchone()
        return row[0] if row else None

    def totals(self) -> tuple[int, int]:
        """Files and bytes in all."""
        return self._all.both

    def copied(self) -> tuple[int, int]:
        """Files and bytes that are here."""
        return self._copied.both

    def verified(self) -> tuple[int, int]:
        """Files and bytes that were read again and compared."""
        return self._verified.both

    def untold(self) -> int:
        """Files that had nothing but their size to be compared with."""
        return int(self._db.execute("SELECT count(*) FROM files WHERE sha256 <> '' AND told = 0").fetchone()[0])

    def get(self, path: str) -> RemoteFile | None:
        """One file."""
        found = list(self._files("WHERE path = ?", (path,)))
        return found[0] if found else None

    def is_copied(self, path: str) -> bool:
        """Whether it is here."""
        row = self._db.execute("SELECT copied FROM files WHERE path = ?", (path,)).fetchone()
        return bool(row and row[0])

    def to_copy(self) -> Iterator[RemoteFile]:
        """Files that are not here yet, by name."""
        return self._paged("copied = 0")

    def to_verify(self) -> Iterator[RemoteFile]:
        """Files that were not compared yet, by name."""
        return self._paged("copied = 1 AND sha256 = ''")

    def all(self) -> Iterator[RemoteFile]:
        """All files, by name."""
        return self._paged("1")

    def here(self, paths: Iterable[str], value: bool = True) -> None:
        """They are here now, or are not any more."""
        copied, verified = _Sum(), _Sum()
        self._db.execute("BEGIN")
        try:
            for path in paths:
                size, was_copied, was_verified = self._state(path)
                copied.change(size, was_copied, value)
                verified.change(size, was_verified, False)
                self._db.execute("UPDATE files SET copied = ?, sha256 = '' WHERE path = ?", (int(value), path))
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        self._copied.add(copied.files, copied.size)
        self._verified.add(verified.files, verified.size)

    def compared(self, path: str, sha256: str, told: bool) -> None:
        """It was read again and is right; ``told`` if the storage or a manifest gave a checksum."""
        size, _, was_verified = self._state(path)
        self._db.execute("UPDATE files SET sha256 = ?, told = ? WHERE path = ?", (sha256, int(told), path))
        self._verified.change(size, was_verified, sha256 != "")

    def expect(self, path: str, checksums: Iterable[str]) -> bool:
        """More checksums that a file has to have; False if there is no such file."""
        file = self.get(path)
        if file is None:
            return False
        known = list(dict.fromkeys((*file.checksums, *checksums)))
        self._db.execute("UPDATE files SET checksums = ? WHERE path = ?", (json.dumps(known), path))
        return True

    def sums(self) -> Iterator[tuple[str, str]]:
        """(path, sha256) of what was compared."""
        after = ""
        while rows := self._db.execute(
            "SELECT path, sha256 FROM files WHERE sha256 <> '' AND path > ? ORDER BY path LIMIT ?", (after, _PAGE)
        ).fetchall():
            yield from rows
            after = rows[-1][0]

    def close(self) -> None:
        """Close it; it stays."""
        self._db.close()

    def remove(self) -> None:
        """Close and delete it."""
        self.close()
        if self._file:
            for ending in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    self._file.with_name(self._file.name + ending).unlink()

    def _paged(self, condition: str) -> Iterator[RemoteFile]:
        after = ""
        while page := list(
            self._files(f"WHERE {condition} AND path > ? ORDER BY path LIMIT ?", (after, _PAGE))  # our own words
        ):
            yield from page
            after = page[-1].path

    def _files(self, condition: str, values: tuple[object, ...]) -> Iterator[RemoteFile]:
        columns = "path, size, checksums, key, tag"
        for row in self._db.execute(f"SELECT {columns} FROM files {condition}", values).fetchall():  # noqa: S608
            yield RemoteFile(row[0], row[1], tuple(json.loads(row[2])), row[3], row[4])

    def _state(self, path: str) -> tuple[int | None, bool, bool]:
        """A file's size (None: it was never listed), and whether it is copied and verified."""
        row = self._db.execute("SELECT size, copied, sha256 <> '' FROM files WHERE path = ?", (path,)).fetchone()
        return (int(row[0]), bool(row[1]), bool(row[2])) if row else (None, False, False)

    def _sums(self, condition: str) -> tuple[int, int]:
        row = self._db.execute(f"SELECT count(*), coalesce(sum(size), 0) FROM files {condition}").fetchone()  # noqa: S608
        return int(row[0]), int(row[1])
