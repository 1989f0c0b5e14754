"""Pooling: one value for each square of pixels, by maximum, mean, minimum or the first; invalid pixels do not count."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np

from panosc_hdf5.core.numeric import Array, DType, either, marks, representable

REDUCERS = ("max", "mean", "min", "first")


class Pool:
    """Collects blocks of an image, in any order and from several threads, into a reduced one.

    Args:
        height: of the image, in pixels.
        width: of the image.
        factor: one reduced pixel is ``factor * factor`` of them; the last ones may be smaller.
        reducer: ``max``, ``mean``, ``min`` or ``first``.
        dtype: of the blocks. The reduced image has the same type; the mean has float32, or float64 for float64.
        sentinels: values that do not count.
    """

    def __init__(
        self, height: int, width: int, factor: int, reducer: str, dtype: DType, sentinels: tuple[int, ...] = ()
    ) -> None:
        self.factor, self.reducer, self.dtype = factor, reducer, dtype
        self.shape = (-(-height // factor), -(-width // factor))
        self._sentinels = tuple(value for value in sentinels if representable(value, dtype))
        self._shift = _shift(self._sentinels, dtype) if reducer == "max" else 0
        self._lock = threading.Lock()
        if reducer == "mean":
            # A cell is the sum of a few blocks' parts, each summed exactly or in double precision.
            self._sum = np.zeros(self.shape, mean_dtype(dtype))
            self._count = np.zeros(self.shape, np.min_scalar_type(factor * factor))
        else:
            self._identity = _identity(dtype, reducer)
            self._best = np.full(self.shape, self._identity, dtype)
            self._valid = np.zeros(self.shape, np.bool_)

    def add(self, block: Array, masked: Array | None, y: int, x: int) -> None:
        """Take a block.

        Args:
            block: values; not changed.
            masked: which of them do not count, whatever their value; None if all do.
            y: row of the image at which the block begins.
            x: its column.
        """
        if not block.size:
            return
        if self._shift:
            self._take_shifted(block, masked, y, x)
            return
        invalid = either(masked, marks(block, self._sentinels))
        if block.dtype.kind == "f":
            nan = np.isnan(block)
            invalid = either(invalid, nan if nan.any() else None)
        if self.reducer == "first":
            self._take_first(block, invalid, y, x)
        elif self.reducer == "mean":
            self._take_mean(block, invalid, y, x)
        else:
            self._take_extreme(block, invalid, y, x)

    def _take_shifted(self, block: Array, masked: Array | None, y: int, x: int) -> None:
        """The sentinels are the greatest unsigned values: a sum that wraps around makes them the least ones."""
        block = block + block.dtype.type(self._shift)
        if masked is not None:
            block[masked] = 0
        part = pooled(block, y, x, self.factor, np.maximum, 0)
        cells = self._cells(part, y, x)
        with self._lock:
            np.maximum(self._best[cells], part, out=self._best[cells])

    def _cells(self, part: Array, y: int, x: int) -> tuple[slice, slice]:
        top, left = y // self.factor, x // self.factor
        return slice(top, top + part.shape[0]), slice(left, left + part.shape[1])

    def _take_extreme(self, block: Array, invalid: Array | None, y: int, x: int) -> None:
        ufunc = np.maximum if self.reducer == "max" else np.minimum
        if invalid is not None:
            block = np.where(invalid, self._identity, block)
        part = pooled(block, y, x, self.factor, ufunc, self._identity)
        cells = self._cells(part, y, x)
        with self._lock:
            if invalid is None:
                self._valid[cells] = True
            else:
                self._valid[cells] |= pooled(~invalid, y, x, self.factor, np.logical_or, False)
            ufunc(self._best[cells], part, out=self._best[cells])

    def _take_mean(self, block: Array, invalid: Array | None, y: int, x: int) -> None:
        f = self.factor
        if invalid is not None:
            block = np.where(invalid, block.dtype.type(0), block)
            count = pooled(~invalid, y, x, f, np.add, 0, np.dtype(np.uint32))
        else:
            h, w = block.shape
            count = np.multiply.outer(_counts(y, h, f), _counts(x, w, f), dtype=np.uint32)
        part = pooled(block, y, x, f, np.add, 0, _sum_dtype(block.dtype, f))
        cells = self._cells(part, y, x)
        with self._lock:
            np.add(self._sum[cells], part, out=self._sum[cells], casting="same_kind")
            np.add(self._count[cells], count, out=self._count[cells], casting="same_kind")

    def _take_first(self, block: Array, invalid: Array | None, y: int, x: int) -> None:
        f = self.factor
        at = np.s_[-y % f :: f, -x % f :: f]
        part = block[at]
        cells = self._cells(part, y + -y % f, x + -x % f)
        self._best[cells] = part
        self._valid[cells] = True if invalid is None else ~invalid[at]

    def result(self) -> tuple[Array, Array]:
        """The reduced image so far, and where it has a value."""
        with self._lock:
            if self._shift:
                return self._best - self.dtype.type(self._shift), self._best >= self._shift
            if self.reducer != "mean":
                return self._best.copy(), self._valid.copy()
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = np.divide(self._sum, self._count, dtype=self._sum.dtype)
            return mean, self._count > 0

    def weights(self) -> Array | None:
        """How many pixels each mean was made of; None for other reducers."""
        return self._count if self.reducer == "mean" else None


def _shift(sentinels: tuple[int, ...], dtype: DType) -> int:
    """How many sentinels there are, if these are the greatest values of an unsigned type; else 0."""
    if dtype.kind != "u" or not sentinels:
        return 0
    top = int(np.iinfo(dtype).max)
    return len(sentinels) if sorted(sentinels) == list(range(top - len(sentinels) + 1, top + 1)) else 0


def mean_dtype(dtype: DType) -> DType:
    """The type of a mean."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def _identity(dtype: DType, reducer: str) -> Any:
    if dtype.kind == "f":
        return dtype.type(-np.inf if reducer == "max" else np.inf)
    info = np.iinfo(dtype)
    return dtype.type(info.min if reducer == "max" else info.max)


def _sum_dtype(dtype: DType, factor: int) -> DType:
    if dtype.kind in "ui" and dtype.itemsize <= 2 and factor <= 128:
        return np.dtype(np.uint32 if dtype.kind == "u" else np.int32)
    if dtype.kind == "f" and dtype.itemsize == 4 and factor <= 16:
        return np.dtype(np.float32)
    return np.dtype(np.float64)


@lru_cache(maxsize=1024)
def _counts(begin: int, length: int, factor: int) -> Array:
    """How many of ``length`` indices from ``begin`` on fall into each cell."""
    edges = np.arange(begin // factor, (begin + length - 1) // factor + 2) * factor
    return np.diff(np.clip(edges, begin, begin + length)).astype(np.uint32)


def pooled(
    block: Array, y: int, x: int, factor: int, ufunc: np.ufunc, identity: Any, dtype: DType | None = None
) -> Array:
    """A block reduced to the cells that it touches; cells are aligned to multiples of the factor from 0."""
    if factor == 1:
        return block if dtype is None else block.astype(dtype, copy=False)
    return _columns(_rows(block, y % factor, factor, ufunc, dtype), x % factor, factor, ufunc, identity)


def _rows(block: Array, offset: int, factor: int, ufunc: np.ufunc, dtype: DType | None) -> Array:
    height, width = block.shape
    out = np.empty((-(-(offset + height) // factor), width), dtype or block.dtype)
    head = min(height, -offset % factor)
    body = (height - head) // factor
    done = head + body * factor
    if head:
        ufunc.reduce(block[:head], axis=0, dtype=dtype, out=out[0])
    if body:
        rows = block[head:done].reshape(body, factor, width)
        ufunc.reduce(rows, axis=1, dtype=dtype, out=out[bool(head) : bool(head) + body])
    if done < height:
        ufunc.reduce(block[done:], axis=0, dtype=dtype, out=out[-1])
    return out


def _columns(rows: Array, offset: int, factor: int, ufunc: np.ufunc, identity: Any) -> Array:
    height, width = rows.shape
    cells = -(-(offset + width) // factor)
    if offset or cells * factor != width:
        padded = np.full((height, cells * factor), identity, rows.dtype)
        padded[:, offset : offset + width] = rows
        rows = padded
    if cells < factor:
        return np.asarray(ufunc.reduce(rows.reshape(height, cells, factor), axis=2, dtype=rows.dtype))
    out = rows[:, ::factor].copy()
    for k in range(1, factor):
        ufunc(out, rows[:, k::factor], out=out)
    return out
