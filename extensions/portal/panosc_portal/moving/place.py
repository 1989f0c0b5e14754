"""Where staged data go: first out of everybody's sight, then, whole and verified, in one step to where servers mount them.

What comes is written beneath ``<root>/.panosc-staging/<key>/data``, which no template renders and which only its writer may
enter. Publishing is one rename on the same file system: before it there is nothing, after it there is all. No link is ever
followed: each directory on the way is opened from the one above it.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import logging
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from panosc_portal.moving.jobs import JobError

logger = logging.getLogger(__name__)

HIDDEN = ".panosc-staging"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOREPLACE, _EXCHANGE = 1, 2
_TELL = "Tell the people who run this hub."
_libc = ctypes.CDLL(None, use_errno=True)


class PlaceError(JobError):
    """The data cannot be put where they belong."""

    def __init__(self, words: str, remedy: str = _TELL) -> None:
        super().__init__(words, remedy)


@dataclass(frozen=True)
class Ownership:
    """Whose the published data are: ``shared`` lets the group read."""

    uid: int
    gid: int
    shared: bool = False

    @property
    def directory_mode(self) -> int:
        """Of directories."""
        return 0o750 if self.shared else 0o700

    @property
    def file_mode(self) -> int:
        """Of files: nobody writes into them by mistake."""
        return 0o440 if self.shared else 0o400


@dataclass(frozen=True)
class Writer:
    """The account as which the data are written while they come."""

    uid: int
    gid: int


class Place:
    """One directory that is staged.

    Args:
        root: the area's root, on this site's storage. Must be there.
        target: the directory as the facility's template renders it, beneath ``root``.

    Raises:
        PlaceError: if ``root`` is not there, or ``target`` is not beneath it.
    """

    def __init__(self, root: Path, target: PurePosixPath | Path) -> None:
        below = PurePosixPath(target)
        if not below.is_relative_to(root) or ".." in below.parts or below == PurePosixPath(root):
            raise PlaceError(f"{target} is not beneath {root}, so nothing is put there.")
        try:
            self.root = Path(root).resolve(strict=True)
        except OSError as error:
            raise PlaceError(f"{root}, where these data would go, is not there ({error.strerror}).") from error
        self.relative = below.relative_to(root)
        self.target = self.root / self.relative
        self.key = hashlib.sha256(os.fsencode(self.target)).hexdigest()[:32]
        self.partial = self.root / HIDDEN / self.key / "data"

    def prepare(self, writer: Writer) -> None:
        """Make the hidden directory; what is in it from before stays.

        Raises:
            PlaceError: in words.
        """
        with _in_words(self.target), self._open_root() as root:
            _make(HIDDEN, root, 0o711)
            with _opened(HIDDEN, root) as hidden:
                _mine(hidden, self.root / HIDDEN)
                self._same_file_system(hidden)
                _make(self.key, hidden, 0o711)
                with _opened(self.key, hidden) as key:
                    _mine(key, self.root / HIDDEN / self.key)
                    _make("data", key, 0o700)
                    with _opened("data", key) as data:
                        if os.geteuid() == 0:
                            os.fchown(data, writer.uid, writer.gid)

    def occupied(self) -> bool:
        """Whether there are data at the target already."""
        with _in_words(self.target), self._open_root() as root:
            try:
                with self._parent(root, make=False) as parent, _opened(self.relative.name, parent) as target:
                    return bool(_names(target))
            except FileNotFoundError:
                return False

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The hidden directory, as a file descriptor: everything in it is reached from there."""
        with self._hidden() as (_, _, key), _opened("data", key) as data:
            yield data

    def publish(self, *, replace: bool) -> None:
        """Put the data where servers mount them, in one step.

        Args:
            replace: data that were staged earlier are there, and these take their place. Servers that have the earlier ones
                open keep them until they end.

        Raises:
            PlaceError: if something is there that was not staged, or it cannot be done.
        """
        with _in_words(self.target), self._hidden() as (root, _, key), self._parent(root, make=True) as parent:
            self._rename(key, parent, replace)
            for directory in (parent, key):
                os.fsync(directory)

    def discard(self) -> None:
        """Remove what is half-done. What was replaced stays: servers may have it open (:func:`tidy` removes it).

        Raises:
            PlaceError: in words.
        """
        with _in_words(self.target), suppress(FileNotFoundError), self._hidden() as (_, hidden, key):
            left = set(_names(key))
            for name in left - {"replaced"}:
                _remove(name, key)
            if "replaced" not in left:
                os.rmdir(self.key, dir_fd=hidden)

    def retire(self) -> None:
        """After a replacement: the earlier data, out of the way, to be removed when no server can have them open any more."""
        with _in_words(self.target), suppress(FileNotFoundError), self._hidden() as (_, _, key):
            if "data" not in _names(key):
                return
            with suppress(FileNotFoundError):
                _remove("replaced", key)
            os.rename("data", "replaced", src_dir_fd=key, dst_dir_fd=key)
            os.utime("replaced", dir_fd=key)  # from now on it is counted when it may go

    def identity(self) -> str:
        """Which directory is at the target; empty if none is."""
        with (
            _in_words(self.target),
            suppress(FileNotFoundError),
            self._open_root() as root,
            self._parent(root, make=False) as parent,
            _opened(self.relative.name, parent) as target,
        ):
            return identity(target)
        return ""

    def _rename(self, key: int, parent: int, replace: bool) -> None:
        name = self.relative.name
        if not replace:
            try:
                # Onto nothing, or onto an empty directory; anything else stays as it is.
                os.rename("data", name, src_dir_fd=key, dst_dir_fd=parent)
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                    raise PlaceError(
                        f"At {self.target} there are data that were not staged; they are left as they are.",
                        "If they are the proposal's own, nothing has to be staged. Else tell the people who run this hub.",
                    ) from None
                raise
            return
        if _libc.renameat2(key, b"data", parent, os.fsencode(name), _EXCHANGE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    @contextmanager
    def _hidden(self) -> Iterator[tuple[int, int, int]]:
        """The root, the hidden directory in it, and this place's own in that."""
        with self._open_root() as root, _opened(HIDDEN, root) as hidden, _opened(self.key, hidden) as key:
            yield root, hidden, key

    @contextmanager
    def _open_root(self) -> Iterator[int]:
        root = os.open(self.root, _DIRECTORY)
        try:
            yield root
        finally:
            os.close(root)

    @contextmanager
    def _parent(self, root: int, *, make: bool) -> Iterator[int]:
        """The directory that holds the target; those on the way are made, if need be, for all to pass and none to list."""
        here = os.dup(root)
        try:
            for name in self.relative.parts[:-1]:
                if make:
                    _make(name, here, 0o711)
                below = os.open(name, _DIRECTORY, dir_fd=here)
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)

    def _same_file_system(self, hidden: int) -> None:
        """A rename across file systems is none: it would be a copy, seen half-done."""
        place = self.target
        while not place.exists():
            place = place.parent
        there = place if place != self.target else place.parent
        if there.stat().st_dev != os.fstat(hidden).st_dev:
            raise PlaceError(
                f"{there} and {self.root} are different file systems, so data cannot appear there in one step."
            )


@contextmanager
def _opened(name: str | Path, directory: int | None = None) -> Iterator[int]:
    handle = os.open(name, _DIRECTORY, dir_fd=directory)
    try:
        yield handle
    finally:
        os.close(handle)


def _names(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries]


def _make(name: str, directory: int, mode: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=directory)
    except FileExistsError:
        return
    with _opened(name, directory) as made:
        os.fchmod(made, mode)


def _mine(handle: int, shown: Path) -> None:
    """Whoever owns a directory can put another one in the place of what lies in it."""
    state = os.fstat(handle)
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise PlaceError(f"{shown} belongs to somebody else, or others may write in it, so nothing is put there.")


def _remove(name: str, directory: int) -> None:
    """A file, or a directory with all that is in it, however deep, without following links.

    Who owned it may have made a million directories in each other: what is in one is first moved up beside it, so that two are
    open at a time. And it is taken away from them first, or they could go on making more.
    """
    if _unlinked(name, directory):
        return
    with _opened(name, directory) as top:
        _take(top)
        while names := _names(top):
            for inner in names:
                if not _unlinked(inner, top):
                    _empty(inner, top)
                    os.rmdir(inner, dir_fd=top)
    os.rmdir(name, dir_fd=directory)


def _unlinked(name: str, directory: int) -> bool:
    """Remove what is no directory; False if it is one."""
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):
        return False
    return True


def _empty(name: str, top: int) -> None:
    """Empty a directory: its files are removed, its directories are moved into the one above, under names nobody can foresee."""
    with _opened(name, top) as below:
        _take(below)
        for inner in _names(below):
            if not _unlinked(inner, below):
                with _opened(inner, below) as moved:
                    _take(moved)
                os.rename(inner, secrets.token_hex(16), src_dir_fd=below, dst_dir_fd=top)


def _take(handle: int) -> None:
    """A directory becomes ours alone."""
    if os.geteuid() == 0:
        os.fchown(handle, 0, os.getegid())
    os.fchmod(handle, 0o700)


@contextmanager
def _in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise PlaceError(f"On the way to {target} there is a link or a file, so nothing is put there.") from error
        raise PlaceError(f"{target} cannot be written: {error.strerror or error}.") from error


def identity(handle: int) -> str:
    """Tells an open directory from all others."""
    state = os.fstat(handle)
    return f"{state.st_dev}:{state.st_ino}"


def tidy(root: Path, keep: Collection[str], before: float) -> int:
    """Remove hidden directories beneath a root that nobody has touched since ``before``, but for those to keep.

    One that cannot be removed is told in the log, and does not keep the others.

    Returns:
        How many were removed.
    """
    removed = 0
    with _told(root), _opened(root) as top, _opened(HIDDEN, top) as hidden:
        for key in _names(hidden):
            with _told(root / HIDDEN / key):
                removed += key not in keep and _tidied(key, hidden, before)
    return removed


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        pass  # nothing to tidy
    except OSError as error:
        logger.warning("%s cannot be tidied: %s", place, error.strerror or error)


def _tidied(key: str, hidden: int, before: float) -> bool:
    """Remove one, if nobody has touched it since ``before``."""
    with _opened(key, hidden) as place:
        times = [os.stat(name, dir_fd=place, follow_symlinks=False).st_mtime for name in _names(place)]
        if max(times, default=os.fstat(place).st_mtime) >= before:
            return False
        for name in _names(place):
            _remove(name, place)
    os.rmdir(key, dir_fd=hidden)
    return True


def flush(handle: int) -> None:
    """Everything of the file system of an open directory onto its disks: a rename must not be older than the data.

    Raises:
        OSError: if it cannot.
    """
    if _libc.syncfs(handle):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
