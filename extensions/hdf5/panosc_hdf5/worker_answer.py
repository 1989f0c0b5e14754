"""From an operation's reply to the bytes that the server sends: compressed where it pays, in shared memory where it is big."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from isal import isal_zlib

from panosc_hdf5.core.errors import TooLarge
from panosc_hdf5.core.wire import MEDIA_TYPE, Depends, Reply, Stored, envelope_parts
from panosc_hdf5.worker_arena import Arena
from panosc_hdf5.worker_protocol import INLINE, MAX_HEADER

Bytes = bytes | memoryview

SMALL = 2048  # bytes that are not worth compressing
INLINE_BYTES = 64 * 1024
SAMPLE = 64 * 1024
PAYS = 0.85
LEVEL = 1  # of isal: as fast as 0 on detector data, and smaller
_GZIP = 31  # window bits: a gzip header
_RAW_OPERATIONS = ("frame",)  # asked for to be decoded elsewhere, or as fast as can be

JSON = "application/json"
LINES = "application/x-ndjson"


@dataclass
class Packed:
    """A reply's bytes as pieces of the shared memory and of the message.

    Attributes:
        pieces: ``[offset, size]``, see :mod:`panosc_hdf5.worker_protocol`.
        body: what goes with the message.
        held: regions to be released when the server has sent them.
    """

    pieces: list[list[int]] = field(default_factory=list)
    body: bytes = b""
    held: list[int] = field(default_factory=list)


def pack_bytes(parts: Iterable[Bytes], arena: Arena, limit: int, check: Callable[[], None]) -> Packed:
    """Put what is not yet in the shared memory there, or beside the message if it is small.

    Raises:
        TooLarge: more bytes than an answer may have.
    """
    views = [memoryview(part).cast("B") for part in parts]
    total = sum(view.nbytes for view in views)
    if total > min(limit, arena.capacity):
        raise TooLarge(
            f"The answer would have {total / 1e6:.0f} MB, more than the {limit / 1e6:.0f} MB that one may have.",
            "Ask for less: a slice, a stride or a tile.",
            nbytes=total,
            limit=limit,
        )
    packed = Packed()
    try:
        for view in views:
            _place(view, packed, arena, check)
    except BaseException:
        for offset in packed.held:
            arena.release(offset)
        raise
    return packed


def _place(view: memoryview, packed: Packed, arena: Arena, check: Callable[[], None]) -> None:
    offset = arena.find(view)
    region = None if offset is None else arena.retain(offset)
    if region is not None and offset is not None:
        packed.held.append(region)
        packed.pieces.append([offset, view.nbytes])
    elif len(packed.body) + view.nbytes <= INLINE_BYTES:
        if packed.pieces and packed.pieces[-1][0] == INLINE:
            packed.pieces[-1][1] += view.nbytes
        elif view.nbytes:
            packed.pieces.append([INLINE, view.nbytes])
        packed.body += view
    else:
        begin, room = arena.wait(view.nbytes, check)
        room[:] = np.frombuffer(view, np.uint8)
        arena.retain(begin)
        packed.held.append(begin)
        packed.pieces.append([begin, view.nbytes])


def listed(depends: Iterable[Depends]) -> list[list[str | int]]:
    """Files for a message's header: the first ones, where there are more than it may hold (a virtual data set's sources)."""
    found: list[list[str | int]] = []
    left = MAX_HEADER // 2
    for file in depends:
        entry: list[str | int] = [*file.key]
        left -= len(json.dumps(entry)) + 1
        if left < 0:
            break
        found.append(entry)
    return found


def media_type(reply: Reply, in_parts: bool) -> str:
    """What an answer is."""
    if reply.body is not None:
        return reply.media_type or "application/octet-stream"
    if reply.is_json:
        return LINES if in_parts else JSON
    return MEDIA_TYPE


def plain_parts(reply: Reply, in_parts: bool, *, shuffle: bool = False) -> list[Bytes]:
    """The answer's bytes, not compressed."""
    if reply.body is not None:
        return [reply.body]
    if reply.is_json:
        text = json.dumps(reply.header, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return [text.encode("utf-8", "replace") + (b"\n" if in_parts else b"")]
    return list(envelope_parts(reply, shuffle=shuffle))


class Compressor:
    """One gzip stream for all parts of an answer: browsers read only the first member of several."""

    def __init__(self) -> None:
        self._stream: Any = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, _GZIP)

    def part(self, parts: Iterable[Bytes], last: bool) -> bytes:
        """Compress a part so that it can be read without the next one."""
        pieces = [self._stream.compress(part) for part in parts]
        pieces.append(self._stream.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_SYNC_FLUSH))
        return b"".join(pieces)

    def end(self) -> bytes:
        """What follows the last part."""
        return bytes(self._stream.flush(isal_zlib.Z_FINISH))


def worth_compressing(operation: str, reply: Reply, in_parts: bool) -> bool:
    """Whether gzip is likely to pay: judged by a sample where there is much."""
    if operation in _RAW_OPERATIONS or any(isinstance(array, Stored) for array in reply.arrays.values()):
        return False
    if reply.body is not None:
        return reply.media_type.startswith("text/") and len(reply.body) > SMALL
    if reply.is_json:
        return in_parts or _header_is_long(reply.header)
    arrays = [array for array in reply.arrays.values() if isinstance(array, np.ndarray)]
    if sum(array.nbytes for array in arrays) < SMALL:
        return in_parts
    return _compresses(max(arrays, key=lambda array: array.nbytes))


def _header_is_long(header: dict[str, Any]) -> bool:
    # Lists and objects decide: a header of scalars is short.
    return sum(len(value) for value in header.values() if isinstance(value, list | dict | str)) > 8


def _compresses(array: np.ndarray[Any, Any]) -> bool:
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel()
    count = max(1, SAMPLE // array.itemsize)
    begin = max(0, (flat.size - count) // 2)
    sample = Reply(arrays={"sample": np.ascontiguousarray(flat[begin : begin + count])})
    data = b"".join(envelope_parts(sample, shuffle=True))
    return len(isal_zlib.compress(data, LEVEL)) < PAYS * len(data)
