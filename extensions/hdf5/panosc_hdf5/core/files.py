"""The open files: kept open while used, least recently used ones closed, reopened when they changed on disk."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from panosc_hdf5.core import sources
from panosc_hdf5.core.context import beneath
from panosc_hdf5.core.errors import Unsupported
from panosc_hdf5.core.links import Place, Walk, components, high_level, outside
from panosc_hdf5.core.open_file import REMOTE, OpenFile, open_file
from panosc_hdf5.core.wire import Depends

MAX_PLACES = 8
"""Objects of a file that are kept open: HDF5 may hold a cache of chunks for each."""


@dataclass(eq=False)
class Located:
    """An object that a path leads to.

    Attributes:
        object: h5py's group, data set or named type. Read a data set through :meth:`dataset` only.
        name: its path inside the file that really holds it.
        file: that file.
        depends: further files than the one that was asked for.
        origin: the file that was asked for.
        asked: the path that was asked for, in that file.
    """

    object: h5py.Group | h5py.Dataset | h5py.Datatype
    name: str
    file: OpenFile
    depends: tuple[Depends, ...]
    cache: FileCache
    origin: OpenFile
    asked: str

    def dataset(self) -> h5py.Dataset:
        """The data set, after it is certain that reading it opens no file outside of the roots.

        Raises:
            Unsupported: it is none.
            Forbidden: its data lie in a file outside of the roots.
        """
        if not isinstance(self.object, h5py.Dataset):
            kind = "a group" if isinstance(self.object, h5py.Group) else "a type"
            raise Unsupported(f"{self.name} is {kind}, not a data set.", code="no_dataset")
        self.depend_on(sources.ascertain(self.object, self.name, self.file, self.cache))
        return self.object

    def depend_on(self, stamps: Iterable[Depends]) -> None:
        """What is said of the object was found in further files, too."""
        known = {self.origin.path, *(stamp.path for stamp in self.depends)}
        self.depends += tuple({stamp.path: stamp for stamp in stamps if stamp.path not in known}.values())

    def group(self) -> h5py.Group:
        """The group.

        Raises:
            Unsupported: it is none.
        """
        if not isinstance(self.object, h5py.Group):
            raise Unsupported(f"{self.name} is not a group: it has no children.", code="no_group")
        return self.object


@dataclass(eq=False)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    file: OpenFile | None = None
    retired: list[OpenFile] = field(default_factory=list)
    users: int = 0


class FileCache:
    """The files that are open in this process.

    Args:
        roots: real paths; nothing outside of them is opened. Empty: no bounds.
        capacity: how many files are kept open without being used.
    """

    def __init__(self, roots: Sequence[Path] = (), capacity: int = 64) -> None:
        self.roots = tuple(os.path.realpath(root) for root in roots)
        self._capacity = capacity
        # Without roots this is a kernel, whose user opens the same files with locks. HDF5 refuses that for one file and
        # driver in one process, and shares what it knows of the file; another driver keeps the two apart.
        self._drivers = ("sec2", "stdio") if self.roots else ("stdio", "sec2")
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()

    @contextmanager
    def locate(self, path: str, h5path: str = "/", within: Located | None = None) -> Iterator[Located]:
        """The object at a path of a file, with its files open.

        Args:
            path: real path of the file, or a URL that may be read.
            h5path: path inside it.
            within: a group on the way, located already and still open; the walk begins there.

        Raises:
            HDF5Error: in words.
        """
        with ExitStack() as stack:
            passed: list[OpenFile] = []

            def lease(other: str) -> OpenFile:
                found: OpenFile = stack.enter_context(self.lease(other))
                passed.append(found)
                return found

            asked = "/" + "/".join(components(h5path))
            if within is None:
                file = origin = lease(self.confined(path))
                start, rest = None, h5path
            else:
                file, origin = within.file, within.origin
                start = Place(file, within.object.id, tuple(components(within.name)))
                rest = asked[len(within.asked.rstrip("/")) + 1 :]
            place = (
                self._walked(lease, file, rest) if start is None else Walk(lease, self.confined).to(file, rest, start)
            )
            stamps = {
                stamp.path: stamp for stamp in (*(within.depends if within else ()), *(other.stamp for other in passed))
            }
            stamps.pop(origin.path, None)
            depends = tuple(stamps.values())
            yield Located(high_level(place.id), place.name, place.file, depends, self, origin, asked)

    def _walked(self, lease: Callable[[str], OpenFile], file: OpenFile, h5path: str) -> Place:
        """The place that a path leads to; what was looked at last stays open, as long as its file does."""
        kept: OrderedDict[str, Place] = file.memo.setdefault("places", OrderedDict())
        if (known := kept.get(h5path)) is not None:
            return known
        walk = Walk(lease, self.confined)
        place = walk.to(file, h5path)
        if walk.straight and not file.swmr and sources.lies_here(place.id):
            kept[h5path] = place
            while len(kept) > MAX_PLACES:
                kept.popitem(last=False)
        return place

    @contextmanager
    def lease(self, path: str) -> Iterator[OpenFile]:
        """The open file of a confined path; not closed meanwhile."""
        slot, file = self._acquire(path)
        try:
            yield file
        finally:
            self._release(slot, file)

    def confined(self, path: str) -> str:
        """The real path of a file that may be opened.

        Raises:
            Forbidden: it lies outside of the roots.
        """
        if path.startswith(REMOTE):
            return path
        real = os.path.realpath(path)
        if self.roots and not any(beneath(real, root) for root in self.roots):
            raise outside("The path")
        return real

    def contents_path(self, path: str) -> str | None:
        """How a person opens that file: its path relative to the root; None if it may not be opened."""
        if path.startswith(REMOTE):
            return path
        real = os.path.realpath(path)
        for root in self.roots or (str(Path.cwd()),):
            if beneath(real, root):
                return os.path.relpath(real, root)
        return None

    def drop_stale(self, path: str) -> None:
        """Close an unused file that changed: HDF5 shares what it knows of it with whoever opens it next."""
        with self._lock:
            slot = self._slots.get(path)
        if slot is None:
            return
        with slot.lock:
            if slot.file is not None and not slot.file.leases and not slot.file.current:
                slot.file.close()
                slot.file = None

    def close(self) -> None:
        """Close everything that is not in use."""
        with self._lock:
            idle = [name for name, slot in self._slots.items() if not slot.users]
            gone = [self._slots.pop(name) for name in idle]
        for slot in gone:
            if slot.file is not None:
                slot.file.close()

    def _acquire(self, path: str) -> tuple[_Slot, OpenFile]:
        with self._lock:
            slot = self._slots.setdefault(path, _Slot())
            slot.users += 1
            self._slots.move_to_end(path)
        try:
            with slot.lock:
                if slot.file is None or not slot.file.current:
                    self._renew(slot, path)
                file = slot.file
                assert file is not None  # noqa: S101
                with self._lock:
                    file.leases += 1
                return slot, file
        except BaseException:
            with self._lock:
                slot.users -= 1
                if not slot.users and slot.file is None and self._slots.get(path) is slot:
                    del self._slots[path]
            raise

    def _renew(self, slot: _Slot, path: str) -> None:
        """Open the file, or bring what is open to how the file is now. Holds the slot's lock."""
        old = slot.file
        if old is None:
            slot.file = self._open(path, self._drivers[0])
        elif not old.leases:
            slot.file = None
            old.close()
            slot.file = self._open(path, self._drivers[0], old)
        else:
            self._open_beside(slot, old, path)

    def _open(self, path: str, driver: str, old: OpenFile | None = None) -> OpenFile:
        file = open_file(path, driver)
        if self.roots and not file.remote and os.path.realpath(path) != path:
            file.close()  # a link took the place of a folder after it was confined
            raise outside("The path")
        file.changed = old is not None and old.stamp.inode == file.stamp.inode and old.stamp != file.stamp
        return file

    def _open_beside(self, slot: _Slot, old: OpenFile, path: str) -> None:
        """Somebody still reads the old state. HDF5 shares it with whoever opens the same file by the same driver.

        What is read while it is written (SWMR) is not refreshed meanwhile: HDF5 corrupts what it knows of a data set that
        is open twice when one of the two is refreshed.
        """
        used = {file.driver for file in (old, *slot.retired) if file.leases}
        driver = next((name for name in self._drivers if name not in used), None)
        if driver is None or old.swmr or old.remote:
            return  # the old state is a consistent one, too
        slot.file = self._open(path, driver, old)
        old.retired = True
        slot.retired.append(old)

    def _release(self, slot: _Slot, file: OpenFile) -> None:
        closing: list[OpenFile] = []
        with self._lock:
            slot.users -= 1
            file.leases -= 1
            if file.retired and not file.leases:
                slot.retired.remove(file)
                closing.append(file)
            surplus = len(self._slots) - self._capacity
            for name in [name for name, other in self._slots.items() if not other.users][: max(0, surplus)]:
                gone = self._slots.pop(name).file
                closing += [gone] if gone is not None else []
        for other in closing:
            other.close()


__all__ = ["FileCache", "Located", "OpenFile"]
