"""Bitshuffle's chunks: independent blocks with length prefixes, so that a part can be decoded without the rest.

Layout: u64 size of the whole, u32 bytes of a block, both big-endian; then for each block a big-endian u32 length and its
bytes; then the last ``elements % 8`` elements as they are. Without compression there are neither header nor prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from typing import Any

import numpy as np

from panosc_hdf5.core.errors import Unreadable
from panosc_hdf5.core.native import Function, address, native

HEADER = 12
MAX_BLOCK = 2**30

_PREFIX = Struct(">I").unpack_from

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class BlockFormat:
    """How one chunk is divided.

    Attributes:
        itemsize: bytes of an element, as bitshuffle sees it.
        elements: of the chunk.
        block: elements of a block; a multiple of 8. For compressed chunks the chunk's own header says it.
        compressed: whether blocks are compressed.
        zstd: by Zstandard instead of LZ4.
    """

    itemsize: int
    elements: int
    block: int
    compressed: bool
    zstd: bool

    @staticmethod
    def supports(options: Sequence[int], itemsize: int) -> bool:
        """Whether the filter's options are known and the functions are there."""
        if len(options) < 3 or options[2] != itemsize:
            return False
        compression = options[4] if len(options) > 4 else 0
        return compression in (0, 2, 3) and _function(compression == 3, compression != 0) is not None

    @classmethod
    def of(cls, options: Sequence[int], itemsize: int, nbytes: int) -> BlockFormat:
        """From the filter's options: version, version, itemsize, block elements or 0, compression."""
        compression = options[4] if len(options) > 4 else 0
        block = options[3] if len(options) > 3 and options[3] else max(128, 8192 // itemsize // 8 * 8)
        return cls(itemsize, nbytes // itemsize, block, compression != 0, compression == 3)

    @property
    def nbytes(self) -> int:
        """Of the decoded chunk."""
        return self.elements * self.itemsize

    @property
    def leftover(self) -> int:
        """Elements at the end that are stored as they are."""
        return self.elements % 8

    @property
    def count(self) -> int:
        """Blocks; the last one may be shorter."""
        return -(-(self.elements - self.leftover) // self.block)

    def with_header(self, header: bytes) -> BlockFormat:
        """With the block size of a chunk's header.

        Raises:
            Unreadable: it does not fit.
        """
        size, block = int.from_bytes(header[:8], "big"), int.from_bytes(header[8:12], "big")
        if len(header) < HEADER or size != self.nbytes:
            raise corrupt("its bitshuffle header does not fit the data set")
        elements, odd = divmod(block, self.itemsize)
        if odd or elements < 8 or elements % 8 or block > MAX_BLOCK:
            raise corrupt("its bitshuffle blocks have an impossible size")
        return BlockFormat(self.itemsize, self.elements, elements, self.compressed, self.zstd)


def corrupt(why: str) -> Unreadable:
    """A chunk that can't be decoded."""
    return Unreadable(
        f"A chunk of the data set is corrupt: {why}.",
        "Other parts of it may still be readable; copy the file again from where it was written.",
        code="corrupt_chunk",
    )


def _function(zstd: bool, compressed: bool) -> Function | None:
    lib = native()
    if not compressed:
        return lib.bitunshuffle
    return lib.bszstd if zstd else lib.bslz4


def walk(raw: Bytes, position: int, count: int, every: int = 0) -> tuple[int, list[int]]:
    """Follow the length prefixes over ``count`` blocks.

    Args:
        raw: the bytes.
        position: of the first block's prefix.
        count: how many blocks.
        every: note the position of each so many blocks; 0 notes none.

    Returns:
        The position behind the last one, which lies within the bytes, and the noted positions, the first one's among them.

    Raises:
        Unreadable: a length leads out of the bytes.
    """
    noted: list[int] = []
    unpack, end, data = _PREFIX, raw.nbytes, raw.data
    step = every or max(1, count)
    try:
        for begin in range(0, count, step):
            noted.append(position)
            for _ in range(min(step, count - begin)):
                position += 4 + unpack(data, position)[0]
    except StructError as error:
        raise corrupt("a block's length leads beyond its end") from error
    if position > end:
        raise corrupt("a block's length leads beyond its end")
    return position, noted


def decode_run(raw: Bytes, position: int, end: int, blocks: BlockFormat, first: int, count: int, out: Bytes) -> None:
    """Decode consecutive blocks to their place in ``out``, which is as large as the whole chunk.

    Args:
        raw: bytes in which the blocks lie; their lengths were walked.
        position: of the first block's prefix.
        end: behind the last block.
        blocks: the chunk's format.
        first: number of the first block.
        count: how many.
        out: the whole chunk's bytes; only these blocks are written.

    Raises:
        Unreadable: a block can't be decoded.
    """
    function = _function(blocks.zstd, True)
    begin = first * blocks.block
    elements = min((first + count) * blocks.block, blocks.elements - blocks.leftover) - begin
    if function is None or elements <= 0:
        return
    target = address(out) + begin * blocks.itemsize
    if function(address(raw) + position, target, elements, blocks.itemsize, blocks.block) != end - position:
        raise corrupt("a block can't be decoded")


def decode_blocks(raw: Bytes, blocks: BlockFormat, out: Bytes) -> None:
    """Decode a whole chunk.

    Raises:
        Unreadable: it is corrupt.
    """
    if not blocks.compressed:
        _unshuffled(raw, blocks, out)
        return
    raw = np.ascontiguousarray(raw)
    blocks = blocks.with_header(raw[:HEADER].tobytes())
    end, _ = walk(raw, HEADER, blocks.count)
    copy_leftover(raw, end, blocks, out)
    decode_run(raw, HEADER, end, blocks, 0, blocks.count, out)


def copy_leftover(raw: Bytes, position: int, blocks: BlockFormat, out: Bytes) -> None:
    """Copy the last elements, which are stored as they are.

    Raises:
        Unreadable: they are not there.
    """
    size = blocks.leftover * blocks.itemsize
    if position + size > raw.nbytes:
        raise corrupt("its last elements are missing")
    if size:
        out[blocks.nbytes - size :] = raw[position : position + size]


def _unshuffled(raw: Bytes, blocks: BlockFormat, out: Bytes) -> None:
    if raw.nbytes != out.nbytes or blocks.block % 8:
        raise corrupt(f"{raw.nbytes} bytes are there, {out.nbytes} should be")
    raw = np.ascontiguousarray(raw)
    function = _function(False, False)
    arguments = (address(raw), address(out), blocks.elements, blocks.itemsize, blocks.block)
    if blocks.elements and (function is None or function(*arguments) < 0):
        raise corrupt("it can't be unshuffled")


def needed_blocks(blocks: BlockFormat, starts: np.ndarray[Any, Any], length: int) -> list[tuple[int, int]]:
    """Runs of blocks that hold some elements.

    Args:
        blocks: the chunk's format.
        starts: flat indices at which contiguous pieces begin.
        length: elements of each piece.

    Returns:
        Pairs of first block and count, ascending; gaps of a block are decoded along.
    """
    last = max(0, blocks.count - 1)
    low = np.minimum(starts // blocks.block, last)
    high = np.minimum((starts + length - 1) // blocks.block, last)
    if low.size == 1:
        return [(int(low[0]), int(high[0] - low[0] + 1))]
    # Pieces ascend. A gap of one block is closed: it is decoded along.
    apart = np.flatnonzero(low[1:] > high[:-1] + 2)
    begins = low[np.concatenate(([0], apart + 1))].tolist()
    ends = high[np.concatenate((apart, [low.size - 1]))].tolist()
    return [(begin, end + 1 - begin) for begin, end in zip(begins, ends, strict=True)]
