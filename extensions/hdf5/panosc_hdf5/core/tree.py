"""``children``: a page of a group, each child with what the tree shows of it, in one pass over HDF5's low-level interface."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from h5py import h5d, h5g, h5s

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import BadRequest, HDF5Error
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.fields import attribute_text, field_text, nx_class
from panosc_hdf5.core.links import Link, Place, Walk, external_file, join, link_of, open_object, text
from panosc_hdf5.core.order import SORTS, names_of
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.storage import storage_json
from panosc_hdf5.core.types import dtype_text, type_json
from panosc_hdf5.core.wire import Depends, Reply

if TYPE_CHECKING:
    from panosc_hdf5.core.files import FileCache, Located
    from panosc_hdf5.core.open_file import OpenFile

DEFAULT_LIMIT = 200
KEPT_PAGES = 64
TITLED = frozenset(("NXentry", "NXsubentry", "NXprocess"))


def children(query: Query, context: Context) -> Reply:
    """``IChildren``: one page of a group's children."""
    offset = query.integer("offset", 0)
    limit = query.integer("limit", DEFAULT_LIMIT, low=0, high=context.services.limits.page)
    sort = query.choice("sort", SORTS, "natural")
    descending = query.flag("descending")
    with context.services.files.locate(query.text("path"), query.text("h5path", "/")) as located:
        page = page_of(located, context, offset, limit, sort, descending, query.text("h5path", "/"))
        return Reply(page, depends=located.depends)


def page_of(
    located: Located,
    context: Context,
    offset: int = 0,
    limit: int = DEFAULT_LIMIT,
    sort: str = "natural",
    descending: bool = False,
    h5path: str | None = None,
) -> dict[str, Any]:
    """``IChildren`` of a group. Children that other files decide about add to ``located.depends``.

    Args:
        located: the group.
        context: for its ticket.
        offset: first child.
        limit: most children.
        sort: see ``order.SORTS``; the answer says which it became.
        descending: the other way round.
        h5path: how the group was asked for; its children's paths begin so.
    """
    shown = located.name if h5path is None else join("", h5path.strip("/")) if h5path.strip("/") else "/"
    group, file = located.group().id, located.file
    key = ("page", located.name, offset, limit, sort, descending)
    if known := file.memo.get(key):
        page, origin = known
        return dict(page) if origin == shown else _rebased(page, shown)
    names, sort = names_of(group, located.name, file).ordered(group, sort, descending, context.check)
    reader = ChildReader(
        Place(file, group, tuple(p for p in located.name.split("/") if p)),
        located.cache,
        shown,
        timed=sort == "start_time",
    )
    found = []
    for count, name in enumerate(names[offset : offset + limit]):
        if count % 32 == 0:
            context.check()
        found.append(reader.child(name))
    page = {"h5path": shown, "total": len(names), "offset": offset, "sort": sort, "children": found}
    if reader.depends or reader.elsewhere:
        located.depend_on(reader.depends.values())
    else:
        _remember(file, key, (page, shown))
    return dict(page)


def _remember(file: OpenFile, key: Any, page: tuple[dict[str, Any], str]) -> None:
    """Pages that depend on this file alone are the same as long as the file is."""
    kept: list[Any] = file.memo.setdefault("pages", [])
    kept.append(key)
    file.memo[key] = page
    if len(kept) > KEPT_PAGES:
        file.memo.pop(kept.pop(0), None)


def _rebased(page: dict[str, Any], shown: str) -> dict[str, Any]:
    """The same page of a group that was reached by another path."""
    found = [{**child, "h5path": join(shown, child["name"])} for child in page["children"]]
    return {**page, "h5path": shown, "children": found}


class ChildReader:
    """Describes the children of one group (``IChild``). A failure belongs to its child.

    Args:
        place: the group.
        cache: where other files are opened.
        shown: how the group's path is shown.
        timed: also when scans began: one more field to read of each.
    """

    def __init__(self, place: Place, cache: FileCache, shown: str, *, timed: bool = False) -> None:
        self._timed = timed
        self._place = place
        self._cache = cache
        self._shown = shown
        self.depends: dict[str, Depends] = {}
        self.elsewhere = False
        self._default = attribute_text(place.id, b"default")

    def child(self, raw: bytes) -> dict[str, Any]:
        """``IChild``."""
        name = text(raw)
        found: dict[str, Any] = {"name": name, "h5path": join(self._shown, name), "kind": "error"}
        try:
            link = link_of(self._place.id, raw)
            found["link"] = link.as_json()
            if link.type == "hard":
                found |= describe(open_object(self._place.id, raw), self._place.file, self._cache, timed=self._timed)
            else:
                self._through(link, raw, found)
        except Exception as error:
            found.setdefault("link", {"type": "hard"})
            found |= {"kind": "error", "error": in_words(error, found["h5path"]).as_json()}
        if self._default is not None and self._default.strip("/").split("/")[0] == name:
            found["on_default_path"] = True
        return found

    def _through(self, link: Link, raw: bytes, found: dict[str, Any]) -> None:
        """A child behind a soft or external link; its file stays open only for this."""
        with ExitStack() as stack:

            def lease(path: str) -> OpenFile:
                other: OpenFile = stack.enter_context(self._cache.lease(path))
                self.depends[path] = other.stamp
                return other

            self.elsewhere = self.elsewhere or link.type == "external"
            if link.type == "external":
                found["link"] = link.as_json(self._contents_path(link, found["h5path"]))
            try:
                place = Walk(lease, self._cache.confined).to(self._place.file, text(raw), self._place)
            except HDF5Error:
                # What is dangling today may be there tomorrow, in a file that has no stamp yet.
                self.elsewhere = True
                raise
            found |= describe(place.id, place.file, self._cache, timed=self._timed)

    def _contents_path(self, link: Link, what: str) -> str | None:
        try:
            path = external_file(self._place.file, link.file, self._cache.confined, what)
        except HDF5Error:
            return None
        return self._cache.contents_path(path) if self._place.file.remote or Path(path).is_file() else None


def describe(obj: Any, file: OpenFile, cache: FileCache, *, whole: bool = False, timed: bool = False) -> dict[str, Any]:
    """What ``IChild`` says of an open low-level object, beside its name and link.

    Args:
        obj: low-level identifier.
        file: that holds it.
        cache: knows the roots.
        whole: also what takes long.
        timed: also when a scan began.
    """
    if isinstance(obj, h5g.GroupID):
        return _group(obj, timed)
    if isinstance(obj, h5d.DatasetID):
        return _dataset(obj, file, cache, whole)
    found = type_json(obj)
    return {"kind": "datatype", "type": found, "dtype": dtype_text(found)}


def _group(group: Any, timed: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "group", "n_children": int(group.get_num_objs())}
    kind = nx_class(group)
    if kind is not None:
        found["nx_class"] = kind
        if kind in TITLED:
            for name in ("title", "start_time") if timed else ("title",):
                if value := field_text(group, name.encode()):
                    found[name] = value[:500]
    return found


def _dataset(dataset: Any, file: OpenFile, cache: FileCache, whole: bool) -> dict[str, Any]:
    tid, shape = dataset.get_type(), shape_of(dataset)
    kind = type_json(tid)
    return {
        "kind": "dataset",
        "shape": None if shape is None else list(shape),
        "dtype": dtype_text(kind),
        "type": kind,
        "storage": storage_json(dataset, shape, int(tid.get_size()), file, cache, whole=whole),
    }


def shape_of(holder: Any) -> tuple[int, ...] | None:
    """The shape of a low-level data set or attribute; None for a null dataspace."""
    space = holder.get_space()
    if space.get_simple_extent_type() == h5s.NULL:
        return None
    return tuple(int(n) for n in space.get_simple_extent_dims())


__all__ = ["BadRequest", "ChildReader", "children", "describe", "page_of", "shape_of"]
