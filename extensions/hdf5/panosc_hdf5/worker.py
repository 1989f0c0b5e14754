"""A process that reads HDF5 files for the Jupyter server, so that nothing in a file can block or end the server.

Started as ``python -m panosc_hdf5.worker SOCKET MEMORY SETTINGS`` with the descriptors of a socket and of shared memory. It
ends when the socket does.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from panosc_hdf5 import __version__
from panosc_hdf5.core import operations
from panosc_hdf5.core.context import Context, Limits, Services, Ticket
from panosc_hdf5.core.errors import HDF5Error, TooLarge
from panosc_hdf5.core.wire import Reply, envelope_parts
from panosc_hdf5.worker_answer import (
    INLINE_BYTES,
    Compressor,
    listed,
    media_type,
    pack_bytes,
    plain_parts,
    worth_compressing,
)
from panosc_hdf5.worker_arena import Arena
from panosc_hdf5.worker_limits import bound_memory, no_core_dumps, resident, step_back, volunteer_for_oom
from panosc_hdf5.worker_protocol import Unpacker, WorkerSettings, answers_in_parts, pack

log = logging.getLogger("panosc_hdf5.worker")

IDLE_SECONDS = 5.0
QUICK_SECONDS = 30.0  # operations that may take longer wait behind others
TOGETHER_SECONDS = 0.03  # lines that come sooner after others travel with the next
AHEAD = 8  # small parts that may be on their way at once


@dataclass
class Job:
    """One request in this worker."""

    number: int
    operation: str
    parameters: dict[str, str]
    gzip: bool
    ticket: Ticket
    parts: int = 0
    lines: bool = False
    compressor: Compressor | None = None
    held: dict[int, list[int]] = field(default_factory=dict)  # part: regions the server still sends
    room: threading.Condition = field(default_factory=threading.Condition)


class Backlog:
    """Jobs that wait for a thread. Long ones never take all threads: the first is kept for what a person waits for.

    Args:
        threads: how many take jobs.
    """

    def __init__(self, threads: int) -> None:
        self._inboxes = [queue.SimpleQueue[Job]() for _ in range(threads)]
        self._idle: set[int] = set()
        self._quick: deque[Job] = deque()
        self._long: deque[Job] = deque()
        self._lock = threading.Lock()

    def put(self, job: Job, long: bool) -> None:
        """Give a job to a thread that is idle, else to the next one that will be."""
        with self._lock:
            free = self._idle - {0} if long and len(self._inboxes) > 1 else self._idle
            if free:
                thread = min(free)
                self._idle.remove(thread)
                self._inboxes[thread].put(job)
            else:
                (self._long if long else self._quick).append(job)

    def take(self, thread: int) -> Job:
        """The next job of a thread, when there is one."""
        with self._lock:
            if self._quick:
                return self._quick.popleft()
            if self._long and (thread or len(self._inboxes) == 1):
                return self._long.popleft()
            self._idle.add(thread)
        return self._inboxes[thread].get()


class Worker:
    """Reads requests, answers them in threads.

    Args:
        link: the socket to the server.
        memory: descriptor of the shared memory.
        settings: see :class:`WorkerSettings`.
    """

    def __init__(self, link: socket.socket, memory: int, settings: WorkerSettings) -> None:
        self._link = link
        self._settings = settings
        self._arena = Arena(memory, settings.arena_bytes)
        self._limits = Limits(**settings.limits or {})
        self._services = Services(
            roots=tuple(map(Path, settings.roots)),
            limits=self._limits,
            cache_dir=Path(settings.cache_dir) if settings.cache_dir else None,
        )
        self._jobs: dict[int, Job] = {}
        self._waiting = Backlog(settings.jobs)
        self._sending = threading.Lock()
        self._last = time.monotonic()
        self._shrunk = True

    def serve(self) -> None:
        """Until the server is gone or says stop."""
        for slot in range(self._settings.jobs):
            threading.Thread(target=self._work, args=(slot,), name=f"job-{slot}", daemon=True).start()
        self._send({"hello": os.getpid(), "version": __version__, "codecs": _codecs()})
        unpacker = Unpacker()
        while True:
            if not select.select([self._link], [], [], IDLE_SECONDS)[0]:
                self._rest()
                continue
            data = self._link.recv(65536)
            if not data:
                return
            for message, _ in unpacker.feed(data):
                if message["do"] == "stop":
                    return
                self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        if message["do"] == "run":
            job = Job(
                message["id"],
                message["operation"],
                message["parameters"],
                message["gzip"],
                Ticket(message["seconds"]),
            )
            self._jobs[job.number] = job
            entry = operations.TABLE.get(job.operation)
            self._waiting.put(job, long=entry is not None and entry.seconds > QUICK_SECONDS)
        elif message["do"] == "cancel":
            if asked := self._jobs.get(message["id"]):
                asked.ticket.cancel()
        elif message["do"] == "done":
            if sent := self._jobs.get(message["id"]):
                self._sent(sent, message["part"])
        elif message["do"] == "ping":
            self._send({"pong": self._figures()})

    def _figures(self) -> dict[str, int]:
        return {
            "shared_bytes": self._arena.used,
            "decoded_bytes": self._services.decoded.nbytes,
            "resident_bytes": resident(),
        }

    def _sent(self, job: Job, part: int) -> None:
        with job.room:
            for offset in job.held.pop(part, ()):
                self._arena.release(offset)
            job.room.notify_all()
            if not job.held and job.parts < 0:
                self._jobs.pop(job.number, None)

    def _work(self, slot: int) -> None:
        while True:
            job = self._waiting.take(slot)
            self._arena.started(slot, job.number)
            try:
                self._answer(job)
            except OSError:
                return  # the server is gone
            except Exception:
                # Not even the failure could be told. The thread goes on, or soon there would be none.
                log.exception("%s failed, and so did saying so", job.operation)
            finally:
                self._arena.started(slot, 0)
                self._last, self._shrunk = time.monotonic(), False
                self._over(job)
                del job

    def _over(self, job: Job) -> None:
        with job.room:
            job.parts = -1  # nothing follows: the last region that comes back ends it
            if not job.held:
                self._jobs.pop(job.number, None)

    def _answer(self, job: Job) -> None:
        try:
            job.ticket.check()
            self._run(job)
        except HDF5Error as error:
            self._fail(job, error)
        except MemoryError:
            self._fail(
                job,
                TooLarge(
                    "This needs more memory than a reader may have.",
                    "Ask for less: a slice, a stride or a tile.",
                    code="memory",
                ),
            )
        except OSError as error:
            if not self._alive():
                raise
            self._bug(job, error)
        except Exception as error:
            self._bug(job, error)

    def _bug(self, job: Job, error: Exception) -> None:
        log.exception("%s failed", job.operation, exc_info=error)
        self._fail(
            job,
            HDF5Error(
                f"The operation {job.operation} failed in a way that nobody foresaw ({type(error).__name__}).",
                "The server's log has the details; please report them.",
                code="internal",
            ),
        )

    def _fail(self, job: Job, error: HDF5Error) -> None:
        found = {"status": error.status, **error.as_json()}
        self._send({"id": job.number, "error": found}, self._last_words(job, found) if job.parts else b"")

    def _last_words(self, job: Job, error: dict[str, Any]) -> bytes:
        """What ends a stream whose first parts are sent: the error as one more line or envelope."""
        words = Reply(header={"error": error})
        parts = plain_parts(words, True) if job.lines else list(envelope_parts(words))
        return job.compressor.part(parts, last=True) if job.compressor else b"".join(parts)

    def _run(self, job: Job) -> None:
        entry = operations.TABLE.get(job.operation)
        in_parts = entry is not None and answers_in_parts(entry.streamed, entry.parameters, job.parameters)
        context = Context(self._services, job.ticket, self._empty)
        replies = operations.run(job.operation, job.parameters, context)
        try:
            if in_parts:
                self._stream(job, replies)
            else:
                self._send_only(job, replies)
        finally:
            close = getattr(replies, "close", None)
            if close is not None:
                close()

    def _send_only(self, job: Job, replies: Iterator[Reply]) -> None:
        reply = None
        for reply in replies:  # noqa: B007 - the last one is the whole answer
            job.ticket.check()
        if reply is None:
            raise HDF5Error(f"The operation {job.operation} gave no answer.", code="internal")
        gzip = job.gzip and worth_compressing(job.operation, reply, False)
        parts = plain_parts(reply, False, shuffle=gzip)
        self._part(job, reply, [Compressor().part(parts, last=True)] if gzip else parts, gzip, last=True)

    def _stream(self, job: Job, replies: Iterator[Reply]) -> None:
        lines: list[bytes | memoryview] = []
        due = 0.0
        try:
            for reply in replies:
                if not job.parts:
                    job.lines = reply.is_json
                    if job.gzip and worth_compressing(job.operation, reply, True):
                        job.compressor = Compressor()
                parts = plain_parts(reply, True, shuffle=job.compressor is not None)
                if job.lines and time.monotonic() < due:
                    lines += parts  # thousands a second are not a message each
                    continue
                parts, lines = lines + parts, []
                self._stream_part(job, reply, parts)
                due = time.monotonic() + TOGETHER_SECONDS
                # The next reply may be written over what this one lies in: it waits until the server has sent this.
                self._wait_for_room(job)
        finally:
            if lines:
                self._stream_part(job, Reply(), lines)
        self._send({"id": job.number, "end": True}, job.compressor.end() if job.compressor else b"")

    def _stream_part(self, job: Job, reply: Reply, parts: list[bytes | memoryview]) -> None:
        if job.compressor is not None:
            parts = [job.compressor.part(parts, last=False)]
        self._part(job, reply, parts, job.compressor is not None, last=False)

    def _part(self, job: Job, reply: Reply, parts: list[bytes | memoryview], gzip: bool, *, last: bool) -> None:
        packed = pack_bytes(parts, self._arena, self._limits.reply_bytes + INLINE_BYTES, job.ticket.check)
        number = job.parts
        depends = listed(reply.depends)
        with job.room:
            if packed.held or not last:
                job.held[number] = packed.held
            job.parts += 1
        message = {
            "id": job.number,
            "part": number,
            "pieces": packed.pieces,
            "last": last,
            "type": media_type(reply, not last),
            "gzip": gzip,
            "filename": reply.filename,
            "cacheable": reply.cacheable and len(depends) == len(reply.depends),
            "depends": depends,
        }
        self._send(message, packed.body)

    def _wait_for_room(self, job: Job) -> None:
        with job.room:
            while len(job.held) > AHEAD or any(job.held.values()):
                job.room.wait(0.1)
                job.ticket.check()

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        dtype = np.dtype(dtype)
        nbytes = dtype.itemsize * int(np.prod(shape, dtype=object))
        if INLINE_BYTES < nbytes <= self._arena.capacity and not dtype.hasobject:
            found = self._arena.allocate(nbytes)
            if found is not None:
                return found[1].view(dtype).reshape(shape)
        return np.empty(shape, dtype)

    def _send(self, message: dict[str, Any], body: bytes = b"") -> None:
        with self._sending:
            self._link.sendall(pack(message, body))

    def _alive(self) -> bool:
        try:
            return self._link.getpeername() is not None
        except OSError:
            return False

    def _rest(self) -> None:
        if not self._shrunk and time.monotonic() - self._last > IDLE_SECONDS:
            self._shrunk = True
            self._arena.shrink()


def _codecs() -> list[str]:
    """The filters that can be decoded here, as far as their plug-ins were preloaded."""
    found = {"gzip", "shuffle", "fletcher32", "szip"}
    if plugin := sys.modules.get("hdf5plugin"):
        found |= set(plugin.get_config().registered_filters)
    return sorted(found)


def main(arguments: list[str]) -> None:
    """Serve until the server is gone.

    Args:
        arguments: descriptor of the socket, of the shared memory, and the settings.
    """
    logging.basicConfig(level=logging.WARNING, format="[panosc_hdf5.worker %(process)d] %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the server's terminal is for the server
    settings = WorkerSettings.from_json(arguments[2])
    no_core_dumps()
    volunteer_for_oom()
    step_back(settings.nice)
    for name in settings.preload:
        try:
            import_module(name)
        except ImportError:
            log.warning("Cannot preload %s", name, exc_info=True)
    sys.setswitchinterval(0.001)
    link = socket.socket(fileno=int(arguments[0]))
    worker = Worker(link, int(arguments[1]), settings)
    os.close(int(arguments[1]))
    bound_memory(settings.memory_bytes)
    with suppress(ConnectionError, json.JSONDecodeError):
        worker.serve()
    os._exit(0)  # threads within HDF5 do not end otherwise


if __name__ == "__main__":
    main(sys.argv[1:])
