r"""How answers travel: one envelope of a JSON header and named arrays, the same over HTTP, shared memory and a comm.

Layout, little-endian::

    "PH5\\x01"  u32 header_bytes  header (JSON, padded with spaces)  array 0  array 1  …

The header's ``arrays`` lists ``{name, dtype, shape, offset, nbytes, encoding}``; offsets count from the end of the header and,
like the header's own end, are multiples of 8. ``payload`` is the bytes after the header, so that envelopes can follow each
other in one stream. ``encoding`` is ``raw`` (C order), ``shuffle`` (bytes of equal significance together, as HDF5's shuffle
filter does: it compresses better), or ``stored`` (the chunk as it lies in the file; ``stored`` says how to decode it).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC = b"PH5\x01"
MEDIA_TYPE = "application/x-panosc-hdf5"
ALIGNMENT = 8


@dataclass(frozen=True)
class Stored:
    """A chunk as it lies in the file, and what it decodes to.

    Attributes:
        data: the compressed bytes.
        dtype: of the decoded array, numpy's string form.
        shape: of the decoded array (the whole chunk, which may reach beyond the data set's edge).
        codec: ``bslz4``, ``lz4`` or ``raw``.
    """

    data: memoryview | bytes
    dtype: str
    shape: tuple[int, ...]
    codec: str


@dataclass(frozen=True)
class Depends:
    """A file that an answer was made from, as it was then. Two answers with equal stamps are equal.

    ``ctime_ns`` tells of what was written anew with its old time and size (``cp -p``, ``rsync -t``).
    """

    path: str
    inode: int
    mtime_ns: int
    size: int
    ctime_ns: int = 0

    @classmethod
    def of(cls, path: str, found: os.stat_result) -> Depends:
        """By what the system says of a file."""
        return cls(path, found.st_ino, found.st_mtime_ns, found.st_size, found.st_ctime_ns)

    @classmethod
    def now(cls, path: str) -> Depends | None:
        """A file as it is now; None if it is not there."""
        try:
            return cls.of(path, os.stat(path))  # noqa: PTH116 - as text all the way: names that are no UTF-8 too
        except (OSError, ValueError):
            return None

    @property
    def key(self) -> tuple[str, int, int, int, int]:
        """Equal for equal states."""
        return (self.path, self.inode, self.mtime_ns, self.size, self.ctime_ns)


@dataclass
class Reply:
    """One answer of an operation; a streamed operation yields several.

    Attributes:
        header: JSON; becomes the whole answer where there are no arrays.
        arrays: named; ``Stored`` for a chunk that is passed through.
        depends: further files than the one asked for (external links, virtual data sets): they count for the validator.
        body: instead of header and arrays: a ready-made body (an export), with its media type and file name.
        cacheable: whether the same question about the same files has the same answer.
    """

    header: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray[Any, Any] | Stored] = field(default_factory=dict)
    depends: tuple[Depends, ...] = ()
    body: bytes | None = None
    media_type: str = ""
    filename: str = ""
    cacheable: bool = True

    @property
    def is_json(self) -> bool:
        """Whether the header is the whole answer."""
        return not self.arrays and self.body is None


def _padded(size: int) -> int:
    return -size % ALIGNMENT


def envelope_parts(reply: Reply, *, shuffle: bool = False) -> Iterator[bytes | memoryview]:
    """The envelope in pieces, arrays without a copy where they are contiguous.

    Args:
        reply: what to send.
        shuffle: byte-shuffle integers of several bytes, for an answer that is compressed afterwards.
    """
    listed: list[dict[str, Any]] = []
    payload: list[bytes | memoryview] = []
    offset = 0
    for name, array in reply.arrays.items():
        entry, data = _encode(array, shuffle=shuffle)
        entry |= {"name": name, "offset": offset, "nbytes": data.nbytes}
        listed.append(entry)
        payload.append(data)
        if padding := _padded(data.nbytes):
            payload.append(bytes(padding))
        offset += data.nbytes + padding
    header = json.dumps(
        {**reply.header, "arrays": listed, "payload": offset}, separators=(",", ":"), allow_nan=False
    ).encode()
    header += b" " * _padded(len(MAGIC) + 4 + len(header))
    yield MAGIC + len(header).to_bytes(4, "little") + header
    yield from payload


def _encode(array: np.ndarray[Any, Any] | Stored, *, shuffle: bool) -> tuple[dict[str, Any], memoryview]:
    if isinstance(array, Stored):
        entry = {"dtype": array.dtype, "shape": list(array.shape), "encoding": "stored", "stored": array.codec}
        return entry, memoryview(array.data).cast("B")
    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    entry = {"dtype": array.dtype.str, "shape": list(array.shape), "encoding": "raw"}
    if shuffle and array.dtype.kind in "iu" and array.dtype.itemsize > 1 and array.size:
        planes = array.reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize).T
        return entry | {"encoding": "shuffle"}, np.ascontiguousarray(planes).data.cast("B")
    return entry, array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


def read_envelope(data: bytes | memoryview) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Read one envelope: its header, its arrays (``Stored`` for stored ones), and how many bytes it took.

    Raises:
        ValueError: the bytes are no envelope.
    """
    view = memoryview(data)
    if bytes(view[:4]) != MAGIC:
        raise ValueError("not an envelope")
    length = int.from_bytes(view[4:8], "little")
    header = json.loads(bytes(view[8 : 8 + length]))
    begin = 8 + length
    arrays: dict[str, Any] = {}
    for entry in header.pop("arrays"):
        raw = view[begin + entry["offset"] : begin + entry["offset"] + entry["nbytes"]]
        shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
        if entry["encoding"] == "stored":
            arrays[entry["name"]] = Stored(raw, entry["dtype"], shape, entry["stored"])
        elif entry["encoding"] == "shuffle":
            planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
            arrays[entry["name"]] = np.ascontiguousarray(planes.T).view(dtype).reshape(shape)
        else:
            arrays[entry["name"]] = np.frombuffer(raw, dtype).reshape(shape)
    return header, arrays, begin + int(header.pop("payload"))
