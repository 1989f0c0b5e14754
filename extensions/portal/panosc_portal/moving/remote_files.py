"""What a storage elsewhere says that it holds: input, until each name and number of it was looked at.

A listing may lie, by mistake or on purpose: names that lead elsewhere, directories without end, sizes that are none, a name
twice. What is accepted here is a plain tree of files beneath one directory, or a refusal in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from panosc_portal.moving.jobs import JobError
from panosc_spawner.facilities.units import format_size

MAX_DEPTH = 32
MAX_PATH = 2048  # bytes, beneath the area's directory; the kernel takes 4096 in all
MAX_NAME = 255  # bytes
MAX_FILE = 2**60
_ASK = "Tell the people who run the storage; nothing of it was taken over."
_CHECKSUM = re.compile(r"(sha256|sha512|sha1|md5|adler32|crc32c):([0-9a-f]{8,128})", re.ASCII)
_LENGTHS = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32, "adler32": 8, "crc32c": 8}


class ListingError(JobError):
    """The storage's listing cannot be used. Nothing is taken over then, not even what looks right."""

    def __init__(self, words: str) -> None:
        super().__init__(words, _ASK)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as its storage lists it. ``path`` is relative and was looked at; ``key`` is the storage's own name of it.

    ``checksums`` are ``sha256:…`` or ``adler32:…``, in lower case; ``tag`` changes with the content (an ETag), or is empty.
    """

    path: str
    size: int
    checksums: tuple[str, ...] = ()
    key: str = ""
    tag: str = ""


@dataclass(frozen=True)
class TreeLimits:
    """How much is accepted: files, bytes in all, directories."""

    files: int = 1_000_000
    bytes: int = 10 * 1024**4
    directories: int = 200_000


@dataclass
class TreeCount:
    """Counts a listing while it comes, so that one without end is refused early."""

    limits: TreeLimits
    files: int = 0
    bytes: int = 0
    directories: int = 0
    _words: str = field(default="", init=False)

    def file(self, file: RemoteFile) -> None:
        """One more file.

        Raises:
            ListingError: if there are too many, or they are too big.
        """
        self.files += 1
        self.bytes += file.size
        if self.files > self.limits.files:
            raise ListingError(f"The storage lists more than {self.limits.files:,} files (max_files).")
        if self.bytes > self.limits.bytes:
            raise ListingError(f"The storage lists more than {format_size(self.limits.bytes)} (max_size).")

    def directory(self) -> None:
        """One more directory.

        Raises:
            ListingError: if there are too many: it may lead in a circle.
        """
        self.directories += 1
        if self.directories > self.limits.directories:
            raise ListingError(
                f"The storage lists more than {self.limits.directories:,} directories; it may lead in a circle."
            )


def good_name(name: str) -> str:
    """A name of a file or directory, as it is.

    Raises:
        ListingError: if it is none, or could lead elsewhere.
    """
    shown = repr(name[:60])
    if name in {"", ".", ".."} or "/" in name:
        raise ListingError(f"The storage lists {shown}, which is not a name.")
    if any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise ListingError(f"The storage lists a name with control characters: {shown}.")
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise ListingError(f"The storage lists a name that is no text: {shown}.") from None
    if size > MAX_NAME:
        raise ListingError(f"The storage lists a name of {size} bytes: {shown}….")
    return name


def good_path(path: str) -> str:
    """A relative path whose parts are all :func:`good_name`.

    Raises:
        ListingError: if it is none, is too deep, or too long.
    """
    parts = path.split("/")
    for part in parts:
        good_name(part)
    if len(parts) > MAX_DEPTH:
        raise ListingError(
            f"The storage lists directories {len(parts)} deep ({'/'.join(parts[:3])[:60]!r}…); it may lead in a circle."
        )
    if len(path.encode()) > MAX_PATH:
        raise ListingError(f"The storage lists a path of {len(path.encode())} bytes: {path[:60]!r}….")
    return path


def good_size(size: object, path: str) -> int:
    """A number of bytes from text or a number.

    Raises:
        ListingError: if it is none.
    """
    text = str(size).strip()
    if isinstance(size, bool) or not re.fullmatch(r"\d{1,19}", text, re.ASCII) or int(text) > MAX_FILE:
        raise ListingError(f"The storage gives {text[:30]!r} as the size of {path[-60:]!r}.")
    return int(text)


def good_checksum(text: str) -> str | None:
    """``algorithm:hex`` in lower case, or None if it is nothing that can be compared."""
    plain = text.strip().lower().replace("sha-", "sha").replace("adler-32", "adler32")
    found = _CHECKSUM.fullmatch(plain)
    if found and found[1] == "adler32":
        return f"adler32:{found[2].lstrip('0').rjust(8, '0')}" if len(found[2]) <= 16 else None
    return plain if found and len(found[2]) == _LENGTHS[found[1]] else None


def beneath(base: PurePosixPath, path: PurePosixPath) -> str | None:
    """``path`` relative to ``base``; None if it is not beneath it, or takes a detour."""
    if ".." in path.parts or not path.is_relative_to(base) or path == base:
        return None
    return str(path.relative_to(base))
