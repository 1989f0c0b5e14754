"""The file of the book of people: SQLite, made and checked when it is opened."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from panosc_spawner.errors import PeopleError
from panosc_spawner.state_db import write_ahead

APPLICATION = 0x70616E70
"""SQLite's application id of our file: "panp"."""

VERSION = 1

BUSY_SECONDS = 3.0
"""How long a write waits for another process. A write takes milliseconds; whoever holds the file for longer is broken."""

_NAME = "(length({0}) = 22 AND {0} GLOB 'p-[a-z2-7]*' AND substr({0}, 3) NOT GLOB '*[^a-z2-7]*')"

_SCHEMA = f"""
CREATE TABLE person (
    username TEXT NOT NULL PRIMARY KEY CHECK {_NAME.format("username")},
    issuer   TEXT NOT NULL,  -- the identity whose first login made the person
    subject  TEXT NOT NULL,
    made_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE identity (
    issuer    TEXT NOT NULL CHECK (issuer <> ''),
    subject   TEXT NOT NULL CHECK (subject <> ''),
    username  TEXT NOT NULL CHECK (username = '' OR {_NAME.format("username")}),
    state     TEXT NOT NULL CHECK (state IN ('active', 'unlinked', 'removed', 'released')),
    since     TEXT NOT NULL,
    left_name TEXT NOT NULL CHECK (left_name = '' OR {_NAME.format("left_name")}),
    PRIMARY KEY (issuer, subject),
    CHECK (username <> '' OR state IN ('removed', 'released'))
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_username ON identity (username);
CREATE TABLE history (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    time     TEXT NOT NULL,
    act      TEXT NOT NULL,
    issuer   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    username TEXT NOT NULL,
    by       TEXT NOT NULL CHECK (by <> ''),
    reason   TEXT NOT NULL CHECK (reason <> ''),
    proof    TEXT NOT NULL
) STRICT;
CREATE INDEX history_username ON history (username);
CREATE INDEX history_identity ON history (issuer, subject);
CREATE TABLE heard (number INTEGER NOT NULL) STRICT;  -- up to which change the hub has acted
INSERT INTO heard VALUES (0);
CREATE TRIGGER person_stays BEFORE DELETE ON person BEGIN SELECT RAISE(ABORT, 'people are not deleted'); END;
CREATE TRIGGER person_keeps BEFORE UPDATE ON person BEGIN SELECT RAISE(ABORT, 'people are not changed'); END;
CREATE TRIGGER identity_stays BEFORE DELETE ON identity BEGIN SELECT RAISE(ABORT, 'identities are not deleted'); END;
CREATE TRIGGER history_stays BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is not deleted'); END;
CREATE TRIGGER history_keeps BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is not changed'); END;
"""  # noqa: S608 - made of our own texts


def require_file(file: Path) -> None:
    """Refuse to work on a book that nobody has begun: a wrong folder would look like a hub without people.

    Raises:
        PeopleError: in words for the operator.
    """
    try:
        there = file.exists()
    except OSError as error:
        raise PeopleError(f"{file} cannot be looked at: {error.strerror}. Run this as the hub's user.") from error
    if not there:
        raise PeopleError(f"{file}: there is no book of people yet; the hub makes it when it first starts.")


def open_file(file: Path) -> sqlite3.Connection:
    """Open the book, and make it if it is missing.

    Args:
        file: its path; the directory must be there.

    Raises:
        PeopleError: in words for the operator.
    """
    with sqlite_errors_in_words(file):
        _make_private(file)
        address = f"file:{quote(str(file.absolute()))}?mode=rw"
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")  # an unlinked identity must not come back after a power cut
            connection.execute("PRAGMA trusted_schema = OFF")
            _prepare(connection, file)
        except BaseException:
            connection.close()
            raise
        return connection


def _make_private(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PeopleError(f"{file}: is not a file.")
        os.fchmod(descriptor, 0o600)  # SQLite gives its -wal and -shm the same mode
    finally:
        os.close(descriptor)


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    """Make the tables in an empty file; refuse one that is not ours, or of a later version."""
    connection.execute("BEGIN IMMEDIATE")  # of two processes that start, one makes them
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (application, version, tables) == (0, 0, 0):
            for statement in _statements(_SCHEMA):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        elif application != APPLICATION:
            raise PeopleError(f"{file}: is not a book of people. Move it away, or restore the right one.")
        elif version != VERSION:
            raise PeopleError(
                f"{file}: is of version {version}, and this hub knows version {VERSION}. Start the hub that wrote it, or a later one."
            )
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _statements(script: str) -> Iterator[str]:
    """The script's statements; ``executescript`` would end the transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def sqlite_errors_in_words(file: Path) -> Iterator[None]:
    """Say what SQLite or the file system refused.

    Raises:
        PeopleError: in their place.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise PeopleError(f"The book of people {file.name} cannot be used: {error}.") from error
    except OSError as error:
        raise PeopleError(f"The book of people {file} cannot be used: {error.strerror}.") from error
