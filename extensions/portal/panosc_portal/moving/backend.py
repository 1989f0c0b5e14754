"""What all ways of staging have in common: list what is there, copy what is not here, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from panosc_portal.moving.jobs import JobError, Progress
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.place import Place, Writer
from panosc_portal.moving.quota import FULL, Room
from panosc_portal.moving.remote_files import ListingError, RemoteFile, TreeLimits
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.settle import directory_of, size_here
from panosc_portal.moving.threads import asked_in_staging_thread, in_staging_thread

_PIECE = 1024 * 1024
Opener = Callable[[RemoteFile, int], AbstractAsyncContextManager[tuple[int, AsyncIterator[bytes]]]]
"""Opens a remote file at an offset: (where its bytes begin, its bytes)."""


@dataclass
class Copying:
    """One directory that is being copied: from where, to where, what is left, and who is told.

    Attributes:
        path: beneath the remote's url.
        place: where it goes.
        journal: what is left.
        writer: as whom it is written.
        room: asked while it is copied.
        report: told how far the whole job is.
        live: bytes of files that are being copied now.
    """

    path: str
    place: Place
    journal: Journal
    writer: Writer
    room: Room
    report: Callable[[Progress], None]
    live: dict[str, int] = field(default_factory=dict)

    def some(self, most: int = 1000) -> list[RemoteFile]:
        """The next files that are not here; none when all are."""
        return list(itertools.islice(self.journal.to_copy(), most))

    def told(self) -> None:
        """Say how far it is."""
        files, size = self.journal.copied()
        all_files, all_size = self.journal.totals()
        self.report(Progress(min(all_size, size + sum(self.live.values())), all_size, files, all_files))

    async def check_room(self) -> None:
        """Whether there still is room.

        Raises:
            NoRoomError: in words.
        """
        files, size = self.journal.copied()
        all_files, all_size = self.journal.totals()
        here = size + sum(self.live.values())
        missing, missing_files = max(0, all_size - here), max(0, all_files - files)
        await asked_in_staging_thread(self.room.check, all_size, all_files, missing, missing_files)


class Backend(Protocol):
    """One way of staging."""

    def walk(self, path: str, limits: TreeLimits) -> AsyncIterator[RemoteFile]:
        """What is there, looked at.

        Raises:
            JobError: in words; :class:`ListingError` if it cannot be used.
        """

    async def small(self, path: str, most: int) -> bytes | None:
        """A small file's bytes, or None."""

    async def digest(self, path: str) -> str | None:
        """A file's checksum as the storage knows it, or None."""

    async def copy(self, copying: Copying) -> None:
        """Copy all that is not here, and write down what is.

        Raises:
            JobError: in words. What is here by then is kept.
        """


async def each(files: list[RemoteFile], at_once: int, work: Callable[[RemoteFile], Awaitable[None]]) -> None:
    """Do the same for each file, some at a time; the first failure ends all."""
    waiting = iter(files)

    async def one_after_the_other() -> None:
        for file in waiting:
            await work(file)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(files))):
                group.create_task(one_after_the_other())
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of several failures, one that is not only "try again"."""
    found = [error for error in errors.exceptions if not isinstance(error, TryAgainError)] or list(errors.exceptions)
    return _first(found[0]) if isinstance(found[0], BaseExceptionGroup) else found[0]


class _Written:
    """A file that is being written. All of it blocks: for a thread, one call at a time."""

    def __init__(self, place: Place, path: str) -> None:
        self._place, self._path, self._handle = place, path, -1

    def open(self) -> int:
        """Open it, and make it where it is not; bytes that are in it."""
        with self._place.opened() as root:
            size = size_here(root, self._path) or 0
            with directory_of(root, self._path, make=True) as (directory, name):
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                self._handle = os.open(name, flags, 0o600, dir_fd=directory)
        return size

    def cut(self, at: int) -> None:
        """What is after ``at`` goes, and the next byte comes there."""
        os.ftruncate(self._handle, at)
        os.lseek(self._handle, at, os.SEEK_SET)

    def write(self, content: bytes) -> int:
        """All of it; how much that is."""
        view = memoryview(content)
        while view:
            view = view[os.write(self._handle, view) :]
        return len(content)

    def close(self) -> None:
        """Close it, if it is open. A file system on the network may say only here that it is full."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


@asynccontextmanager
async def _written(copying: Copying, file: RemoteFile) -> AsyncIterator[tuple[_Written, int]]:
    """A file to write, open, and how much of it is here."""
    target = _Written(copying.place, file.path)
    try:
        yield target, await in_staging_thread(target.open)
    except BaseException:
        with suppress(OSError):  # the first failure is the one to tell
            await in_staging_thread(target.close)
        raise
    finally:
        copying.live.pop(file.path, None)
    await in_staging_thread(target.close)


async def fetch(copying: Copying, file: RemoteFile, opener: Opener, *, go_on: bool) -> None:
    """Copy one file over HTTP, from where an earlier try ended if ``go_on``.

    Raises:
        JobError: in words.
    """
    try:
        async with _written(copying, file) as (target, size):
            await _fill(copying, file, opener, target, size if go_on and size < file.size else 0)
    except OSError as error:
        if error.errno in FULL:
            raise copying.room.full() from None
        raise JobError(
            f"{file.path} cannot be written: {error.strerror}.", "Tell the people who run this hub."
        ) from error
    copying.journal.here([file.path])
    copying.told()


async def _fill(copying: Copying, file: RemoteFile, opener: Opener, target: _Written, start: int) -> None:
    async with opener(file, start) as (begins, pieces):
        await in_staging_thread(target.cut, begins)
        written, held = begins, bytearray()
        async for piece in pieces:
            held += piece
            if written + len(held) > file.size:
                await in_staging_thread(target.cut, 0)
                raise changed(file)
            if len(held) >= _PIECE:
                written += await in_staging_thread(target.write, bytes(held))
                held.clear()
                copying.live[file.path] = written
                copying.told()
        written += await in_staging_thread(target.write, bytes(held))
    if written < file.size:
        raise TryAgainError(f"The connection ended in the middle of {file.path}.")


def changed(file: RemoteFile) -> ListingError:
    """A file has another size than the listing said."""
    return ListingError(
        f"{file.path} has another size than the storage's list says ({file.size:,} bytes): it is being written to, or the list "
        "is wrong."
    )
