"""One look at one file: its objects by path, each located once, their files open until the look ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

import h5py

from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.fields import as_text, attribute_text, nx_class
from panosc_hdf5.core.links import join, text
from panosc_hdf5.core.order import names_of
from panosc_hdf5.core.tree import shape_of
from panosc_hdf5.core.types import type_json
from panosc_hdf5.core.wire import Depends

if TYPE_CHECKING:
    from panosc_hdf5.core.files import FileCache, Located

MAX_OBJECTS = 20_000
SMALL = 1_000_000


class Session:
    """Locates objects by the paths that a person sees.

    Args:
        files: the open files.
        path: of the file.
        check: raises when nobody waits any more.
    """

    def __init__(self, files: FileCache, path: str, check: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self.check = check
        self._files = files
        self._stack = ExitStack()
        self._known: dict[str, Located | HDF5Error] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def at(self, h5path: str) -> Located:
        """The object at a path.

        Raises:
            HDF5Error: in words.
        """
        found = self._known.get(h5path)
        if found is None:
            self.check()
            try:
                located: Located = self._stack.enter_context(
                    self._files.locate(self.path, h5path, self._known_parent(h5path))
                )
                found = located
            except HDF5Error as error:
                found = error
            if len(self._known) < MAX_OBJECTS:
                self._known[h5path] = found
        if isinstance(found, HDF5Error):
            raise found
        return found

    def _known_parent(self, h5path: str) -> Located | None:
        """So that a deep object is found from its group, not from the root again."""
        found = self._known.get(parent(h5path)) if h5path.strip("/") else None
        return found if not isinstance(found, HDF5Error) and found and isinstance(found.object, h5py.Group) else None

    def get(self, h5path: str) -> Located | None:
        """The object at a path; None if it cannot be had."""
        try:
            return self.at(h5path)
        except HDF5Error:
            return None

    def group(self, h5path: str) -> h5py.Group | None:
        """The group at a path; None if there is none."""
        found = self.get(h5path)
        return found.object if found is not None and isinstance(found.object, h5py.Group) else None

    def dataset(self, h5path: str) -> h5py.Dataset | None:
        """The data set at a path, for its shape, type and attributes only; None if there is none."""
        found = self.get(h5path)
        return found.object if found is not None and isinstance(found.object, h5py.Dataset) else None

    def has(self, group: str, name: str) -> bool:
        """Whether a group has a child that can be opened."""
        return bool(name) and self.get(join(group, name)) is not None

    def names(self, h5path: str, limit: int = 100) -> list[str]:
        """The first names of a group in natural order."""
        located = self.get(h5path)
        if located is None or not isinstance(located.object, h5py.Group):
            return []
        try:
            names = names_of(located.object.id, located.name, located.file)
            ordered, _ = names.ordered(located.object.id, "natural", False, self.check)
        except HDF5Error:
            raise
        except Exception:
            return []  # a damaged group; its page says so
        return [text(name) for name in ordered[:limit]]

    def nx_class(self, h5path: str) -> str:
        """A group's NX_class, or an empty string."""
        found = self.get(h5path)
        return (nx_class(found.object.id) or "") if found is not None else ""

    def of_class(self, group: str, kind: str, limit: int = 100) -> list[str]:
        """Paths of a group's children of one NX_class."""
        paths = (join(group, name) for name in self.names(group, limit))
        return [path for path in paths if self.nx_class(path) == kind]

    def attribute(self, h5path: str, name: str) -> str | None:
        """A string attribute."""
        found = self.get(h5path)
        return attribute_text(found.object.id, name.encode()) if found is not None else None

    def value(self, h5path: str) -> Any:
        """A small data set's value as numpy has it; None if there is none or it is not small."""
        found = self.get(h5path)
        if found is None or not isinstance(found.object, h5py.Dataset):
            return None
        try:
            shape = shape_of(found.object.id)
            if (
                shape is None
                or found.object.size > SMALL
                or found.object.dtype.itemsize * found.object.size > 8 * SMALL
            ):
                return None
            return found.dataset()[()]
        except Exception:
            return None

    def number(self, h5path: str) -> float | None:
        """A scalar, or the first of several numbers."""
        value = self.value(h5path)
        try:
            flat = value.reshape(-1) if value is not None and hasattr(value, "reshape") else None
            return float(flat[0]) if flat is not None and flat.size else None
        except (TypeError, ValueError):
            return None

    def string(self, h5path: str) -> str | None:
        """A scalar string, or the first of several."""
        value = self.value(h5path)
        while hasattr(value, "reshape") and not isinstance(value, bytes | str):
            flat = value.reshape(-1)
            if not flat.size:
                return None
            value = flat[0]
            if hasattr(value, "dtype") and value.dtype.kind not in "SUO":
                return None
        return as_text(value) if isinstance(value, bytes | str) else None

    def stamps(self) -> dict[str, Depends]:
        """Every file that was opened on the way, as it was."""
        found: dict[str, Depends] = {}
        for located in self._known.values():
            if not isinstance(located, HDF5Error):
                found |= {stamp.path: stamp for stamp in (located.file.stamp, *located.depends)}
        return found

    def stamps_beside(self, path: str) -> tuple[Depends, ...]:
        """Every other file that was opened on the way."""
        return tuple(stamp for stamp in self.stamps().values() if stamp.path != path)

    def kind(self, h5path: str) -> dict[str, Any]:
        """``IType`` of a data set."""
        found = self.dataset(h5path)
        return type_json(found.id.get_type()) if found is not None else {"class": "unknown"}


def parent(h5path: str) -> str:
    """The path of the group that a path lies in."""
    return h5path.rstrip("/").rsplit("/", 1)[0] or "/"


def basename(h5path: str) -> str:
    """The last name of a path."""
    return h5path.rstrip("/").rsplit("/", 1)[-1]
