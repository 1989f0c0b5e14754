"""What was copied, as it may be published: these files and no others, plain ones, owned by whom they are meant for."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from panosc_portal.moving.journal import Journal
from panosc_portal.moving.place import Ownership, PlaceError
from panosc_portal.moving.remote_files import MAX_DEPTH

_PIECE = 1024 * 1024
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def directory_of(root: int, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The directory that holds a file beneath an open directory, and the file's name; no link is followed.

    Raises:
        OSError: if it is not there (and is not to be made), or is not what it should be.
    """
    *parents, name = path.split("/")
    here = os.dup(root)
    try:
        for parent in parents:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(parent, 0o700, dir_fd=here)
            below = os.open(parent, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        yield here, name
    finally:
        os.close(here)


def size_here(root: int, path: str) -> int | None:
    """Size of a plain file beneath an open directory; None if there is none."""
    try:
        with directory_of(root, path) as (directory, name):
            state = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return None
        raise
    return state.st_size if stat.S_ISREG(state.st_mode) else None


def remove_here(root: int, path: str) -> None:
    """Remove a file beneath an open directory, if it is there."""
    try:
        with directory_of(root, path) as (directory, name):
            os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass


@dataclass(frozen=True)
class Sums:
    """What a file's bytes come to."""

    size: int
    values: dict[str, str]


def checksums(root: int, path: str, algorithms: frozenset[str], going_on: Callable[[int], bool]) -> Sums:
    """Read a file beneath an open directory once.

    Args:
        root: the open directory.
        path: of the file.
        algorithms: names as in ``sha256:…``.
        going_on: told how many bytes were read; False ends it.

    Raises:
        OSError: if it is no plain file, or cannot be read.
        InterruptedError: if it was not to go on.
    """
    running = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms - {"adler32", "crc32c"}}
    adler, size = 1, 0
    with directory_of(root, path) as (directory, name):
        handle = os.open(name, _FILE, dir_fd=directory)
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        while piece := file.read(_PIECE):
            size += len(piece)
            for one in running.values():
                one.update(piece)
            if "adler32" in algorithms:
                adler = zlib.adler32(piece, adler)
            if not going_on(len(piece)):
                raise InterruptedError
    values = {name: one.hexdigest() for name, one in running.items()}
    return Sums(size, values | ({"adler32": f"{adler:08x}"} if "adler32" in algorithms else {}))


def settle(root: int, journal: Journal, owner: Ownership) -> int:
    """Give what lies beneath an open directory to whom it is meant for; what was not listed is removed. Returns files.

    Raises:
        PlaceError: if something is no plain file, or is not as it was verified.
        OSError: if it cannot be done.
    """
    change = os.geteuid() == 0
    return _settle(root, "", journal, owner, change)


def _settle(handle: int, path: str, journal: Journal, owner: Ownership, change: bool) -> int:
    if path.count("/") >= MAX_DEPTH:
        raise PlaceError(
            "Somebody made directories among the data while they came, so nothing is taken over.", "Try again."
        )
    found = 0
    with os.scandir(handle) as entries:
        listed = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    for name, state in listed:
        below = f"{path}/{name}" if path else name
        if stat.S_ISDIR(state.st_mode):
            found += _settle_directory(handle, name, below, journal, owner, change)
        else:
            found += _settle_file(handle, name, below, journal, owner, change)
    os.fchmod(handle, owner.directory_mode)
    if change:
        os.fchown(handle, owner.uid, owner.gid)
    return found


def _settle_directory(handle: int, name: str, path: str, journal: Journal, owner: Ownership, change: bool) -> int:
    below = os.open(name, _DIRECTORY, dir_fd=handle)
    try:
        found = _settle(below, path, journal, owner, change)
    finally:
        os.close(below)
    if not found:
        os.rmdir(name, dir_fd=handle)
    return found


def _settle_file(handle: int, name: str, path: str, journal: Journal, owner: Ownership, change: bool) -> int:
    if not journal.is_copied(path):
        os.unlink(name, dir_fd=handle)
        return 0
    file = os.open(name, _FILE, dir_fd=handle)
    try:
        state = os.fstat(file)
        wanted = journal.get(path)
        plain = stat.S_ISREG(state.st_mode) and state.st_nlink == 1
        if not plain or wanted is None or state.st_size != wanted.size:
            raise PlaceError(f"{path} was changed after it came, so nothing is taken over.", "Try again.")
        os.fchmod(file, owner.file_mode)
        if change:
            os.fchown(file, owner.uid, owner.gid)
    finally:
        os.close(file)
    return 1
