"""HDF5's filter pipelines undone outside of HDF5, for those that matter at beamlines; others are left to h5py.

A chunk comes from a file, so every length in it is hostile: it is checked before C code follows it.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from panosc_hdf5.core.bitshuffle import BlockFormat, corrupt, decode_blocks
from panosc_hdf5.core.native import address, native

inflate: Any = zlib
with suppress(ImportError):
    from isal import isal_zlib

    inflate = isal_zlib  # three times as fast

DEFLATE, SHUFFLE, FLETCHER32, LZ4, BITSHUFFLE, ZSTD = 1, 2, 3, 32004, 32008, 32015
COMPRESSORS = (DEFLATE, LZ4, BITSHUFFLE, ZSTD)

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Filter:
    """One stage of a pipeline."""

    id: int
    options: tuple[int, ...]


@dataclass(frozen=True)
class Pipeline:
    """How a data set's chunks are stored.

    Attributes:
        filters: in the order in which they were applied.
        itemsize: bytes of an element.
        nbytes: of a decoded chunk.
    """

    filters: tuple[Filter, ...]
    itemsize: int
    nbytes: int

    @cached_property
    def supported(self) -> bool:
        """Whether :func:`decode` can undo it on this machine."""
        ids = [stage.id for stage in self.filters]
        if sum(i in COMPRESSORS for i in ids) > 1 or self.nbytes > 2**30:
            return False
        return all(_supported(stage, self.itemsize) for stage in self.filters)

    @cached_property
    def blocks(self) -> BlockFormat | None:
        """Its blocks, if each can be decoded by itself: bitshuffle with LZ4 or Zstandard and nothing else."""
        if len(self.filters) != 1 or not self.supported or self.filters[0].id != BITSHUFFLE:
            return None
        found = BlockFormat.of(self.filters[0].options, self.itemsize, self.nbytes)
        return found if found.compressed else None

    @property
    def codec(self) -> str | None:
        """The name under which a chunk may travel as it is stored, or None."""
        if not self.filters:
            return "raw"
        if self.blocks is not None and self.blocks.zstd is False:
            return "bslz4"
        return "lz4" if [stage.id for stage in self.filters] == [LZ4] else None


def _supported(stage: Filter, itemsize: int) -> bool:
    lib = native()
    if stage.id in (DEFLATE, FLETCHER32):
        return True
    if stage.id == SHUFFLE:
        return not stage.options or stage.options[0] == itemsize
    if stage.id == LZ4:
        return lib.lz4 is not None
    if stage.id == ZSTD:
        return lib.zstd is not None
    if stage.id == BITSHUFFLE:
        return BlockFormat.supports(stage.options, itemsize)
    return False


def decode(raw: Bytes, pipeline: Pipeline, filter_mask: int, out: Bytes) -> None:
    """Undo a pipeline.

    Args:
        raw: the chunk as stored.
        pipeline: a supported one.
        filter_mask: bit i is set where the i-th filter was left out.
        out: where the decoded chunk goes; ``pipeline.nbytes`` bytes.

    Raises:
        Unreadable: the chunk is corrupt.
    """
    stages = [stage for i, stage in enumerate(pipeline.filters) if not filter_mask >> i & 1]
    sizes = [pipeline.nbytes]  # before each stage, as far as it is known
    for stage in stages:
        sizes.append(sizes[-1] + 4 if stage.id == FLETCHER32 else sizes[-1])
    data = raw
    for i in reversed(range(len(stages))):
        target = out if i == 0 else None
        data = _undo(stages[i], data, sizes[i], pipeline.itemsize, target)
    if data is not out:
        if data.nbytes != out.nbytes:
            raise corrupt(f"{data.nbytes} bytes are there, {out.nbytes} should be")
        np.copyto(out, data)


def _undo(stage: Filter, data: Bytes, size: int, itemsize: int, target: Bytes | None) -> Bytes:
    if stage.id == FLETCHER32:
        return _verified(data)
    if stage.id == DEFLATE:
        return _inflated(data, size)
    out = np.empty(size, np.uint8) if target is None else target
    if stage.id == SHUFFLE:
        unshuffle(data, itemsize, out)
    elif stage.id == LZ4:
        _lz4(data, out)
    elif stage.id == ZSTD:
        _zstd(data, out)
    else:
        decode_blocks(data, BlockFormat.of(stage.options, itemsize, size), out)
    return out


def _inflated(data: Bytes, size: int) -> Bytes:
    engine = inflate.decompressobj()
    try:
        made = engine.decompress(data, size + 1)
    except (inflate.error, zlib.error) as error:
        raise corrupt("it is no valid deflate stream") from error
    if len(made) != size:
        raise corrupt(f"it inflates to {'more' if len(made) > size else 'less'} than {size} bytes")
    return np.frombuffer(made, np.uint8)


def unshuffle(data: Bytes, itemsize: int, out: Bytes) -> None:
    """Undo HDF5's byte shuffle.

    Raises:
        Unreadable: the sizes differ.
    """
    if data.nbytes != out.nbytes:
        raise corrupt(f"{data.nbytes} shuffled bytes are there, {out.nbytes} should be")
    data = np.ascontiguousarray(data)
    whole = out.nbytes // itemsize * itemsize
    function = native().unshuffle
    if function is None or not 1 < itemsize < 256 or out.nbytes >= 2**31 or whole != out.nbytes:
        planes, items = data[:whole].reshape(itemsize, -1), out[:whole].reshape(-1, itemsize)
        for i in range(itemsize):
            items[:, i] = planes[i]
        out[whole:] = data[whole:]
    elif function(itemsize, out.nbytes, address(data), address(out)) < 0:
        raise corrupt("it can't be unshuffled")


def _lz4(data: Bytes, out: Bytes) -> None:
    """HDF5's LZ4 filter: u64 size, u32 block size, and blocks of u32 length and bytes, big-endian."""
    function = native().lz4
    head = data[:12].tobytes()
    size, block = int.from_bytes(head[:8], "big"), int.from_bytes(head[8:], "big")
    if data.nbytes < 12 or size != out.nbytes or (size and not block):
        raise corrupt("its LZ4 header does not fit the data set")
    view, position, done = data.data, 12, 0
    source, target = address(data), address(out)
    while done < size:
        expected = min(block, size - done)
        length = int.from_bytes(view[position : position + 4], "big")
        position += 4
        if not length or position + length > data.nbytes:
            raise corrupt("an LZ4 block reaches beyond its end")
        if length == expected:
            out[done : done + expected] = data[position : position + length]
        elif function is None or function(source + position, target + done, length, expected) != expected:
            raise corrupt("an LZ4 block can't be decoded")
        position += length
        done += expected


def _zstd(data: Bytes, out: Bytes) -> None:
    function = native().zstd
    if function is None or function(address(out), out.nbytes, address(data), data.nbytes) != out.nbytes:
        raise corrupt("it is no valid Zstandard frame")


def _verified(data: Bytes) -> Bytes:
    """Data without its checksum. HDF5 before 1.6.3 wrote its bytes in another order, and is understood as well."""
    if data.nbytes < 4:
        raise corrupt("it is shorter than its checksum")
    stored = int.from_bytes(data[-4:].tobytes(), "little")
    body = np.ascontiguousarray(data[:-4])
    found = fletcher32(body)
    old = (found & 0x00FF00FF) << 8 | (found >> 8) & 0x00FF00FF
    if stored not in (found, old):
        raise corrupt("its checksum is wrong")
    return body


def fletcher32(data: Bytes) -> int:
    """HDF5's checksum: sums of big-endian 16-bit words modulo 65535, where a nonzero sum is never written as 0."""
    function = native().fletcher32
    if function is not None and data.nbytes:
        return int(function(address(data), data.nbytes))
    if data.nbytes % 2:
        data = np.append(data, np.uint8(0))
    words = data.view(">u2").astype(np.float64)
    plain = weighted = 0
    for begin in range(0, words.size, 65536):
        part = words[begin : begin + 65536]
        weighted += plain * part.size + int(np.dot(part, np.arange(part.size, 0, -1, dtype=np.float64)))
        plain += int(part.sum())
    return _folded(weighted) << 16 | _folded(plain)


def _folded(value: int) -> int:
    return (value - 1) % 65535 + 1 if value else 0
