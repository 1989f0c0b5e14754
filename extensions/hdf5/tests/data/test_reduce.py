"""Pooling and distributions agree with the plain definition, however the image is cut into blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from databench import Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from panosc_hdf5.core import distribution
from panosc_hdf5.core.decoded import DecodedCache
from panosc_hdf5.core.distribution import Distribution
from panosc_hdf5.core.image import Image, stages
from panosc_hdf5.core.picture import narrowed
from panosc_hdf5.core.reduce import REDUCERS, Pool
from panosc_hdf5.core.selection import parse_slice
from panosc_hdf5.core.validity import Validity

Array = np.ndarray[Any, Any]
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


@st.composite
def images(draw: st.DrawFn) -> tuple[Array, Array | None, tuple[int, ...]]:
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    sentinels: tuple[int, ...] = ()
    if dtype.kind == "f":
        image = rng.normal(0, 100, shape).astype(dtype)
        image[rng.random(shape) < draw(st.sampled_from([0, 0.2]))] = np.nan
        image[rng.random(shape) < draw(st.sampled_from([0, 0.05]))] = np.inf
    else:
        info = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(max(info.min, -50), 100), (info.min, int(info.max))]))
        image = rng.integers(low, high, shape, dtype=dtype, endpoint=True)
        sentinels = draw(st.sampled_from([(), (info.max,), (info.max, info.max - 1), (-1, -2), (7,), (10**30,)]))
        for value in sentinels:
            if info.min <= value <= info.max:
                image[rng.random(shape) < 0.2] = value
    mask = rng.random(shape) < 0.2 if draw(st.booleans()) else None
    return image, mask, sentinels


def naive(image: Array, valid: Array, factor: int, reducer: str) -> tuple[Array, Array]:
    height, width = (-(-n // factor) for n in image.shape)
    out, some = (
        np.zeros((height, width), np.float64 if reducer == "mean" else image.dtype),
        np.zeros((height, width), bool),
    )
    for i in range(height):
        for j in range(width):
            at = np.s_[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            cell = image[at][valid[at]]
            if reducer == "first":
                some[i, j] = valid[at][0, 0]
                out[i, j] = image[at][0, 0]
            elif cell.size:
                some[i, j] = True
                out[i, j] = getattr(cell.astype(np.float64) if reducer == "mean" else cell, reducer)()
    return out, some


@settings(max_examples=200, deadline=None)
@given(case=images(), factor=st.integers(1, 9), reducer=st.sampled_from(REDUCERS), data=st.data())
def test_pool(
    case: tuple[Array, Array | None, tuple[int, ...]], factor: int, reducer: str, data: st.DataObject
) -> None:
    image, mask, sentinels = case
    valid = ~np.isnan(image) if image.dtype.kind == "f" else ~np.isin(image, [s for s in sentinels if _fits(s, image)])
    if mask is not None:
        valid &= ~mask
    pool = Pool(*image.shape, factor, reducer, image.dtype, sentinels)
    cy, cx = data.draw(st.integers(1, image.shape[0])), data.draw(st.integers(1, image.shape[1]))
    for y in range(0, image.shape[0], cy):
        for x in range(0, image.shape[1], cx):
            at = np.s_[y : y + cy, x : x + cx]
            pool.add(image[at], None if mask is None else mask[at], y, x)
    values, some = pool.result()
    expected, expected_some = naive(image, valid, factor, reducer)
    assert np.array_equal(some, expected_some)
    if reducer == "mean":
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(values[some], expected[some].astype(values.dtype), rtol=2e-5, atol=1e-3)
    else:
        assert values.dtype == image.dtype
        assert np.array_equal(values[some], expected[some])


def _fits(value: int, image: Array) -> bool:
    info = np.iinfo(image.dtype)
    return bool(info.min <= value <= info.max)


@settings(max_examples=200, deadline=None)
@given(case=images(), cut=st.integers(1, 41), kept=st.sampled_from([20, 10**6]))
def test_distribution(case: tuple[Array, Array | None, tuple[int, ...]], cut: int, kept: int) -> None:
    image, mask, sentinels = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distribution, "KEPT", kept)
        found = Distribution(image.dtype, sentinels)
        for y in range(0, image.shape[0], cut):
            found.add(image[y : y + cut], None if mask is None else mask[y : y + cut])
        summary = found.summary(20)
        json = summary.as_json()
    unmasked = np.ones(image.shape, bool) if mask is None else ~mask
    marked = np.zeros(image.shape, bool)
    if image.dtype.kind != "f":
        marked = np.isin(image, [s for s in sentinels if _fits(s, image)])
    values = image[unmasked & ~marked & np.isfinite(image.astype(np.float64))]
    assert json["n"] == image.size
    assert json["n_masked"] == image.size - np.count_nonzero(unmasked)
    assert json["n_sentinel"] == np.count_nonzero(marked & unmasked)
    assert json["n_valid"] == values.size
    assert json["n"] == sum(json[f"n_{name}"] for name in ("valid", "masked", "sentinel", "nan", "inf"))
    if not values.size:
        assert json["min"] is None
        assert json["mean"] is None
        return
    assert json["min"] == values.min()
    assert json["max"] == values.max()
    assert json["positive_min"] == (values[values > 0].min() if (values > 0).any() else None)
    doubles = values.astype(np.float64)
    scale = max(abs(doubles.min()), abs(doubles.max()), 1e-300)
    assert json["mean"] == pytest.approx(doubles.mean(), rel=1e-6, abs=5e-3 * scale if kept == 20 else 1e-9 * scale)
    assert json["std"] == pytest.approx(
        doubles.std(), rel=1e-2 if kept == 20 else 1e-6, abs=(1e-2 if kept == 20 else 1e-7) * scale
    )
    for percent in (1, 50, 99.9):
        expected = np.percentile(doubles, percent)
        if kept == 20 and found._coarse is not None:
            low, high = (
                np.percentile(doubles, [percent], method="lower")[0],
                np.percentile(doubles, [percent], method="higher")[0],
            )
            assert min(low, high) - 0.01 * scale <= json["percentiles"][f"{percent:g}"] <= max(low, high) + 0.01 * scale
        else:
            assert json["percentiles"][f"{percent:g}"] == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)
    counts = json["histogram"]["counts"]
    assert len(json["histogram"]["edges"]) == len(counts) + 1
    expected_n = np.count_nonzero(values > 0) if summary.is_counting else values.size
    if kept != 20:
        below, above = json["histogram"]["below"], json["histogram"]["above"]
        below -= values.size - expected_n  # a logarithm's edges begin above zero
        assert below >= 0 and above >= 0
        assert sum(counts) + below + above == expected_n
    low, high = summary.domain()
    assert low < high


def test_a_hot_pixel_does_not_spoil_the_histogram(rng: np.random.Generator) -> None:
    counting = rng.poisson(3, (300, 300)).astype("u4")
    counting[7, 7] = 4_000_000_000
    smooth = rng.normal(0, 1, (300, 300))
    smooth[0, :2] = 1e9, -1e9
    for image, log in [(counting, True), (counting, False), (smooth, False)]:
        found = Distribution(image.dtype)
        found.add(image)
        histogram = found.summary(100).histogram(log)
        used = sum(n > 0 for n in histogram["counts"])
        assert used >= 8, "the bins are spread over where the values are"
        assert histogram["edges"][-1] < 100
        assert histogram["above"] >= 1
        assert sum(histogram["counts"]) > 0.9 * (image > 0).sum() * (1 if log else 0.5)


def test_suggestions(rng: np.random.Generator) -> None:
    counting = rng.poisson(0.3, (200, 200)).astype("u4")
    counting[5, 5] = 20_000
    for image, scale in [
        (counting, "log"),
        (rng.normal(30_000, 3000, (200, 200)).astype("u2"), "linear"),
        (rng.normal(0, 1, (200, 200)), "linear"),
        (np.zeros((9, 9), "u2"), "linear"),
        (np.exp(rng.normal(0, 4, (200, 200))), "log"),
    ]:
        found = Distribution(image.dtype)
        found.add(image)
        suggested = found.summary(10).suggested()
        assert suggested["scale"] == scale
        low, high = suggested["domain"]
        assert low < high
        assert scale == "linear" or low > 0


@given(images())
def test_narrowing(case: tuple[Array, Array | None, tuple[int, ...]]) -> None:
    image, mask, _ = case
    valid = np.ones(image.shape, bool) if mask is None else ~mask
    found, fill = narrowed(image, valid)
    assert found.dtype.itemsize <= (1 if valid.all() else 2) * image.dtype.itemsize
    assert np.array_equal(found[valid].astype(image.dtype), image[valid], equal_nan=image.dtype.kind == "f")
    if not valid.all():
        missing = found[~valid]
        assert np.isnan(missing).all() if fill is None else (missing == fill).all()
        assert fill is None or not (found[valid] == fill).any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"chunks": (1, 70, 90), "compression": "gzip"}, "1, :, :"),
        ({"chunks": (2, 16, 13), "compression": "gzip"}, "1, 3:, 5:80"),
        ({"chunks": (3, 16, 13), "compression": "lzf"}, ":, 7, ::2"),
        ({}, "2, ::3, :"),
    ],
)
def test_units_cover_the_window_once(
    bench: Bench, rng: np.random.Generator, options: dict[str, Any], text: str
) -> None:
    data = rng.integers(0, 1000, (3, 70, 90)).astype("u2")
    path = bench.array(data, **options)
    selection = parse_slice(text, data.shape)
    expected = data[selection.index]
    window = (0, *expected.shape[:1], 1, expected.shape[1])
    with bench.reader(path) as reader:
        image = Image(reader, selection, Validity(), window)
        units = image.units(2)
        covered = np.zeros((image.height, image.width), int)
        for part in stages(units):
            for unit in part:
                covered[unit.y0 : unit.y1, unit.x0 : unit.x1] += 1
                assert np.array_equal(image.read(unit), expected[unit.y0 : unit.y1, 1 + unit.x0 : 1 + unit.x1])
        assert (covered == 1).all()


def test_cache_keeps_within_its_budget() -> None:
    cache = DecodedCache(10_000)
    for n in range(50):
        cache.put(n, bytes(1000), 1000)
        assert cache.nbytes <= 10_000
    assert cache.peek(0) is None
    assert cache.peek(49) is not None
    cache.put("large", bytes(9000), 9000)
    assert cache.peek("large") is None


def test_cache_makes_once() -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    cache, made, together = DecodedCache(10_000), [], Barrier(8)

    def make() -> str:
        made.append(1)
        __import__("time").sleep(0.05)
        return "value"

    def ask(_: int) -> str:
        together.wait()
        return cache.get("key", make, len)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"value"}
    assert made == [1]

    def fail() -> str:
        raise ValueError

    with pytest.raises(ValueError):
        cache.get("other", fail, len)
    assert cache.get("other", make, len) == "value"
