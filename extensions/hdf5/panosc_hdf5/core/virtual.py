"""Virtual data sets: a selection that lies within one source is read from that source, by its fast lane."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from panosc_hdf5.core.errors import NotFound, Unsupported
from panosc_hdf5.core.links import text
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.selection import Selection
from panosc_hdf5.core.sources import virtual_sources

if TYPE_CHECKING:
    from panosc_hdf5.core.reading import Reader

MAX_MAPPINGS = 20_000
MAX_PARTS = 4096


@dataclass(frozen=True)
class Mapping:
    """A box of the virtual data set that is a box of a source, dimension for dimension.

    Attributes:
        real: path of the file; empty if it is missing.
        path: of the data set there.
        source_begin: where the box begins in the source, for the dimensions that the source has.
        dropped: leading dimensions of the virtual data set, of one element in the box, that the source has not.
        whole: the box's shape, where the source is all of a data set whose shape the virtual one does not say.
    """

    real: str
    path: str
    source_begin: tuple[int, ...]
    dropped: int
    whole: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Found:
    """Where a part of a virtual data set really lies.

    Attributes:
        real: path of the file.
        path: of the data set there.
        items: the selection in it.
        whole: the shape that it must have, but for leading dimensions of one element.
    """

    real: str
    path: str
    items: tuple[int | range, ...]
    whole: tuple[int, ...] | None = None

    def within(self, shape: tuple[int, ...]) -> Selection | None:
        """The selection in the data set as it is; None if it does not fit."""
        items = self.items
        if self.whole is not None:
            dropped = len(self.whole) - len(shape)
            if dropped < 0 or self.whole[dropped:] != shape or any(n != 1 for n in self.whole[:dropped]):
                return None
            items = items[dropped:]
        if len(shape) != len(items):
            return None
        if any((item if isinstance(item, int) else item[-1]) >= n for item, n in zip(items, shape, strict=True)):
            return None
        return Selection(shape, items)


UNMAPPED = Found("", "", ())
"""Where no source is: the fill value."""


class Mappings:
    """All boxes, in arrays so that thousands are searched at once."""

    def __init__(self, begins: list[Any], ends: list[Any], mappings: list[Mapping]) -> None:
        self.begins, self.ends = np.array(begins, np.int64), np.array(ends, np.int64)
        self.mappings = mappings
        both = np.concatenate([self.begins, self.ends]) if mappings else np.zeros((0, 0), np.int64)
        self.edges: list[list[int]] = [np.unique(column).tolist() for column in both.T]

    @property
    def simple(self) -> bool:
        """Whether anything can be found in them."""
        return bool(self.mappings)

    def find(self, selection: Selection) -> Found | None:
        """Where a selection lies, if one box holds all of it and no other one touches it; ``UNMAPPED`` if none does."""
        if not self.simple or not selection.size:
            return None
        low = [item if isinstance(item, int) else item.start for item in selection.items]
        high = [item + 1 if isinstance(item, int) else item[-1] + 1 for item in selection.items]
        touched = np.flatnonzero(np.all((self.begins < high) & (self.ends > low), axis=1))
        if not touched.size:
            return UNMAPPED
        if touched.size != 1:
            return None
        i = int(touched[0])
        mapping = self.mappings[i]
        if not (np.all(self.begins[i] <= low) and np.all(self.ends[i] >= high)) or not mapping.real:
            return None
        leading, items = selection.items[: mapping.dropped], selection.items[mapping.dropped :]
        if any(isinstance(item, range) and len(item) != 1 for item in leading):
            return None
        begin = (int(b) for b in self.begins[i][mapping.dropped :])
        shifts = [source - target for source, target in zip(mapping.source_begin, begin, strict=True)]
        items = tuple(_shifted(i, s) for i, s in zip(items, shifts, strict=True))
        return Found(mapping.real, mapping.path, items, mapping.whole)


def _shifted(item: int | range, by: int) -> int | range:
    return item + by if isinstance(item, int) else range(item.start + by, item.stop + by, item.step)


NOTHING = Mappings([], [], [])


Part = tuple[Selection, tuple[slice, ...], Found | None]


def parts(reader: Reader, selection: Selection) -> Iterator[Part]:
    """A selection cut where sources meet.

    Yields:
        A part of the selection, where it goes in the result, and in which source it lies; None leaves it to HDF5.
    """
    mappings = _known(reader)
    if not selection.dimensions or not mappings.simple:
        yield selection, (), mappings.find(selection)
        return
    for part in _cut(selection, mappings, 0, ()):
        # Modules lie side by side, too; but HDF5 is asked once rather than for each of many parts.
        finer = _finer(part, mappings)
        yield from finer if all(found is not None for _, _, found in finer) else [part]


def _finer(part: Part, mappings: Mappings) -> list[Part]:
    """A part cut along the further dimensions, where it does not lie within one source."""
    finer = [part]
    for along in range(1, len(part[0].dimensions)):
        finer = [
            smaller
            for piece in finer
            for smaller in (_cut(piece[0], mappings, along, piece[1]) if piece[2] is None else (piece,))
        ]
        if len(finer) > MAX_PARTS:
            return [part]
    return finer


def _cut(selection: Selection, mappings: Mappings, along: int, place: tuple[slice, ...]) -> Iterator[Part]:
    """Cut along the kept dimension of a number; ``place`` says where the selection lies along those before."""
    dimension = selection.dimensions[along]
    item = selection.kept(dimension)
    cuts = sorted({0, len(item), *(_index_of(item, edge) for edge in mappings.edges[dimension])})
    if len(cuts) > MAX_PARTS:
        yield selection, (*place, slice(0, len(item))), None
        return
    for begin, end in itertools.pairwise(cuts):
        part = selection.within(dimension, begin, end)
        yield part, (*place, slice(begin, end)), mappings.find(part)


def _index_of(item: range, value: int) -> int:
    """How many entries of a range lie below a value."""
    return min(len(item), max(0, -(-(value - item.start) // item.step)))


def read_source(reader: Reader, found: Found, out: Array, *, keep: bool, threads: bool) -> bool:
    """Read from a source by its own storage; False if HDF5 must do it (it fills in for what is missing)."""
    from panosc_hdf5.core.reading import Reader as OfSource

    if found is UNMAPPED:
        out[...] = reader.layout.fill
        return True
    located = reader.located
    try:
        with located.cache.locate(found.real, found.path) as source:
            inner = OfSource(source, reader.context)
            selection = found.within(inner.shape) if inner.shape is not None else None
            if inner.stored != reader.stored or selection is None:
                return False
            if out.flags.c_contiguous or inner.layout.kind == "chunked":
                inner.read(selection, out, keep=keep, threads=threads)
            else:
                np.copyto(out, inner.read(selection, keep=keep, threads=threads))
    except (NotFound, Unsupported):
        return False
    return True


def _known(reader: Reader) -> Mappings:
    located = reader.located
    memo, key = located.file.memo, ("virtual", located.name)
    mappings: Mappings | None = memo.get(key)
    if mappings is None:
        real = {
            (source.file, source.path): source.real
            for source in virtual_sources(reader.dataset.id, located.file, located.cache, blocks=False)
            if source.real
        }
        mappings = memo[key] = _mappings(reader.dataset, real)
    return mappings


def _mappings(dataset: h5py.Dataset, real: dict[tuple[str, str], str]) -> Mappings:
    plist = dataset.id.get_create_plist()
    begins: list[Any] = []
    ends: list[Any] = []
    found: list[Mapping] = []
    count = plist.get_virtual_count()
    if count > MAX_MAPPINGS:
        return NOTHING
    for i in range(count):
        file, path = text(plist.get_virtual_filename(i)), text(plist.get_virtual_dsetname(i))
        target = _box(plist.get_virtual_vspace(i))
        source = _box(plist.get_virtual_srcspace(i))
        if target is None or source is None or "%" in file or "%" in path:
            return NOTHING
        (begin, end), (source_begin, source_end) = target, source
        whole = None
        if not source_end:
            whole = tuple(e - b for b, e in zip(begin, end, strict=True))
            source_begin, source_end = [0] * len(whole), list(whole)
        dropped = len(begin) - len(source_begin)
        sizes = [e - b for b, e in zip(begin, end, strict=True)]
        if dropped < 0 or any(n != 1 for n in sizes[:dropped]):
            return NOTHING
        if sizes[dropped:] != [e - b for b, e in zip(source_begin, source_end, strict=True)]:
            return NOTHING
        begins.append(begin)
        ends.append(end)
        found.append(Mapping(real.get((file, path), ""), path, tuple(source_begin), dropped, whole))
    return Mappings(begins, ends, found)


def _box(space: Any) -> tuple[list[int], list[int]] | None:
    """First and end indices of a selection that is one box; None if it is anything else, or unlimited.

    No indices at all: all of a data set whose shape is not known here.
    """
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        shape = [int(n) for n in space.get_simple_extent_dims()]
        return [0] * len(shape), shape
    if kind != h5py.h5s.SEL_HYPERSLABS:
        return None
    try:
        low, high = space.get_select_bounds()
        points = space.get_select_npoints()
    except (RuntimeError, ValueError):
        return None
    begin, end = [int(n) for n in low], [int(n) + 1 for n in high]
    if int(np.prod([e - b for b, e in zip(begin, end, strict=True)], dtype=object)) != points:
        return None
    return begin, end
