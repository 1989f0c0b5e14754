"""Files beneath a directory, without following links: what is listed is opened by its directory, and never by a path."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
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
        if not stat.S_ISREG(state.st_mode) or state.st_mode & 0o044 == 0:
            os.close(found)
            raise OSError("it is not the same file any more")
        return found


@dataclass
class Walk:
    """One walk.

    Args:
        top: the directory; links in the path to it are the operator's own.
        suffixes: ends of names that are wanted, in small letters.
        public: what is found is told to anybody, so only what anybody may read is looked at; else what a group may read counts, too.

    Attributes:
        unread: directories that could not be listed, each with a slash at its end: what lies in them is not known to be gone.
    """

    top: Path
    suffixes: tuple[str, ...]
    public: bool = False
    unread: list[str] = field(default_factory=list)

    def files(self) -> Iterator[Seen]:
        """All files that are wanted, by name. Names with a dot before them are left out, and what its owner keeps to themselves.

        Raises:
            OSError: if the directory itself cannot be listed.
        """
        descriptor = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from self._in(descriptor, "", 0)
        finally:
            os.close(descriptor)

    def shared(self, mode: int) -> bool:
        """Whether others than the owner may read it. The portal may run as root, to whom everything is open."""
        return bool(mode & (0o004 if self.public else 0o044))

    def _in(self, directory: int, path: str, depth: int) -> Iterator[Seen]:
        try:
            with os.scandir(directory) as listed:
                entries = sorted((entry for entry in listed if _plain(entry.name)), key=lambda entry: entry.name)
        except OSError:
            if not depth:
                raise
            self.unread.append(path)
            return
        for entry in entries:
            here = f"{path}{entry.name}"
            is_directory = False
            try:
                is_directory = entry.is_dir(follow_symlinks=False)
                if is_directory:
                    yield from self._below(directory, entry.name, here, depth)
                elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(self.suffixes):
                    state = entry.stat(follow_symlinks=False)
                    if self.shared(state.st_mode):
                        yield Seen(here, entry.name, directory, state.st_size, state.st_mtime_ns)
            except OSError:
                self.unread.append(f"{here}/" if is_directory else here)

    def _below(self, directory: int, name: str, path: str, depth: int) -> Iterator[Seen]:
        if depth >= MAX_DEPTH:
            return
        with contextlib.ExitStack() as stack:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            found = os.open(name, flags, dir_fd=directory)
            stack.callback(os.close, found)
            if self.shared(os.fstat(found).st_mode):
                yield from self._in(found, f"{path}/", depth + 1)


def _plain(name: str) -> bool:
    """Whether a name is shown: not hidden, and a text (odd bytes and signs that cannot be printed are not)."""
    return not name.startswith(".") and name.isprintable()
