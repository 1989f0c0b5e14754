"""``line``: a curve of any length as the least, greatest and first value of each bucket; short ones as they are."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import BadRequest, TooLarge, Unsupported
from panosc_hdf5.core.numeric import Array, DType, number, shown, shown_dtype
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, parse_slice
from panosc_hdf5.core.wire import Reply

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located

MAX_BYTES = 64_000
"""Of an answer's arrays."""
BLOCK = 128 * 1024
"""Samples that are read at a time: they stay in a core's cache."""
PLAIN_BLOCK = 512 * 1024
"""The same where nothing is decoded: copying is quick from memory, too, and fewer steps cost less."""
INDEX_BYTES = 8
MOST = 2**37
"""Samples above which no curve is made of all of them: it would take an hour."""


def line(query: Query, context: Context) -> Reply:
    """A curve.

    Parameters: ``slice``, ``range`` (first and end index of the slice, half open), ``points`` (buckets, about).

    Returns:
        ``ILineHeader`` and the arrays ``x``, ``first`` and, unless a bucket is one sample, ``min`` and ``max``.

    Raises:
        HDF5Error: in words.
    """
    points = query.integer("points", 2000, low=2, high=1_000_000)
    bounds = query.integers("range", 2)
    with context.services.files.locate(query.text("path"), query.text("h5path")) as located:
        reader = Reader(located, context)
        return _line(reader, parse_slice(query.text("slice", ""), reader.shape), bounds, points)


def first_line(located: Located, context: Context, selection: Selection, points: int) -> Reply:
    """The curve with which a data set is opened.

    Args:
        located: a data set of numbers.
        context: of the request.
        selection: of it; leading dimensions beyond one are fixed at their first index.
        points: buckets, about.

    Raises:
        HDF5Error: in words.
    """
    return _line(Reader(located, context), selection, None, max(2, points))


def _line(reader: Reader, selection: Selection, bounds: tuple[int, ...] | None, points: int) -> Reply:
    selection = selection.showing(1)
    if not selection.dimensions:
        raise Unsupported("A curve has one dimension; the slice is a single value.", code="not_a_curve")
    (dimension,) = selection.dimensions
    length = len(selection.kept(dimension))
    begin, end = bounds or (0, length)
    if not 0 <= begin <= end <= length:
        raise BadRequest(f"The range must lie between 0 and {length}.")
    dtype = shown_dtype(reader.stored)
    n = end - begin
    if n > MOST:
        raise TooLarge(
            f"This curve has {n} samples, more than can be read for one picture.",
            "Ask for a part of it.",
            range=[begin, begin + 2**30],
        )
    plain = n * (INDEX_BYTES + dtype.itemsize) <= MAX_BYTES
    fitting = MAX_BYTES // (INDEX_BYTES + 3 * dtype.itemsize)
    bucket = 1 if plain else max(2, -(-n // min(points, fitting)))
    buckets = Buckets(n, bucket, dtype)
    _collect(reader, selection.within(dimension, begin, end), buckets)
    header = {
        "h5path": reader.located.asked,
        "slice": selection.text,
        "dimension": dimension,
        "length": length,
        "range": [begin, end],
        "bucket": bucket,
        "stats": buckets.stats(),
    }
    x = np.arange(begin, end, bucket, dtype=np.uint32 if end < 2**32 else np.float64)
    arrays: dict[str, Any] = {"x": x, "first": buckets.first}
    if bucket > 1:
        arrays |= {"min": buckets.low, "max": buckets.high}
    return Reply(header, arrays, reader.located.depends)


def _collect(reader: Reader, selection: Selection, buckets: Buckets) -> None:
    (dimension,) = selection.dimensions
    item = selection.kept(dimension)
    if not item:
        return
    chunk = reader.layout.chunks[dimension] if reader.layout.chunks and item.step == 1 else 0
    step = chunk * max(1, min(64, BLOCK // chunk)) if chunk else PLAIN_BLOCK
    inner_edges = range(step - item.start % step if chunk else step, len(item), step)

    def work(part: tuple[int, int]) -> None:
        begin, end = part
        inner = selection.within(dimension, begin, end)
        block = reader.glance(inner)
        if block is None:
            out = _buffer(inner.nbytes(reader.stored.itemsize)).view(reader.stored)
            block = reader.read(inner, out, keep=False, threads=False)
        buckets.add(shown(block), begin)

    parts = itertools.pairwise(itertools.chain((0,), inner_edges, (len(item),)))
    reader.each(work, parts, threads=len(inner_edges) > 0)


_local = threading.local()


def _buffer(nbytes: int) -> Array:
    kept: Array | None = getattr(_local, "buffer", None)
    if kept is None or kept.nbytes < nbytes:
        kept = _local.buffer = np.empty(nbytes, np.uint8)
    return kept[:nbytes]


class Buckets:
    """Least, greatest and first value of each bucket; NaN does not count, unless there is nothing else.

    Args:
        length: samples.
        bucket: samples of a bucket; the last one may have fewer.
        dtype: of the values.
    """

    def __init__(self, length: int, bucket: int, dtype: DType) -> None:
        self.bucket = bucket
        n = -(-length // bucket)
        self.first = np.zeros(n, dtype)
        self.low = np.zeros(n, dtype)
        self.high = np.zeros(n, dtype)
        self._filled = np.zeros(n, np.bool_)
        self._lock = threading.Lock()
        self._n, self._n_nan = length, 0
        self._positive: Any = None

    def add(self, block: Array, begin: int) -> None:
        """Take a block of samples that begins at an index; may be called from several threads."""
        low, high, where = self._pooled(block, begin)
        nan = 0
        if block.dtype.kind == "f" and np.isnan(low).any():
            nan = int(np.count_nonzero(np.isnan(block)))
            low, high, _ = self._pooled(block, begin, np.fmin, np.fmax)
        positive = _least_positive(block, low, high)
        heads = block[-begin % self.bucket :: self.bucket]
        at = -(-begin // self.bucket)
        with self._lock:
            self.first[at : at + len(heads)] = heads
            known = self._filled[where]
            self.low[where] = np.where(known, np.fmin(self.low[where], low), low)
            self.high[where] = np.where(known, np.fmax(self.high[where], high), high)
            self._filled[where] = True
            self._n_nan += nan
            if positive is not None and (self._positive is None or positive < self._positive):
                self._positive = positive

    def _pooled(
        self, block: Array, begin: int, least: np.ufunc = np.minimum, most: np.ufunc = np.maximum
    ) -> tuple[Array, Array, slice]:
        n = self.bucket
        first = begin // n
        if n == 1:
            return block, block, slice(begin, begin + len(block))
        head = min(len(block), -begin % n)
        body = (len(block) - head) // n
        parts = [block[:head].reshape(1, -1)] if head else []
        if body:
            parts.append(block[head : head + body * n].reshape(body, n))
        if head + body * n < len(block):
            parts.append(block[head + body * n :].reshape(1, -1))
        low = np.concatenate([least.reduce(part, axis=1) for part in parts])
        high = np.concatenate([most.reduce(part, axis=1) for part in parts])
        return low, high, slice(first, first + len(low))

    def stats(self) -> dict[str, Any]:
        """The part of ``IStats`` that curves have."""
        known = np.ones(self.low.shape, np.bool_) if self.low.dtype.kind != "f" else ~np.isnan(self.low)
        some = bool(known.any())
        return {
            "n": self._n,
            "n_valid": self._n - self._n_nan,
            "min": number(self.low[known].min()) if some else None,
            "max": number(self.high[known].max()) if some else None,
            "positive_min": number(self._positive),
        }


def _least_positive(block: Array, low: Array, high: Array) -> Any:
    """The least value above 0, or None."""
    least, most = np.fmin.reduce(low), np.fmax.reduce(high)
    if least > 0:
        return least
    if not most > 0:
        return None
    if block.dtype.kind == "u":
        return (block - block.dtype.type(1)).min() + block.dtype.type(1)
    # Seen as unsigned numbers, the bits of positive ones are in order, and those of negative ones are greater.
    bits = np.ascontiguousarray(block).view(f"u{block.dtype.itemsize}")
    one = bits.dtype.type(1)
    return np.asarray((bits - one).min() + one).view(block.dtype)[()]
