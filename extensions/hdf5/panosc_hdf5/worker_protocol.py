r"""What the server and its workers say to each other over a socket pair.

A message is ``u32 header_bytes  u32 body_bytes  header (JSON)  body``, little-endian. The server asks ``run``, ``cancel``,
``done`` (it has sent a part's bytes: their regions are free again; not said of a last part that lies in no region), ``ping``
and ``stop``. The worker says ``hello`` once and ``pong``, and answers a run by ``part`` messages, the last of which says so, by
``end`` or by ``error``. A part's bytes are a list of pieces ``[offset, size]`` in the shared memory; offset -1: the next
``size`` bytes of the message's own body.

The first page of the shared memory is a table of the jobs that run now. It outlives the worker: it tells who killed it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_FRAME = struct.Struct("<II")
MAX_HEADER = 4 * 1024**2
MAX_BODY = 1024**2

INLINE = -1
TABLE_BYTES = 4096
JOB = struct.Struct("<Q")
MAX_JOBS = TABLE_BYTES // JOB.size


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is told when it starts, as JSON in its arguments.

    Attributes:
        roots: real paths beneath which files may be opened; empty: no bounds.
        cache_dir: where pyramids are kept; empty keeps none.
        arena_bytes: size of the shared memory.
        memory_bytes: address space beyond what it has when its libraries are loaded; 0: no limit.
        nice: how much it steps back behind the server and kernels.
        jobs: requests at once.
        limits: fields of :class:`panosc_hdf5.core.context.Limits`.
        preload: modules imported at start.
    """

    roots: tuple[str, ...] = ()
    cache_dir: str = ""
    arena_bytes: int = 256 * 1024**2
    memory_bytes: int = 4 * 1024**3
    nice: int = 3
    jobs: int = 4
    limits: Mapping[str, int] | None = None
    preload: tuple[str, ...] = ("h5py", "hdf5plugin", "isal.isal_zlib")

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """From the command line."""
        found = json.loads(text)
        return cls(**found | {"roots": tuple(found["roots"]), "preload": tuple(found["preload"])})


def pack(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A message, ready to be sent."""
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return _FRAME.pack(len(text), len(body)) + text + body


class Unpacker:
    """Messages out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Add what came; give the messages that are whole now.

        Raises:
            ValueError: this is not what the other side should say.
        """
        self._buffer += data
        begin = 0
        while len(self._buffer) - begin >= _FRAME.size:
            header_bytes, body_bytes = _FRAME.unpack_from(self._buffer, begin)
            if header_bytes > MAX_HEADER or body_bytes > MAX_BODY:
                raise ValueError("a message of an impossible size")
            middle = begin + _FRAME.size + header_bytes
            if len(self._buffer) < middle + body_bytes:
                break
            header = json.loads(self._buffer[begin + _FRAME.size : middle])
            if not isinstance(header, dict):
                raise ValueError("a message without a header")
            yield header, bytes(self._buffer[middle : middle + body_bytes])
            begin = middle + body_bytes
        del self._buffer[:begin]


def answers_in_parts(streamed: bool, known: tuple[str, ...], parameters: Mapping[str, str]) -> bool:
    """Whether an operation answers in parts: one that can be progressive does so only when it is asked to."""
    if streamed and "progressive" in known:
        return parameters.get("progressive") in ("1", "true")
    return streamed
