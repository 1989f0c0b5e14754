"""A Jupyter server with the desktop in it, and an X server that only says hello."""

from __future__ import annotations

import asyncio
import inspect
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from panosc_desktop import handlers, session
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures, for this folder only

# Listens as Xtigervnc does, greets, and sends back what it gets. It ends when its standard input does.
FAKE = """#!/usr/bin/env python3
import os, pathlib, socket, sys, threading
folder = pathlib.Path(sys.argv[1])
(folder / "number").write_text("7\\n")
with (folder / "starts").open("a") as starts:
    starts.write("x")
server = socket.socket(socket.AF_UNIX)
server.bind(str(folder / "rfb"))
server.listen()
def talk(connection):
    try:
        connection.sendall(b"RFB 003.008\\n")
        while data := connection.recv(65536):
            if data == b"quit":
                os._exit(0)
            connection.sendall(data)
    except OSError:
        pass
def accept():
    while True:
        threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
"""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """Tests with a server run in the loop of pytest-jupyter's, not in one that pytest-asyncio makes."""
    found = yield
    if (
        collector.path.name == "test_handlers.py"
        and collector.funcnamefilter(name)
        and inspect.iscoroutinefunction(obj)
    ):
        return list(collector._genfunctions(name, obj))
    return found


@pytest.fixture
def x_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the script and the X server."""
    script = tmp_path / "run"
    script.write_text(FAKE)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(session, "COMMAND", (str(script),))
    monkeypatch.setattr(session, "X_SERVER", "sh")
    return script


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the sockets of this test lie."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return temporary


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Our extension alone."""
    return {"ServerApp": {"jpserver_extensions": {"panosc_desktop": True}}}


@pytest.fixture
def desktop(x_server: Path, folder: Path, jp_serverapp: Any, jp_asyncio_loop: Any) -> Iterator[handlers.Session]:
    """The server's one desktop; ended with the test."""
    made: handlers.Session = jp_serverapp.web_app.settings["panosc_desktop"]
    yield made
    jp_asyncio_loop.run_until_complete(end(made))


async def end(desktop: handlers.Session) -> None:
    """Stop it, and let its connections say their last words."""
    await desktop.stop()
    desktop.close()
    await asyncio.sleep(0.05)
