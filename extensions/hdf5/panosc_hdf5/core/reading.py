"""Reading a selection of numbers: by the fast lane where the storage allows it, else by h5py; the same values either way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from panosc_hdf5.core import virtual
from panosc_hdf5.core.chunks import Chunks, read_into, scratch
from panosc_hdf5.core.context import Context
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.layout import Layout, layout_of
from panosc_hdf5.core.numeric import Array, DType
from panosc_hdf5.core.selection import Selection

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located

PIECE = 16 * 1024**2
"""Bytes that h5py reads at a time; in between it is asked whether anybody still waits."""
PARALLEL = 512 * 1024
"""Bytes from which on several threads are worth it."""

Place = tuple[int, ...]
Parts = list[tuple[slice, slice]]


class Reader:
    """Reads from one data set, for one request.

    Args:
        located: where it is.
        context: of the request.

    Raises:
        Unsupported: it is no data set of numbers.
    """

    def __init__(self, located: Located, context: Context) -> None:
        self.located = located
        self.context = context
        self.dataset = located.dataset()
        self.layout = self._layout()
        self.stored: DType = self.layout.stored

    def _layout(self) -> Layout:
        memo, key = self.located.file.memo, ("layout", self.located.name)
        found: Layout | None = memo.get(key)
        if found is None:
            found = memo[key] = layout_of(self.dataset)
        if found.kind == "contiguous" and self.located.file.descriptor is None:
            return Layout("library", found.stored, found.swapped)
        return found

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of the data set; None for a null dataspace."""
        shape = self.dataset.shape
        return None if shape is None else tuple(int(n) for n in shape)

    @cached_property
    def chunks(self) -> Chunks:
        """Its chunks, where the layout is chunked."""
        file = self.located.file
        descriptor = None if file.swmr else file.descriptor
        return Chunks(self.dataset, self.layout, descriptor, file.stamp, self.context.services.decoded)

    def read(self, selection: Selection, out: Array | None = None, *, keep: bool = True, threads: bool = True) -> Array:
        """Read.

        Args:
            selection: what; its size was checked by the caller.
            out: where to; of the result's shape and :attr:`stored` type, C-contiguous except for chunked storage. A new array
                if None.
            keep: whether decoded chunks are kept for the next request.
            threads: whether others may help; False within a helper.

        Raises:
            HDF5Error: in words.
        """
        self.context.check()
        keep = keep and self.fits(selection)
        if out is None:
            out = np.empty(selection.result_shape, self.stored)
        if out.size == 0:
            return out
        kind = self.layout.kind
        try:
            if kind == "chunked":
                self._read_chunks(selection, out, keep, threads)
            elif kind == "contiguous":
                self._read_contiguous(selection, out)
            elif kind == "virtual":
                self._read_virtual(selection, out, keep, threads)
            else:
                self._read_library(selection, out)
        except (OSError, RuntimeError, ValueError, MemoryError, OverflowError) as error:
            raise in_words(error, self.located.name) from error
        return out

    def fits(self, selection: Selection) -> bool:
        """Whether what is decoded for a selection may be kept: a passing through of everything would push out the rest."""
        budget: int = self.context.services.decoded.budget
        if not self.layout.chunks or not selection.size:
            return False
        nbytes = self.layout.chunk_nbytes
        for item, chunk in zip(selection.items, self.layout.chunks, strict=True):
            if isinstance(item, range):
                nbytes *= min(len(item), item[-1] // chunk - item.start // chunk + 1)
        return nbytes <= budget // 3

    def glance(self, selection: Selection, *, keep: bool = False) -> Array | None:
        """The values of a part of one chunk without a copy, valid until this thread reads again; None if there is none such.

        Args:
            selection: what.
            keep: whether a chunk that must be decoded as a whole is kept for the next request.

        Returns:
            Values that are not to be changed.
        """
        if self.layout.kind != "chunked" or not selection.size:
            return None
        parts = [chunk_parts(i, chunk) for i, chunk in zip(selection.items, self.chunks.shape, strict=True)]
        if any(len(part) != 1 for part in parts):
            return None
        info = self.chunks.find(tuple(next(iter(part)) for part in parts))
        if info is None:
            return None
        box = tuple(inner for part in parts for inner, _ in part.values())
        try:
            found = self.chunks.part(info, box, keep).reshape(selection.result_shape)
        except (OSError, RuntimeError, ValueError, MemoryError) as error:
            raise in_words(error, self.located.name) from error
        return found.astype(self.stored) if self.layout.swapped else found

    # chunked

    def _read_chunks(self, selection: Selection, out: Array, keep: bool, threads: bool) -> None:
        full = out.reshape([1 if isinstance(item, int) else len(item) for item in selection.items])
        parts = [
            chunk_parts(item, chunk) for item, chunk in zip(selection.items, self.layout.chunks or (), strict=True)
        ]
        count = math.prod(len(part) for part in parts)
        self.chunks.expect(count)

        def one(places: Sequence[tuple[int, tuple[slice, slice]]]) -> None:
            place = tuple(number for number, _ in places)
            box = tuple(inner for _, (inner, _) in places)
            self._read_chunk(place, box, full[tuple(outer for _, (_, outer) in places)], keep)

        every = itertools.product(*(sorted(part.items()) for part in parts))
        self.each(one, every, threads and count > 1 and out.nbytes >= PARALLEL)

    def _read_chunk(self, place: Place, box: tuple[slice, ...], target: Array, keep: bool) -> None:
        info = self.chunks.find(place)
        if info is None:
            target[...] = self.layout.fill
            return
        straight = target.shape == self.chunks.shape and target.flags.c_contiguous
        if straight and self.chunks.cached(info) is None:
            self.chunks.decode_into(info, target.reshape(-1).view(np.uint8))
            if self.layout.swapped:
                target.byteswap(inplace=True)
            return
        np.copyto(target, self.chunks.part(info, box, keep))

    def each(self, work: Callable[[Any], None], items: Iterator[Any], threads: bool = True) -> None:
        """Do work for each item, in several threads, and stop when nobody waits any more."""
        if not threads or self.context.services.threads < 2:
            for item in items:
                self.context.check()
                work(item)
            return
        in_threads(self.context, work, items)

    # contiguous

    def _read_contiguous(self, selection: Selection, out: Array) -> None:
        descriptor, offset = self.located.file.descriptor, self.layout.offset
        if offset is None or descriptor is None:
            out[...] = self.layout.fill
            return
        itemsize = self.stored.itemsize
        split = span_dimension(selection)
        inner = math.prod(selection.shape[split + 1 :])
        strides = [math.prod(selection.shape[d + 1 :]) for d in range(split)]
        ranges = [range(i, i + 1) if isinstance(i, int) else i for i in selection.items]
        span = ranges[split] if ranges else range(1)
        row_bytes = (span[-1] - span.start + 1) * inner * itemsize
        rows = out.reshape(-1, len(span), inner)
        begin = offset + span.start * inner * itemsize
        outer = itertools.product(*ranges[:split])
        for n, (indices, target) in enumerate(zip(outer, rows, strict=True)):
            if n % 256 == 0:
                self.context.check()
            place = begin + sum(i * s for i, s in zip(indices, strides, strict=True)) * itemsize
            if span.step == 1:
                read_into(descriptor, place, target.reshape(-1).view(np.uint8))
            else:
                raw = scratch(row_bytes)
                read_into(descriptor, place, raw)
                target[...] = raw.view(self.stored).reshape(-1, inner)[:: span.step]
        if self.layout.swapped:
            out.byteswap(inplace=True)

    # others

    def _read_virtual(self, selection: Selection, out: Array, keep: bool, threads: bool) -> None:
        for part, place, found in virtual.parts(self, selection):
            target = out[place] if place else out
            if found is None or not virtual.read_source(self, found, target, keep=keep, threads=threads):
                self._read_library(part, target)

    def _read_library(self, selection: Selection, out: Array) -> None:
        if not selection.items:
            out[...] = np.asarray(self.dataset[()]).astype(self.stored)
            return
        for part, target in _pieces(selection, out, self.layout):
            self.context.check()
            target[...] = np.asarray(self.dataset[part.index]).reshape(target.shape)


def in_threads(context: Context, work: Callable[[Any], None], items: Iterator[Any]) -> None:
    """Do work for each item in the process's threads, a few at a time; the first failure ends it."""
    pool, running = context.services.pool, set[Future[None]]()

    def checked(item: Any) -> None:
        context.check()
        work(item)

    try:
        for item in items:
            running.add(pool.submit(checked, item))
            if len(running) >= 2 * context.services.threads + 2:
                _wait_for_one(running)
        while running:
            _wait_for_one(running)
    finally:
        for future in running:
            future.cancel()
        for future in running:
            with suppress(BaseException):
                future.result()


def _wait_for_one(running: set[Future[None]]) -> None:
    from concurrent.futures import FIRST_COMPLETED, wait

    done, _ = wait(running, return_when=FIRST_COMPLETED)
    running -= done
    for future in done:
        future.result()


def chunk_parts(item: int | range, chunk: int) -> dict[int, tuple[slice, slice]]:
    """Which chunks an entry of a selection touches along a dimension: for each, the part of it, and where that goes."""
    if isinstance(item, int):
        return {item // chunk: (slice(item % chunk, item % chunk + 1, 1), slice(0, 1))}
    found: dict[int, tuple[slice, slice]] = {}
    done = 0
    while done < len(item):
        first = item[done]
        number = first // chunk
        n = min(len(item) - done, -(-((number + 1) * chunk - first) // item.step))
        begin = first - number * chunk
        found[number] = (slice(begin, begin + (n - 1) * item.step + 1, item.step), slice(done, done + n))
        done += n
    return found


def span_dimension(selection: Selection) -> int:
    """The first dimension from which on the selection is one contiguous span for each index before."""
    split = len(selection.shape)
    while split > 0 and selection.items[split - 1] == range(selection.shape[split - 1]):
        split -= 1
    return max(0, split - 1)


def _pieces(selection: Selection, out: Array, layout: Layout) -> Iterator[tuple[Selection, Array]]:
    """A selection in pieces along its first kept dimension, so that none takes long."""
    kept = selection.dimensions
    if not kept:
        yield selection, out
        return
    item = selection.kept(kept[0])
    step = max(1, len(item) * PIECE // out.nbytes)
    if layout.chunks and item.step == 1:
        chunk = layout.chunks[kept[0]]
        step = max(chunk, min(step, max(1, PIECE * 4 // _decoded_for_one(selection, layout, kept[0])) * chunk))
    for begin in range(0, len(item), step):
        end = min(len(item), begin + step)
        yield selection.within(kept[0], begin, end), out[begin:end]


def _decoded_for_one(selection: Selection, layout: Layout, dimension: int) -> int:
    """Bytes that are decoded for one chunk along a dimension."""
    nbytes = layout.chunk_nbytes
    for d, (item, chunk) in enumerate(zip(selection.items, layout.chunks or (), strict=True)):
        if d != dimension and isinstance(item, range):
            nbytes *= (item[-1] // chunk) - (item.start // chunk) + 1
    return max(1, nbytes)
