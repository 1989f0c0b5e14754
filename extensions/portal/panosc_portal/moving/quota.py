"""Whether there is room: asked before anything is copied, and while it is copied."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from panosc_portal.moving.jobs import JobError
from panosc_spawner.facilities.units import format_size

FULL = {errno.ENOSPC, errno.EDQUOT}
_REMEDY = "Ask the people who run this hub to remove staged data that nobody needs any more, then try again."


class Coming:
    """Bytes that come just now, so that two jobs do not both take the last of a quota."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}

    def of(self, remote: str, without: str) -> int:
        """Bytes that come from a remote, without one place's."""
        return sum(size for key, (name, size) in self._held.items() if name == remote and key != without)

    @contextmanager
    def held(self, remote: str, key: str, size: int) -> Iterator[None]:
        """Within the block, so many come from a remote to a place."""
        self._held[key] = (remote, size)
        try:
            yield
        finally:
            del self._held[key]


class NoRoomError(JobError):
    """There is no room for the data here."""

    def __init__(self, words: str) -> None:
        super().__init__(words, _REMEDY)


@dataclass(frozen=True)
class Room:
    """The room that a remote's data have.

    Attributes:
        root: on the file system in question.
        quota: bytes that all its staged data may take.
        keep_free: bytes that stay free on the file system.
        used: bytes that its staged data take already, without the one in hand.
        title: of the remote, for words.
    """

    root: Path
    quota: int
    keep_free: int
    used: int
    title: str

    def check(self, total: int, files: int, missing: int, missing_files: int = 0) -> None:
        """Whether ``total`` bytes may be here, of which ``missing`` are still to come.

        Raises:
            NoRoomError: in words.
        """
        if self.used + total > self.quota:
            raise NoRoomError(
                f"These data have {format_size(total)} in {files:,} files, but of the {format_size(self.quota)} for data from "
                f"{self.title} only {format_size(max(0, self.quota - self.used))} are left."
            )
        state = os.statvfs(self.root)
        free = state.f_bavail * state.f_frsize - self.keep_free
        if missing > free:
            raise NoRoomError(
                f"{format_size(missing)} are still to come, but this hub's storage has room for {format_size(max(0, free))}."
            )
        if state.f_files and missing_files > state.f_favail:
            raise NoRoomError(
                f"{missing_files:,} files are still to come, but this hub's storage has room for {state.f_favail:,} files."
            )

    def full(self) -> NoRoomError:
        """What a writer says that got ENOSPC or EDQUOT."""
        return NoRoomError("This hub's storage became full while the data came. What is here already is kept.")
