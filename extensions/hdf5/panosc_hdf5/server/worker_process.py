"""One worker process as the server sees it: started, asked, watched, ended."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

with suppress(ImportError):  # not on Windows, where no worker starts
    import fcntl

from panosc_hdf5.core.errors import KINDS, HDF5Error
from panosc_hdf5.core.wire import Depends
from panosc_hdf5.server.parts import Part, Question
from panosc_hdf5.worker_protocol import INLINE, JOB, TABLE_BYTES, Unpacker, WorkerSettings, pack

log = logging.getLogger(__name__)

Listener = Callable[[dict[str, Any], bytes], None]


def shared_memory(size: int) -> int:
    """A descriptor of memory without a name, so that nothing is left whatever happens. It costs only what is used."""
    if not hasattr(os, "memfd_create"):
        descriptor, name = tempfile.mkstemp(prefix="panosc-hdf5-")
        os.unlink(name)  # noqa: PTH108 - it never has a name that anybody could use
        os.ftruncate(descriptor, size)
        return descriptor
    descriptor = os.memfd_create("panosc-hdf5", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    # A reader that a file has taken over cannot take it away from below the server, which would end by that.
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


class WorkerProcess(asyncio.Protocol):
    """Starts the process and speaks with it. Everything but the start itself happens in the event loop.

    Args:
        settings: what the worker is told.
        died: called once when the process is gone, however that came.
    """

    def __init__(self, settings: WorkerSettings, died: Callable[[WorkerProcess], None]) -> None:
        self.settings = settings
        self.runs: dict[int, Any] = {}  # by number; the pool's business
        self.hello: dict[str, Any] | None = None
        self.heard = time.monotonic()
        self.figures: dict[str, int] = {}
        self.dead = False
        self.ended_by_us = False
        self.culprit_known = False  # whose fault its end is was found out before
        self._died = died
        self._listener: Listener | None = None
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._memory: mmap.mmap | None = None
        self._view = memoryview(b"")
        self._unsent: list[bytes] = []
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def pid(self) -> int:
        """Of the process; 0 before it is there."""
        return self._process.pid if self._process is not None else 0

    async def start(self, listener: Listener) -> None:
        """Start the process; returns when it exists, not when it is ready: what is sent meanwhile waits in the socket.

        Raises:
            OSError: it cannot be started.
        """
        if os.name == "nt":
            raise OSError("reading HDF5 files in workers needs Linux or macOS")
        self._listener = listener
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        memory = -1
        try:
            with theirs:
                memory = shared_memory(self.settings.arena_bytes)
                self._memory = mmap.mmap(memory, self.settings.arena_bytes, prot=mmap.PROT_READ)
                self._view = memoryview(self._memory)
                self._process = await loop.run_in_executor(None, self._spawn, theirs.fileno(), memory)
            await loop.create_unix_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            raise
        finally:
            if memory >= 0:
                os.close(memory)

    def _spawn(self, link: int, memory: int) -> subprocess.Popen[bytes]:
        arguments = [str(link), str(memory), self.settings.as_json()]
        # -P: a numpy.py in somebody's home is not what is imported.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "panosc_hdf5.worker", *arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=(link, memory),
            env={"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "4"} | dict(os.environ),
        )

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process listens."""
        self._transport = cast(asyncio.Transport, transport)
        if self.dead:
            transport.close()
            return
        for message in self._unsent:
            self._transport.write(message)
        self._unsent = []

    def data_received(self, data: bytes) -> None:
        """The process says something."""
        self.heard = time.monotonic()
        try:
            for message, body in self._unpacker.feed(data):
                if "hello" in message:
                    self.hello = message
                    self.wake()
                    self._tell(message, body)
                elif "pong" in message:
                    self.figures = {str(name): int(value) for name, value in message["pong"].items()}
                    self.wake()
                else:
                    self._tell(message, body)
        except (ValueError, KeyError, TypeError) as error:
            # A corrupt file may have taken over what the worker says.
            log.warning("A reader of HDF5 files says what it should not (%s); it is replaced.", error)
            self.kill()

    def _tell(self, message: dict[str, Any], body: bytes) -> None:
        if self._listener is not None and not self.dead:
            self._listener(message, body)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process is gone, or about to be."""
        self._gone()

    # what the pool does with it

    def send(self, message: dict[str, Any]) -> None:
        """Say something to the process, also before it is ready."""
        if self.dead:
            return
        if self._transport is None:
            self._unsent.append(pack(message))
        else:
            self._transport.write(pack(message))

    def run(self, number: int, question: Question) -> None:
        """Ask a question."""
        self.send(
            {
                "do": "run",
                "id": number,
                "operation": question.operation,
                "parameters": dict(question.parameters),
                "gzip": question.gzip,
                "seconds": question.seconds,
            }
        )

    def part(self, message: dict[str, Any], body: bytes) -> Part:
        """A part of an answer out of what the process said.

        Raises:
            ValueError: it points to where nothing can be.
        """
        number, part = int(message["id"]), int(message["part"])
        views: list[memoryview] = []
        inline = memoryview(body)
        for offset, size in message["pieces"]:
            if offset == INLINE:
                views.append(inline[:size])
                inline = inline[size:]
            elif TABLE_BYTES <= offset <= offset + size <= len(self._view):
                views.append(self._view[offset : offset + size])
            else:
                raise ValueError("a region outside of the shared memory")
        # A worker waits for regions to come back, and in a stream for small parts, too.
        waited_for = not message["last"] or any(offset != INLINE for offset, _ in message["pieces"])
        return Part(
            views,
            str(message["type"]),
            bool(message["gzip"]),
            bool(message["last"]),
            str(message["filename"]),
            bool(message["cacheable"]),
            tuple(Depends(str(path), *map(int, numbers)) for path, *numbers in message["depends"]),
            (lambda: self.send({"do": "done", "id": number, "part": part})) if waited_for else None,
        )

    def running(self) -> set[int]:
        """The jobs that it works on, by what it noted in the shared memory; also when it is dead."""
        if self._memory is None:
            return set()
        jobs = (JOB.unpack_from(self._memory, slot * JOB.size)[0] for slot in range(self.settings.jobs))
        return {job for job in jobs if job}

    def kill(self) -> None:
        """End it now. It is dead from here on, even if it hangs in the kernel and cannot end."""
        self.ended_by_us = True
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
        self._gone()

    def stop(self) -> None:
        """Ask it to end: it has nothing to do."""
        self.ended_by_us = True
        self.send({"do": "stop"})
        self._gone()

    async def ready(self, seconds: float) -> bool:
        """Wait until it has said that it is ready; whether it has."""
        await self._until(lambda: self.hello is not None, seconds)
        return self.hello is not None and not self.dead

    async def measure(self, seconds: float = 0.5) -> dict[str, int]:
        """Its figures as they are now, or as they were if it does not answer soon."""
        self.figures, before = {}, self.figures
        self.send({"do": "ping"})
        await self._until(lambda: bool(self.figures), seconds)
        self.figures = self.figures or before
        return self.figures

    async def _until(self, found: Callable[[], bool], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not (found() or self.dead) and loop.time() < end:
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
            await asyncio.wait([waiter], timeout=end - loop.time())

    def wake(self) -> None:
        """Something that somebody may wait for has changed."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = []

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None if it has not ended. Blocks: for a thread."""
        if self._process is None:
            return None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _gone(self) -> None:
        if self.dead:
            return
        self.dead = True
        if self._transport is not None:
            self._transport.close()
        self._view = memoryview(b"")  # parts that are still sent keep the memory alive
        self.wake()
        self._died(self)


def error_from(found: dict[str, Any]) -> HDF5Error:
    """The error that a worker reports."""
    kind = KINDS.get(int(found["status"]), HDF5Error)
    details = found.get("details") or {}
    return kind(str(found["message"]), str(found.get("remedy", "")), code=str(found["code"]), **details)
