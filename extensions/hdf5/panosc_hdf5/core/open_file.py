"""One open file: HDF5's view of it and the system's, of one and the same state; whether it is being written."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  # registers the filters

from panosc_hdf5.core.errors import Busy, Unreadable, Unsupported
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.wire import Depends

SIGNATURE = b"\x89HDF\r\n\x1a\n"
WRITING, SWMR_WRITING = 0x1, 0x4
RECENT_SECONDS = 5.0
LOCK_SECONDS = 86_400.0  # what nobody wrote to for a day is not asked about: Linux takes 10 ms to list its locks
RACY_NS = 20_000_000  # a file system's clock ticks every few milliseconds
ATTEMPTS = 3
REMOTE = ("http://", "https://")


@dataclass(eq=False)
class OpenFile:
    """One file as it is now.

    Attributes:
        path: real path, or URL.
        h5: h5py's file, read only, without locks.
        descriptor: for ``os.pread``; None for a remote file.
        stamp: what tells this state of the file from another one.
        driver: HDF5's file driver.
        swmr: whether it is read while its writer writes.
        superblock: where HDF5's own header begins.
        changed: whether an earlier look at the same file found another state of it.
        memo: derived data of this state (chunk indices, names…); a new one when the stamp changes.
    """

    path: str
    h5: h5py.File
    descriptor: int | None
    stamp: Depends
    driver: str = "sec2"
    swmr: bool = False
    superblock: int = 0
    reader: Any = None
    changed: bool = False
    memo: dict[Hashable, Any] = field(default_factory=dict)
    opened_ns: int = field(default_factory=time.time_ns)
    leases: int = 0
    retired: bool = False

    @property
    def remote(self) -> bool:
        """Whether it is read over HTTP."""
        return self.descriptor is None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.split("?")[0].rstrip("/").rsplit("/", 1)[-1]

    @property
    def being_written(self) -> bool:
        """Whether a writer has it open, as far as can be told: HDF5's mark, a writer's lock, or a change between two looks."""
        if self.descriptor is None:
            return False
        if flags(self.descriptor, self.superblock) & (WRITING | SWMR_WRITING):
            return True
        age = abs(time.time() - self.stamp.mtime_ns / 1e9)
        if age < LOCK_SECONDS and locked(self.descriptor):
            return True
        return self.changed and age < RECENT_SECONDS

    @property
    def current(self) -> bool:
        """Whether the file still is in this state."""
        if self.reader is not None:
            return bool(self.reader.is_current())
        written = self.stamp.mtime_ns
        racy = self.opened_ns - written < RACY_NS and time.time_ns() - written > RACY_NS
        return Depends.now(self.path) == self.stamp and not racy

    def close(self) -> None:
        """Close it, and every object of it that is still around."""
        with suppress(Exception):
            self.h5.close()
        if self.descriptor is not None:
            with suppress(OSError):
                os.close(self.descriptor)
        if self.reader is not None:
            self.reader.close()


def open_file(path: str, driver: str = "sec2") -> OpenFile:
    """Open a file, or a URL.

    Raises:
        HDF5Error: what is wrong with it, in words.
    """
    if path.startswith(REMOTE):
        return _open_remote(path)
    what = f"The file {Path(path).name}"
    for _ in range(ATTEMPTS):
        found = _open_local(path, driver, what)
        if _is_one(found):
            return found
        found.close()  # another file took its name between the two openings
    raise Busy(f"{what} is replaced by another one again and again.", "Try again.", code="changed")


def _open_local(path: str, driver: str, what: str) -> OpenFile:
    descriptor = -1
    try:
        descriptor, stamp = _open_descriptor(path, what)
        begin = superblock(descriptor, stamp.size, what)
        swmr = bool(flags(descriptor, begin) & SWMR_WRITING)
        try:
            h5 = _open_h5(path, swmr, driver)
        except OSError:
            # The writer has begun or ended its SWMR mode in between.
            swmr = bool(flags(descriptor, begin) & SWMR_WRITING)
            h5 = _open_h5(path, swmr, driver)
        return OpenFile(path, h5, descriptor, stamp, driver, swmr, begin)
    except Exception as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise in_words(error, what) from error


def _is_one(file: OpenFile) -> bool:
    """Whether the name still leads to what the descriptor reads, so that HDF5 opened the same file."""
    now = Depends.now(file.path)
    return now is not None and now.inode == file.stamp.inode


def _open_h5(path: str, swmr: bool, driver: str) -> h5py.File:
    return h5py.File(path, "r", locking=False, swmr=swmr, driver=None if swmr or driver == "sec2" else driver)


def _open_remote(url: str) -> OpenFile:
    from panosc_hdf5.core.remote import RemoteFile

    reader = RemoteFile(url)
    try:
        return OpenFile(url, h5py.File(reader, "r"), None, reader.stamp, "fileobj", reader=reader)
    except Exception as error:
        reader.close()
        # What the reader says is better than what HDF5 makes of it.
        raise reader.failure or in_words(error, f"The file at {reader.host}") from error


def _open_descriptor(path: str, what: str) -> tuple[int, Depends]:
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise Unsupported(f"{what} is a directory.", code="directory")
    if not stat.S_ISREG(mode):
        raise Unsupported(f"{what} is a device or a pipe, not a file.", code="not_a_file")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    return descriptor, Depends.of(path, os.fstat(descriptor))


def superblock(descriptor: int, size: int, what: str) -> int:
    """Where HDF5's header begins: at 0, or after a user block of 512 bytes or more.

    Raises:
        Unreadable: the file is empty.
        Unsupported: it is no HDF5 file.
    """
    if not size:
        raise Unreadable(f"{what} is empty.", "Its writer has not begun, or died at once.", code="empty_file")
    offset = 0
    while offset + len(SIGNATURE) <= size:
        if os.pread(descriptor, len(SIGNATURE), offset) == SIGNATURE:
            return offset
        offset = max(512, 2 * offset)
    remedy = ""
    if os.pread(descriptor, 4, 0) in (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x0e\x03\x13\x01"):
        remedy = "It is NetCDF 3 or HDF4; convert it (nccopy, h4toh5)."
    raise Unsupported(f"{what} is not an HDF5 file.", remedy, code="not_hdf5")


def flags(descriptor: int, begin: int) -> int:
    """HDF5's consistency flags: whether the file is marked as open for writing. 0 in formats that have no such mark."""
    try:
        header = os.pread(descriptor, 12, begin)
    except OSError:
        return 0
    return header[11] if len(header) == 12 and header[8] == 3 else 0


def locked(descriptor: int) -> bool:
    """Whether a process of this machine holds a writer's lock, as HDF5 takes one. False where the system does not say.

    The list of locks is read: trying to lock could keep a writer from opening its file just now.
    """
    try:
        found = os.fstat(descriptor)
        locks = Path("/proc/locks").read_text().splitlines()
    except (OSError, ValueError):
        return False
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    return any("WRITE" in fields and place in fields for fields in map(str.split, locks))
