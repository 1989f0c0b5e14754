"""Files beneath a directory, without following links: what is listed is opened by its directory, and never by a path."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_DEPTH = 24


@dataclass(frozen=True)
class Seen:
    """A file: ``path`` is relative to the directory; ``changed`` in ns. Open it while the walk stands at it."""

    path: str
    name: str
    directory: int
    size: int
    changed: int

    def open(self) -> int:
        """A descriptor to read it.

        Raises:
            OSError: if it is not the same file any more, or may not be read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        found = os.open(self.name, flags, dir_fd=self.directory)
        state = os.fstat(found)
        if not stat.S_ISREG(state.st_mode):
            os.close(found)
            raise OSError("it is no plain file any more")
        return found


@dataclass
class Walk:
    """One walk. ``unread`` counts directories that could not be listed: then nothing is known to be gone.

    Args:
        top: the directory; links in the path to it are the operator's own.
        suffixes: ends of names that are wanted, in small letters.
    """

    top: Path
    suffixes: tuple[str, ...]
    unread: int = 0

    def files(self) -> Iterator[Seen]:
        """All files that are wanted, by name. Names with a dot before them are left out.

        Raises:
            OSError: if the directory itself cannot be listed.
        """
        descriptor = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from self._in(descriptor, "", 0)
        finally:
            os.close(descriptor)

    def _in(self, directory: int, path: str, depth: int) -> Iterator[Seen]:
        try:
            with os.scandir(directory) as listed:
                entries = sorted((entry for entry in listed if _plain(entry.name)), key=lambda entry: entry.name)
        except OSError:
            if not depth:
                raise
            self.unread += 1
            return
        for entry in entries:
            here = f"{path}{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(directory, entry.name, here, depth)
                elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(self.suffixes):
                    state = entry.stat(follow_symlinks=False)
                    yield Seen(here, entry.name, directory, state.st_size, state.st_mtime_ns)
            except OSError:
                self.unread += 1

    def _below(self, directory: int, name: str, path: str, depth: int) -> Iterator[Seen]:
        if depth >= MAX_DEPTH:
            self.unread += 1
            return
        with contextlib.ExitStack() as stack:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            found = os.open(name, flags, dir_fd=directory)
            stack.callback(os.close, found)
            yield from self._in(found, f"{path}/", depth + 1)


def _plain(name: str) -> bool:
    """Whether a name is shown: not hidden, and a text (odd bytes and signs that cannot be printed are not)."""
    return not name.startswith(".") and name.isprintable()
