"""Real services, each started once for all tests of this folder, on loopback, and stopped."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sql_support import ROWS, VISA, Base, PostgresBase, PostgresServer, SqliteBase

_numbers = itertools.count()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer(free_port())
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Base]:
    """A user office's database with VISA's tables and a few rows."""
    made: Base
    if request.param == "sqlite":
        made = SqliteBase(tmp_path)
    else:
        made = PostgresBase(tmp_path, request.getfixturevalue("postgres"), f"visa{next(_numbers)}")
    made.execute(VISA)
    made.execute(ROWS)
    yield made
    made.close()
