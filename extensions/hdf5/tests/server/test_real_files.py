"""Real HDF5 files through a real server: bytes are exact, sizes are small, and nothing outside of the root is reached."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from panosc_hdf5.core.wire import Stored, read_envelope
from panosc_hdf5.server.extension import Extension
from server_helpers import Ask, settle, words

pytestmark = pytest.mark.parametrize("hdf5_settings", [{"preload": ["h5py", "hdf5plugin", "isal.isal_zlib"]}])

SHAPE = (2167, 2070)


@pytest.fixture
def frames(jp_root_dir: Path) -> np.ndarray[Any, Any]:
    """Two detector frames, in ``eiger.h5`` under ``/data``."""
    counts = np.random.default_rng(1).poisson(3, (2, *SHAPE)).astype("u4")
    counts[:, 500:540] = 2**32 - 1
    with h5py.File(jp_root_dir / "eiger.h5", "w") as file:
        file.create_dataset("data", data=counts, chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4"))
    settle(jp_root_dir / "eiger.h5")
    return counts


async def test_a_frame_is_exact(ask: Ask, frames: np.ndarray[Any, Any]) -> None:
    response = await ask("frame", path="eiger.h5", h5path="/data", slice="1")
    _, arrays, _ = read_envelope(response.body)
    np.testing.assert_array_equal(arrays["data"], frames[1])


async def test_a_frame_as_it_is_stored(ask: Ask, frames: np.ndarray[Any, Any]) -> None:
    response = await ask(
        "frame", path="eiger.h5", h5path="/data", slice="1", encoding="stored", headers={"Accept-Encoding": "gzip"}
    )
    _, arrays, _ = read_envelope(response.body)
    (chunk,) = arrays.values()
    assert isinstance(chunk, Stored)
    assert chunk.codec == "bslz4"
    assert len(response.body) < 0.15 * frames[1].nbytes


async def test_the_first_view_of_four_megapixels_is_small(ask: Ask, frames: np.ndarray[Any, Any]) -> None:
    sizes = {"width": 1100, "height": 1100}
    response = await ask(
        "view", path="eiger.h5", h5path="/data", slice="0", headers={"Accept-Encoding": "gzip"}, **sizes
    )
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(response.body) <= 600_000
    response = await ask("open", path="eiger.h5", headers={"Accept-Encoding": "gzip"})
    assert response.code == 200
    assert len(response.body) <= 600_000


async def test_200_gb_are_refused_before_anything_is_read(ask: Ask, extension: Extension, jp_root_dir: Path) -> None:
    with h5py.File(jp_root_dir / "huge.h5", "w") as file:
        file.create_dataset("data", (225_000, 225_000), "f4", chunks=(1000, 1000))
    await ask("state", path="huge.h5", h5path="/data")
    for operation in ("frame", "values", "export"):
        fastest = 1.0
        for _ in range(5):
            begin = time.perf_counter()
            extra = {"format": "npy"} if operation == "export" else {}
            response = await ask(operation, path="huge.h5", h5path="/data", slice=":,:", **extra)
            fastest = min(fastest, time.perf_counter() - begin)
            assert response.code == 413
            assert words(response)["remedy"]
        assert fastest < 0.9  # 10 ms on a machine that does nothing else
    assert (await extension.pool.workers[0].measure())["shared_bytes"] == 0


async def test_a_changed_target_of_an_external_link_is_read_again(ask: Ask, jp_root_dir: Path) -> None:
    with h5py.File(jp_root_dir / "target.h5", "w") as file:
        file["data"] = np.arange(3)
    with h5py.File(jp_root_dir / "master.h5", "w") as file:
        file["link"] = h5py.ExternalLink("target.h5", "/data")
    settle(jp_root_dir / "target.h5")
    settle(jp_root_dir / "master.h5")
    question = {"path": "master.h5", "h5path": "/link", "slice": ":"}
    first = await ask("values", **question)
    assert json.loads(first.body)["values"] == [0, 1, 2]
    tag = first.headers["Etag"]
    assert (await ask("values", headers={"If-None-Match": tag}, **question)).code == 304
    (jp_root_dir / "target.h5").unlink()
    with h5py.File(jp_root_dir / "target.h5", "w") as file:
        file["data"] = np.arange(5)
    settle(jp_root_dir / "target.h5")
    again = await ask("values", headers={"If-None-Match": tag}, **question)
    assert again.code == 200
    assert json.loads(again.body)["values"] == [0, 1, 2, 3, 4]


async def test_links_out_of_the_root(ask: Ask, jp_root_dir: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.arange(3)
    with h5py.File(jp_root_dir / "links.h5", "w") as file:
        file["out"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/data")
        file["up"] = h5py.ExternalLink("../secret.h5", "/data")
        file["web"] = h5py.ExternalLink("http://127.0.0.1:1/x.h5", "/data")
    for h5path in ("/out", "/up", "/web"):
        response = await ask("values", path="links.h5", h5path=h5path, slice=":")
        assert response.code in (403, 404, 422)
        assert str(tmp_path).encode() not in response.body


async def test_what_is_no_hdf5(ask: Ask, jp_root_dir: Path) -> None:
    (jp_root_dir / "notes.h5").write_text("no HDF5")
    (jp_root_dir / "empty.h5").touch()
    for name in ("notes.h5", "empty.h5"):
        response = await ask("open", path=name)
        assert response.code in (415, 422)
        assert words(response)


async def test_eight_at_a_time(ask: Ask, frames: np.ndarray[Any, Any]) -> None:
    answers = await asyncio.gather(
        *(ask("frame", path="eiger.h5", h5path="/data", slice=f"{index % 2},{index}:") for index in range(8))
    )
    for index, answer in enumerate(answers):
        _, arrays, _ = read_envelope(answer.body)
        np.testing.assert_array_equal(arrays["data"], frames[index % 2, index:])
