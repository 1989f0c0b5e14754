"""A file that grows is told of, quickly, and nobody looks at it for longer than somebody listens."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import h5py
import pytest
from panosc_hdf5.server import live
from panosc_hdf5.server.extension import Extension
from tornado.httpclient import HTTPClientError

pytestmark = pytest.mark.parametrize("hdf5_settings", [{"preload": ["h5py", "isal.isal_zlib"]}])


@pytest.fixture
def growing(jp_root_dir: Path) -> Path:
    path = jp_root_dir / "growing.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("data", (0, 4), "u2", maxshape=(None, 4), chunks=(1, 4))
    return path


async def state(socket: Any, seconds: float = 30.0) -> dict[str, Any]:
    message = await asyncio.wait_for(socket.read_message(), seconds)
    assert message is not None
    found: dict[str, Any] = json.loads(message)
    return found


async def until_shape(socket: Any, shape: list[int]) -> float:
    begin = time.monotonic()
    while (await state(socket))["shape"] != shape:
        pass
    return time.monotonic() - begin


@pytest.mark.parametrize("swmr", [True, False])
async def test_growth_is_told_of_soon(jp_ws_fetch: Any, extension: Extension, growing: Path, swmr: bool) -> None:
    if not swmr:
        with h5py.File(growing, "w") as file:  # of old, without a mark that it is open for writing
            file.create_dataset("data", (0, 4), "u2", maxshape=(None, 4), chunks=(1, 4))
    with h5py.File(growing, "r+", libver="latest" if swmr else "earliest", locking=False) as file:
        if swmr:
            file.swmr_mode = True
        socket = await jp_ws_fetch("panosc-hdf5", "live", params={"path": "growing.h5", "h5path": "/data"})
        await until_shape(socket, [0, 4])
        delays = []
        for length in range(1, 6):
            await asyncio.sleep(0.35)
            file["data"].resize(length, axis=0)
            file["data"][length - 1] = length
            file.flush()
            delays.append(await until_shape(socket, [length, 4]))
        assert min(delays) < 1, delays  # mostly a fifth of a second, on a machine that does nothing else
        socket.close()
    await until_nobody_looks(extension)


async def until_nobody_looks(extension: Extension) -> None:
    end = time.monotonic() + 30
    while extension.live.followed:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_one_look_for_all_who_listen(jp_ws_fetch: Any, extension: Extension, growing: Path) -> None:
    sockets = [
        await jp_ws_fetch("panosc-hdf5", "live", params={"path": "growing.h5", "h5path": "/data"}) for _ in range(3)
    ]
    assert [(await state(socket))["shape"] for socket in sockets] == [[0, 4]] * 3
    assert extension.live.followed == 1
    sockets[0].close()
    await asyncio.sleep(0.1)
    assert extension.live.followed == 1
    asked = extension.desk.asked
    await asyncio.sleep(0.5)
    assert extension.desk.asked <= asked + 1  # nothing changed: no worker is asked, but to be sure of the last
    for socket in sockets[1:]:
        socket.close()
    await until_nobody_looks(extension)


async def test_a_file_that_goes_and_comes(jp_ws_fetch: Any, extension: Extension, growing: Path) -> None:
    socket = await jp_ws_fetch("panosc-hdf5", "live", params={"path": "growing.h5", "h5path": "/data"})
    await until_shape(socket, [0, 4])
    kept = growing.with_suffix(".kept")
    growing.rename(kept)
    assert (await state(socket))["error"]["code"] == "not_found"
    with h5py.File(kept, "r+") as file:
        file["data"].resize(7, axis=0)
    kept.rename(growing)
    await until_shape(socket, [7, 4])
    socket.close()
    await until_nobody_looks(extension)


async def test_no_file_at_all(jp_ws_fetch: Any, extension: Extension) -> None:
    for path in ("missing.h5", "../out.h5", "a\0b"):
        socket = await jp_ws_fetch("panosc-hdf5", "live", params={"path": path})
        assert (await state(socket))["error"]["message"]
        socket.close()
    with pytest.raises(HTTPClientError, match="400"):
        await jp_ws_fetch("panosc-hdf5", "live")
    await until_nobody_looks(extension)


def test_how_often(hdf5_settings: dict[str, Any]) -> None:
    assert live.interval(0) == 0.1
    assert live.interval(60) == 0.2
    assert live.interval(3600) == 2.0


async def test_an_old_file_is_looked_at_seldom(jp_ws_fetch: Any, extension: Extension, growing: Path) -> None:
    os.utime(growing, (0, 0))
    socket = await jp_ws_fetch("panosc-hdf5", "live", params={"path": "growing.h5", "h5path": "/data"})
    await state(socket)
    growing.touch()
    assert (await state(socket))["mtime_ns"] > 0
    socket.close()
    await until_nobody_looks(extension)
