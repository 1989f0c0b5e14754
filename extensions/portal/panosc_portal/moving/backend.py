"""What all ways of staging have in common: list what is there, copy what is not here, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from panosc_portal.moving.jobs import JobError, Progress
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.place import Place, Writer
from panosc_portal.moving.quota import FULL, Room
from panosc_portal.moving.remote_files import ListingError, RemoteFile, TreeLimits
from panosc_portal.moving.runner import TryAgainError
from panosc_portal.moving.settle import directory_of, size_here

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

    def check_room(self) -> None:
        """Whether there still is room.

        Raises:
            NoRoomError: in words.
        """
        files, size = self.journal.copied()
        all_files, all_size = self.journal.totals()
        here = size + sum(self.live.values())
        self.room.check(all_size, all_files, max(0, all_size - here), max(0, all_files - files))


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


async def fetch(copying: Copying, file: RemoteFile, opener: Opener, *, go_on: bool) -> None:
    """Copy one file over HTTP, from where an earlier try ended if ``go_on``.

    Raises:
        JobError: in words.
    """
    try:
        with copying.place.opened() as root:
            start = (size_here(root, file.path) or 0) if go_on else 0
            with directory_of(root, file.path, make=True) as (directory, name):
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                handle = os.open(name, flags, 0o600, dir_fd=directory)
        try:
            await _fill(copying, file, opener, handle, start if start < file.size else 0)
        finally:
            os.close(handle)
            copying.live.pop(file.path, None)
    except OSError as error:
        if error.errno in FULL:
            raise copying.room.full() from None
        raise JobError(
            f"{file.path} cannot be written: {error.strerror}.", "Tell the people who run this hub."
        ) from error
    copying.journal.here([file.path])
    copying.told()


async def _fill(copying: Copying, file: RemoteFile, opener: Opener, handle: int, start: int) -> None:
    async with opener(file, start) as (begins, pieces):
        os.ftruncate(handle, begins)
        os.lseek(handle, begins, os.SEEK_SET)
        written, held = begins, bytearray()
        async for piece in pieces:
            held += piece
            if written + len(held) > file.size:
                os.ftruncate(handle, 0)
                raise changed(file)
            if len(held) >= _PIECE:
                written += await _write(handle, held)
                copying.live[file.path] = written
                copying.told()
        written += await _write(handle, held)
    if written < file.size:
        raise TryAgainError(f"The connection ended in the middle of {file.path}.")


async def _write(handle: int, held: bytearray) -> int:
    """All of it, in a thread: a file system that is away would stop the whole portal."""
    size = len(held)
    view = memoryview(bytes(held))
    held.clear()
    while view:
        view = view[await asyncio.to_thread(os.write, handle, view) :]
    return size


def changed(file: RemoteFile) -> ListingError:
    """A file has another size than the listing said."""
    return ListingError(
        f"{file.path} has another size than the storage's list says ({file.size:,} bytes): it is being written to, or the list "
        "is wrong."
    )
