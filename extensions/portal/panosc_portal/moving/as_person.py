"""Reading for a person, as the person: with their user and group ids, and never beyond the directory that the hub named.

    async with Reader(data) as reader:                  # data: what Hub.data answered
        async for entry in reader.walk(area.path):      # what lies beneath it, by name; links are told, not followed
            ...
        async with reader.open(area.path, "scan/a.h5", start=0, end=None) as stream:
            async for piece in stream: ...

A reader is one child process (``reader_child``), which does one thing at a time and dies with the reader. Where the portal
runs as root, the child becomes the person before it reads anything; where it does not, only the portal's own account can be
read for. What a parser of somebody's files (h5py) must do as the person is started with :func:`process_options`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from panosc_portal.errors import PortalError
from panosc_portal.hub import ProposalData

CHILD = Path(__file__).with_name("reader_child.py")
MOST_ENTRIES = 1_000_000
PIPE_SIZE = 1024 * 1024
FIRST_WORD_SECONDS = 20.0
SILENCE_SECONDS = 120.0
"""A file system that gives nothing for so long (tape, a server that is away) ends the reading, in words."""

_WORDS = {
    "missing": ("It is not there (any more).", "Look whether it was moved or renamed."),
    "forbidden": ("The file system does not let you read it.", "Ask the facility, or the main proposer, for access."),
    "outside": (
        "It is a link that leads out of the proposal's directory.",
        "Download what it points to where it lies.",
    ),
    "kind": ("It is no file that can be read.", ""),
    "changed": ("It was changed while it was read.", "Try again when nothing writes to it any more."),
    "too many": ("There are too many files.", "Choose a folder beneath it."),
    "silent": ("The file system does not answer.", "Try again in some minutes; the file may have to come from tape."),
    "io": ("The file system reports an error.", "Try again, and tell the facility if it stays so."),
    "account": ("The portal cannot read in your name.", "Tell the people who run it."),
}


class ReadError(PortalError):
    """Something cannot be read for this person.

    Attributes:
        code: missing, forbidden, outside, kind, changed, too many, silent, io, or account.
        message: what happened; ``remedy``: what to do; ``path``: of what, beneath the directory.
    """

    def __init__(self, code: str, path: str = "", detail: str = "") -> None:
        self.code, self.path = code, path
        self.message, self.remedy = _WORDS.get(code, _WORDS["io"])
        super().__init__(f"{shown(path)}: {self.message}" + (f" ({detail})" if detail else ""))


def shown(path: str) -> str:
    """A path for people and for names elsewhere: what is no text in it (bytes, control characters) as ``%XX``."""
    plain = (
        f"%{ord(c) & 0xFF:02X}" if "\udc80" <= c <= "\udcff" or ord(c) < 32 or ord(c) == 127 or c == "\\" else c
        for c in path
    )
    return "".join(plain).encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells that a file is still the same one. Times are in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int

    def as_list(self) -> list[int]:
        """For the child, and to be kept."""
        return [self.device, self.inode, self.size, self.mtime, self.ctime]


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in a directory. ``kind``: file, dir, link, other (a pipe, a device), locked (it cannot be read).

    ``path`` is relative to the directory that was walked from; bytes that are no UTF-8 are in it as Python's surrogates.
    """

    path: str
    kind: str
    identity: Identity
    mode: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.identity.size


@dataclass(frozen=True)
class Sums:
    """Checksums of what was read, up to ``end``."""

    crc32: int
    sha256: str
    end: int


@dataclass
class Stream:
    """A file that is being read: iterate once over its bytes; ``sums`` are there afterwards.

    ``mark`` is the last (offset, crc32) on the way, of use where the reading is broken off.
    """

    identity: Identity
    mode: int
    path: str
    _frames: AsyncIterator[tuple[bytes, bytes]]
    sums: Sums | None = field(default=None, init=False)
    mark: tuple[int, int] | None = field(default=None, init=False)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Its bytes, in pieces of 512 KiB at most.

        Raises:
            ReadError: also ``changed`` where it is not the same file any more at its end.
        """
        async for kind, body in self._frames:
            if kind == b"B":
                yield body
            elif kind == b"P":
                offset, crc = json.loads(body)
                self.mark = (offset, crc) if crc is not None else None
            elif kind == b"D":
                self.sums = _sums(json.loads(body))
                return


def _sums(done: dict[str, Any]) -> Sums:
    return Sums(int(done["crc32"]), str(done["sha256"]), int(done["end"]))


def process_options(data: ProposalData) -> dict[str, Any]:
    """What ``subprocess`` needs to start a program as the person: ``user``, ``group``, ``extra_groups``, ``umask``.

    Raises:
        ReadError: ``account``, if this portal may not, or they would be root.
    """
    if (data.uid == 0 and not data.own) or (os.geteuid() not in {0, data.uid}):
        raise ReadError("account", detail=f"uid {data.uid} from uid {os.geteuid()}")
    mine: dict[str, Any] = {"umask": 0o077, "cwd": "/", "env": {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}}
    if os.geteuid() == 0:
        mine |= {"user": data.uid, "group": data.gid, "extra_groups": list(data.groups)}
    return mine


class Reader:
    """One child process that reads for one person.

    Args:
        data: as whom; directories are named in each call.
    """

    def __init__(self, data: ProposalData) -> None:
        self._data = data
        self._child: asyncio.subprocess.Process | None = None
        self._answers = -1
        self._busy = asyncio.Lock()

    async def __aenter__(self) -> Self:
        process_options(self._data)  # whether it may be
        groups = [str(number) for number in self._data.groups]
        self._answers, theirs = _pipe()
        try:
            try:
                self._child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(CHILD), str(self._data.uid), str(self._data.gid), *groups),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=theirs,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={"LANG": "C.UTF-8"},
                    cwd="/",
                )
            finally:
                os.close(theirs)
            async with asyncio.timeout(FIRST_WORD_SECONDS):
                _, length = await self._head("")
                body = await self._whole("", length)
            if json.loads(body).get("uid") != self._data.uid:
                raise ReadError("account")
        except (OSError, TimeoutError, ReadError, ValueError):
            await self.aclose()
            raise ReadError("account", detail="the reading process did not start") from None
        except BaseException:  # whoever asked went away while it started: nobody else would end it
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the child. A read that hangs in the kernel is left to end there; nobody waits for it."""
        child, self._child = self._child, None
        answers, self._answers = self._answers, -1
        if answers >= 0:
            os.close(answers)
        if child is None:
            return
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        if child.stdin is not None:
            child.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(child.wait()), 2.0)

    async def walk(
        self, root: Path, path: str = "", *, deep: bool = True, limit: int = MOST_ENTRIES
    ) -> AsyncIterator[Entry]:
        """What lies beneath ``root/path``; one level only if not ``deep``. A directory stands before its content.

        Raises:
            ReadError: if it cannot be listed, or holds more than ``limit`` entries.
        """
        order = {"do": "walk", "root": str(root), "path": path, "deep": deep, "limit": limit + 1}
        async with self._order(order, path) as frames:
            async for kind, body in frames:
                if kind == b"E":
                    for name, what, numbers, mode in json.loads(body):
                        yield Entry(name, what, Identity(*numbers), mode if what != "locked" else 0)

    @contextlib.asynccontextmanager
    async def open(
        self,
        root: Path,
        path: str,
        *,
        start: int = 0,
        end: int | None = None,
        same: Identity | None = None,
        sums: Sequence[str] = (),
        crc: int = 0,
        links: bool = False,
    ) -> AsyncIterator[Stream]:
        """A file beneath ``root``, from ``start`` to ``end``.

        Args:
            root: a directory that the hub named.
            path: relative to it.
            start: first byte.
            end: after the last one; None for the file's end.
            same: refuse unless it is still this file, before and after.
            sums: ``crc32`` and ``sha256``, of what is read.
            crc: the CRC-32 of what stands before ``start``.
            links: follow links that stay beneath ``root``.

        Raises:
            ReadError: in words.
        """
        order = self._reading(root, path, start, end, same, sums, crc, links)
        async with self._order(order, path) as frames:
            kind, body = await anext(frames)
            if kind != b"S":
                raise ReadError("io", path)
            numbers, mode = json.loads(body)
            yield Stream(Identity(*numbers), mode, path, frames)

    async def sums(
        self,
        root: Path,
        path: str,
        *,
        sums: Sequence[str] = ("sha256",),
        same: Identity | None = None,
        start: int = 0,
        end: int | None = None,
        crc: int = 0,
        heard: Callable[[int], None] | None = None,
    ) -> tuple[Identity, Sums]:
        """Checksums of a file, without its bytes; arguments as :meth:`open`. ``heard`` is told every 256 MiB how far it is."""
        order = self._reading(root, path, start, end, same, sums, crc, False) | {"send": False}
        state: Identity | None = None
        async with self._order(order, path) as frames:
            async for kind, body in frames:
                if kind == b"S":
                    state = Identity(*json.loads(body)[0])
                elif kind == b"P" and heard:
                    heard(json.loads(body)[0])
                elif kind == b"D" and state:
                    return state, _sums(json.loads(body))
        raise ReadError("io", path)

    @staticmethod
    def _reading(
        root: Path,
        path: str,
        start: int,
        end: int | None,
        same: Identity | None,
        sums: Sequence[str],
        crc: int,
        links: bool,
    ) -> dict[str, Any]:
        known = same.as_list() if same else None
        where = {"do": "read", "root": str(root), "path": path, "links": links}
        return where | {"start": start, "end": end, "same": known, "sums": list(sums), "crc": crc}

    @contextlib.asynccontextmanager
    async def _order(self, order: dict[str, Any], path: str) -> AsyncIterator[AsyncIterator[tuple[bytes, bytes]]]:
        """Send an order; its frames up to the last. If they are not all taken, the child is of no more use, and is ended."""
        if "\0" in path or len(path) > 16_000:
            raise ReadError("missing", path[:100])
        async with self._busy:
            child = self._child
            if child is None or child.stdin is None:
                raise ReadError("io", path, "the reader is closed")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                child.stdin.write(json.dumps(order).encode("ascii") + b"\n")
                await child.stdin.drain()
            ended = [False]
            frames = self._frames(path, ended)
            try:
                yield frames
            finally:
                await frames.aclose()
                if not ended[0]:
                    await self.aclose()

    async def _frames(self, path: str, ended: list[bool]) -> AsyncGenerator[tuple[bytes, bytes]]:
        while not ended[0]:
            kind, length = await self._head(path)
            left = length
            if kind == b"B":  # given on as it comes: putting it together would cost a copy
                while left:
                    piece = await self._heard(path, left)
                    left -= len(piece)
                    yield kind, piece
                continue
            body = await self._whole(path, length)
            ended[0] = kind in {b"D", b"X"}
            if kind == b"X":
                code, words = json.loads(body)
                raise ReadError(code, path, words)
            yield kind, body

    async def _head(self, path: str) -> tuple[bytes, int]:
        head = await self._whole(path, 5)
        (length,) = struct.unpack(">I", head[1:])
        if length > 16 * 1024**2:
            raise ReadError("io", path, "the reading process sends nonsense")
        return head[:1], length

    async def _whole(self, path: str, length: int) -> bytes:
        parts = []
        while length:
            parts.append(await self._heard(path, length))
            length -= len(parts[-1])
        return b"".join(parts)

    async def _heard(self, path: str, most: int) -> bytes:
        """Some of what the child says, as soon as there is some."""
        if self._child is None or self._answers < 0:
            raise ReadError("io", path, "the reader is closed")
        while True:
            try:
                piece = os.read(self._answers, most)
            except BlockingIOError:
                await self._readable(path)
                continue
            if not piece:
                raise ReadError("io", path, "the reading process ended")
            return piece

    async def _readable(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        there: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._answers, _tell, there)
        try:
            await asyncio.wait_for(there, SILENCE_SECONDS)
        except TimeoutError:
            raise ReadError("silent", path) from None
        finally:
            loop.remove_reader(self._answers)


def _tell(there: asyncio.Future[None]) -> None:
    if not there.done():
        there.set_result(None)


def _pipe() -> tuple[int, int]:
    """A pipe: the end that is read does not block; both are big enough for the child to work ahead."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    with contextlib.suppress(OSError, AttributeError):  # many pipes of the user's: then a small one does
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return ours, theirs
