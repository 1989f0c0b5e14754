"""The hub's small SQLite files are its own, and what is no database is refused."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from panosc_spawner.state_db import open_state


def test_the_file_is_the_hubs_alone_and_a_statement_is_kept_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    file.touch(mode=0o644)
    with closing(open_state(file)) as database, closing(open_state(file)) as another:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (1)")
        assert another.execute("SELECT x FROM t").fetchall() == [(1,)]
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "somebody-elses"
    target.write_text("")
    (tmp_path / "a.sqlite").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        open_state(tmp_path / "a.sqlite")


def test_what_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    file.write_text("no database, but some words of more than a few bytes\n" * 10)
    with pytest.raises(sqlite3.DatabaseError):
        open_state(file)


def test_in_memory() -> None:
    with closing(open_state(None)) as database:
        assert database.execute("SELECT 1").fetchone() == (1,)


def test_many_begin_to_use_a_new_file_at_a_time(tmp_path: Path) -> None:
    many = 12
    for turn in range(60):
        file, together = tmp_path / f"{turn}.sqlite", threading.Barrier(many)

        def begin(file: Path = file, together: threading.Barrier = together) -> str:
            together.wait(30)
            with closing(open_state(file)) as database:
                return str(database.execute("PRAGMA journal_mode").fetchone()[0])

        with ThreadPoolExecutor(many) as pool:
            assert {one.result(30) for one in [pool.submit(begin) for _ in range(many)]} == {"wal"}
