"""Curves, traces, regions, profiles, azimuthal integration, and files to take away."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from databench import Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from panosc_hdf5.core import azimuthal, roi
from panosc_hdf5.core.errors import BadRequest, HDF5Error, TooLarge, Unsupported
from panosc_hdf5.core.line import Buckets, first_line
from panosc_hdf5.core.selection import parse_slice
from panosc_hdf5.core.wire import envelope_parts
from PIL import Image as Pictures

Array = np.ndarray[Any, Any]


@settings(max_examples=200, deadline=None)
@given(
    length=st.integers(1, 300),
    bucket=st.integers(1, 40),
    cut=st.integers(1, 100),
    kind=st.sampled_from(["f4", "f8", "i2", "u4", "i8"]),
    seed=st.integers(0, 99),
    nan=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_buckets(length: int, bucket: int, cut: int, kind: str, seed: int, nan: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 50, length).astype(kind) if np.dtype(kind).kind != "u" else rng.integers(0, 9, length, kind)
    if values.dtype.kind == "f":
        values[rng.random(length) < nan] = np.nan
    found = Buckets(length, bucket, values.dtype)
    parts = list(range(0, length, cut))
    rng.shuffle(parts)
    for begin in parts:
        found.add(values[begin : begin + cut], begin)
    groups = [values[i : i + bucket] for i in range(0, length, bucket)]
    assert np.array_equal(found.low, [np.fmin.reduce(g) for g in groups], equal_nan=True)
    assert np.array_equal(found.high, [np.fmax.reduce(g) for g in groups], equal_nan=True)
    assert np.array_equal(found.first, [g[0] for g in groups], equal_nan=True)
    stats, valid = found.stats(), values[~np.isnan(values)] if values.dtype.kind == "f" else values
    assert stats["n_valid"] == valid.size
    assert stats["min"] == (valid.min() if valid.size else None)
    assert stats["max"] == (valid.max() if valid.size else None)
    assert stats["positive_min"] == (valid[valid > 0].min() if (valid > 0).any() else None)


@pytest.mark.parametrize(
    "options",
    [{}, {"chunks": (7000,), "compression": "gzip", "shuffle": True}, {"chunks": (50_000,), "compression": "lzf"}],
)
@pytest.mark.parametrize("dtype", ["f8", ">i4", "u1"])
def test_long_lines(bench: Bench, rng: np.random.Generator, options: dict[str, Any], dtype: str) -> None:
    data = np.cumsum(rng.normal(size=300_001)).astype(dtype, casting="unsafe")
    path = bench.array(data, **options)
    for bounds in (None, (1234, 299_000), (5, 90)):
        reply = bench.one("line", path, **({} if bounds is None else {"range": f"{bounds[0]},{bounds[1]}"}))
        assert sum(np.asarray(array).nbytes for array in reply.arrays.values()) <= 64_000
        begin, end = bounds or (0, len(data))
        bucket = reply.header["bucket"]
        x = np.asarray(reply.arrays["x"]).astype(int)
        assert (x == np.arange(begin, end, bucket)).all()
        assert (reply.arrays["first"] == data[x]).all()
        if bucket > 1:
            edges = np.arange(0, end - begin, bucket)
            assert (reply.arrays["min"] == np.minimum.reduceat(data[begin:end], edges)).all()
            assert (reply.arrays["max"] == np.maximum.reduceat(data[begin:end], edges)).all()
        assert reply.header["stats"]["min"] == data[begin:end].min()


def test_lines_through_anything(bench: Bench, rng: np.random.Generator) -> None:
    data = rng.integers(0, 99, (60, 50, 40))
    path = bench.array(data, chunks=(1, 50, 40), compression="gzip")
    for text in (":, 3, 4", "5, :, 7", "5, 6, ::3", "1, 2, 5:5"):
        reply = bench.one("line", path, slice=text)
        assert np.array_equal(reply.arrays["first"], data[parse_slice(text, data.shape).index])
    assert bench.one("line", path).header["slice"] == "0, 0, :"
    with pytest.raises(BadRequest):
        bench.one("line", path, slice=":, :, 3")
    with pytest.raises(Unsupported):
        bench.one("line", path, slice="1, 2, 3")
    with pytest.raises(BadRequest):
        bench.one("line", path, slice="1, 2, :", range="5,3")
    with bench.services.files.locate(path, "/d") as located:
        assert first_line(located, bench.context, parse_slice(None, data.shape), 800).header["length"] == 40


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 90, 80), **hdf5plugin.Bitshuffle(cname="lz4")},
        {"chunks": (3, 20, 80), "compression": "gzip"},
        {"chunks": (2, 20, 80), "compression": "lzf"},
    ],
)
def test_trace_and_region(bench: Bench, rng: np.random.Generator, options: dict[str, Any]) -> None:
    data = rng.integers(0, 9, (20, 90, 80)).astype("u4")
    path = bench.array(data, **options)
    for text, axis, point, expected in [
        (None, 0, "5,6", data[:, 5, 6]),
        ("3, :, :", 0, "89,79", data[:, 89, 79]),
        ("2:9:2, 10:, :", 0, "5,6", data[2:9:2, 15, 6]),
        (None, 1, "5,6", data[5, :, 6]),
        (":, 4, 5", 0, None, None),
    ]:
        asked: dict[str, Any] = {"axis": axis} | ({} if text is None else {"slice": text})
        if point is None:
            with pytest.raises(BadRequest):
                bench.one("trace", path, **asked)
            continue
        reply = bench.one("trace", path, point=point, **asked)
        assert np.array_equal(reply.arrays["value"], expected)
        assert reply.header["complete"]
    for point in ("90,0", "1", "1,2,3,4"):
        with pytest.raises(BadRequest):
            bench.one("trace", path, point=point, slice="0,:,:")
    for text, axis, window in [
        ("1, :, :", 0, np.s_[10:30, 5:70]),
        (":, 3, :", 1, np.s_[2:9, 5:70]),
        (":, :, 1", 2, np.s_[:, :]),
    ]:
        moved = np.moveaxis(data, axis, 0)
        part = moved[:, *window].reshape(len(moved), -1).astype("f8")
        y, x = (range(*s.indices(n)) for s, n in zip(window, moved.shape[1:], strict=True))
        replies = bench.run("roi", path, slice=text, axis=axis, window=f"{y.start},{y.stop},{x.start},{x.stop}")
        found = replies[-1]
        assert found.header["complete"]
        for name in ("sum", "mean", "max", "min"):
            np.testing.assert_allclose(found.arrays[name], getattr(part, name)(axis=1))


def test_region_without_invalid_pixels(bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roi, "SECONDS", 0.0)
    monkeypatch.setattr(roi, "GROUP", 1)
    data = rng.normal(size=(30, 20, 20))
    data[:, 3, 3] = np.nan
    data[5] = np.nan
    path = bench.array(data, chunks=(1, 20, 20))
    replies = bench.run("roi", path, slice="0, :, :", window="0,10,0,10")
    assert len(replies) > 3
    assert [reply.header["done"] for reply in replies] == sorted(reply.header["done"] for reply in replies)
    found = replies[-1].arrays
    good = np.arange(30) != 5
    np.testing.assert_allclose(np.asarray(found["sum"])[good], np.nansum(data[good, :10, :10], axis=(1, 2)))
    assert np.isnan(np.asarray(found["mean"])[5])
    single = bench.array(data[0])
    assert bench.one("roi", single, window="0,10,0,10").header["length"] == 1


def test_profile(bench: Bench) -> None:
    y, x = np.mgrid[:60, :80] + 0.5
    data = 3 * y + 2 * x
    path = bench.array(data, chunks=(16, 16))
    for start, end, width in [
        ("5,5", "5,70", 1),
        ("2.5,3.5", "50,70", 1),
        ("10,10", "40,10", 5),
        ("20,20", "40,60", 4),
    ]:
        reply = bench.one("profile", path, start=start, end=end, width=width)
        arrays = {name: np.asarray(array) for name, array in reply.arrays.items()}
        np.testing.assert_allclose(arrays["value"], 3 * arrays["y"] + 2 * arrays["x"], rtol=1e-9)
        assert arrays["distance"][-1] == pytest.approx(
            np.hypot(*(np.array(end.split(","), float) - np.array(start.split(","), float)))
        )
    outside = np.asarray(bench.one("profile", path, start="-20,10", end="20,10").arrays["value"])
    assert np.isnan(outside[0])
    assert outside[-1] == pytest.approx(80)
    with pytest.raises(BadRequest, match="far outside"):
        bench.one("profile", path, start="0,0", end="1e9,0")
    point = bench.one("profile", path, start="7,7", end="7,7")
    np.testing.assert_allclose(np.asarray(point.arrays["value"]), 35)


def rings(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    y, x = np.mgrid[: shape[0], : shape[1]]
    r = np.hypot(y - shape[0] / 2, x - shape[1] / 3)
    return rng.poisson(100 + 500 * np.exp(-(((r - 60) / 5) ** 2))).astype("u4")


GEOMETRY = {"beam_x": 50.3, "beam_y": 99.1, "distance": 0.2, "pixel_x": 75e-6, "pixel_y": 80e-6, "wavelength": 1.1}


@pytest.mark.parametrize("unit", ["q", "2theta", "r"])
@pytest.mark.parametrize("text", [":, :", "5:180:2, 3:"])
def test_azimuthal_by_both(
    bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, unit: str, text: str
) -> None:
    path = bench.array(rings((200, 150), rng))
    found = {}
    for method in (True, False):
        monkeypatch.setattr(azimuthal, "has_pyfai", lambda method=method: method)
        reply = bench.one("azimuthal", path, slice=text, unit=unit, bins=80, **GEOMETRY)
        assert reply.header["method"] == ("pyFAI" if method else "numpy")
        found[method] = {name: np.asarray(array) for name, array in reply.arrays.items()}
    np.testing.assert_allclose(found[True]["radial"], found[False]["radial"], rtol=1e-4)
    # A pixel on the edge of a ring may fall to either side.
    assert np.abs(found[True]["count"] - found[False]["count"]).sum() <= 0.002 * found[False]["count"].sum()
    same = found[True]["count"] == found[False]["count"]
    for name in ("intensity", "sigma"):
        np.testing.assert_allclose(found[True][name][same], found[False][name][same], rtol=1e-3)


def test_azimuthal_against_the_definition(
    bench: Bench, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azimuthal, "has_pyfai", lambda: False)
    data = rings((200, 150), rng).astype("f8")
    data[50:60] = np.nan
    path = bench.array(data)
    arrays = {n: np.asarray(a) for n, a in bench.one("azimuthal", path, unit="q", bins=50, **GEOMETRY).arrays.items()}
    y = (np.arange(200) + 0.5 - GEOMETRY["beam_y"]) * GEOMETRY["pixel_y"]
    x = (np.arange(150) + 0.5 - GEOMETRY["beam_x"]) * GEOMETRY["pixel_x"]
    angle = np.arctan(np.hypot(y[:, None], x[None, :]) / GEOMETRY["distance"])
    q = 4 * np.pi / GEOMETRY["wavelength"] * np.sin(angle / 2)
    step = arrays["radial"][1] - arrays["radial"][0]
    inside = (np.abs(q - arrays["radial"][20]) < step / 2) & np.isfinite(data)
    assert arrays["count"][20] == inside.sum()
    assert arrays["intensity"][20] == pytest.approx(data[inside].sum() / (np.cos(angle[inside]) ** 3).sum())
    with pytest.raises(Unsupported, match="distance"):
        bench.one("azimuthal", path, beam_x=1, beam_y=2)
    with pytest.raises(BadRequest, match="above 0"):
        bench.one("azimuthal", path, **(GEOMETRY | {"distance": 0}))


def scan(bench: Bench, rng: np.random.Generator) -> str:
    def write(h5: h5py.File) -> None:
        entry = h5.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["energy"]})
        data["counts"] = rng.poisson(50, 20).astype("f8")
        data["counts"].attrs["units"] = "1/s"
        data["counts_errors"] = np.sqrt(data["counts"][()])
        data["energy"] = np.linspace(7, 8, 20)
        data["energy"].attrs["units"] = "keV"
        entry["table"] = np.array([(1, b"=1+1"), (2, b"b")], [("n", "i4"), ("name", "S5")])
        entry["names"] = ["one", "=HYPERLINK(1)"]
        entry["image"] = rng.integers(0, 60_000, (3, 20, 31)).astype("u2")

    return bench.write(write, "scan 7.h5")


def test_export_curve(bench: Bench, rng: np.random.Generator) -> None:
    path = scan(bench, rng)
    with h5py.File(path, locking=False) as h5:
        counts, energy, errors = (h5[f"entry/data/{n}"][()] for n in ("counts", "energy", "counts_errors"))
    reply = bench.one("export", path, "/entry/data/counts", format="csv", slice="2:9")
    assert reply.body is not None
    assert reply.filename == "scan_7_counts.csv"
    lines = reply.body.decode().splitlines()
    assert lines[0] == "# scan 7.h5::/entry/data/counts [2:9]"
    assert lines[1] == "energy (keV),counts (1/s),counts_errors"
    table = np.array([line.split(",") for line in lines[2:]], float)
    assert np.array_equal(table, np.stack([energy, counts, errors], axis=1)[2:9])
    reply = bench.one("export", path, "/entry/data/counts", format="h5", slice="2:9")
    with h5py.File(io.BytesIO(reply.body or b"")) as h5:
        data = h5["entry/data"]
        assert data.attrs["signal"] == "counts"
        assert list(data.attrs["axes"]) == ["energy"]
        assert np.array_equal(data["counts"], counts[2:9])
        assert np.array_equal(data["energy"], energy[2:9])
        assert np.array_equal(data["counts_errors"], errors[2:9])
        assert data["counts"].attrs["units"] == "1/s"
        assert data.attrs["source_path"] == "/entry/data/counts"
        assert data.attrs["source_file"] == "scan 7.h5"
    assert bench.directory.name not in str(reply.body)


def test_export_pictures_and_tables(bench: Bench, rng: np.random.Generator) -> None:
    path = scan(bench, rng)
    with h5py.File(path, locking=False) as h5:
        stack = h5["entry/image"][()]
    for text in ("1, :, :", ":, :, :", "1, 2:, ::3"):
        expected = stack[parse_slice(text, stack.shape).index]
        tiff = bench.one("export", path, "/entry/image", format="tiff", slice=text).body
        picture = Pictures.open(io.BytesIO(tiff or b""))
        pages = expected if expected.ndim == 3 else expected[None]
        assert getattr(picture, "n_frames", 1) == len(pages)
        for n, page in enumerate(pages):
            picture.seek(n)
            assert np.array_equal(np.array(picture), page)
        npy = bench.one("export", path, "/entry/image", format="npy", slice=text).body
        assert np.array_equal(np.load(io.BytesIO(npy or b"")), expected)
        csv = bench.one("export", path, "/entry/image", format="csv", slice=text).body or b""
        assert np.array_equal(np.loadtxt(io.BytesIO(csv), delimiter=",", dtype="u2").reshape(expected.shape), expected)
    assert (
        (bench.one("export", path, "/entry/names", format="csv").body or b"")
        .decode()
        .endswith("0,one\n1,'=HYPERLINK(1)\n")
    )
    table = (bench.one("export", path, "/entry/table", format="csv").body or b"").decode()
    assert table.endswith("index,n,name\n0,1,'=1+1\n1,2,b\n")
    with pytest.raises(Unsupported):
        bench.one("export", path, "/entry/names", format="npy")
    with pytest.raises(Unsupported):
        bench.one("export", path, "/entry/data/counts", format="tiff")


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8", ">i4", "?", "c8", "f2"])
def test_export_types(bench: Bench, rng: np.random.Generator, dtype: str) -> None:
    data = rng.integers(0, 2, (5, 6)).astype(dtype)
    path = bench.array(data)
    for form in ("csv", "npy", "tiff", "h5"):
        assert bench.one("export", path, format=form).body
    if np.dtype(dtype).str in ("|u1", "<i2", "<f4", ">i4"):
        picture = Pictures.open(io.BytesIO(bench.one("export", path, format="tiff").body or b""))
        assert np.array_equal(np.array(picture), data)


def test_an_export_depends_on_its_axes_files(bench: Bench) -> None:
    axis = bench.array([1.0, 2.0, 3.0])

    def fill(h5: h5py.File) -> None:
        group = h5.create_group("data")
        group.attrs.update({"NX_class": "NXdata", "signal": "y", "axes": ["x"]})
        group["y"], group["x"] = [4, 5, 6], h5py.ExternalLink(Path(axis).name, "/d")

    reply = bench.one("export", bench.write(fill), "/data/y", format="csv")
    assert b"1.0,4" in (reply.body or b"")
    assert [stamp.path for stamp in reply.depends] == [os.path.realpath(axis)]


def test_export_of_names_that_end_a_line(bench: Bench) -> None:
    path = bench.write(lambda h5: h5.create_dataset("a\n=HYPERLINK(1)\rb", data=[1]), "new\nline.h5")
    body = bench.one("export", path, "/a\n=HYPERLINK(1)\rb", format="csv").body or b""
    assert body.decode().split("\n")[0] == "# new line.h5::/a =HYPERLINK(1) b [:]"


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (2, 0, 3), (0, 0)])
def test_export_of_nothing(bench: Bench, shape: tuple[int, ...]) -> None:
    path = bench.array(np.zeros(shape))
    for form in ("csv", "npy", "h5"):
        assert bench.one("export", path, format=form).body


def test_export_is_bounded(bench: Bench) -> None:
    path = bench.write(lambda h5: h5.create_dataset("d", (100_000, 100_000), "f8", chunks=(1000, 1000)))
    for form in ("csv", "npy", "tiff", "h5"):
        with pytest.raises(TooLarge):
            bench.one("export", path, format=form)
    with pytest.raises(TooLarge, match="cells"):
        bench.one("export", path, format="csv", slice=":1500, :1500")


def test_a_curve_of_10_to_the_12_samples_is_refused(bench: Bench) -> None:
    path = bench.write(lambda h5: h5.create_dataset("d", (2**40,), "f8", chunks=(1000,)))
    with pytest.raises(TooLarge, match="1099511627776 samples") as caught:
        bench.one("line", path)
    begin, end = caught.value.details["range"]
    assert bench.one("line", path, range=f"{begin},{end // 1024}").header["length"] == 2**40


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(["view", "tile", "frame", "line", "stats", "trace", "roi", "profile", "azimuthal", "export"]),
    data=st.data(),
)
def test_hostile_parameters(shared: Bench, name: str, data: st.DataObject) -> None:
    """Whatever is asked: an answer that can be sent, or words."""
    from panosc_hdf5.core.operations import TABLE

    path = shared.directory / "hostile.h5"
    if not path.exists():
        shared.write(
            lambda h5: (
                h5.create_dataset("a", data=np.arange(24.0).reshape(2, 3, 4), chunks=(1, 3, 4)),
                h5.create_dataset("b", data=np.arange(5)),
                h5.create_dataset("s", data=3),
                h5.create_dataset("e", (0, 3), "f8"),
                h5.create_dataset("t", data=["x", "y"]),
            ),
            path.name,
        )
    numbers = st.one_of(
        st.integers(-3, 6).map(str), st.floats().map(str), st.sampled_from(["", "9" * 19, "x", "1e400"])
    )
    texts = st.one_of(
        numbers,
        st.lists(numbers, min_size=1, max_size=5).map(",".join),
        st.sampled_from([":", "0,:,:", "...", "max", "csv", "q", "1"]),
    )
    keys = [key for key in TABLE[name].parameters if key not in ("path", "h5path")]
    asked = data.draw(st.dictionaries(st.sampled_from(keys), texts, max_size=len(keys)))
    h5path = data.draw(st.sampled_from(["/a", "/b", "/s", "/e", "/t", "/", "/gone"]))
    try:
        for reply in shared.run(name, str(path), h5path, **asked):
            if reply.body is None:
                b"".join(envelope_parts(reply))
    except HDF5Error as error:
        assert error.message
