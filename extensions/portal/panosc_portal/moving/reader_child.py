"""Runs as one person and reads for them: lists directories, streams files, computes checksums. Started by ``as_person``.

It is a program of its own, which needs nothing but the standard library. Started as root, it becomes the person before it
reads its first order: afterwards it can open what they can open, and the kernel lets none of their other processes look into
it. Orders are lines of JSON on standard input; answers are frames on standard output: a kind (1 byte), a length (4 bytes), and
so much content. Kinds: ``E`` entries (JSON), ``S`` the file's state (JSON), ``B`` bytes of it, ``P`` how far it is (JSON: offset, CRC-32), ``D`` done (JSON), ``X`` an
error (JSON: code, words).

Every path is opened beneath the directory that the order names: by the kernel (``openat2``), or where that is not to be had,
component by component without following links.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any

_OPENAT2 = 437  # the same number on every architecture
_NO_SYMLINKS, _BENEATH, _NO_MAGIC = 0x04, 0x08, 0x02
_NO_NEW_PRIVILEGES = 38
CHUNK = 512 * 1024
BATCH = 500
CHECKPOINT = 256 * 1024**2
"""At each multiple of so many bytes, the CRC so far is told, so that a stream which goes on in the middle need not read all."""

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_CODES = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.ENAMETOOLONG: "missing",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.EXDEV: "outside",
    errno.ELOOP: "outside",
    errno.ENXIO: "kind",
    errno.EISDIR: "kind",
}


class OrderError(Exception):
    """An order that cannot be carried out."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


_libc = ctypes.CDLL(None, use_errno=True)


def become(uid: int, gid: int, groups: list[int]) -> None:
    """Be this person from now on, for good.

    Raises:
        PermissionError: if this process may not.
    """
    if os.geteuid() == 0:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid):
        raise PermissionError(f"this process cannot become uid {uid}")
    _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.umask(0o077)


def open_beneath(root: int, path: str, flags: int, links: bool) -> int:
    """A descriptor of what lies at ``path`` beneath a directory; with ``links``, links are followed that stay beneath it.

    Raises:
        OSError: EXDEV or ELOOP for what leads elsewhere.
    """
    resolve = _BENEATH | _NO_MAGIC | (0 if links else _NO_SYMLINKS)
    how = _How(flags, 0, resolve)
    done: int = _libc.syscall(_OPENAT2, root, os.fsencode(path or "."), ctypes.byref(how), ctypes.sizeof(how))
    if done >= 0:
        return done
    error = ctypes.get_errno()
    if error not in {errno.ENOSYS, errno.EPERM, errno.EINVAL}:
        raise OSError(error, os.strerror(error))
    return _open_by_steps(root, path, flags)  # an old kernel, or a container that forbids the call


def _open_by_steps(root: int, path: str, flags: int) -> int:
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if path.startswith("/") or ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    here = os.dup(root)
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        step = flags if last else os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            there = os.open(part, step | os.O_NOFOLLOW, dir_fd=here)
        except OSError as error:
            if error.errno == errno.ENOTDIR and stat.S_ISLNK(os.lstat(part, dir_fd=here).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
            raise
        finally:
            os.close(here)
        here = there
    if not parts:
        os.close(here)
        return os.open(".", flags, dir_fd=root)
    return here


def open_root(path: str) -> int:
    """The directory of an area, in which no link may be."""
    top = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_beneath(top, path.strip("/"), _OPEN | os.O_DIRECTORY, links=False)
    finally:
        os.close(top)


def identity(state: os.stat_result) -> list[int]:
    """What tells that a file is still the same: device, inode, size, times of content and of anything, in ns."""
    return [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]


def walk(root: int, path: str, deep: bool, limit: int) -> Iterator[list[Any]]:
    """Entries beneath a directory: ``[path, kind, identity, mode]``, by name. Links are told, and not followed.

    Kinds: ``file``, ``dir``, ``link``, ``other`` (a pipe, a device), ``locked`` (there, but the person may not read it).
    A directory comes before what is in it.
    """
    waiting, seen = [path.strip("/")], 0
    while waiting:
        here = waiting.pop()
        try:
            entries = _listed(root, here, limit - seen)
        except OSError as error:
            if here == path.strip("/"):
                raise
            yield [here, "locked", [0] * 5, error.errno]
            continue
        seen += len(entries)
        if seen >= limit:
            raise OrderError("too many", f"There are more than {limit - 1} files and folders.")
        yield from entries
        if deep:
            waiting.extend(entry[0] for entry in reversed(entries) if entry[1] == "dir")


def _listed(root: int, here: str, most: int) -> list[list[Any]]:
    fd = open_beneath(root, here, _OPEN | os.O_DIRECTORY, links=False)
    try:
        names = []
        with os.scandir(fd) as found:
            for entry in found:
                names.append(entry.name)
                if len(names) >= most:
                    break
        prefix = f"{here}/" if here else ""
        return [line for name in sorted(names, key=os.fsencode) if (line := _entry(fd, prefix, name))]
    finally:
        os.close(fd)


def _entry(fd: int, prefix: str, name: str) -> list[Any] | None:
    try:
        state = os.lstat(name, dir_fd=fd)
    except FileNotFoundError:
        return None  # removed since
    except OSError as error:
        return [prefix + name, "locked", [0] * 5, error.errno]
    mode = state.st_mode
    if stat.S_ISDIR(mode):
        kind = "dir"
    elif stat.S_ISREG(mode):
        kind = "file" if os.access(name, os.R_OK, dir_fd=fd) else "locked"
    else:
        kind = "link" if stat.S_ISLNK(mode) else "other"
    return [prefix + name, kind, identity(state), stat.S_IMODE(mode)]


def read(root: int, order: dict[str, Any]) -> None:
    """Send a file's state, its bytes from ``start`` to ``end`` (or its end), and checksums of what was asked.

    ``same`` is an identity that it must still have, before and after. ``send`` false: checksums only.
    """
    fd = open_beneath(root, order["path"], _OPEN, links=bool(order.get("links")))
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            raise OrderError("kind", "This is no file.")
        known = order.get("same") or identity(state)
        _still(known, state)
        frame(b"S", [identity(state), stat.S_IMODE(state.st_mode)])
        done = _send(fd, order, state.st_size)
        _still(known, os.fstat(fd))
        frame(b"D", done)
    finally:
        os.close(fd)


def _still(known: list[int], state: os.stat_result) -> None:
    """Whether it is the file that is meant: where only the inode's own time differs (a changed mode), it is."""
    if known[:4] != identity(state)[:4]:
        raise OrderError("changed", "The file was changed meanwhile.")


def _send(fd: int, order: dict[str, Any], size: int) -> dict[str, Any]:
    at, end = int(order.get("start", 0)), min(size, int(order["end"]) if order.get("end") is not None else size)
    crc, wants = int(order.get("crc", 0)), order.get("sums", ())
    digest = hashlib.sha256() if "sha256" in wants else None
    send, with_crc = order.get("send", True), "crc32" in wants
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, at, max(0, end - at), os.POSIX_FADV_SEQUENTIAL)
    buffer = memoryview(bytearray(CHUNK))
    while at < end:
        got = os.preadv(fd, [buffer[: min(CHUNK, end - at, CHECKPOINT - at % CHECKPOINT)]], at)
        if not got:
            raise OrderError("changed", "The file became shorter meanwhile.")
        piece = buffer[:got]
        if with_crc:
            crc = zlib.crc32(piece, crc)
        if digest:
            digest.update(piece)
        if send:
            frame(b"B", piece)
        at += got
        if at % CHECKPOINT == 0:
            frame(b"P", [at, crc if with_crc else None])
    return {"crc32": crc, "sha256": digest.hexdigest() if digest else "", "end": at}


def frame(kind: bytes, content: Any) -> None:
    """Send one frame."""
    body = content if isinstance(content, memoryview) else json.dumps(content).encode("ascii")
    head = kind + struct.pack(">I", len(body))
    if os.writev(1, [head, body]) != len(head) + len(body):
        raise BrokenPipeError  # a blocking pipe takes all, or there is nobody left


def carry_out(order: dict[str, Any]) -> None:
    """Do what one line asks."""
    root = open_root(order["root"])
    try:
        if order["do"] == "walk":
            batch: list[list[Any]] = []
            for entry in walk(root, order["path"], order["deep"], order["limit"]):
                batch.append(entry)
                if len(batch) >= BATCH:
                    frame(b"E", batch)
                    batch = []
            frame(b"E", batch)
            frame(b"D", {})
        else:
            read(root, order)
    finally:
        os.close(root)


def main() -> None:
    """Become the person, then carry out orders until there are no more."""
    uid, gid, *groups = (int(number) for number in sys.argv[1:])
    become(uid, gid, groups)
    frame(b"D", {"uid": os.geteuid(), "groups": os.getgroups()})
    for line in sys.stdin.buffer:
        try:
            carry_out(json.loads(line))
        except OrderError as error:
            frame(b"X", [error.code, error.words])
        except BrokenPipeError:
            return
        except OSError as error:
            frame(b"X", [_CODES.get(error.errno or 0, "io"), os.strerror(error.errno or errno.EIO)])


if __name__ == "__main__":
    main()
