"""The index's file: one writer, many readers, in write-ahead mode, so that a harvest never holds up a search.

All that is in it can be harvested again. A file that is damaged, or of another version, is put aside, and a new one begun.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import re2

from panosc_portal.alone import alone
from panosc_portal.errors import PortalError
from panosc_portal.index.schema import TABLES, VERSION
from panosc_spawner.state_db import write_ahead

log = logging.getLogger(__name__)

READERS = 6
SECONDS = 5.0
"""How long one question may take."""
_STEPS = 2000  # of SQLite's machine between two looks at the clock
_WAIT = 2.0  # seconds for a free reader


class IndexFault(PortalError):
    """The index cannot answer: words for a person."""


class TooSlow(IndexFault):
    """A question takes longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"This takes longer than {seconds:g} s to find. Ask for less: add a condition.")


class Busy(IndexFault):
    """More is asked at once than is answered at once."""

    def __init__(self) -> None:
        super().__init__("Too much is being asked at the moment. Try again in a few seconds.")


class Store:
    """The index on disk.

    Args:
        path: its file; the directory is made if it is missing. Readable by the portal alone: closed data are in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for missing in reversed([one for one in path.parents if not one.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)  # parents=True would make them for everybody
        self._writing = threading.RLock()
        self._free: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._made = 0
        self._making = threading.Lock()
        self._generation = 0
        self._writer = self._open_or_begin()

    @contextlib.contextmanager
    def harvested(self) -> Iterator[None]:
        """Within the block, nobody else brings it up to date: two would take each other's for what is gone.

        Raises:
            IndexFault: if somebody does just now.
        """
        with alone(self.path.with_suffix(".lock")) as mine:
            if not mine:
                raise IndexFault("The index is being brought up to date just now, by the portal or by a command.")
            yield

    def _open_or_begin(self) -> sqlite3.Connection:
        if self.path.exists():
            trouble = _trouble(self.path)
            if not trouble:
                return _connect(self.path)
            self._put_aside(trouble)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        writer = _connect(self.path)
        write_ahead(writer)
        writer.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        return writer

    def _put_aside(self, trouble: str) -> None:
        aside = self.path.with_name(self.path.name + ".damaged")
        log.error("The index %s cannot be used (%s); it is put aside as %s and made anew", self.path, trouble, aside)
        self.path.replace(aside)
        for end in ("-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The one connection that writes, in a transaction: all of it is kept, or nothing.

        Raises:
            IndexFault: if the disk is full, or the file was found damaged (it is made anew, empty).
        """
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                self._undo()
                if _is_damage(error):
                    self.rebuild(str(error))
                    raise IndexFault("The index was damaged. It is being made anew; harvest it again.") from error
                if isinstance(error, sqlite3.OperationalError):
                    raise IndexFault(f"The index cannot be written: {error}.") from error
                raise
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    @contextlib.contextmanager
    def reading(self, seconds: float = SECONDS) -> Iterator[sqlite3.Connection]:
        """A connection for one question: one state of the index throughout, whatever is written meanwhile.

        Raises:
            Busy: if all connections are taken.
            TooSlow: if it takes longer than it may.
            IndexFault: if the file is damaged; it is made anew.
        """
        generation = self._generation
        reader: sqlite3.Connection | None = None
        deadline = time.monotonic() + seconds
        try:
            reader = self._take()
            reader.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            reader.execute("BEGIN")
            yield reader
        except sqlite3.DatabaseError as error:
            if "interrupted" in str(error):
                raise TooSlow(seconds) from error
            if _is_damage(error):
                self.rebuild(str(error), generation)
                raise IndexFault("The index was damaged. It is being made anew; try again later.") from error
            raise
        finally:
            if reader is not None:
                self._give_back(reader, generation)

    @contextlib.contextmanager
    def aside(self) -> Iterator[sqlite3.Connection]:
        """A reader beside the others, for a harvest: however much is asked of the index, it goes on."""
        with contextlib.closing(_connect(self.path, read_only=True)) as reader:
            yield reader

    def _take(self) -> sqlite3.Connection:
        with contextlib.suppress(queue.Empty):
            return self._free.get_nowait()
        with self._making:
            if self._made < READERS:
                reader = _connect(self.path, read_only=True)
                self._made += 1
                return reader
        try:
            return self._free.get(timeout=_WAIT)
        except queue.Empty:
            raise Busy from None

    def _give_back(self, reader: sqlite3.Connection, generation: int) -> None:
        reader.set_progress_handler(None, 0)
        with contextlib.suppress(sqlite3.Error):
            if reader.in_transaction:
                reader.execute("ROLLBACK")
        with self._making:
            if generation == self._generation:
                self._free.put(reader)
                return
        reader.close()

    def rebuild(self, trouble: str, generation: int | None = None) -> None:
        """Put the file aside and begin a new one; ``generation``: only if nobody did since."""
        with self._writing, self._making:
            if generation is not None and generation != self._generation:
                return
            self._generation += 1
            self._close_all()
            self._put_aside(trouble)
            self._writer = self._open_or_begin()

    def _close_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()
        self._made = 0
        self._writer.close()

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._writing, self._making:
            self._generation += 1
            self._close_all()

    def optimise(self) -> None:
        """After a harvest: what the planner needs to know, and the log folded into the file."""
        with self._writing, contextlib.suppress(sqlite3.OperationalError):
            self._writer.execute("PRAGMA analysis_limit = 2000")
            self._writer.execute("ANALYZE")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    address = f"file:{_quoted(path)}?mode={'ro' if read_only else 'rw'}"
    made = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None, timeout=10)
    made.execute("PRAGMA trusted_schema = OFF")
    made.execute("PRAGMA cache_size = -32000")
    made.execute("PRAGMA temp_store = MEMORY")
    if read_only:
        made.execute("PRAGMA query_only = ON")
        made.create_function("fold", 1, _fold, deterministic=True)
        made.create_function("matches", 3, _matches, deterministic=True)
    else:
        made.execute("PRAGMA foreign_keys = ON")
        made.execute("PRAGMA synchronous = NORMAL")
    return made


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


def _trouble(path: Path) -> str:
    """Why a file cannot be used; empty if it can."""
    try:
        with contextlib.closing(_connect(path)) as found:
            version = found.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION:
                return f"it has version {version}, and this is version {VERSION}"
            words = found.execute("PRAGMA quick_check(1)").fetchone()[0]
            return "" if words == "ok" else str(words)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise IndexFault(f"The index {path} cannot be opened: {error}.") from error
        return str(error)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _fold(text: object) -> str | None:
    return text.casefold() if isinstance(text, str) else None


def _matches(pattern: str, flags: str, text: object) -> int:
    """Whether a text holds a match, in time linear in its length (RE2)."""
    return int(isinstance(text, str) and compiled(pattern, flags).search(text) is not None)


_compiled: dict[tuple[str, str], re2._Regexp] = {}


def compiled(pattern: str, flags: str) -> re2._Regexp:
    """A regular expression of RE2's.

    Raises:
        re2.error: if it is none.
    """
    key = (pattern, flags)
    if key not in _compiled:
        options = re2.Options()
        options.case_sensitive = "i" not in flags
        options.log_errors = False
        options.max_mem = 1 << 20
        made = re2.compile(f"(?m){pattern}" if "m" in flags else pattern, options)
        if len(_compiled) > 256:
            _compiled.clear()
        _compiled[key] = made
    return _compiled[key]
