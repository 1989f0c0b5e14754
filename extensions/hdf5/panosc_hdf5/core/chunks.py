"""Chunks read as they lie in the file and decoded outside of HDF5's lock, whole or only the blocks that are needed."""

from __future__ import annotations

import os
import threading
from struct import Struct
from struct import error as StructError
from typing import Any

import h5py
import numpy as np

from panosc_hdf5.core.bitshuffle import HEADER, BlockFormat, copy_leftover, corrupt, decode_run, needed_blocks, walk
from panosc_hdf5.core.codecs import Bytes, decode
from panosc_hdf5.core.decoded import DecodedCache
from panosc_hdf5.core.errors import Unreadable
from panosc_hdf5.core.layout import ChunkInfo, Layout
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.wire import Depends

EVERY = 16
"""The position of each so many blocks is kept."""
WINDOW = 128 * 1024
SCRATCH_KEPT = 64 * 1024**2
PARTIAL = 0.6
"""A part of a chunk is decoded by itself if it is less than this of it."""

_PREFIX = Struct(">I").unpack_from
_local = threading.local()


def scratch(nbytes: int) -> Bytes:
    """Memory of this thread, valid until it is asked for again; touched pages stay, which saves faulting them in."""
    kept: Bytes | None = getattr(_local, "scratch", None)
    if kept is None or kept.nbytes < nbytes:
        kept = np.empty(nbytes, np.uint8)
        if nbytes <= SCRATCH_KEPT:
            _local.scratch = kept
    return kept[:nbytes]


def _raw_buffer(nbytes: int) -> Bytes:
    kept: Bytes | None = getattr(_local, "raw", None)
    if kept is None or kept.nbytes < nbytes:
        kept = np.empty(max(nbytes, WINDOW), np.uint8)
        if nbytes <= SCRATCH_KEPT:
            _local.raw = kept
    return kept[:nbytes]


def read_into(descriptor: int, offset: int, out: Bytes) -> None:
    """Fill ``out`` from a place in a file.

    Raises:
        Unreadable: the file ends before, or can't be read.
    """
    view, done = memoryview(out.data), 0
    while done < out.nbytes:
        try:
            n = os.preadv(descriptor, [view[done:]], offset + done)
        except (OSError, OverflowError) as error:
            raise Unreadable(f"The file can't be read: {error.__class__.__name__}.", code="read_failed") from error
        if n == 0:
            raise Unreadable(
                "The file ends before the data do: it is truncated, or still being written.",
                "Wait for its writer, or copy it again.",
                code="truncated",
            )
        done += n


class Chunks:
    """The chunks of one data set, for one request.

    Args:
        dataset: the data set.
        layout: its storage; ``chunked``.
        descriptor: of the file; None asks HDF5 for the stored bytes: files that are not local, and those being written
            (HDF5's list of chunks does not follow a data set that grows while it is open; its reads do).
        stamp: of the file, as part of keys.
        cache: of decoded chunks.
    """

    def __init__(
        self, dataset: h5py.Dataset, layout: Layout, descriptor: int | None, stamp: Depends, cache: DecodedCache
    ) -> None:
        if layout.pipeline is None or layout.chunks is None or layout.index is None:
            raise TypeError("not a data set for the fast lane")
        self.shape = layout.chunks
        self.pipeline = layout.pipeline
        self._layout, self._index = layout, layout.index
        self._dataset, self._descriptor, self._cache = dataset, descriptor, cache
        self._key = stamp.key

    def find(self, place: tuple[int, ...]) -> ChunkInfo | None:
        """Where a chunk lies; None if it was never written."""
        if self._descriptor is not None:
            return self._index.find(self._dataset, place)
        origin = tuple(p * c for p, c in zip(place, self.shape, strict=True))
        try:
            mask, raw = self._dataset.id.read_direct_chunk(origin)
        except RuntimeError as error:
            if "not allocated" in str(error):
                return None
            raise
        number = 0
        for p, c, n in zip(place, self.shape, self._dataset.shape, strict=True):
            number = number * -(-n // c) + p
        return ChunkInfo(number, len(raw), int(mask), raw)

    def expect(self, count: int) -> None:
        """Say that many chunks will be asked for."""
        if self._descriptor is not None:
            self._index.load(self._dataset, count)

    def raw(self, info: ChunkInfo, *, keep: bool = False) -> Bytes:
        """A chunk as stored; in this thread's buffer, unless it is kept."""
        if info.size > 2 * self.pipeline.nbytes + 4096:
            raise corrupt(f"{info.size} bytes are stored for {self.pipeline.nbytes}")
        if info.raw is not None or not keep:
            return self._read(info, 0, info.size)
        return self._read(info, 0, info.size).copy()

    def cached(self, info: ChunkInfo) -> Array | None:
        """The decoded chunk, if it is there."""
        found: Array | None = self._cache.peek((*self._key, info.offset, "chunk"))
        return found

    def whole(self, info: ChunkInfo) -> Array:
        """The decoded chunk, kept for the next one who asks. Not to be changed."""
        return self._cache.get(
            (*self._key, info.offset, "chunk"), lambda: self._fresh(info), lambda array: array.nbytes
        )

    def _fresh(self, info: ChunkInfo) -> Array:
        out = np.empty(self.pipeline.nbytes, np.uint8)
        self.decode_into(info, out)
        return self._typed(out)

    def decode_into(self, info: ChunkInfo, out: Bytes) -> None:
        """Decode a whole chunk to somewhere; its bytes stay in the file's order."""
        decode(self.raw(info), self.pipeline, info.filter_mask, out)

    def _typed(self, out: Bytes) -> Array:
        return out.view(self._layout.raw_dtype).reshape(self.shape)

    def part(self, info: ChunkInfo, box: tuple[slice, ...], keep: bool) -> Array:
        """A part of a chunk, in the file's byte order; valid until this thread asks for another one.

        Args:
            info: where it lies.
            box: which part, in the chunk's own indices; no empty one.
            keep: whether a chunk that must be decoded as a whole is kept.
        """
        if (found := self.cached(info)) is not None:
            return found[box]
        blocks = self.pipeline.blocks
        if blocks is not None and not info.filter_mask & 1:
            starts, length = pieces(self.shape, box)
            positions = self._positions(info)
            blocks = blocks.with_header(positions.header or self._header(info, positions))
            runs = needed_blocks(blocks, starts, length)
            if sum(count for _, count in runs) <= PARTIAL * blocks.count:
                return self._blocks(info, positions, blocks, runs, int(starts[-1]) + length)[box]
        if keep:
            return self.whole(info)[box]
        out = scratch(self.pipeline.nbytes)
        self.decode_into(info, out)
        return self._typed(out)[box]

    def _header(self, info: ChunkInfo, positions: Positions) -> bytes:
        if info.size < HEADER:
            raise corrupt("it is shorter than its header")
        positions.header = self._read(info, 0, HEADER).tobytes()
        return positions.header

    def _read(self, info: ChunkInfo, begin: int, size: int) -> Bytes:
        """Some of a chunk's stored bytes, in this thread's buffer."""
        if info.raw is not None:
            return np.frombuffer(info.raw, np.uint8)[begin : begin + size]
        if self._descriptor is None:
            raise TypeError("a chunk without its bytes")
        raw = _raw_buffer(size)
        read_into(self._descriptor, info.offset + begin, raw)
        return raw

    def _positions(self, info: ChunkInfo) -> Positions:
        found: Positions = self._cache.get(
            (*self._key, info.offset, "blocks"), Positions, lambda _: self.pipeline.nbytes // 8192 // EVERY * 36
        )
        return found

    def _blocks(
        self, info: ChunkInfo, positions: Positions, blocks: BlockFormat, runs: list[tuple[int, int]], end: int
    ) -> Array:
        """Some blocks, decoded to their place in memory that is otherwise left as it was."""
        out = scratch(self.pipeline.nbytes)
        if end > blocks.elements - blocks.leftover:
            # What follows the last block is found only behind it.
            runs = [*runs[:-1], (runs[-1][0], blocks.count - runs[-1][0])]
        for first, count in runs:
            raw, position = self._run_bytes(info, positions, blocks, first, count)
            stop, _ = walk(raw, position, count)
            decode_run(raw, position, stop, blocks, first, count, out)
            if first + count >= blocks.count and end > blocks.elements - blocks.leftover:
                copy_leftover(raw, stop, blocks, out)
        return self._typed(out)

    def _run_bytes(
        self, info: ChunkInfo, positions: Positions, blocks: BlockFormat, first: int, count: int
    ) -> tuple[Bytes, int]:
        """Bytes in which a run of blocks lies, and where in them its first block's prefix is."""
        begin = first // EVERY
        end = -(-(first + count) // EVERY)
        at_end = end * EVERY >= blocks.count
        self._extend(positions, info, begin if at_end else end)
        known = positions.known
        stop = info.size if at_end else known[end]
        raw = self._read(info, known[begin], stop - known[begin])
        position, _ = walk(raw, 0, first - begin * EVERY)
        return raw, position

    def _extend(self, positions: Positions, info: ChunkInfo, upto: int) -> None:
        """Walk on until the position of block ``upto * EVERY`` is known."""
        if len(positions.known) > upto:
            return
        known = list(positions.known)
        unpack, base = _PREFIX, known[-1]
        data, at = self._window(info, base), 0  # at: in the window
        while len(known) <= upto:
            for _ in range(EVERY):
                try:
                    at += 4 + unpack(data, at)[0]
                except StructError:
                    base += at
                    data = self._window(info, base)
                    at = 4 + unpack(data, 0)[0]
            if base + at > info.size:
                raise corrupt("a block's length leads beyond its end")
            known.append(base + at)
        positions.known = known

    def _window(self, info: ChunkInfo, position: int) -> memoryview:
        size = min(WINDOW, info.size - position)
        if size < 4:
            raise corrupt("a block's length leads beyond its end")
        return self._read(info, position, size).data


class Positions:
    """Where the blocks of a chunk lie, as far as somebody walked. Replaced as a whole, never changed in place."""

    __slots__ = ("header", "known")

    def __init__(self) -> None:
        self.header: bytes | None = None
        self.known: list[int] = [HEADER]


def pieces(shape: tuple[int, ...], box: tuple[slice, ...]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """The contiguous pieces of a box in C order: flat indices at which they begin, ascending, and their common length.

    Strides are widened: the piece spans them.
    """
    split = len(shape)
    while split > 0 and box[split - 1].start == 0 and _last(box[split - 1]) == shape[split - 1] - 1:
        split -= 1
    split = max(0, split - 1)
    inner = int(np.prod(shape[split + 1 :], dtype=np.int64))
    starts = np.zeros(1, np.int64)
    length = 1
    if shape:
        low, high = box[split].start, _last(box[split])
        length = (high - low + 1) * inner
        starts = starts + low * inner
    stride = inner * (shape[split] if shape else 1)
    for d in range(split - 1, -1, -1):
        indices = np.arange(box[d].start, box[d].stop, box[d].step or 1, dtype=np.int64) * stride
        starts = (indices[:, None] + starts[None, :]).reshape(-1)
        stride *= shape[d]
    return starts, length


def _last(item: slice) -> int:
    step = item.step or 1
    return int(item.start + (item.stop - item.start - 1) // step * step)
