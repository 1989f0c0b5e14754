"""Processes that outlive the hub: told apart from whoever has their number later, signalled, and their logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LOG_BYTES = 1024**2
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process, by number and birth: numbers are given again, to anybody."""

    pid: int
    born: str

    @classmethod
    def now(cls, pid: int) -> Process | None:
        """The process that has this number now; None if there is none, or only its remains."""
        born = _born(pid)
        return cls(pid, born) if born else None

    def alive(self) -> bool:
        """Whether it still runs."""
        return _born(self.pid) == self.born

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to it, and never to another process. False if it is gone."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                # Asked after the descriptor is open: from here on it is this process or none.
                if self.alive():
                    signal.pidfd_send_signal(descriptor, number)
                    return True
            finally:
                os.close(descriptor)
        return False

    async def wait(self, seconds: float) -> bool:
        """Wait until it has ended; False if it has not by then."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.alive():
            if loop.time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


def descendants(pid: int) -> list[Process]:
    """Its children, and theirs."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return [process for found in _below(pid, children) if (process := Process.now(found))]


def _below(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    for child in children.get(pid, ()):
        yield child
        yield from _below(child, children)


async def end(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Kill what is left of these, and return what does not even die of that."""
    left = [process for process in processes if process.send(signal.SIGKILL)]
    return [process for process in left if not await process.wait(seconds)]


def _born(pid: int) -> str:
    fields = _stat(pid)
    return f"{_boot()}:{fields[19]}" if fields and fields[0] not in "ZX" else ""


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` from the state on: the name before it may hold spaces and parentheses."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except (OSError, UnicodeDecodeError):
        return []


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def open_log(file: Path) -> int:
    """Open a server's log to append to it; what an earlier start wrote is kept once, when it is long."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size > _LOG_BYTES:
            file.replace(file.with_suffix(".log.1"))
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def tail(file: Path, offset: int = 0, lines: int = 20) -> str:
    """The last lines of a log, of those written from ``offset`` on."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            offset = offset if offset <= size else 0
            begin = log.seek(max(offset, size - 16384))
            content = log.read()
    except OSError:
        return ""
    if begin > offset:
        content = content.partition(b"\n")[2]  # a line that is cut could hold half a secret
    return "\n".join(content.decode("utf-8", "replace").splitlines()[-lines:])
