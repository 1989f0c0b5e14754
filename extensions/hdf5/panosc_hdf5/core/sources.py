"""Where a data set's data really lie: sources of virtual data sets and files of external storage, by the roots' rule."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import h5py

from panosc_hdf5.core.errors import Forbidden, HDF5Error, Unsupported
from panosc_hdf5.core.links import Walk, candidates, is_there, outside, text
from panosc_hdf5.core.wire import Depends

if TYPE_CHECKING:
    from panosc_hdf5.core.files import FileCache
    from panosc_hdf5.core.open_file import OpenFile

MAX_NESTING = 8
MAX_BLOCKS = 100_000
HOLDS_SECONDS = 0.1
# HDF5 reads them once, at its start; whoever set them has moved every source.
_PREFIXES = tuple(Path(prefix) for prefix in (os.environ.get("HDF5_VDS_PREFIX"),) if prefix)
_EXTERNAL_PREFIXES = tuple(Path(prefix) for prefix in (os.environ.get("HDF5_EXTFILE_PREFIX"),) if prefix)


@dataclass(frozen=True)
class Source:
    """One source of a virtual data set.

    Attributes:
        file: as the data set names it; ``.`` is its own file.
        path: of the data set there.
        state: ``there``, ``missing``, or ``forbidden``: outside of the roots.
        real: real path of the file, where it is there.
        places: where it was looked for, where it is missing.
    """

    file: str
    path: str
    state: Literal["there", "missing", "forbidden"]
    real: str = ""
    places: tuple[Path, ...] = ()

    def as_json(self, cache: FileCache) -> dict[str, Any]:
        """An element of ``IStorage.sources``."""
        found: dict[str, Any] = {"file": self.file, "path": self.path}
        if self.state == "missing":
            found["missing"] = True
        elif self.real and (contents_path := cache.contents_path(self.real)) is not None:
            found["contents_path"] = contents_path
        return found


def virtual_sources(
    dataset: Any, file: OpenFile, cache: FileCache, limit: int | None = None, *, blocks: bool = True
) -> Iterator[Source]:
    """The distinct sources of a virtual data set (a low-level one), looked for as HDF5 does.

    Args:
        dataset: low-level identifier.
        file: that holds it.
        cache: knows the roots.
        limit: how many mappings are looked at.
        blocks: whether names with ``%b`` become the files that are there.
    """
    plist = dataset.get_create_plist()
    seen: set[tuple[str, str]] = set()
    count = plist.get_virtual_count()
    for index in range(count if limit is None else min(count, limit)):
        named, path = text(plist.get_virtual_filename(index)), text(plist.get_virtual_dsetname(index))
        if (named, path) in seen:
            continue
        seen.add((named, path))
        if blocks and "%b" in named + path:
            yield from _blocks(named, path, file, cache)
        else:
            yield _source(named.replace("%%", "%"), path.replace("%%", "%"), file, cache)


def _blocks(named: str, path: str, file: OpenFile, cache: FileCache) -> Iterator[Source]:
    """HDF5 counts up until a block is missing; where only the path counts, the file is one."""
    if "%b" not in named:
        yield _source(named.replace("%%", "%"), "", file, cache)
        return
    for number in range(MAX_BLOCKS):
        found = _source(_numbered(named, number), _numbered(path, number), file, cache)
        yield found
        if found.state != "there":
            return


def _numbered(pattern: str, number: int) -> str:
    return pattern.replace("%%", "\0").replace("%b", str(number)).replace("\0", "%")


def _source(named: str, path: str, file: OpenFile, cache: FileCache) -> Source:
    if named == ".":
        return Source(named, path, "there", file.path)
    if file.remote:
        return Source(named, path, "forbidden")
    # HDF5 also tries the working directory. Every place that it might take must be allowed.
    directories = (*_PREFIXES, Path(file.path).parent, Path.cwd())
    places = tuple(dict.fromkeys(place for directory in directories for place in candidates(named, directory)))
    real = ""
    for place in places:
        if is_there(place):
            try:
                confined = cache.confined(str(place))
            except Forbidden:
                return Source(named, path, "forbidden")
            real = real or (confined if is_there(Path(confined)) else "")
    return Source(named, path, "there", real) if real else Source(named, path, "missing", places=places)


def ascertain(dataset: h5py.Dataset, name: str, file: OpenFile, cache: FileCache) -> tuple[Depends, ...]:
    """Make certain that reading a data set opens no file outside of the roots; the files that it opens.

    Raises:
        Forbidden: a source lies outside.
        Unsupported: a virtual data set over HTTP.
    """
    known: _Ascertained | None = file.memo.get(("sources", name))
    if known is _HERE:
        return ()
    if known is None:
        plist = dataset.id.get_create_plist()
        if plist.get_external_count():
            return external_storage(plist, name, file, cache)
        if plist.get_layout() != h5py.h5d.VIRTUAL:
            file.memo["sources", name] = _HERE
            return ()
    if known is None or not known.holds(cache):
        known = _Ascertained()
        _walk(dataset.id, name, file, cache, known)
        file.memo["sources", name] = known
    return tuple(known.stamps.values())


@dataclass
class _Ascertained:
    """What was found out about a virtual data set's sources, and whether it is still so."""

    stamps: dict[str, Depends] = field(default_factory=dict)
    missing: set[Path] = field(default_factory=set)
    depth: int = 0
    looked: float = field(default_factory=time.monotonic)

    def holds(self, cache: FileCache) -> bool:
        if time.monotonic() - self.looked < HOLDS_SECONDS:
            return True
        for path, stamp in self.stamps.items():
            cache.drop_stale(path)
            if Depends.now(path) != stamp:
                return False
        self.looked = time.monotonic()
        return not any(is_there(place) for place in self.missing)


_HERE = _Ascertained()  # all data lie in the data set's own file


def lies_here(obj: Any) -> bool:
    """Whether an open low-level object holds no other file open."""
    if not isinstance(obj, h5py.h5d.DatasetID):
        return True
    plist = obj.get_create_plist()
    return plist.get_layout() != h5py.h5d.VIRTUAL and not plist.get_external_count()


def external_storage(plist: Any, name: str, file: OpenFile, cache: FileCache) -> tuple[Depends, ...]:
    """The raw files of external storage, all beneath the roots."""
    found: list[Depends] = []
    if file.remote:
        raise Unsupported(
            f"The data of {name} lie in another file, which is not read over HTTP.", code="remote_external"
        )
    for index in range(plist.get_external_count()):
        named = os.fsdecode(plist.get_external(index)[0])  # exactly what HDF5 opens, also where it is no UTF-8
        real = os.path.realpath(Path(file.path).parent / named)
        try:
            for directory in (Path(file.path).parent, *_EXTERNAL_PREFIXES):
                cache.confined(str(directory / named))
        except Forbidden as error:
            raise outside(f"The data of {name}") from error
        if (stamp := Depends.now(real)) is not None:
            found.append(stamp)
    return tuple(found)


def _walk(dataset: Any, name: str, file: OpenFile, cache: FileCache, found: _Ascertained) -> None:
    """Every file that HDF5 opens for a virtual data set, also through links and further virtual data sets in the sources."""
    if found.depth >= MAX_NESTING:
        raise Unsupported(f"{name} is made of virtual data sets nested more than {MAX_NESTING} deep.", code="too_deep")
    found.depth += 1
    for source in virtual_sources(dataset, file, cache):
        if source.state == "forbidden" and file.remote:
            raise Unsupported(f"{name} is made of other files, which are not read over HTTP.", code="remote_virtual")
        if source.state == "forbidden":
            raise outside(f"A source of {name}")
        if source.state == "there":
            _within(source, name, file, cache, found)
        found.missing.update(source.places)
    found.depth -= 1


def _within(source: Source, name: str, file: OpenFile, cache: FileCache, found: _Ascertained) -> None:
    cache.drop_stale(source.real)
    with ExitStack() as stack:

        def lease(path: str) -> OpenFile:
            other: OpenFile = stack.enter_context(cache.lease(path))
            found.stamps[path] = other.stamp
            return other

        try:
            place = Walk(lease, cache.confined).to(
                file if source.real == file.path else lease(source.real), source.path
            )
            if isinstance(place.id, h5py.h5d.DatasetID):
                plist = place.id.get_create_plist()
                if plist.get_external_count():
                    stamps = external_storage(plist, name, place.file, cache)
                    found.stamps.update({stamp.path: stamp for stamp in stamps})
                elif plist.get_layout() == h5py.h5d.VIRTUAL:
                    _walk(place.id, name, place.file, cache, found)
        except HDF5Error as error:
            if isinstance(error, Forbidden) and error.code == "outside":
                raise outside(f"A source of {name}") from error
            if error.code == "too_deep":
                raise
            # What HDF5 cannot open it fills with the fill value.
