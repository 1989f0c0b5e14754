"""Views, tiles, pyramids and exact frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from databench import Bench
from panosc_hdf5.core import image, pyramid
from panosc_hdf5.core.bitshuffle import BlockFormat, decode_blocks
from panosc_hdf5.core.context import Context, Ticket
from panosc_hdf5.core.decoded import DecodedCache
from panosc_hdf5.core.errors import BadRequest, Cancelled, TooLarge, Unsupported
from panosc_hdf5.core.operations import run
from panosc_hdf5.core.selection import parse_slice
from panosc_hdf5.core.view import first_view
from panosc_hdf5.core.wire import Reply, Stored, envelope_parts

SATURATED = 2**32 - 1


def reduced(data: np.ndarray[Any, Any], factor: int, name: str = "max") -> np.ndarray[Any, Any]:
    height, width = (-(-n // factor) for n in data.shape)
    return np.array(
        [
            [getattr(data[i * factor :][:factor, j * factor :][:, :factor], name)() for j in range(width)]
            for i in range(height)
        ]
    )


def eiger(bench: Bench, rng: np.random.Generator) -> tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A detector with gaps, a bad pixel in its mask, and a bright spot."""
    data = rng.poisson(1, (3, 300, 200)).astype("u4")
    data[:, 100:110] = SATURATED
    data[:, 150, 150] = 5000
    mask = np.zeros((300, 200), "u4")
    mask[100:110] = 1
    mask[20, 30] = 8
    data[:, 20, 30] = 777_777

    def write(h5: h5py.File) -> None:
        entry = h5.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        detector = entry.create_group("instrument/detector")
        entry["instrument"].attrs["NX_class"] = "NXinstrument"
        detector.attrs["NX_class"] = "NXdetector"
        detector["description"] = "Dectris Eiger 4M"
        detector["pixel_mask"] = mask
        detector.create_dataset("data", data=data, chunks=(1, 300, 200), **hdf5plugin.Bitshuffle(cname="lz4"))
        entry["data"] = detector["data"]

    return bench.write(write), data, mask


def test_eiger(bench: Bench, rng: np.random.Generator) -> None:
    path, data, mask = eiger(bench, rng)
    reply = bench.one("view", path, "/entry/instrument/detector/data", slice="1, :, :", width=100, height=150)
    header = reply.header
    valid = (mask == 0) & (data[1] != SATURATED)
    stats = header["stats"]
    assert header["mask"] == "/entry/instrument/detector/pixel_mask"
    assert (stats["max"], stats["n_valid"], stats["n_masked"]) == (5000, valid.sum(), (mask != 0).sum())
    assert stats["mean"] == pytest.approx(data[1][valid].mean())
    assert header["suggested"]["scale"] == "log"
    assert header["factor"] == 2
    image = reply.arrays["data"]
    assert isinstance(image, np.ndarray)
    assert image.dtype == np.uint16
    expected = reduced(np.where(valid, data[1], 0), 2)
    expected[50:55] = header["fill"]
    assert np.array_equal(image, expected)
    unmasked = bench.one("view", path, "/entry/instrument/detector/data", slice="1, :, :", mask="none").header
    assert unmasked["stats"]["max"] == SATURATED
    assert unmasked["mask"] is None


@pytest.mark.parametrize("reducer", ["max", "mean", "min", "first"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 120, 90), "compression": "gzip"},
        {"chunks": (2, 17, 19), **hdf5plugin.Bitshuffle(cname="lz4")},
        {"chunks": (2, 30, 40), "compression": "lzf"},
    ],
)
def test_views_of_any_storage(bench: Bench, rng: np.random.Generator, options: dict[str, Any], reducer: str) -> None:
    data = rng.integers(0, 60_000, (2, 120, 90)).astype(">u2")
    path = bench.array(data, **options)
    reply = bench.one("view", path, slice="1, :, :", window="10,115,3,88", width=20, height=40, reduce=reducer)
    factor = reply.header["factor"]
    assert factor == 5
    part = data[1, 10:115, 3:88].astype("f8" if reducer == "mean" else "u2")
    expected = part[::factor, ::factor] if reducer == "first" else reduced(part, factor, reducer)
    np.testing.assert_allclose(reply.arrays["data"], expected, rtol=1e-6)
    assert reply.header["window"] == [10, 115, 3, 88]
    assert reply.header["size"] == {"height": 120, "width": 90}
    json.dumps(reply.header, allow_nan=False)


@pytest.mark.parametrize(
    "data",
    [
        np.array([[True, False], [False, True]]),
        np.array([[1 + 1j, 3 - 4j], [0, 1]], "c8"),
        np.array([[1, np.nan], [np.inf, -np.inf]], "f2"),
        np.array([[np.nan, np.nan]], "f8"),
        np.array([[2**63 - 1, -(2**63)]], "i8"),
        np.array([[2**64 - 1, 0]], "u8"),
        np.array([[0, 255]], "u1"),
        np.ones((2, 3), np.longdouble),
    ],
)
def test_views_of_any_number(bench: Bench, data: np.ndarray[Any, Any]) -> None:
    path = bench.array(data)
    reply = bench.one("view", path)
    b"".join(envelope_parts(reply))
    values = np.abs(data) if data.dtype.kind == "c" else data
    found = np.asarray(reply.arrays["data"])
    assert found.dtype.kind in "iuf"
    assert found.dtype.itemsize in (1, 2, 4, 8)
    assert np.array_equal(found, values, equal_nan=values.dtype.kind == "f")
    exact = np.asarray(bench.one("frame", path).arrays["data"])
    assert np.array_equal(exact, values, equal_nan=values.dtype.kind == "f")
    for name in ("stats", "line"):
        bench.run(name, path, **({"slice": "0, :"} if name == "line" else {}))


def test_what_is_no_picture(bench: Bench) -> None:
    def write(h5: h5py.File) -> None:
        h5["one"] = np.arange(3)
        h5["scalar"] = 1
        h5["text"] = "words"
        h5["null"] = h5py.Empty("i4")
        h5["empty"] = np.zeros((0, 5))
        h5["compound"] = np.zeros((3, 3), [("a", "i4")])
        h5.create_group("group")

    path = bench.write(write)
    for name in ("one", "scalar", "text", "null", "empty", "compound", "group"):
        for operation in ("view", "frame", "tile"):
            more = {"x": 0, "y": 0} if operation == "tile" else {}
            with pytest.raises(Unsupported):
                bench.run(operation, path, name, **more)


def test_bad_windows(bench: Bench) -> None:
    path = bench.array(np.zeros((4, 5)))
    for window in ("0,4,0,6", "2,2,0,5", "3,1,0,5", "0,4,0", "a,b,c,d", "-1,2,0,1"):
        with pytest.raises(BadRequest):
            bench.run("view", path, window=window)
    with pytest.raises(BadRequest, match="no tile"):
        bench.run("tile", path, x=9, y=0)


def large(bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> tuple[str, np.ndarray[Any, Any]]:
    """An image that is treated as a large one."""
    monkeypatch.setattr(pyramid, "LARGE", 20_000)
    monkeypatch.setattr(pyramid, "SMALLEST", 8)
    monkeypatch.setattr(image, "UNIT", 400)
    data = rng.poisson(50, (410, 395)).astype("u2")
    return bench.array(data, chunks=(20, 20), compression="gzip", shuffle=True), data


@pytest.mark.parametrize("reducer", ["max", "mean", "min", "first"])
def test_pyramid(bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, reducer: str) -> None:
    path, data = large(bench, rng, monkeypatch)
    whole = data.astype("f8") if reducer == "mean" else data
    replies = bench.run("view", path, width=30, height=30, reduce=reducer, progressive=1)
    assert [reply.header["complete"] for reply in replies] == [False, False, True]
    assert [reply.cacheable for reply in replies] == [False, False, True]
    assert replies[0].header["stats"]["exact"] is False
    factor = replies[-1].header["factor"]
    assert factor == 8
    expected = whole[::factor, ::factor] if reducer == "first" else reduced(whole, factor, reducer)
    np.testing.assert_allclose(replies[-1].arrays["data"], expected, rtol=1e-6)
    files = list((bench.directory / "cache").iterdir())
    assert len(files) == 1
    for level in range(6):
        f = 1 << level
        expected = whole[::f, ::f] if reducer == "first" else reduced(whole, f, reducer)
        for x, y in ((0, 0), (1, 0), (0, 1)):
            if x * 16 * f < 395 and y * 16 * f < 410:
                reply = bench.one("tile", path, level=level, x=x, y=y, size=16, reduce=reducer)
                np.testing.assert_allclose(
                    reply.arrays["data"], expected[16 * y : 16 * y + 16, 16 * x : 16 * x + 16], rtol=1e-6
                )
    assert list((bench.directory / "cache").iterdir()) == files


def test_masked_mean_of_a_pyramid(bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid, "LARGE", 20_000)
    data = rng.normal(5, 1, (200, 203)).astype("f4")
    data[rng.random(data.shape) < 0.5] = np.nan
    data[:40, :40] = np.nan
    path = bench.array(data, chunks=(50, 50))
    found = np.asarray(bench.one("view", path, width=10, height=10, reduce="mean").arrays["data"])
    with np.errstate(all="ignore"), pytest.MonkeyPatch.context():
        import warnings

        warnings.simplefilter("ignore", RuntimeWarning)
        factor = 16
        expected = np.array(
            [
                [np.nanmean(data[i : i + factor, j : j + factor]) for j in range(0, 203, factor)]
                for i in range(0, 200, factor)
            ]
        )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pyramids_on_disk(bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged ones are made again; the budget holds; without a disk it works."""
    path, data = large(bench, rng, monkeypatch)
    cache = bench.directory / "cache"

    def ask() -> Reply:
        reply = bench.one("view", path, width=30, height=30)
        assert np.array_equal(reply.arrays["data"], reduced(data, 8))
        return reply

    ask()
    (kept,) = cache.iterdir()
    content = kept.read_bytes()
    for damaged in (b"", content[:100], content[: len(content) - 8], b"x" * len(content), content + b"more"):
        kept.write_bytes(damaged)
        bench.services.__dict__.pop("decoded")
        ask()
        assert kept.read_bytes() == content
    (cache / ".new-crashed.pyramid").write_bytes(bytes(10**6))
    monkeypatch.setattr(type(bench.services.limits), "pyramid_cache_bytes", 3 * len(content))
    bench.services.limits = type(bench.services.limits)(pyramid_cache_bytes=3 * len(content))
    for reducer in ("min", "mean", "first"):
        bench.one("view", path, width=30, height=30, reduce=reducer)
    assert sum(file.stat().st_size for file in cache.iterdir()) <= 4 * len(content)
    assert not (cache / ".new-crashed.pyramid").exists()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for file in cache.iterdir():
        file.unlink()
    bench.services.__dict__.pop("decoded")
    monkeypatch.setattr(pyramid, "_write", full)
    ask()
    assert not list(cache.iterdir())
    ask()
    bench.services.cache_dir = None
    bench.services.__dict__.pop("decoded")
    ask()


def test_a_changed_file_has_another_pyramid(
    bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = large(bench, rng, monkeypatch)
    bench.one("view", path, width=30, height=30)
    bench.services.files.close()
    with h5py.File(path, "r+", locking=False) as h5:
        h5["d"][:20] = 3
    found = bench.one("view", path, width=30, height=30)
    data[:20] = 3
    assert np.array_equal(found.arrays["data"], reduced(data, 8))


def test_frame_as_stored(bench: Bench, rng: np.random.Generator) -> None:
    path, data, _ = eiger(bench, rng)
    (reply,) = bench.run("frame", path, "/entry/data", slice="2, :, :", encoding="stored")
    stored = reply.arrays["data"]
    assert isinstance(stored, Stored)
    assert (stored.codec, stored.dtype, stored.shape) == ("bslz4", "<u4", (300, 200))
    out = np.empty(240_000, np.uint8)
    decode_blocks(np.frombuffer(stored.data, np.uint8), BlockFormat.of((0, 0, 4, 0, 2), 4, 240_000), out)
    assert np.array_equal(out.view("u4").reshape(300, 200), data[2])
    for text in ("2, :, 1:", "2, ::2, :", ":, 3, :"):
        (reply,) = bench.run("frame", path, "/entry/data", slice=text, encoding="stored")
        assert reply.header["encoding"] == "raw"
        assert np.array_equal(np.asarray(reply.arrays["data"]), data[parse_slice(text, data.shape).index])


def test_frame_goes_where_the_answer_is_made(bench: Bench, rng: np.random.Generator) -> None:
    path, data, _ = eiger(bench, rng)
    made = []

    def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        made.append(np.zeros(shape, dtype))
        return made[-1]

    context = Context(bench.services, empty=empty)
    (reply,) = run("frame", {"path": path, "h5path": "/entry/data", "slice": "1,:,:"}, context)
    assert reply.arrays["data"] is made[0]
    assert np.array_equal(made[0], data[1])


def test_colours(bench: Bench, rng: np.random.Generator) -> None:
    data = rng.integers(0, 255, (20, 30, 3)).astype("u1")
    path = bench.array(data)
    assert np.array_equal(np.asarray(bench.one("frame", path).arrays["data"]), data)


def test_too_large(bench: Bench) -> None:
    def write(h5: h5py.File) -> None:
        h5.create_dataset("d", (10, 200_000, 100_000), "u1", chunks=(1, 1000, 1000))

    path = bench.write(write)
    for name in ("frame",):
        with pytest.raises(TooLarge) as caught:
            bench.run(name, path, slice="0, :, :")
        assert "20 GB" in caught.value.message
    with pytest.raises(TooLarge):
        bench.run("stats", path, slice=":, :, :")


def test_first_view(bench: Bench, rng: np.random.Generator) -> None:
    path, data, _ = eiger(bench, rng)
    with bench.services.files.locate(path, "/entry/data") as located:
        reply = first_view(located, bench.context, parse_slice(None, data.shape), 800, 600)
    assert reply.header["slice"] == "0, :, :"
    assert reply.header["complete"]


def test_cancelled(bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = large(bench, rng, monkeypatch)
    ticket = Ticket()
    context = Context(bench.services, ticket)
    threading.Timer(0.0, ticket.cancel).start()
    ticket.cancel()
    with pytest.raises(Cancelled):
        list(run("view", {"path": path, "h5path": "/d"}, context))
    assert not Path(bench.directory / "cache").exists()


def test_a_pyramid_that_somebody_else_made_is_not_believed(
    bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, data = large(bench, rng, monkeypatch)
    expected = reduced(data, 8)
    bench.one("view", path, width=30, height=30)
    (kept,) = (bench.directory / "cache").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    assert kept.parent.stat().st_mode & 0o077 == 0
    other = tmp_path / "other"
    kept.rename(other)
    kept.symlink_to(other)
    bench.services.__dict__.pop("decoded")
    monkeypatch.setattr(
        pyramid, "envelope_parts", None
    )  # it would be found out by the picture only if it were another one
    monkeypatch.setattr(pyramid, "_write", lambda *_: None)
    assert np.array_equal(bench.one("view", path, width=30, height=30).arrays["data"], expected)
    assert not kept.exists()
    other.rename(kept)
    bench.services.__dict__.pop("decoded")
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    assert np.array_equal(bench.one("view", path, width=30, height=30).arrays["data"], expected)
    assert not kept.exists()


def test_a_mask_in_another_file(bench: Bench, rng: np.random.Generator) -> None:
    """When it changes, so do the picture and what the answer depends on."""
    data = rng.integers(1, 100, (40, 50)).astype("u2")

    def mask(bad: int) -> None:
        new = bench.write(lambda h5: h5.create_dataset("m", data=np.arange(2000).reshape(40, 50) < bad))
        Path(new).replace(bench.directory / "mask.h5")

    def fill(h5: h5py.File) -> None:
        detector = h5.create_group("detector")
        detector.attrs["NX_class"] = "NXdetector"
        detector["d"] = data
        detector["pixel_mask"] = h5py.ExternalLink("mask.h5", "/m")

    path = bench.write(fill)
    for bad in (7, 450):
        mask(bad)
        reply = bench.one("view", path, "/detector/d", width=64, height=64)
        assert reply.header["stats"]["n_masked"] == bad
        assert [Path(stamp.path).name for stamp in reply.depends] == ["mask.h5"]


def test_a_masked_image_has_the_same_pyramid_in_every_process(
    bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramid, "LARGE", 20_000)
    path, _, _ = eiger(bench, rng)
    code = (
        "import sys; from pathlib import Path; from panosc_hdf5.core import pyramid; from panosc_hdf5.core.operations import run\n"
        "from panosc_hdf5.core.context import Context, Services\n"
        "pyramid.LARGE = 20_000; path, cache = sys.argv[1:]\n"
        "given = dict(path=path, h5path='/entry/data', slice='0', width='30', height='30')\n"
        "list(run('view', given, Context(Services(cache_dir=Path(cache)))))\n"
    )
    for seed in ("1", "2"):
        arguments = [sys.executable, "-c", code, path, str(bench.directory / "cache")]
        subprocess.run(arguments, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
    assert len(list((bench.directory / "cache").iterdir())) == 1


def test_a_mask_without_a_cache(tmp_path: Path, rng: np.random.Generator) -> None:
    bench = Bench(tmp_path, decoded_cache_bytes=0)
    path, _, mask = eiger(bench, rng)
    reply = bench.one("view", path, "/entry/data", slice="0", width=400, height=400)
    assert reply.header["mask"] is not None
    assert (np.asarray(reply.arrays["data"])[mask != 0] == reply.header["fill"]).all()
    bench.close()


def test_who_waits_for_another_one_lets_go_when_nobody_waits_for_him() -> None:
    cache, begun, go = DecodedCache(1000), threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        go.wait(10)
        return 1

    maker = threading.Thread(target=cache.get, args=("key", slow, lambda _: 1))
    maker.start()
    begun.wait(10)
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(Cancelled):
        cache.get("key", slow, lambda _: 1, ticket.check)
    go.set()
    maker.join()
    assert cache.peek("key") == 1
