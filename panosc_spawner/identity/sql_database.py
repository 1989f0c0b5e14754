"""Reads from a database, in threads of its own: read-only, with time-outs, and never with a value in the text of a query."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.database_rules import Database, is_local
from panosc_spawner.secret_file import read_secret

MAX_ROWS = 100_000
CONNECT_SECONDS = 3
_STEPS = 5000  # of SQLite's machine between two looks at the clock
T = TypeVar("T")
log = logging.getLogger(__name__)

_POSTGRES = {
    "08": "the database cannot be reached",
    "28": "the database refuses this hub's account",
    "3D": "there is no database of that name",
    "42501": "this hub's account may not read a table that is needed",
    "42": "the database has no table or column of a name that is asked for",
    "53": "the database is too busy",
    "57014": "the database took too long",
    "57": "the database is shutting down or starting",
    "25006": "the query would write, which is not allowed",
}
_SQLITE = {
    "no such table": "the database has no table of a name that is asked for",
    "no such column": "the database has no column of a name that is asked for",
    "unable to open": "the database file cannot be opened",
    "not a database": "the file is not a database",
    "malformed": "the database file is damaged",
    "locked": "the database is being written",
    "interrupted": "the database took too long",
    "readonly": "the query would write, which is not allowed",
    "query_only": "the query would write, which is not allowed",
}


class DatabaseError(Exception):
    """The database did not answer.

    Args:
        reason: in words that may be shown to people: it names neither host nor account.
        detail: what the database said, for the operator; never a password or a value that was asked for.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


class SqlDatabase:
    """One database.

    Args:
        settings: where it is, and how long it may take.
        folder: the site's, to which files are relative.

    Raises:
        ConfigurationError: if its password cannot be read, or the driver is not installed.
    """

    def __init__(self, settings: Database, folder: Path) -> None:
        self.settings = settings
        self._seconds = settings.statement_timeout.total_seconds()
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix="panosc-sql")
        self._engine = _engine(settings, folder)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` makes of the database, in one read-only transaction, in a thread.

        Raises:
            DatabaseError: in words; after ``statement_timeout`` (and what connecting takes) at the latest.
        """
        job = _Job(self._seconds)
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, partial(self._run, job, work))
        try:
            async with asyncio.timeout(self._seconds + CONNECT_SECONDS):
                return await waiting
        except TimeoutError as error:
            raise DatabaseError("the database took too long") from error
        finally:
            job.give_up()

    def close(self) -> None:
        """Close what is open."""
        self._engine.dispose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, job: _Job, work: Callable[[Connection], T]) -> T:
        _thread.job = job
        try:
            try:
                return self._once(work)
            except DBAPIError as error:
                if not error.connection_invalidated or job.given_up:
                    raise
            return self._once(work)  # the server was restarted since that connection was last used
        except NoConnectionFree as error:
            raise DatabaseError("too many questions to the database at a time") from error
        except DBAPIError as error:
            raise _in_words(error) from error
        except SQLAlchemyError as error:
            raise DatabaseError("the query does not work", _first_line(error)) from error
        finally:
            _thread.job = None
            job.is_done()

    def _once(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            try:
                return work(connection)
            except DBAPIError:
                connection.invalidate()  # whatever state it is in, the next one asks with a fresh one
                raise


class _Job:
    """One question, which may be given up while its thread hangs in the driver."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._connection: Any = None
        self.given_up = False

    def works_on(self, connection: Any) -> None:
        self._connection = connection
        if isinstance(connection, sqlite3.Connection):
            deadline = time.monotonic() + self._seconds
            connection.set_progress_handler(lambda: self.given_up or time.monotonic() > deadline, _STEPS)

    def is_done(self) -> None:
        self._connection = None

    def give_up(self) -> None:
        """Free the thread. A server that hangs would hold it for ever, also after another took over its address."""
        self.given_up = True
        connection = self._connection
        if connection is None or isinstance(connection, sqlite3.Connection):
            return
        with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as line:  # or it ended just now
            line.shutdown(socket.SHUT_RDWR)


class _Thread(threading.local):
    job: _Job | None = None


_thread = _Thread()


def _in_use(connection: Any, *_: object) -> None:
    """Called by the pool before anything is asked on a connection, be it new or used before."""
    if _thread.job is not None:
        _thread.job.works_on(connection)


def _engine(settings: Database, folder: Path) -> Engine:
    url = make_url(settings.url)
    password = read_secret(folder / settings.password_file, "database password") if settings.password_file else None
    if url.drivername == "postgresql" and importlib.util.find_spec("psycopg") is None:
        raise ConfigurationError(
            folder / "site.toml", "sources", "psycopg is not installed", "pip install 'panosc-hub[postgresql]'"
        )
    url, arguments = _sqlite(url, folder, settings) if url.drivername == "sqlite" else _postgresql(url, settings)
    if password:
        url = url.set(password=password.get_secret_value())
    # A SQLite file is opened anew for each question: an export may have been renamed over it.
    pool: dict[str, Any] = {"poolclass": sqlalchemy.NullPool}
    if url.get_backend_name() == "postgresql":
        pool = {
            "poolclass": sqlalchemy.QueuePool,
            "pool_size": settings.connections,
            "max_overflow": 0,
            "pool_timeout": settings.statement_timeout.total_seconds(),
            "pool_recycle": 600,
        }
    engine = sqlalchemy.create_engine(url, connect_args=arguments, hide_parameters=True, **pool)
    event.listen(engine, "connect", _in_use, insert=True)
    event.listen(engine, "checkout", _in_use)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
    return engine


def _sqlite(url: URL, folder: Path, settings: Database) -> tuple[URL, Mapping[str, Any]]:
    file = quote(str(folder / (url.database or "")))
    return URL.create("sqlite", database=f"file:{file}", query={"mode": "ro", "uri": "true"}), {
        "timeout": settings.statement_timeout.total_seconds() / 2,
        "check_same_thread": False,
    }


def _postgresql(url: URL, settings: Database) -> tuple[URL, Mapping[str, Any]]:
    milliseconds = max(1, int(settings.statement_timeout.total_seconds() * 1000))
    options = (
        f"-c default_transaction_read_only=on -c statement_timeout={milliseconds} "
        f"-c lock_timeout={milliseconds} -c idle_in_transaction_session_timeout={10 * milliseconds}"
    )
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "options": options,
        "application_name": "panosc-hub",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 2 * milliseconds,
    }
    if not is_local(url) and "sslmode" not in url.query:
        arguments["sslmode"] = "verify-full"
    return url.set(drivername="postgresql+psycopg"), arguments


def _in_words(error: DBAPIError) -> DatabaseError:
    original = error.orig
    detail = _first_line(original)
    if isinstance(original, sqlite3.Error):
        known = next((words for part, words in _SQLITE.items() if part in str(original)), "")
        return DatabaseError(known or "the database cannot be read", detail)
    state = getattr(original, "sqlstate", None) or ("28" if "authentication" in str(original) else "08")
    known = next((_POSTGRES[key] for key in (state, state[:2]) if key in _POSTGRES), "")
    return DatabaseError(known or "the database cannot answer the query", detail)


def _first_line(error: object) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


_Key = tuple[Path, Database]
_open: dict[_Key, SqlDatabase] = {}


def database_of(settings: Database, folder: Path) -> SqlDatabase:
    """The one :class:`SqlDatabase` of these settings; sources and person keys share its connections."""
    key = (folder, settings)
    if key not in _open:
        _open[key] = SqlDatabase(settings, folder)
    return _open[key]
