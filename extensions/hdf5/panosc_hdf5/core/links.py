"""Links, one by one: a path inside a file is walked by us, never by HDF5, so that no link leads outside of the roots.

HDF5 itself would follow soft and external links wherever they lead, and answer a cycle with a failure of the whole group.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urljoin

import h5py
from h5py import h5d, h5g, h5l, h5o, h5p

from panosc_hdf5.core.errors import BadRequest, Forbidden, HDF5Error, NotFound, Unreadable, Unsupported
from panosc_hdf5.core.failures import in_words

if TYPE_CHECKING:
    from panosc_hdf5.core.open_file import OpenFile

MAX_HOPS = 64
MAX_DEPTH = 1024
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Link:
    """What one link says.

    Attributes:
        type: ``hard``, ``soft``, ``external``, or ``other`` for links that a user's program defined.
        address: of the object in the file; hard links.
        target: path inside the target's file; soft and external links.
        file: the file as the link names it; external links.
    """

    type: Literal["hard", "soft", "external", "other"]
    address: int = 0
    target: str = ""
    file: str = ""

    def as_json(self, contents_path: str | None = None) -> dict[str, Any]:
        """``ILink``. A link of another kind is shown as an external one without a target."""
        if self.type == "hard":
            return {"type": "hard"}
        if self.type == "soft":
            return {"type": "soft", "target": self.target}
        found = {"type": "external", "target": self.target, "file": self.file}
        return found if contents_path is None else found | {"contents_path": contents_path}


@dataclass(frozen=True)
class Place:
    """Where a walk has come to: an open object, the file that holds it, and its path there."""

    file: OpenFile
    id: Any
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The path inside its file."""
        return "/" + "/".join(self.parts)


def text(name: bytes | str) -> str:
    """A name of the file as text that JSON can carry; bytes that are no UTF-8 become U+FFFD."""
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return raw.decode("utf-8", "replace")


def components(h5path: str) -> list[str]:
    """The names in a path; HDF5 knows ``.``, but no ``..``."""
    return [part for part in h5path.split("/") if part not in ("", ".")]


def join(group: str, name: str) -> str:
    """The path of a child."""
    return f"{group.rstrip('/')}/{name}"


def link_of(group: Any, name: bytes, info: Any = None) -> Link:
    """Read one link.

    Args:
        group: a low-level group.
        name: of the link, as it is in the file.
        info: its ``LinkInfo``, if it was read already.
    """
    info = group.links.get_info(name) if info is None else info
    if info.type == h5l.TYPE_HARD:
        return Link("hard", address=int(info.u))
    if info.type == h5l.TYPE_SOFT:
        return Link("soft", target=text(group.links.get_val(name)))
    if info.type == h5l.TYPE_EXTERNAL:
        file, target = group.links.get_val(name)
        return Link("external", target=text(target), file=text(file))
    return Link("other")


def open_object(group: Any, name: bytes) -> Any:
    """Open the object of a hard link. Files of external storage are looked for beside the HDF5 file."""
    try:
        found = h5o.open(group, name)
        # What has a place in this file is not stored outside: that is told sooner than a property list is there.
        if not isinstance(found, h5d.DatasetID) or found.get_offset() is not None:
            return found
        if not found.get_create_plist().get_external_count():
            return found
        del found  # HDF5 refuses another prefix while it is open
    except Exception as error:
        if "external file prefix" not in str(error):  # it is open already, as below
            raise
    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    return h5d.open(group, name, access)


def high_level(identifier: Any) -> h5py.Group | h5py.Dataset | h5py.Datatype:
    """h5py's object for an open identifier."""
    if isinstance(identifier, h5g.GroupID):
        return h5py.Group(identifier)
    if isinstance(identifier, h5d.DatasetID):
        return h5py.Dataset(identifier, readonly=True)
    return h5py.Datatype(identifier)


class Walk:
    """One walk from a file's root to an object.

    Args:
        lease: gives the open file of a real path or URL; it stays open as long as the walk's result is used.
        confine: gives the real path of a file that may be opened, or raises.
    """

    def __init__(self, lease: Callable[[str], OpenFile], confine: Callable[[str], str]) -> None:
        self._lease = lease
        self._confine = confine
        self._hops = 0
        self._active: list[tuple[tuple[str, str], int]] = []
        self._pending: deque[str] = deque()

    def to(self, file: OpenFile, h5path: str, start: Place | None = None) -> Place:
        """Go.

        Raises:
            NotFound, Unreadable, Forbidden, Unsupported: in words.
        """
        self._pending = deque(_bounded(components(h5path)))
        here = start if start is not None and not h5path.startswith("/") else _root(file)
        while self._pending:
            here = self._step(here, self._pending.popleft())
        return here

    @property
    def straight(self) -> bool:
        """Whether it went through hard links only: it leads there as long as the file does not change."""
        return not self._hops

    def _step(self, here: Place, part: str) -> Place:
        if not isinstance(here.id, h5g.GroupID):
            raise NotFound(f"{here.name} is not a group: there is no {part!r} in it.", code="no_such_object")
        name = _stored_name(here, part)
        what = join(here.name, part)
        try:
            link = link_of(here.id, name)
            if link.type == "hard":
                return Place(here.file, open_object(here.id, name), (*here.parts, part))
        except Exception as error:
            raise in_words(error, what) from error
        if link.type == "other":
            raise Unsupported(f"{what} is a link of a kind that another program defined.", code="user_defined_link")
        self._hop(here, what)
        try:
            return self._follow(here, link, what)
        except NotFound as error:
            raise dangling(what, link) from error

    def _follow(self, here: Place, link: Link, what: str) -> Place:
        """Walk a link's target to its end, so that what is missing there is told as a dangling link."""
        rest, self._pending = self._pending, deque(_bounded(components(link.target)))
        if link.type == "external":
            file = self._lease(external_file(here.file, link.file, self._confine, what))
            here = _root(file)
        elif link.target.startswith("/"):
            here = _root(here.file)
        while self._pending:
            here = self._step(here, self._pending.popleft())
        self._pending = rest
        self._active.pop()
        return here

    def _hop(self, here: Place, what: str) -> None:
        key = (here.file.path, what)
        if any(key == known for known, _ in self._active):
            first = self._active[0][0][1]
            raise Unreadable(f"{first} is a link that leads in a circle.", code="link_cycle")
        self._hops += 1
        if self._hops > MAX_HOPS:
            raise Unreadable(f"{what} lies behind more than {MAX_HOPS} links.", code="too_many_links")
        self._active.append((key, self._hops))


def dangling(what: str, link: Link) -> Unreadable:
    """The words for a link to nothing."""
    if link.type == "external":
        message = f"{what} is a link to {link.target} in {link.file.rsplit('/', 1)[-1]}, which is not there."
        remedy = "Look whether that file was moved, or is not yet written."
    else:
        message, remedy = f"{what} is a link to {link.target}, which is not there.", ""
    return Unreadable(message, remedy, code="dangling_link")


def external_file(file: OpenFile, named: str, confine: Callable[[str], str], what: str) -> str:
    """The real path (or URL) of the file that an external link names, as HDF5 looks for it: absolute, or beside the file.

    Raises:
        NotFound: there is no such file.
        Forbidden: it lies outside of the roots.
    """
    if not named or "\0" in named:
        raise NotFound(f"{what} names no file.")
    if file.remote:
        return _beside(file.path, named, what)
    refused: HDF5Error | None = None
    for candidate in candidates(named, Path(file.path).parent):
        if is_there(candidate):
            try:
                return confine(str(candidate))
            except HDF5Error as error:
                refused = refused or error
    if isinstance(refused, Forbidden):
        raise outside(what) from refused
    raise NotFound(f"The file of {what} is not there.")


def outside(what: str) -> Forbidden:
    """The words for a target that may not be read from here."""
    return Forbidden(
        f"{what} leads to a file outside of what this server shows.",
        "Open a copy inside, or ask for the folder to be added.",
        code="outside",
    )


def candidates(named: str, directory: Path) -> list[Path]:
    """Where HDF5 looks for a file that is named in another one's directory."""
    found = Path(named)
    return [found, directory / found.name] if found.is_absolute() else [directory / found]


def is_there(path: Path) -> bool:
    """Whether there is such a name, also one that leads nowhere. Never raises."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def _beside(url: str, named: str, what: str) -> str:
    base = url.split("?")[0].rsplit("/", 1)[0] + "/"
    found = urljoin(base, quote(named))
    if not found.startswith(base) or "/.." in found:
        raise outside(what)
    return found


def _root(file: OpenFile) -> Place:
    return Place(file, h5g.open(file.h5.id, b"/"), ())


def _bounded(parts: list[str]) -> list[str]:
    if len(parts) > MAX_DEPTH:
        raise BadRequest(f"A path of more than {MAX_DEPTH} names is not followed.")
    return parts


def _stored_name(here: Place, part: str) -> bytes:
    """The bytes of a name; one that is no UTF-8 is found by how it is shown."""
    name = part.encode()
    if REPLACEMENT in part and not here.id.links.exists(name):
        found: list[bytes] = []
        here.id.links.iterate(lambda raw: found.append(raw) if text(raw) == part else None)
        return found[0] if found else name
    return name
