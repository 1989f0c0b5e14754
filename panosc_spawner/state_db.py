"""The small SQLite files of the hub and of its portal, in the state directory."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

_one_at_a_time = threading.Lock()


def open_state(file: Path | None, *, timeout: float = 5.0) -> sqlite3.Connection:
    """A connection that may be used by several threads, one at a time, and that commits each statement.

    Args:
        file: made when missing, for the hub alone; None: in memory.
        timeout: seconds to wait for another process that writes.

    Raises:
        OSError: if the file cannot be made, or is a link.
        sqlite3.Error: if it is no database.
    """
    if file is not None:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        file.chmod(0o600)
    connection = sqlite3.connect(file or ":memory:", timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def write_ahead(connection: sqlite3.Connection, seconds: float = 10.0) -> None:
    """Keep its journal beside it (WAL), so that who reads does not wait for who writes. A file that does so already is left.

    SQLite refuses this at once, whatever the connection's ``timeout``, while another connection begins to use the same new file
    (https://www.sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL Mode"): hence another try, and another.

    Args:
        connection: in no transaction.
        seconds: after which it is an error.

    Raises:
        sqlite3.Error: if it cannot.
    """
    deadline = time.monotonic() + seconds
    with _one_at_a_time:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
