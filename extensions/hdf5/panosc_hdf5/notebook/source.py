"""What a person hands over to be shown: a path, a silx data URL, or an object of h5py, silx or nexusformat."""

from __future__ import annotations

import operator
import os
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py

from panosc_hdf5.core.errors import BadRequest, HDF5Error, NotFound, Unreadable, Unsupported
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.files import FileCache
from panosc_hdf5.core.nexus import plot_of
from panosc_hdf5.core.selection import Selection, parse_slice
from panosc_hdf5.core.session import Session

_REMOTE = re.compile(r"https?://", re.IGNORECASE)
_BRACKETS = re.compile(r"(?s)(.+)\[([^\[\]]*)\]")
_SILX = "silx"


@dataclass(frozen=True)
class Source:
    """One object in one file.

    Attributes:
        path: absolute path of the file, or its URL.
        h5path: of the object; ``/`` is the file as a whole.
        slice: numpy syntax; None is what the viewer finds useful.
        handle: the open h5py object that was handed over, if it was one.
    """

    path: str
    h5path: str = "/"
    slice: str | None = None
    handle: Any = None

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return is_remote(self.path)


def is_remote(path: str) -> bool:
    """Whether this names a file on a web server."""
    return bool(_REMOTE.match(path))


def slice_text(given: Any) -> str | None:
    """Numpy's syntax for whatever may stand between brackets.

    Raises:
        BadRequest: it is neither text, whole numbers, slices nor an ellipsis.
    """
    if given is None or isinstance(given, str):
        return given
    items = given if isinstance(given, tuple | list) else (given,)
    return ", ".join(_item_text(item) for item in items) or None


def _item_text(item: Any) -> str:
    if item is Ellipsis:
        return "..."
    if isinstance(item, slice):
        bounds = ["" if bound is None else _item_text(bound) for bound in (item.start, item.stop)]
        return ":".join(bounds if item.step is None else [*bounds, _item_text(item.step)])
    try:
        return str(operator.index(item))
    except TypeError:
        raise BadRequest(
            f"A slice is made of whole numbers, slices and '...'; {type(item).__name__} is none of these.",
            "Such as slice=0, slice='3, :, 10:20' or slice=(0, slice(None), slice(10, 20)).",
        ) from None


def parse(given: Any) -> Source:
    """Make out which object is meant. Nothing is read except that strings are compared with files that exist.

    Raises:
        HDF5Error: in words.
    """
    if isinstance(given, str | os.PathLike):
        return _parse_text(given)
    if isinstance(given, h5py.Group | h5py.Dataset):
        return _parse_h5py(given)
    if all(callable(getattr(given, name, None)) for name in ("file_path", "data_path", "data_slice")):
        return _parse_url_object(given)
    if hasattr(given, "nxfilename") and hasattr(given, "nxfilepath"):
        return _parse_nexus(given)
    raise BadRequest(
        f"{type(given).__name__} can't be shown.",
        "Give a path, a silx data URL, or an object of h5py, silx or nexusformat that lies in a file.",
    )


def absolute(path: str) -> str:
    """The absolute path; a URL stays as it is."""
    if is_remote(path):
        return path
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError:  # "~nobody"
        return str(Path(path).absolute())


def _parse_text(given: str | os.PathLike[str]) -> Source:
    text = os.fspath(given)
    if not isinstance(text, str):
        raise BadRequest("The path must be text, not bytes.")
    if not text or "\0" in text:
        raise BadRequest("The path is empty, or holds a NUL character.")
    if isinstance(given, os.PathLike) or _exists(text):
        return Source(absolute(text))
    if is_remote(text):
        path, _, h5path = text.partition("::")
        return Source(path, h5path or "/")
    return parse_url(text)


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


def parse_url(text: str) -> Source:
    """Read silx' data URLs as silx does: ``silx:///data/file.h5?path=/entry/data&slice=0``, ``file.h5::/entry/data``.

    Raises:
        BadRequest: not one of ours, in words.
    """
    bare = text if "?" in text else text.replace("::", "?", 1)
    try:
        url = urllib.parse.urlparse(bare)
    except ValueError as error:
        raise BadRequest(f"{text[:200]!r} is no path and no data URL.") from error
    scheme, path = url.scheme, f"{url.netloc}{url.path}"
    if len(scheme) <= 2:  # none, or a drive's letter
        path = re.split(r"[?#]", bare, maxsplit=1)[0]
    elif scheme != _SILX:
        raise BadRequest(
            f"{scheme[:40]}: names no HDF5 file.", "Only silx: data URLs, paths, and http(s): URLs are read."
        )
    elif re.match(r"/[A-Za-z]:", path):
        path = path[1:]
    if not path:
        raise BadRequest(f"{text[:200]!r} names no file.")
    h5path, slicing = _parse_query(url.query)
    if slicing is not None and not slicing:
        raise BadRequest("The data URL's slice is empty.")
    return Source(absolute(path), h5path or "/", slicing)


def _parse_query(query: str) -> tuple[str | None, str | None]:
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    if len(pairs) == 1 and not pairs[0][1]:
        return pairs[0][0], None
    found = dict(pairs)
    return found.get("path"), found.get("slice")


def _parse_url_object(url: Any) -> Source:
    if hasattr(url, "is_valid") and not url.is_valid():
        raise BadRequest("This data URL is not valid.", str(getattr(url, "invalid_reason", "") or ""))
    if url.scheme() not in (None, _SILX):
        raise BadRequest(f"{url.scheme()}: names no HDF5 file.", "Only silx: data URLs are read.")
    return Source(absolute(url.file_path()), url.data_path() or "/", slice_text(url.data_slice()))


def _parse_h5py(given: Any) -> Source:
    if not given:
        raise BadRequest("This h5py object belongs to a file that is closed.", "Open the file again, or give its path.")
    if given.file.driver in ("core", "fileobj") and not Path(given.file.filename).exists():
        raise BadRequest("This h5py file lives in memory, not on disk.", "Save it to a file first.")
    if given.name is None:
        raise BadRequest("This h5py object has no name in its file.", "Give the file's path and a path inside of it.")
    return Source(absolute(given.file.filename), given.name, None, given)


def _parse_nexus(given: Any) -> Source:
    if not given.nxfilename:
        raise BadRequest("This NeXus object lives in memory, not in a file.", "Save it to a file first.")
    return Source(absolute(str(given.nxfilename)), str(given.nxfilepath or "/"))


@contextmanager
def opened(path: str) -> Iterator[h5py.File]:
    """A local file for a moment. It is closed at once, so that the notebook may write it a line later.

    Raises:
        HDF5Error: in words.
    """
    try:
        file = _open(path)
    except FileNotFoundError:
        raise NotFound(
            f"There is no file {path!r}.",
            f"A relative path starts at the notebook's directory, {str(Path.cwd())!r}.",
        ) from None
    except IsADirectoryError:
        raise Unsupported(f"{path!r} is a folder.", "Give the path of an HDF5 file.") from None
    except PermissionError:
        raise Unreadable(f"You may not read {path!r}.", code="permission") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    with file:
        yield file


def _open(path: str) -> h5py.File:
    if Path(path).is_dir():
        raise IsADirectoryError(path)
    with Path(path).open("rb"):  # the system's own errors say more than HDF5's
        pass
    try:
        return h5py.File(path, "r", locking=False)
    except (OSError, ValueError):
        # HDF5 refuses a second opening in one process with other locking flags or another mode than the first.
        return h5py.File(path, "r")


def _unreadable(path: str, error: Exception) -> HDF5Error:
    name = Path(path).name
    try:
        is_hdf5 = bool(h5py.is_hdf5(path))
    except (OSError, ValueError):
        is_hdf5 = False
    if not is_hdf5:
        return Unsupported(f"{name!r} is not an HDF5 file.")
    return in_words(error, repr(name))


def resolve(source: Source) -> tuple[Source, tuple[int, ...] | None]:
    """Find the object in its file, and check the slice.

    Returns:
        the source with canonical paths and slice, and the data set's shape; None for whatever has none.

    Raises:
        HDF5Error: in words: no such file or object, or a slice that doesn't fit.
    """
    if source.is_remote:
        return replace(source, h5path=_canonical(source.h5path)), None
    if source.handle is not None:
        found, shape = source, _shape(source.handle)
    else:
        with opened(source.path) as file:
            found, item = find(file, source)
            shape = _shape(item)
    if found.slice and shape is None and (signal := signal_of(found.path, found.h5path)) is not None:
        shape = signal[1]
    return replace(found, slice=checked_slice(found.slice, shape)), shape


def signal_of(path: str, h5path: str) -> tuple[str, tuple[int, ...]] | None:
    """What is plotted of a group by NeXus' rules: the data set's path and shape; None if nothing is."""
    files = FileCache()
    try:
        with Session(files, path) as session:
            plot = plot_of(session, h5path)
            return (plot["signal"], tuple(plot["shape"])) if plot else None
    except HDF5Error:
        return None
    finally:
        files.close()


def checked_slice(text: str | None, shape: tuple[int, ...] | None) -> str | None:
    """The canonical slice, or None for everything.

    Raises:
        BadRequest: it doesn't fit.
    """
    if text is None or not text.strip():
        return None
    if shape is None:
        raise BadRequest("Only a data set, or a group with a default plot, has a slice.")
    selection: Selection = parse_slice(text, shape)
    return selection.text if selection.given else None


def _canonical(h5path: str) -> str:
    return "/" + "/".join(part for part in h5path.split("/") if part not in ("", "."))


def find(file: h5py.File, source: Source) -> tuple[Source, Any]:
    """The object in its file, and the source with its canonical path; ``/data[0]`` is a slice unless there is such a name.

    Raises:
        HDF5Error: in words.
    """
    h5path = _canonical(source.h5path)
    try:
        return replace(source, h5path=h5path), file[h5path]
    except (KeyError, OSError, RuntimeError, ValueError, TypeError) as error:
        match = _BRACKETS.fullmatch(h5path)
        if match and source.slice is None and match[1] in file:
            return replace(source, h5path=match[1], slice=match[2]), file[match[1]]
        raise _not_found(file, h5path, error) from None


def _not_found(file: h5py.File, h5path: str, error: Exception) -> HDF5Error:
    parent, _, name = h5path.rpartition("/")
    while parent and parent not in file:
        parent, _, name = parent.rpartition("/")
    group = file[parent or "/"]
    if isinstance(group, h5py.Group) and group.get(name, getlink=True) is not None:
        return Unreadable(f"{parent}/{name} is a link that leads nowhere: {error}")
    names = list(_first_names(group)) if isinstance(group, h5py.Group) else []
    remedy = f"{parent or '/'} holds {', '.join(map(repr, names))}." if names else f"{parent or '/'} holds nothing."
    return NotFound(f"There is no {h5path!r} in {Path(file.filename).name!r}.", remedy)


def _first_names(group: h5py.Group, most: int = 12) -> Iterator[str]:
    for number, name in enumerate(group):
        if number == most:
            yield "…"
            return
        yield str(name)


def _shape(item: Any) -> tuple[int, ...] | None:
    return item.shape if isinstance(item, h5py.Dataset) else None
