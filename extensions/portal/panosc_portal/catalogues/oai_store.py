"""What was harvested, in a SQLite file of its own: found by words, years, PID and technique."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import TypeAdapter

from panosc_portal.alone import alone
from panosc_portal.catalogues.model import Dataset, Kind, Query
from panosc_portal.catalogues.words import words_of
from panosc_spawner import panet
from panosc_spawner.state_db import write_ahead

_DATASET = TypeAdapter(Dataset)
_VERSION = 1
_TABLES = """
CREATE TABLE record (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, pid TEXT NOT NULL, doi TEXT NOT NULL, year INTEGER,
    created TEXT NOT NULL, availability TEXT NOT NULL, round INTEGER NOT NULL, json TEXT NOT NULL
);
CREATE INDEX record_pid ON record (pid);
CREATE INDEX record_doi ON record (doi);
CREATE INDEX record_created ON record (created DESC, id);
CREATE TABLE technique (record INTEGER NOT NULL REFERENCES record (id) ON DELETE CASCADE, panet TEXT NOT NULL);
CREATE INDEX technique_panet ON technique (panet, record);
CREATE INDEX technique_record ON technique (record);
CREATE VIRTUAL TABLE words USING fts5 (title, rest, tokenize = 'unicode61 remove_diacritics 2', prefix = '3');
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class OaiStore:
    """One catalogue's records. Blocking: call it in a thread.

    Args:
        file: made when it is not there, for the portal's account alone. One of another version is made anew.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else harvests into this file: this portal's search, its index, a command. Nobody begins to within the block."""
        with self._open():  # its directory is there
            pass
        with alone(self._file.with_suffix(".lock")) as mine:
            yield mine

    def state(self) -> dict[str, str]:
        """What the harvest remembers."""
        with self._open() as db:
            return dict(db.execute("SELECT key, value FROM state").fetchall())

    def count(self) -> int:
        """How many data sets are kept."""
        with self._open() as db:
            return int(db.execute("SELECT COUNT(*) FROM record").fetchone()[0])

    def take(self, page: Sequence[tuple[str, Dataset | None]], turn: int, state: dict[str, str], most: int) -> int:
        """Keep one page and what to remember, both or neither; how many records do not fit any more.

        Args:
            page: identifiers with their data sets; None: it is gone.
            turn: number of the harvest; see :meth:`sweep`.
            state: what to remember from now on, besides what is remembered; empty values are forgotten.
            most: records that may be kept.
        """
        with self._open() as db:
            room = most - int(db.execute("SELECT COUNT(*) FROM record").fetchone()[0])
            left_out = 0
            for name, dataset in page:
                room += self._remove(db, name)
                if dataset is None:
                    continue
                if room <= 0:
                    left_out += 1
                    continue
                room -= 1
                self._add(db, name, dataset, turn)
            self._remember(db, state)
            return left_out

    def sweep(self, turn: int, state: dict[str, str]) -> int:
        """After a harvest of all: remove what was not there any more; how many."""
        with self._open() as db:
            gone = [name for (name,) in db.execute("SELECT name FROM record WHERE round < ?", (turn,))]
            for name in gone:
                self._remove(db, name)
            self._remember(db, state)
            return len(gone)

    def remember(self, state: dict[str, str]) -> None:
        """Remember this besides."""
        with self._open() as db:
            self._remember(db, state)

    def search(self, query: Query, skip: int, limit: int) -> tuple[list[Dataset], int, frozenset[Kind]]:
        """Data sets, how many there are in all, and what of the question was asked."""
        where, values, applied = _conditions(query)
        by_words = Kind.TEXT in applied
        tables = "record JOIN words ON words.rowid = record.id" if by_words else "record"
        order = "bm25(words, 4.0, 1.0), record.id" if by_words else "created DESC, record.id"
        clause = f" WHERE {' AND '.join(where)}" if where else ""
        with self._open() as db:
            total = int(db.execute(f"SELECT COUNT(*) FROM {tables}{clause}", values).fetchone()[0])  # noqa: S608 - ours
            rows = db.execute(
                f"SELECT json FROM {tables}{clause} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - ours
                [*values, limit, skip],
            ).fetchall()
        return [_DATASET.validate_json(text) for (text,) in rows], total, applied

    def get(self, pid: str) -> Dataset | None:
        """One by its PID, DOI or the repository's identifier."""
        found, _, _ = self.search(Query(pid=pid), 0, 1)
        return found[0] if found else None

    @staticmethod
    def _remember(db: sqlite3.Connection, state: dict[str, str]) -> None:
        for key, value in state.items():
            if value:
                db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))
            else:
                db.execute("DELETE FROM state WHERE key = ?", (key,))

    @staticmethod
    def _remove(db: sqlite3.Connection, name: str) -> int:
        row = db.execute("SELECT id FROM record WHERE name = ?", (name,)).fetchone()
        if row is None:
            return 0
        db.execute("DELETE FROM words WHERE rowid = ?", row)
        db.execute("DELETE FROM record WHERE id = ?", row)
        return 1

    @staticmethod
    def _add(db: sqlite3.Connection, name: str, dataset: Dataset, turn: int) -> None:
        created = dataset.created.isoformat() if dataset.created else ""
        year = dataset.created.year if dataset.created else None
        text = _DATASET.dump_json(dataset).decode()
        values = (name, dataset.pid.lower(), dataset.doi, year, created, dataset.availability.value, turn, text)
        row = db.execute(
            "INSERT INTO record (name, pid, doi, year, created, availability, round, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        ).lastrowid
        techniques = [(row, one.panet.rpartition("/")[2]) for one in dataset.techniques if one.panet]
        db.executemany("INSERT INTO technique VALUES (?, ?)", techniques)
        db.execute("INSERT INTO words (rowid, title, rest) VALUES (?, ?, ?)", (row, dataset.title, _rest(dataset)))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._file.exists():
            self._file.touch(mode=0o600)
        try:
            db = self._connected()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # no database any more: all of it can be fetched again
            self._file.unlink(missing_ok=True)
            self._file.touch(mode=0o600)
            db = self._connected()
        with closing(db), db:
            yield db

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, timeout=10)
        try:
            if db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                _make(db)
            db.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            db.close()
            raise
        return db


def _make(db: sqlite3.Connection) -> None:
    """The tables, in place of those of another version. Two may come here at once: one makes them, the other finds them."""
    write_ahead(db)  # who searches does not wait for who harvests
    db.execute("BEGIN IMMEDIATE")
    with db:
        if db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
            return
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in sorted(names, key=lambda name: name != "words"):  # its shadow tables go with it
            if not name.startswith(("words_", "sqlite_")):
                db.execute(f'DROP TABLE IF EXISTS "{name}"')
        for statement in _TABLES.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")


def _conditions(query: Query) -> tuple[list[str], list[object], frozenset[Kind]]:
    where: list[str] = []
    values: list[object] = []
    applied = {Kind.FACILITY} if query.facilities else set()

    def add(kind: Kind, condition: str, *held: object) -> None:
        where.append(condition)
        values.extend(held)
        applied.add(kind)

    if words := words_of(query.text):
        add(Kind.TEXT, "words MATCH ?", " AND ".join(_token(word) for word in words))
    if query.pid:
        pid = query.pid.strip()
        bare = pid.lower().removeprefix("https://doi.org/").removeprefix("doi:")
        add(Kind.PID, "(record.pid IN (?, ?) OR record.doi = ? OR record.name = ?)", pid.lower(), bare, bare, pid)
    first, last = query.years
    if first is not None or last is not None:
        add(
            Kind.YEARS,
            "record.year BETWEEN ? AND ?",
            first if first is not None else -9999,
            last if last is not None else 9999,
        )
    if query.techniques:
        ids = sorted(panet.beneath(query.techniques))
        marks = ", ".join("?" * len(ids))
        add(Kind.TECHNIQUE, f"record.id IN (SELECT record FROM technique WHERE panet IN ({marks}))", *ids)  # noqa: S608 - marks
    if query.availability:
        kinds = [one.value for one in query.availability]
        add(Kind.AVAILABILITY, f"record.availability IN ({', '.join('?' * len(kinds))})", *kinds)
    return where, values, frozenset(applied)


def _token(word: str) -> str:
    """A word as FTS5 finds it: quoted, so that nothing in it is an operator; and as the beginning of longer ones."""
    text = word.replace('"', " ").replace("\0", " ")
    return f'"{text}"*'


def _rest(dataset: Dataset) -> str:
    """What is found by words besides the title."""
    parts = [one.name for one in dataset.techniques] + [
        dataset.doi,
        dataset.instrument.name if dataset.instrument else "",
    ]
    for document in dataset.documents:
        parts += [document.summary, *document.keywords, *(member.name for member in document.members[:20])]
    return " ".join(part for part in parts if part)
