"""``search``: names, paths, NX classes and attributes of a whole file, streamed as they are found.

Objects are told apart by their address, so that hard links in a circle end. Soft links are found by name but not followed;
external links are found by name but not crossed.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o

from panosc_hdf5.core import headers
from panosc_hdf5.core.attributes import read_attribute
from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import BadRequest, HDF5Error
from panosc_hdf5.core.exact import Encoder
from panosc_hdf5.core.fields import nx_class
from panosc_hdf5.core.links import join, open_object, text
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.tree import shape_of
from panosc_hdf5.core.types import dtype_text, type_json
from panosc_hdf5.core.wire import Reply

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located
    from panosc_hdf5.core.open_file import OpenFile

KINDS = ("substring", "glob", "path", "nx_class", "attribute")
BATCH = 200
PROGRESS_SECONDS = 0.25
MAX_INDEXED = 3_000_000
MAX_VISITED = 500_000
VISIT_AFTER_SECONDS = 0.15
GROUPS, LINKS = 64, 1000  # that are read before anybody looks at what was found
MAX_WALKED = 32
MAX_ATTRIBUTE_BYTES = 4096


class _Index:
    """The names of everything below one group, as far as they have been read.

    The groups' names level by level, so that the first ones come at once. Which objects are groups is seen in the file itself
    where it can be. Where it cannot, and when that has taken a while, everything that is left in one go inside of HDF5, which
    is quicker than object by object; level by level again if that is too much to hold.

    Args:
        root: low-level group.
        file: that holds it; None leaves all to HDF5.
    """

    def __init__(self, root: Any, file: OpenFile | None = None) -> None:
        self._descriptor, self._base = (file.descriptor, file.superblock) if file is not None else (None, 0)
        self.paths: list[str] = []
        self.classes: dict[str, str | None] = {}
        self._unread: deque[str] = deque([""])
        self._entering: deque[str] = deque()
        self._seen = {int(h5o.get_info(root).addr)}
        self._spent = 0.0
        self._visit = True
        self._growing = threading.Lock()

    @property
    def complete(self) -> bool:
        """Whether everything has been read, and nobody is reading."""
        return not self._unread and not self._entering and not self._growing.locked()

    def grow(self, root: Any, check: Callable[[], None]) -> None:
        """Read some more, or wait for who does."""
        while not self._growing.acquire(timeout=0.1):
            check()
        try:
            if self._unread or self._entering:
                self._grow(root, check)
        finally:
            self._growing.release()

    def _grow(self, root: Any, check: Callable[[], None]) -> None:
        begin = time.monotonic()
        deep = bool(self._unread) and self._unread[0].count("/") > MAX_WALKED  # each path is walked from the root
        if self._visit and (deep or (self._entering and not self._unread and self._spent > VISIT_AFTER_SECONDS)):
            self._visit = False
            self._visit_all(root, check)
        elif self._unread:
            self._read_groups(root)
        else:
            for _ in range(min(500, len(self._entering))):
                self._enter(root, self._entering.popleft())
        self._spent += time.monotonic() - begin
        if len(self.paths) > MAX_INDEXED:
            self._unread.clear()
            self._entering.clear()

    def _read_groups(self, root: Any) -> None:
        """Some groups, and of what lies in them which are groups again."""
        paths: list[str] = []
        addresses: list[int] = []
        for _ in range(min(GROUPS, len(self._unread))):
            self._read_group(root, self._unread.popleft(), paths, addresses)
            if len(paths) > LINKS:
                break
        if self._descriptor is None:
            self._entering.extend(paths)
            return
        kinds = headers.kinds(self._descriptor, self._base, addresses)
        for i in np.flatnonzero(kinds != headers.OTHER).tolist():
            if kinds[i] == headers.UNKNOWN:
                self._entering.append(paths[i])
            elif addresses[i] not in self._seen:
                self._seen.add(addresses[i])
                self._unread.append(paths[i])

    def _read_group(self, root: Any, prefix: str, paths: list[str], addresses: list[int]) -> None:
        lead = f"{prefix}/" if prefix else ""

        def gather(name: bytes, info: Any) -> None:
            path = lead + name.decode("utf-8", "surrogateescape")
            self.paths.append(path)
            if info.type == h5l.TYPE_HARD:
                paths.append(path)
                addresses.append(info.u)

        with suppress(Exception):  # a damaged group has no names; the tree says why
            group = h5g.open(root, _raw(prefix)) if prefix else root
            group.links.iterate(gather, info=True)

    def _enter(self, root: Any, path: str) -> None:
        try:
            info = h5o.get_info(root, _raw(path))
        except Exception:
            return
        if info.type == h5o.TYPE_GROUP and info.addr not in self._seen:
            self._seen.add(info.addr)
            self._unread.append(path)

    def _visit_all(self, root: Any, check: Callable[[], None]) -> None:
        found: list[bytes] = []

        def gather(name: bytes) -> bool | None:
            found.append(name)
            if len(found) % 4096 == 0:
                check()
            return True if len(found) > MAX_VISITED else None

        try:
            if root.links.visit(gather):
                return
        except HDF5Error:
            self._visit = True
            raise
        except Exception:
            return  # something is damaged: level by level, what is not
        known = set(self.paths)
        self.paths.extend(p for p in (name.decode("utf-8", "surrogateescape") for name in found) if p not in known)
        self._unread.clear()
        self._entering.clear()


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def search(query: Query, context: Context) -> Iterator[Reply]:
    """``SearchLine``: matches as they are found, progress meanwhile, and at the end how many there were."""
    h5path, kind = query.text("h5path", "/"), query.choice("kind", KINDS, "substring")
    matcher = _matcher(query.text("q", longest=500), kind, query.flag("case"))
    limit = query.integer("limit", 1000, low=1, high=context.services.limits.search_results)
    with context.services.files.locate(query.text("path"), h5path) as located:
        yield from _Search(located, h5path, kind, matcher, limit, context, "/" in query.text("q")).run()


def _matcher(wanted: str, kind: str, case: bool) -> Callable[[str], Any]:
    if not wanted.strip():
        raise BadRequest("There is nothing to search for.", "Type a part of a name.")
    flags = 0 if case else re.IGNORECASE
    if kind in ("substring", "path"):
        if case:
            return lambda text: wanted in text
        folded = wanted.casefold()
        return lambda text: folded in text.casefold()
    if kind == "attribute":
        return _attribute_matcher(wanted, flags)
    pattern = re.compile(translate(wanted), flags)
    return pattern.match


def _attribute_matcher(wanted: str, flags: int) -> Callable[[str], Any]:
    """``name``, ``name=value`` with ``*``, or a part of either."""
    if "=" in wanted:
        name, _, value = (part.strip() for part in wanted.partition("="))
        return re.compile(translate(f"{name or '*'} = {value or '*'}"), flags).match
    if any(letter in wanted for letter in "*?["):
        return re.compile(translate(wanted) + "|" + translate(f"{wanted} = *"), flags).match
    return re.compile(re.escape(wanted), flags).search


class _Search:
    def __init__(
        self,
        located: Located,
        shown: str,
        kind: str,
        matcher: Callable[[str], Any],
        limit: int,
        context: Context,
        whole: bool,
    ) -> None:
        self._located = located
        self._root = located.group().id
        self._shown = shown.rstrip("/")
        self._kind = kind
        self._matcher = matcher
        self._whole = kind == "path" or whole
        self._contained = kind in ("substring", "path")
        self._limit = limit
        self._context = context
        self._found: list[dict[str, Any]] = []
        self._matches = 0
        self._visited = 0
        self._told = time.monotonic()

    def run(self) -> Iterator[Reply]:
        file: OpenFile = self._located.file
        index: _Index | None = file.memo.get(("index", self._located.name))
        if index is None:
            index = file.memo["index", self._located.name] = _Index(self._root, file)
        self._classes = index.classes
        if self._kind == "attribute":
            self._object("", self._root)
        elif self._kind == "nx_class" and self._matcher(nx_class(self._root) or ""):
            self._match("", self._root)
        done = 0
        while True:
            complete = index.complete  # before the names are counted: others read, too
            end = len(index.paths)
            for begin in range(done, end, 256):
                self._context.check()
                yield from self._report()
                self._look_at(index.paths[begin : min(end, begin + 256)])
                if self._matches >= self._limit:
                    break
            done = end
            if self._matches >= self._limit or complete:
                break
            self._context.check()
            yield from self._report(last=True)
            index.grow(self._root, self._context.check)
        yield from self._report(last=True)
        finished = complete and len(index.paths) < MAX_INDEXED and self._matches < self._limit
        summary = {"visited": self._visited, "matches": self._matches, "truncated": not finished}
        yield Reply({"done": summary}, cacheable=False)

    def _report(self, last: bool = False) -> Iterator[Reply]:
        now = time.monotonic()
        late = now - self._told > PROGRESS_SECONDS
        if self._found and (last or late or len(self._found) >= BATCH):
            found, self._found = self._found, []
            for match in found:
                yield Reply({"match": match}, cacheable=False)
        if late:
            self._told = now
            yield Reply({"progress": {"visited": self._visited}}, cacheable=False)

    def _look_at(self, paths: list[str]) -> None:
        # A part of a name is a part of all names together: most of the time one look tells that there is none.
        if self._contained and not self._matcher("\n".join(paths)):
            self._visited += len(paths)
            return
        for path in paths:
            self._visited += 1
            self._look(path)
            if self._matches >= self._limit:
                return

    def _look(self, path: str) -> None:
        if self._kind == "nx_class":
            if path not in self._classes:
                self._classes[path] = _class_of(self._root, path)
            if (known := self._classes[path]) is not None and self._matcher(known):
                self._match(path, None)
        elif self._kind == "attribute":
            try:
                self._object(path, _open(self._root, path))
            except Exception:
                return
        elif self._matcher(path if self._whole else path.rsplit("/", 1)[-1]):
            self._match(path, None)

    def _object(self, path: str, obj: Any) -> None:
        if obj is None:
            return
        for line in _attribute_lines(obj):
            if self._matcher(line):
                self._match(path, obj, line)
                if self._matches >= self._limit:
                    return

    def _match(self, path: str, obj: Any, attribute: str | None = None) -> None:
        self._matches += 1
        shown = text(join(self._shown, path)) if path else self._shown or "/"
        found: dict[str, Any] = {"h5path": shown, "kind": "error"}
        try:
            found |= _brief(_open(self._root, path) if obj is None else obj)
        except Exception:
            found["kind"] = "error"
        if attribute is not None:
            found["attribute"] = attribute
        self._found.append(found)


def _open(root: Any, path: str) -> Any:
    """An object of the index; None for one behind a soft or external link. Every group on its way is hard-linked."""
    return open_object(root, _raw(path)) if _is_hard(root, path) else None


def _class_of(root: Any, path: str) -> str | None:
    try:
        return nx_class(h5o.open(root, _raw(path))) if _is_hard(root, path) else None
    except Exception:
        return None


def _is_hard(root: Any, path: str) -> bool:
    return bool(root.links.get_info(_raw(path)).type == h5l.TYPE_HARD)


def _brief(obj: Any) -> dict[str, Any]:
    if isinstance(obj, h5g.GroupID):
        kind = nx_class(obj)
        return {"kind": "group"} | ({"nx_class": kind} if kind is not None else {})
    if isinstance(obj, h5d.DatasetID):
        shape = shape_of(obj)
        dtype = dtype_text(type_json(obj.get_type()))
        return {"kind": "dataset", "shape": None if shape is None else list(shape), "dtype": dtype}
    return {"kind": "error" if obj is None else "datatype"}


def _attribute_lines(obj: Any) -> list[str]:
    names: list[bytes] = []
    h5a.iterate(obj, names.append)
    found = []
    for raw in names[:1000]:
        try:
            attribute = h5a.open(obj, raw)
            line = text(raw) + " = "
            if shape_of(attribute) is not None and attribute.get_storage_size() <= MAX_ATTRIBUTE_BYTES:
                kind = type_json(attribute.get_type())
                value = Encoder(kind, _Holder(obj), 1000).encode(read_attribute(attribute), len(attribute.shape))
                line += value if isinstance(value, str) else str(value)
            found.append(line[:500])
        except Exception:
            found.append(text(raw) + " = ?")
    return found


@dataclass(frozen=True)
class _Holder:
    id: Any
