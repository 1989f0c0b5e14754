"""Whatever the storage, the fast lane reads what h5py reads."""

from __future__ import annotations

import ctypes
import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from databench import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panosc_hdf5.core import codecs, layout
from panosc_hdf5.core.codecs import Filter, Pipeline
from panosc_hdf5.core.errors import HDF5Error, Unreadable, Unsupported
from panosc_hdf5.core.native import Native
from panosc_hdf5.core.selection import parse_slice

DTYPES = [
    f"{order}{kind}"
    for order in "<>"
    for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16")
]
FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip"},
    "gzip+shuffle": {"compression": "gzip", "shuffle": True},
    "shuffle": {"shuffle": True},
    "gzip+shuffle+fletcher32": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "fletcher32": {"fletcher32": True},
    "lzf": {"compression": "lzf"},
    "bslz4": dict(hdf5plugin.Bitshuffle(cname="lz4")),
    "bslz4 small blocks": dict(hdf5plugin.Bitshuffle(nelems=8, cname="lz4")),
    "bszstd": dict(hdf5plugin.Bitshuffle(nelems=16, cname="zstd")),
    "bitshuffle": dict(hdf5plugin.Bitshuffle(cname="none")),
    "lz4": dict(hdf5plugin.LZ4()),
    "lz4 small blocks": dict(hdf5plugin.LZ4(nbytes=64)),
    "zstd": dict(hdf5plugin.Zstd()),
    "blosc": dict(hdf5plugin.Blosc()),
    "bslz4+fletcher32": {**hdf5plugin.Bitshuffle(cname="lz4"), "fletcher32": True},
    "contiguous": {"chunks": None},
}
IN_LANE = set(FILTERS) - {"lzf", "blosc"}


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], dict[str, Any], str, str]:
    shape = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.poisson(3, shape) if draw(st.booleans()) else rng.integers(-(2**31), 2**31, shape)
    name = draw(st.sampled_from(sorted(FILTERS)))
    options = {"chunks": tuple(draw(st.integers(1, n)) for n in shape), **FILTERS[name]}
    entries = []
    for n in shape:
        low = draw(st.integers(0, n - 1))
        high = draw(st.integers(low, n))
        entries.append(
            draw(st.sampled_from([":", str(low), f"{low}:{high}", f"{low}:{high}:{draw(st.integers(1, 5))}"]))
        )
    with np.errstate(all="ignore"):
        return values.astype(dtype), options, name, ", ".join(entries)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), keep=st.booleans())
def test_equals_h5py(shared: Bench, case: tuple[np.ndarray[Any, Any], dict[str, Any], str, str], keep: bool) -> None:
    data, options, name, text = case
    path = shared.array(data, **options)
    selection = parse_slice(text, data.shape)
    with shared.reader(path) as reader:
        assert (reader.layout.kind != "library") == (name in IN_LANE)
        for _ in range(2):  # the second time from what is kept
            found = reader.read(selection, keep=keep)
            assert found.shape == selection.result_shape
            assert found.dtype == data.dtype.newbyteorder("=")
            assert np.array_equal(found, data[selection.index], equal_nan=data.dtype.kind in "fc")
        with h5py.File(path, locking=False) as h5:
            assert np.array_equal(found, h5["d"][selection.index], equal_nan=data.dtype.kind in "fc")


def test_every_case_without_native_functions(
    bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without hdf5plugin's symbols and isal the answers are the same: by numpy, or by h5py."""
    for module in ("codecs", "bitshuffle"):
        monkeypatch.setattr(f"panosc_hdf5.core.{module}.native", Native)
    monkeypatch.setattr(codecs, "inflate", __import__("zlib"))
    data = rng.poisson(5, (37, 53)).astype("u4")
    for name, options in FILTERS.items():
        path = bench.array(data, **{"chunks": (10, 20), **options})
        with bench.reader(path) as reader:
            lane = {"none", "contiguous", "gzip", "gzip+shuffle", "shuffle", "fletcher32", "gzip+shuffle+fletcher32"}
            assert (reader.layout.kind != "library") == (name in lane), name
            assert np.array_equal(reader.read(parse_slice("3:, ::2", data.shape)), data[3:, ::2]), name


@given(st.binary(max_size=3000))
def test_checksum(data: bytes) -> None:
    array = np.frombuffer(data, np.uint8)
    native = codecs.native().fletcher32
    assert native is not None
    expected = codecs.fletcher32(array)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codecs, "native", Native)
        assert codecs.fletcher32(array) == expected


def test_large_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.full(500_001, 255, np.uint8)
    expected = codecs.fletcher32(array)
    monkeypatch.setattr(codecs, "native", Native)
    assert codecs.fletcher32(array) == expected


@pytest.mark.parametrize("name", sorted(IN_LANE - {"contiguous"}))
def test_corrupt_chunks_are_refused(bench: Bench, rng: np.random.Generator, name: str) -> None:
    """Bytes flipped, lengths wrong, ends missing: words or other values, never more."""
    data = rng.poisson(5, (64, 96)).astype("u4")
    path = bench.array(data, **{"chunks": (64, 96), **FILTERS[name]})
    with bench.reader(path) as reader:
        pipeline = reader.layout.pipeline
        assert pipeline is not None
        info = reader.chunks.find((0, 0))
        assert info is not None
        raw = reader.chunks.raw(info, keep=True)
    out = np.empty(pipeline.nbytes, np.uint8)
    codecs.decode(raw, pipeline, 0, out)
    assert np.array_equal(out.view("u4").reshape(data.shape), data)
    for n in range(400):
        bad = raw.copy()
        if n % 4 == 0:
            bad = bad[: rng.integers(0, raw.size)].copy()
        elif n % 4 == 1:
            bad[rng.integers(0, min(24, raw.size))] ^= 1 << rng.integers(0, 8)
        else:
            at = rng.integers(0, raw.size, 1 + n % 5)
            bad[at] = rng.integers(0, 256, at.size)
        try:
            codecs.decode(bad, pipeline, 0, out)
        except Unreadable as error:
            assert "corrupt" in error.message


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=400), code=st.sampled_from(codecs.COMPRESSORS), cname=st.sampled_from([0, 2, 3]))
def test_arbitrary_bytes(raw: bytes, code: int, cname: int) -> None:
    options = (0, 4, 4, 0, cname) if code == codecs.BITSHUFFLE else ()
    pipeline = Pipeline((Filter(code, options),), 4, 1000)
    assert pipeline.supported
    try:
        codecs.decode(np.frombuffer(raw, np.uint8), pipeline, 0, np.empty(1000, np.uint8))
    except HDF5Error as error:
        assert isinstance(error, Unreadable)


def test_bad_prefix_in_a_part(bench: Bench, rng: np.random.Generator) -> None:
    """A part of a bitshuffled chunk whose lengths lead elsewhere."""
    data = rng.poisson(5, (1, 300, 400)).astype("u4")
    path = bench.array(data, chunks=(1, 300, 400), **hdf5plugin.Bitshuffle(cname="lz4"))
    with h5py.File(path, locking=False) as h5:
        info = h5["d"].id.get_chunk_info(0)
    content = bytearray(Path(path).read_bytes())
    content[info.byte_offset + 12 : info.byte_offset + 16] = b"\x7f\xff\xff\xff"
    Path(path).write_bytes(content)
    with bench.reader(path) as reader:
        for text in ("0, 200, 3", "0, 250:260, 3:9", "0, :, :"):
            with pytest.raises(Unreadable, match="corrupt"):
                reader.read(parse_slice(text, data.shape))


def test_filter_mask(bench: Bench, rng: np.random.Generator) -> None:
    data = rng.integers(0, 99, (4, 50), dtype="u4")

    def write(h5: h5py.File) -> None:
        dataset = h5.create_dataset("d", (4, 50), "u4", chunks=(1, 50), compression="gzip", shuffle=True)
        dataset[:2] = data[:2]
        dataset.id.write_direct_chunk((2, 0), data[2].tobytes(), filter_mask=0b11)
        planes = np.ascontiguousarray(data[3].view("u1").reshape(-1, 4).T)
        dataset.id.write_direct_chunk((3, 0), planes.tobytes(), filter_mask=0b10)

    path = bench.write(write)
    with bench.reader(path) as reader:
        assert np.array_equal(reader.read(parse_slice(None, data.shape)), data)


@pytest.mark.parametrize("userblock", [0, 512, 2048])
@pytest.mark.parametrize("layout_options", [{}, {"chunks": (1, 5)}, {"chunks": (1, 5), "compression": "gzip"}])
def test_user_block_fill_and_growth(bench: Bench, userblock: int, layout_options: dict[str, Any]) -> None:
    def write(h5: h5py.File) -> None:
        h5.create_dataset("d", data=np.arange(400).reshape(80, 5), **layout_options)
        h5.create_dataset("never", (80, 5), "i4", fillvalue=7, **layout_options)
        if layout_options:
            h5.create_dataset("some", (80, 5), ">i4", fillvalue=-3, **layout_options)[70:75] = 4

    path = bench.write(write, userblock_size=userblock)
    with h5py.File(path, locking=False) as h5:
        for name in h5:
            for text in ("3, :", "1:77:3, 2", ":, :"):
                selection = parse_slice(text, (80, 5))
                with bench.reader(path, name) as reader:
                    assert reader.layout.kind != "library"
                    assert np.array_equal(reader.read(selection), h5[name][selection.index]), (name, text)


def test_types_that_hdf5_must_convert(bench: Bench) -> None:
    """A 12-bit integer in 16, an enum, a boolean."""

    def write(h5: h5py.File) -> None:
        twelve = h5py.h5t.STD_U16LE.copy()
        twelve.set_precision(12)
        twelve.set_offset(2)
        space = h5py.h5s.create_simple((5,))
        created = h5py.h5d.create(h5.id, b"twelve", twelve, space)
        created.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(5, dtype="u2"))
        h5.create_dataset("enum", data=np.array([0, 1, 2], "i1"), dtype=h5py.enum_dtype({"A": 0, "B": 1, "C": 2}, "i1"))
        h5["bool"] = np.array([True, False, True])
        h5["scalar"] = 3.5
        h5["empty"] = np.zeros((0, 4))
        h5["null"] = h5py.Empty("f4")
        h5["text"] = "words"
        h5["compound"] = np.zeros(3, [("a", "i4")])

    path = bench.write(write)
    for name, expected, kind in [
        ("twelve", np.arange(5), "library"),
        ("enum", [0, 1, 2], "contiguous"),
        ("bool", [True, False, True], "contiguous"),
        ("scalar", 3.5, "contiguous"),
        ("empty", np.zeros((0, 4)), "contiguous"),
    ]:
        with bench.reader(path, name) as reader:
            assert reader.layout.kind == kind
            assert np.array_equal(reader.read(parse_slice(None, reader.shape)), expected)
    for name in ("text", "compound"):
        with pytest.raises(Unsupported, match="shows numbers"), bench.reader(path, name):
            pass
    with bench.reader(path, "null") as reader, pytest.raises(Unsupported, match="null"):
        parse_slice(None, reader.shape)


def test_edges_that_are_not_filtered(bench: Bench) -> None:
    """An option that h5py has no name for: it must not be taken for filtered data."""
    options = ctypes.CDLL(h5py.h5z.__file__).H5Pset_chunk_opts
    options.argtypes = [ctypes.c_int64, ctypes.c_uint]
    data = np.arange(100, dtype="i4")

    def write(h5: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((30,))
        plist.set_shuffle()
        assert options(plist.id, 2) >= 0
        space = h5py.h5s.create_simple((100,), (h5py.h5s.UNLIMITED,))
        created = h5py.h5d.create(h5.id, b"d", h5py.h5t.NATIVE_INT32, space, plist)
        created.write(h5py.h5s.ALL, h5py.h5s.ALL, data)

    path = bench.write(write, libver="latest")
    with bench.reader(path) as reader:
        assert np.array_equal(reader.read(parse_slice(None, data.shape)), data)


def test_truncated(bench: Bench) -> None:
    path = bench.array(np.arange(100_000), chunks=(100_000,))
    with bench.reader(path) as reader:
        info = reader.chunks.find((0,))
        assert info is not None
        cut = dataclasses.replace(info, offset=Path(path).stat().st_size - 100)
        with pytest.raises(Unreadable, match="truncated"):
            reader.chunks.raw(cut)
        with pytest.raises(Unreadable, match="corrupt"):
            reader.chunks.raw(dataclasses.replace(info, size=2**60))
        with pytest.raises(Unreadable, match="can't be read"):
            reader.chunks.raw(dataclasses.replace(info, offset=2**63))


def test_virtual(bench: Bench, rng: np.random.Generator) -> None:
    frames = rng.poisson(4, (12, 30, 40)).astype("u2")

    def write(h5: h5py.File) -> None:
        stack = h5py.VirtualLayout((14, 30, 40), "u2")
        for n in range(3):
            name = f"part{n}.h5"
            bench.write(
                lambda part, n=n: part.create_dataset("data", data=frames[4 * n : 4 * n + 4], chunks=(1, 30, 40)), name
            )
            stack[4 * n : 4 * n + 4] = h5py.VirtualSource(name, "data", (4, 30, 40))
        h5.create_virtual_dataset("d", stack, fillvalue=9)
        single = h5py.VirtualLayout((2, 30, 40), "u2")
        single[0] = h5py.VirtualSource("part0.h5", "data", (4, 30, 40))[1]
        single[1] = h5py.VirtualSource("gone.h5", "data", (30, 40))
        h5.create_virtual_dataset("e", single)
        wide = h5py.VirtualLayout((30, 80), "u2")
        wide[:, ::2] = h5py.VirtualSource("part0.h5", "data", (4, 30, 40))[0]
        wide[:, 1::2] = h5py.VirtualSource("part1.h5", "data", (4, 30, 40))[0]
        h5.create_virtual_dataset("interleaved", wide)

    path = bench.write(write, "master.h5")
    with h5py.File(path, locking=False) as h5:
        for name, texts in {
            "d": ("0, :, :", "5, 3:9, 4", ":, 7, 8", "2:11:3, :, ::2", "13, :, :", "3:13, 1, :"),
            "e": ("0, :, :", "1, :, :", ":, 3, 4"),
            "interleaved": (":, :", "3, 4:60"),
        }.items():
            for text in texts:
                selection = parse_slice(text, h5[name].shape)
                with bench.reader(path, name) as reader:
                    assert reader.layout.kind == "virtual"
                    assert np.array_equal(reader.read(selection), h5[name][selection.index]), (name, text)


def test_virtual_modules_side_by_side(bench: Bench, rng: np.random.Generator) -> None:
    frames = rng.poisson(4, (2, 2, 5, 16, 20)).astype("u2")
    storages: list[dict[str, Any]] = [
        {"chunks": (1, 16, 20), **hdf5plugin.Bitshuffle(cname="lz4")},
        {},
        {"chunks": (1, 7, 9), "compression": "gzip"},
    ]

    def write(h5: h5py.File) -> None:
        for name, gap, holes in (("touching", 0, 0), ("gaps", 3, 0), ("one is not there", 2, 1)):
            layout = h5py.VirtualLayout((5, 32 + gap, 40 + gap), "u2")
            for n, (i, j) in enumerate(np.ndindex(2, 2)):
                part, storage = f"module{i}{j}.h5", storages[n % 3]
                if name == "touching":
                    bench.write(
                        lambda h5, i=i, j=j, storage=storage: h5.create_dataset("data", data=frames[i, j], **storage),
                        part,
                    )
                source = h5py.VirtualSource("gone.h5" if n < holes else part, "data", (5, 16, 20))
                y, x = i * (16 + gap), j * (20 + gap)
                layout[:, y : y + 16, x : x + 20] = source
            h5.create_virtual_dataset(name, layout, fillvalue=77)

    path = bench.write(write, "modules.h5")
    with h5py.File(path, locking=False) as h5:
        for name in h5:
            for text in (
                "2, :, :",
                ":, :, :",
                "1, 10:20, 15:30",
                ":, 3, 7:31:5",
                "0, 15:19, 20",
                "1:4:2, ::3, ::4",
                "3, 5, 6",
            ):
                selection = parse_slice(text, h5[name].shape)
                with bench.reader(path, name) as reader:
                    assert np.array_equal(reader.read(selection), h5[name][selection.index]), (name, text)


def test_index_of_many_chunks(bench: Bench, rng: np.random.Generator) -> None:
    data = rng.integers(0, 9, (100, 7))
    path = bench.array(data, chunks=(1, 7), maxshape=(None, 7), compression="gzip")
    with bench.reader(path) as reader:
        index = reader.layout.index
        assert isinstance(index, layout.ChunkIndex)
        assert np.array_equal(reader.read(parse_slice(":, 3", data.shape)), data[:, 3])


WRITER = """
import h5py, sys
with h5py.File(sys.argv[1], "w", libver="latest") as h5:
    dataset = h5.create_dataset("d", (2, 4), "i4", maxshape=(None, 4), chunks=(1, 4), compression="gzip")
    dataset[:] = 1
    h5.swmr_mode = True
    for line in sys.stdin:
        dataset.resize((int(line), 4))
        dataset[-1] = int(line)
        dataset.flush()
        print("written", flush=True)
"""


def test_swmr_growth(bench: Bench) -> None:
    path = str(bench.directory / "live.h5")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin and writer.stdout
        for n in (3, 40, 41):
            writer.stdin.write(f"{n}\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "written\n"
            with bench.reader(path) as reader:
                assert reader.shape == (n, 4)
                assert reader.read(parse_slice("-1, :", reader.shape)).tolist() == [n] * 4
                assert reader.read(parse_slice(":, 0", reader.shape))[-1] == n
