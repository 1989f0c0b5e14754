"""How a data set lies in its file, as far as the fast lane needs to know it."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np

from panosc_hdf5.core.codecs import Filter, Pipeline
from panosc_hdf5.core.native import native
from panosc_hdf5.core.numeric import DType, stored_dtype

MAX_INDEXED = 300_000
"""Chunks that are indexed in one go; data sets with more are looked up chunk by chunk."""


@dataclass(frozen=True)
class ChunkInfo:
    """Where a chunk lies.

    Attributes:
        offset: in the file.
        size: bytes stored.
        filter_mask: bit i is set where the i-th filter was left out.
        raw: its bytes, where they were read through HDF5; ``offset`` is then its number.
    """

    offset: int
    size: int
    filter_mask: int
    raw: bytes | None = None


class ChunkIndex:
    """Finds chunks by their place in the grid of chunks."""

    def __init__(self, chunks: tuple[int, ...]) -> None:
        self._chunks = chunks
        self._known: dict[tuple[int, ...], ChunkInfo | None] = {}
        self._complete = False

    def find(self, dataset: h5py.Dataset, place: tuple[int, ...]) -> ChunkInfo | None:
        """The chunk at a place, or None if it was never written."""
        if self._complete or place in self._known:
            return self._known.get(place)
        origin = tuple(p * c for p, c in zip(place, self._chunks, strict=True))
        info = dataset.id.get_chunk_info_by_coord(origin)
        found = None
        if info.byte_offset is not None and info.size:
            found = ChunkInfo(int(info.byte_offset), int(info.size), int(info.filter_mask))
        if len(self._known) > MAX_INDEXED:
            self._known.clear()
        self._known[place] = found
        return found

    def load(self, dataset: h5py.Dataset, count: int) -> None:
        """Index the whole data set, if many of its chunks will be asked for."""
        if self._complete or count < 16 or not hasattr(dataset.id, "chunk_iter"):
            return
        total = int(dataset.id.get_num_chunks())
        if total > MAX_INDEXED or total > 20 * count:
            return
        found: dict[tuple[int, ...], ChunkInfo | None] = {}
        chunks = self._chunks

        def note(info: Any) -> None:
            place = tuple(o // c for o, c in zip(info.chunk_offset, chunks, strict=True))
            if info.byte_offset is not None and info.size:
                found[place] = ChunkInfo(int(info.byte_offset), int(info.size), int(info.filter_mask))

        dataset.id.chunk_iter(note)
        if found:
            # HDF5 forgets a user block here, but not when it is asked for one chunk.
            place, first = next(iter(found.items()))
            self._known.pop(place, None)
            exact = self.find(dataset, place)
            shift = exact.offset - first.offset if exact and first else 0
            if shift:
                found = {p: replace(i, offset=i.offset + shift) for p, i in found.items() if i}
        self._known, self._complete = found, True


@dataclass(frozen=True)
class Layout:
    """A data set's storage.

    Attributes:
        kind: ``chunked`` or ``contiguous`` where the fast lane reads it, ``virtual``, or ``library``: through h5py.
        stored: number type in the machine's byte order.
        swapped: whether the file has the other byte order.
        chunks: shape of a chunk, also where h5py reads it; None if it has none.
        pipeline: of a chunked one in the fast lane.
        index: its chunks.
        offset: of a contiguous one; None if nothing was written.
        fill: the value of what was never written.
    """

    kind: str
    stored: DType
    swapped: bool = False
    chunks: tuple[int, ...] | None = None
    pipeline: Pipeline | None = None
    index: ChunkIndex | None = None
    offset: int | None = None
    fill: Any = 0

    @property
    def raw_dtype(self) -> DType:
        """The number type with the file's byte order."""
        return self.stored.newbyteorder() if self.swapped else self.stored

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of a decoded chunk; 0 if there are no chunks."""
        return math.prod(self.chunks) * self.stored.itemsize if self.chunks else 0


def layout_of(dataset: h5py.Dataset) -> Layout:
    """Look at the storage of a data set of numbers.

    Raises:
        Unsupported: it holds no numbers.
    """
    stored = stored_dtype(dataset.dtype)
    plist = dataset.id.get_create_plist()
    kind = plist.get_layout()
    chunks = tuple(int(n) for n in plist.get_chunk()) if kind == h5py.h5d.CHUNKED else None
    if kind == h5py.h5d.VIRTUAL:
        return Layout("virtual", stored, fill=_fill(dataset, stored))
    swapped = dataset.dtype.byteorder == (">" if np.little_endian else "<")
    if dataset.shape is None or not _is_plain(dataset):
        return Layout("library", stored, swapped, chunks)
    fill = _fill(dataset, stored)
    if chunks is not None:
        filters = tuple(
            Filter(int(code), tuple(int(o) for o in options))
            for code, _, options, _ in (plist.get_filter(i) for i in range(plist.get_nfilters()))
        )
        pipeline = Pipeline(filters, stored.itemsize, math.prod(chunks) * stored.itemsize)
        if pipeline.supported and not (filters and _leaves_edges_unfiltered(plist)):
            return Layout("chunked", stored, swapped, chunks, pipeline, ChunkIndex(chunks), fill=fill)
    if kind == h5py.h5d.CONTIGUOUS and not plist.get_external_count():
        written = (
            dataset.id.get_storage_size() > 0
        )  # the offset of what was never written is nonsense with a user block
        return Layout("contiguous", stored, swapped, offset=dataset.id.get_offset() if written else None, fill=fill)
    return Layout("library", stored, swapped, chunks)


def _is_plain(dataset: h5py.Dataset) -> bool:
    """Whether the bytes in the file are numpy's, so that HDF5 has nothing to convert."""
    try:
        return bool(h5py.h5t.py_create(dataset.dtype, logical=True).equal(dataset.id.get_type()))
    except (TypeError, ValueError):
        return False


def _leaves_edges_unfiltered(plist: Any) -> bool:
    """Whether chunks that reach beyond the data set are stored as they are; h5py has no name for that option."""
    ask, found = native().chunk_options, ctypes.c_uint(0)
    with h5py._objects.phil:
        return ask is not None and ask(plist.id, ctypes.byref(found)) >= 0 and bool(found.value & 2)


def _fill(dataset: h5py.Dataset, stored: DType) -> Any:
    try:
        return np.asarray(dataset.fillvalue).astype(stored)[()]
    except (RuntimeError, TypeError, ValueError):
        return np.zeros((), stored)[()]
