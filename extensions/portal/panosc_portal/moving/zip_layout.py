"""Where every byte of a zip lies, before the first one is read.

Files are stored as they are: detectors' data are compressed already, and only so can a zip's size be told beforehand and a
broken-off download go on in its middle. A file's CRC-32 is known only when all of it was read; it stands in a descriptor behind
the file (general purpose bit 3) and in the directory at the zip's end, both of a size that is known. So the same files always
make the same zip, byte for byte, and any slice of it can be made alone.

Libraries that stream zips (zipstream-ng, stream-zip) begin at the first byte, or want the CRC before the file: none can begin in
the middle. The format is PKWARE's APPNOTE 6.3.10: local header 4.3.7, descriptor 4.3.9, directory 4.3.12, zip64 4.3.14 and 4.5.3.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from panosc_portal.errors import PortalError

LIMIT_32 = 0xFFFFFFFF
LIMIT_16 = 0xFFFF
LONG_FROM, MANY_FROM = LIMIT_32, LIMIT_16
"""From these on, a number is written in its long form (zip64)."""
_FLAGS = 0x0808  # sizes in a descriptor behind the file; the name is UTF-8
_PLAIN, _ZIP64 = 20, 45
_MADE_BY = 3 << 8  # unix
_FILE_MODE = 0o100644 << 16
_FIRST_DAY, _LAST_DAY = 315532800, 4354819198  # 1980-01-01 and 2107-12-31: what DOS can write


class TooMuchForZip(PortalError):
    """A name is too long for the format."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a zip: its name (UTF-8, with ``/``), its size in bytes, when it was changed (seconds since 1970)."""

    name: str
    size: int
    changed: int = _FIRST_DAY


@dataclass(frozen=True, slots=True)
class Fixed:
    """Bytes that are known."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes ``start`` to ``end`` of a member's file."""

    member: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Bytes ``start`` to ``end`` of what stands behind a member's file: :meth:`ZipLayout.descriptor` with its CRC."""

    member: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes ``start`` to ``end`` of a member's record in the directory: :meth:`ZipLayout.record` with its CRC."""

    member: int
    start: int
    end: int


Piece = Fixed | Content | Descriptor | Record


class ZipLayout:
    """The layout of a zip with these members, in this order.

    Args:
        members: names must differ.

    Attributes:
        size: of the zip, in bytes.

    Raises:
        TooMuchForZip: if a name is too long.
        ValueError: if a name is there twice.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        if len({member.name for member in members}) != len(members):
            raise ValueError("two members of a zip have one name")
        self.members = members
        self._starts = array("Q")  # of each member's local header; a few bytes a member, however many there are
        at = 0
        for member in members:
            self._starts.append(at)
            at += self._head_size(member) + member.size + self._tail_size(member)
        self._directory = at
        self._records = array("Q")
        for index, member in enumerate(members):
            self._records.append(at)
            at += 46 + len(_name(member)) + 9 + self._zip64_size(index)
        self._end = at
        self._ending = self._end_records()
        self.size = at + len(self._ending)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """What makes up the zip from byte ``start`` to before byte ``end``."""
        if start < self._directory:
            index = max(0, bisect_right(self._starts, start) - 1)
            while index < len(self.members) and self._starts[index] < end:
                yield from self._member_pieces(index, start, end)
                index += 1
        if end > self._directory and self.members:
            index = max(0, bisect_right(self._records, start) - 1)
            while index < len(self.members) and self._records[index] < end:
                there = self._records[index]
                stop = self._records[index + 1] if index + 1 < len(self.members) else self._end
                if part := _part(there, stop, start, end):
                    yield Record(index, *part)
                index += 1
        if part := _part(self._end, self.size, start, end):
            yield Fixed(self._ending[part[0] : part[1]])

    def needs(self, start: int, end: int) -> Callable[[int], bool]:
        """Which members' CRCs a slice holds, in its descriptors or its part of the directory."""
        first = bisect_right(self._records, start) - 1 if self.members else 0

        def needed(index: int) -> bool:
            behind = self._starts[index] + self._head_size(self.members[index]) + self.members[index].size
            in_directory = end > self._records[index] and index >= first
            return in_directory or (start < behind + self._tail_size(self.members[index]) and end > behind)

        return needed

    def descriptor(self, index: int, crc: int) -> bytes:
        """What stands behind a member's file."""
        member = self.members[index]
        sizes = "<4sLQQ" if _is_big(member) else "<4sLLL"
        return struct.pack(sizes, b"PK\x07\x08", crc, member.size, member.size)

    def record(self, index: int, crc: int) -> bytes:
        """A member's record in the directory."""
        member, offset, name = self.members[index], self._starts[index], _name(self.members[index])
        long = []
        if _is_big(member):
            long += [member.size, member.size]
        if offset >= LONG_FROM:
            long.append(offset)
        extra = _time_extra(member)
        if long:
            extra = struct.pack(f"<HH{len(long)}Q", 1, 8 * len(long), *long) + extra
        version = _ZIP64 if long else _PLAIN
        size = LIMIT_32 if _is_big(member) else member.size
        return (
            struct.pack(
                "<4s4H2H3L5H2L",
                b"PK\x01\x02",
                _MADE_BY | version,
                version,
                _FLAGS,
                0,
                *_dos_time(member),
                crc,
                size,
                size,
                len(name),
                len(extra),
                0,
                0,
                0,
                _FILE_MODE,
                LIMIT_32 if offset >= LONG_FROM else offset,
            )
            + name
            + extra
        )

    def _member_pieces(self, index: int, start: int, end: int) -> Iterator[Piece]:
        member, at = self.members[index], self._starts[index]
        behind_head = at + self._head_size(member)
        behind = behind_head + member.size
        if part := _part(at, behind_head, start, end):
            yield Fixed(self._head(member)[part[0] : part[1]])
        if part := _part(behind_head, behind, start, end):
            yield Content(index, *part)
        if part := _part(behind, behind + self._tail_size(member), start, end):
            yield Descriptor(index, *part)

    def _head(self, member: Member) -> bytes:
        big, name = _is_big(member), _name(member)
        # With a descriptor, sizes stand there and are 0 here; with zip64 they are in its extra field, and 0 there.
        extra = (struct.pack("<HHQQ", 1, 16, 0, 0) if big else b"") + _time_extra(member)
        size = LIMIT_32 if big else 0
        version = _ZIP64 if big else _PLAIN
        fields = (version, _FLAGS, 0, *_dos_time(member), 0, size, size, len(name), len(extra))
        return struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields) + name + extra

    @staticmethod
    def _head_size(member: Member) -> int:
        return 30 + len(_name(member)) + 9 + (20 if _is_big(member) else 0)

    @staticmethod
    def _tail_size(member: Member) -> int:
        return 24 if _is_big(member) else 16

    def _zip64_size(self, index: int) -> int:
        numbers = 2 * _is_big(self.members[index]) + (self._starts[index] >= LONG_FROM)
        return 4 + 8 * numbers if numbers else 0

    def _end_records(self) -> bytes:
        count, size, at = len(self.members), self._end - self._directory, self._directory
        long = b""
        if count >= MANY_FROM or size >= LONG_FROM or at >= LONG_FROM:
            long = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, _MADE_BY | _ZIP64, _ZIP64, 0, 0, count, count, size, at)
            long += struct.pack("<4sLQL", b"PK\x06\x07", 0, self._end, 1)
            count, size, at = LIMIT_16, LIMIT_32, LIMIT_32  # look there
        return long + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, at, 0)


def _part(at: int, stop: int, start: int, end: int) -> tuple[int, int] | None:
    """What of ``at`` to ``stop`` lies in ``start`` to ``end``, counted from ``at``."""
    first, last = max(at, start), min(stop, end)
    return (first - at, last - at) if first < last else None


def _is_big(member: Member) -> bool:
    return member.size >= LONG_FROM


def _name(member: Member) -> bytes:
    name = member.name.encode("utf-8")
    if len(name) > LIMIT_16:
        raise TooMuchForZip(f"The name of {member.name[:60]}… is too long for a zip.")
    return name


def _dos_time(member: Member) -> tuple[int, int]:
    """Time and date as DOS wrote them, in UTC: a zip must not depend on where it was made."""
    at = datetime.fromtimestamp(min(max(member.changed, _FIRST_DAY), _LAST_DAY), UTC)
    return at.hour << 11 | at.minute << 5 | at.second // 2, (at.year - 1980) << 9 | at.month << 5 | at.day


def _time_extra(member: Member) -> bytes:
    """The time to the second, in UTC, for programs that know it (Info-ZIP's extended timestamp)."""
    return struct.pack("<HHBl", 0x5455, 5, 1, min(max(member.changed, -(2**31)), 2**31 - 1))
