"""A zip, or any slice of it, read file by file as the person, while it is sent: nothing of it is kept."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from panosc_portal.moving.as_person import Identity, Reader, ReadError, Sums
from panosc_portal.moving.checksums import Checksums
from panosc_portal.moving.plan import Chosen, Plan
from panosc_portal.moving.reader_child import CHECKPOINT
from panosc_portal.moving.zip_layout import Content, Descriptor, Fixed, Member, ZipLayout

ABOUT = "ABOUT-THESE-DATA.txt"


@dataclass
class ZipOf:
    """The zip of a plan.

    Args:
        plan: complete.
        checksums: those known already; what is computed on the way is added.

    Raises:
        TooMuchForZip: if a name is too long for a zip.
    """

    plan: Plan
    checksums: Checksums

    def __post_init__(self) -> None:
        self._about = self.plan.about().encode("utf-8")
        top = self.plan.top
        members = [Member(f"{top}/{ABOUT}", len(self._about))]
        members += [Member(f"{top}/{f.name}", f.size, f.identity.mtime // 10**9) for f in self.plan.files]
        self.layout = ZipLayout(members)
        self._crcs: dict[int, int] = {}

    @property
    def size(self) -> int:
        """Bytes of the zip."""
        return self.layout.size

    async def stream(self, reader: Reader, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes ``start`` to before ``end``.

        Raises:
            ReadError: if a file cannot be read, or is not any more what the plan says: the slice then ends too early, and is
                never something else than what was announced.
        """
        needed = self.layout.needs(start, end)
        for piece in self.layout.pieces(start, end):
            if isinstance(piece, Fixed):
                yield piece.content
            elif isinstance(piece, Content):
                if piece.member == 0:
                    yield self._about[piece.start : piece.end]
                    continue
                async for part in self._content(reader, piece, needed(piece.member)):
                    yield part
            else:
                whole = self.layout.descriptor if isinstance(piece, Descriptor) else self.layout.record
                crc = await self._crc(reader, piece.member)
                yield whole(piece.member, crc)[piece.start : piece.end]

    def _file(self, member: int) -> Chosen:
        return self.plan.files[member - 1]

    async def _content(self, reader: Reader, piece: Content, with_crc: bool) -> AsyncIterator[bytes]:
        file = self._file(piece.member)
        before = 0
        if with_crc and piece.start:
            before = await self._crc_upto(reader, file, piece.start)
        sums = ("crc32",) if with_crc or not piece.start else ()
        sent, stream = piece.start, None
        try:
            async with reader.open(
                file.area.path, file.path, start=piece.start, end=piece.end, same=file.identity, sums=sums, crc=before
            ) as stream:
                async for part in stream:
                    sent += len(part)
                    yield part
        finally:
            if stream and stream.mark:  # also where the person breaks it off, and will go on
                self.checksums.keep_crc(file.identity, *stream.mark)
        if sent != piece.end or stream.sums is None:
            raise ReadError("changed", file.path)
        if sums:
            self._keep(file.identity, stream.sums)
            if piece.end == file.size:
                self._agree(piece.member, stream.sums.crc32)

    def _agree(self, member: int, crc: int) -> None:
        """What was computed now against what was told before of the same file: times and size do not show every change."""
        file = self._file(member)
        known = self._crcs.setdefault(member, crc)
        if known != crc:
            raise ReadError("changed", file.path)

    def _keep(self, identity: Identity, sums: Sums) -> None:
        if sums.end == identity.size or sums.end >= CHECKPOINT:
            self.checksums.keep_crc(identity, sums.end, sums.crc32)

    async def _crc(self, reader: Reader, member: int) -> int:
        if member == 0:
            return zlib.crc32(self._about)
        if member not in self._crcs:
            file = self._file(member)
            self._crcs[member] = await self._crc_upto(reader, file, file.size)
        return self._crcs[member]

    async def _crc_upto(self, reader: Reader, file: Chosen, upto: int) -> int:
        """The CRC of a file's beginning: from what is known of it, reading only the rest."""
        at, crc = self.checksums.crc(file.identity, upto)
        if at == upto:
            return crc
        _, sums = await reader.sums(
            file.area.path, file.path, sums=("crc32",), same=file.identity, start=at, end=upto, crc=crc
        )
        self._keep(file.identity, sums)
        return sums.crc32
