"""Behind the hub's own proxy, what is broken off is seen to be: the proxy alone would leave the reader waiting for ever."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from moving_places import open_dir, person_data
from panosc_portal.hub import PersonReport
from running import Running, make_portal, make_site, running
from support import FakeHub

from panosc_spawner.hub import proxy_command
from panosc_spawner.spawners.quiet_proxy import never_half

MORE = '\n[portal.downloads]\nrecheck = "1s"\n'
SIZE = 60_000_000


@pytest.fixture
def big(open_folder: Path) -> Path:
    file = open_dir(open_folder / "raw") / "big"
    with file.open("wb") as out:
        out.truncate(SIZE)
    file.chmod(0o644)
    return file


@pytest.fixture
async def at(tmp_path: Path, big: Path) -> AsyncIterator[Running]:
    hub = FakeHub({"ada": PersonReport()})
    hub.directories[("ada", "esrf/ma1234")] = person_data(big.parent)
    async with running(make_portal(make_site(tmp_path, MORE), hub), hub, ("moving.download_pages",)) as server:
        server.log_in()
        yield server


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def proxied(at: Running) -> Iterator[str]:
    """The hub's proxy before the portal, as the hub starts it."""
    target, port = at.address.split("/services")[0], _free()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert shutil.which(proxy_command()[0], path=path), "the hub's proxy is not installed"
    where = ["--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(_free())]
    process = subprocess.Popen(
        [*never_half(proxy_command()), *where, "--default-target", target, "--log-level", "error"],
        env={**os.environ, "PATH": path, "CONFIGPROXY_AUTH_TOKEN": "of this test"},
    )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until and process.poll() is None
                time.sleep(0.05)
        yield at.address.replace(target, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.parametrize("what", ["nothing", "a file changes", "a right ends"])
async def test_a_download_behind_the_hubs_proxy(at: Running, big: Path, what: str) -> None:
    got = 0
    with proxied(at) as address:
        try:
            async with asyncio.timeout(120), at.client.stream("GET", f"{address}download/esrf/ma1234/zip") as answer:
                announced = int(answer.headers["Content-Length"])
                async for piece in answer.aiter_raw(64 * 1024):
                    if not got and what == "a file changes":
                        with big.open("r+b") as out:
                            out.write(b"x")
                    elif not got and what == "a right ends":
                        at.hub.directories.clear()
                    if what == "a right ends":
                        await asyncio.sleep(0.005)
                    got += len(piece)
            broken = False
        except httpx.RemoteProtocolError:
            broken = True
    assert broken is (what != "nothing")
    assert (got == announced) is (what == "nothing")
