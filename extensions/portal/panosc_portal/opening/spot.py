"""Which file of a data set is opened: the one that was named, or the one in its folder that says most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from panosc_portal.hub import AreaDirectory
from panosc_portal.moving.as_person import Entry, Identity, Reader, ReadError
from panosc_portal.moving.plan import seen

MOST_ENTRIES = 20_000
HDF5 = frozenset({".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".nx5", ".nx", ".cxi"})


@dataclass(frozen=True)
class Spot:
    """A file or a folder in an area. ``path`` is beneath the area's directory; of a folder, empty for all of it."""

    area: AreaDirectory
    path: str
    identity: Identity | None = None  # None: a folder

    @property
    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.identity is not None

    @property
    def shown(self) -> str:
        """As the person sees it beneath the proposal: ``raw/scan1/a.h5``."""
        return str(PurePosixPath(seen(self.area), self.path)) if self.path else seen(self.area)

    @property
    def is_hdf5(self) -> bool:
        """Whether its name says that it is an HDF5 file."""
        return self.is_file and PurePosixPath(self.path).suffix.lower() in HDF5


async def find_spot(reader: Reader, areas: Sequence[AreaDirectory], rest: str) -> Spot | None:
    """The spot, in the first area that has it; None if no area does.

    Raises:
        ReadError: if what is there may not be read.
    """
    for area in areas:
        try:
            if spot := await _in_area(reader, area, rest):
                return spot
        except ReadError as error:
            if error.code != "missing":
                raise
    return None


async def _in_area(reader: Reader, area: AreaDirectory, rest: str) -> Spot | None:
    if rest and (identity := await _file(reader, area, rest)):
        return Spot(area, rest, identity)
    best: Entry | None = None
    found_any = False
    try:
        async for entry in reader.walk(area.path, rest, deep=True, limit=MOST_ENTRIES):
            found_any = True
            if entry.kind == "file" and (best is None or _rank(entry, rest) > _rank(best, rest)):
                best = entry
    except ReadError as error:
        if error.code != "too many":  # then the best of the first ones
            raise
    if best is not None and _suffix(best) in HDF5:
        return Spot(area, best.path, best.identity)
    return Spot(area, rest) if found_any else None


async def _file(reader: Reader, area: AreaDirectory, rest: str) -> Identity | None:
    """What tells a file from others, by opening it; None for a folder.

    Raises:
        ReadError: if it is not there, is a link, or may not be read.
    """
    try:
        async with reader.open(area.path, rest, end=0) as stream:
            async for _ in stream:
                pass
            return stream.identity
    except ReadError as error:
        if error.code != "kind":
            raise
        return None


def _suffix(entry: Entry) -> str:
    return PurePosixPath(entry.path).suffix.lower()


def _rank(entry: Entry, folder: str) -> tuple[bool, bool, int, int]:
    """HDF5 before others; one named after its folder (as ESRF's are) first; then the nearest, and of those the earliest."""
    path = PurePosixPath(entry.path)
    name = PurePosixPath(folder).name if folder else path.parent.name
    depth = len(path.parts)
    return _suffix(entry) in HDF5, bool(name) and path.stem == name, -depth, -_order(entry.path)


def _order(path: str) -> int:
    """A number that sorts paths as text does, by their first bytes."""
    return int.from_bytes(path.encode("utf-8", "surrogateescape")[:64].ljust(64, b"\0"), "big")
