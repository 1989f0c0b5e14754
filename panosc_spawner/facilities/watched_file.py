"""A file that others replace while the hub runs: read in a thread, and again when it changed."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

MAX_BYTES = 256 * 1024**2
T = TypeVar("T")
_Version = tuple[int, ...]


class UnusableFileError(Exception):
    """The file cannot be read, or holds a mistake; its text says so in words, with the file's name."""


class WatchedFile(Generic[T]):
    """What a parser makes of a file as it is now.

    Askers share one read, so that a hanging file system holds one thread. A broken file is refused until it changes:
    to read a big one for every question would slow everybody down.

    Args:
        path: of the file. Replace it by renaming a new one over it: a half-written one is refused, or read as it is.
        parse: makes the content of its text; raises ValueError in words.
    """

    def __init__(self, path: Path, parse: Callable[[str], T]) -> None:
        self.path = path
        self._parse = parse
        self._version: _Version = ()
        self._content: T | None = None
        self._refused: tuple[_Version, str] = ((), "")
        self._reading: asyncio.Task[T] | None = None

    async def current(self) -> T:
        """The content.

        Raises:
            UnusableFileError: in words.
        """
        reading = self._reading
        if reading is None or reading.done() or reading.get_loop() is not asyncio.get_running_loop():
            self._reading = reading = asyncio.create_task(asyncio.to_thread(self._read_if_changed))
            reading.add_done_callback(_retrieve)
        return await asyncio.shield(reading)

    def _read_if_changed(self) -> T:
        try:
            with open(self.path, "rb", opener=_without_waiting) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise UnusableFileError(f"{self.path.name} is not a file")
                version = _version(status)
                if version == self._version and self._content is not None:
                    return self._content
                if version == self._refused[0]:
                    raise UnusableFileError(self._refused[1])
                content = file.read(MAX_BYTES + 1)
                if _version(os.fstat(file.fileno())) != version or len(content) != version[1]:
                    raise UnusableFileError(f"{self.path.name} changed while it was read, or is too big")
        except OSError as error:
            raise UnusableFileError(f"{self.path.name} cannot be read: {error.strerror}") from error
        try:
            parsed = self._parse(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise self._refusal(version, f"{self.path.name} is not UTF-8 at byte {error.start}") from error
        except ValueError as error:
            raise self._refusal(version, f"{self.path.name}: {error}") from error
        self._version, self._content = version, parsed
        return parsed

    def _refusal(self, version: _Version, reason: str) -> UnusableFileError:
        self._refused = (version, reason)
        return UnusableFileError(reason)


def _version(status: os.stat_result) -> _Version:
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe, too, at once: one that nobody writes to would hold the only reader for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _retrieve(task: asyncio.Task[T]) -> None:
    """Look at the outcome, so that a read whose askers all gave up does not warn."""
    if not task.cancelled():
        task.exception()
