"""The hub's small SQLite files in its state directory."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


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
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection
