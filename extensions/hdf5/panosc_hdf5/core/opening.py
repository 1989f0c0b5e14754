"""``open``: everything that the first picture of a file needs, in one round trip; and ``entity``, one object's part of it.

Nothing that fails here takes the rest along: an object that cannot be opened is an entity with an error, a picture that cannot
be made is one of its plot's problems.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from panosc_hdf5.core import detector
from panosc_hdf5.core.attributes import attributes_json
from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import Cancelled, DeadlineExceeded, HDF5Error, TooLarge
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.fields import field_text
from panosc_hdf5.core.grids import axis_values
from panosc_hdf5.core.links import components, external_file, link_of
from panosc_hdf5.core.nexus import default_path, plot_of, views
from panosc_hdf5.core.order import SORTS, names_of
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.selection import parse_slice
from panosc_hdf5.core.session import Session, basename, parent
from panosc_hdf5.core.tree import DEFAULT_LIMIT, describe, page_of
from panosc_hdf5.core.wire import Reply

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located
    from panosc_hdf5.core.open_file import OpenFile

MAX_ANCESTORS = 12
MAX_FIRST = 2**33  # elements; even a sixteenth of more takes longer than anybody waits
log = logging.getLogger(__name__)


def open_file(query: Query, context: Context) -> Reply:
    """``IOpen``, with the first picture's or curve's arrays and the axes' values.

    Raises:
        HDF5Error: the file itself cannot be opened.
    """
    path = query.text("path")
    limit = query.integer("limit", DEFAULT_LIMIT, low=1, high=context.services.limits.page)
    sort = query.choice("sort", SORTS, "natural")
    size = (query.integer("width", 1024, low=1, high=8192), query.integer("height", 1024, low=1, high=8192))
    asked = query.text("h5path", "").strip()
    with Session(context.services.files, path, context.check) as session:
        root = session.at("/")
        default = _guarded(lambda: default_path(session))
        shown = "/" + "/".join(components(asked)) if asked else default or "/"
        entity = _entity_or_error(session, shown)
        _mark_default(entity, default)
        header: dict[str, Any] = {
            "file": file_json(root.file),
            "root": _page(session, context, "/", 0, limit, sort, default),
            "default_path": default,
            "entity": entity,
            "ancestors": _ancestors(session, context, shown, limit, sort, default),
        }
        arrays = _axis_arrays(session, entity.get("plot"))
        first = _first(session, context, entity, query.text("slice", ""), size)
        if first is not None:
            header[first[0]] = first[1].header
            arrays |= first[1].arrays
        settled = not header["file"]["being_written"] and (first is None or first[1].cacheable)
        return Reply(header, arrays, depends=session.stamps_beside(root.file.path), cacheable=settled)


def entity(query: Query, context: Context) -> Reply:
    """``IEntity``."""
    h5path = "/" + "/".join(components(query.text("h5path", "/")))
    with Session(context.services.files, query.text("path"), context.check) as session:
        found = entity_json(session, h5path)
        return Reply(found, depends=session.stamps_beside(session.at("/").file.path))


def file_json(file: OpenFile) -> dict[str, Any]:
    """``IFileInfo``."""
    return {
        "name": file.name,
        "size": file.stamp.size,
        "mtime": file.stamp.mtime_ns / 1e9,
        "being_written": file.being_written,
        "remote": file.remote,
    }


def entity_json(session: Session, h5path: str) -> dict[str, Any]:
    """``IEntity`` of an object.

    Raises:
        HDF5Error: it cannot be opened.
    """
    located = session.at(h5path)
    found: dict[str, Any] = {"name": basename(h5path) or "/", "h5path": h5path, "link": _link(session, h5path)}
    try:
        found |= describe(located.object.id, located.file, located.cache, whole=True, timed=True)
    except Exception as error:
        raise in_words(error, h5path) from error
    obj = located.object
    if isinstance(obj, h5py.Dataset) and found["shape"] is not None:
        found["maxshape"] = [None if n is None else int(n) for n in obj.maxshape or ()]
    if isinstance(obj, h5py.Group) and "title" not in found and (title := field_text(obj.id, b"title")):
        found["title"] = title[:500]
    found["attributes"] = attributes_json(obj)
    plot = _guarded(lambda: _plot(session, h5path))
    if plot is not None:
        found["plot"] = plot
    kind, shape = found.get("type", {"class": "unknown"}), found.get("shape")
    if plot is not None:
        kind, shape = session.kind(plot["signal"]), plot["shape"]
    found["views"] = views(kind, shape, plot, is_group=isinstance(obj, h5py.Group))
    if isinstance(obj, h5py.Datatype):
        found["views"] = ["raw"]
    return found


def _entity_or_error(session: Session, h5path: str) -> dict[str, Any]:
    try:
        return entity_json(session, h5path)
    except (Cancelled, DeadlineExceeded):
        raise
    except HDF5Error as error:
        problem = error.as_json()
    name = basename(h5path) or "/"
    link = _guarded(lambda: _link(session, h5path)) or {"type": "hard"}
    found = {"name": name, "h5path": h5path, "kind": "error", "link": link, "error": problem}
    return found | {"attributes": [], "views": []}


def _plot(session: Session, h5path: str) -> dict[str, Any] | None:
    """``IPlot``, with the detector's part."""
    plot = plot_of(session, h5path)
    located = session.get(plot["signal"]) if plot is not None else None
    if plot is None or located is None:
        return plot
    found = detector.describe(located)
    plot["sentinels"] = list(found.sentinels)
    if found.mask is not None:
        plot["mask"] = found.mask
    if found.geometry is not None:
        plot["geometry"] = found.geometry
    return plot


def _guarded(make: Callable[[], Any]) -> Any:
    """What can be said only if the file is in order; None if it is not."""
    try:
        return make()
    except (Cancelled, DeadlineExceeded):
        raise
    except Exception:
        return None  # the damaged object itself says what is wrong with it, in its page


def _link(session: Session, h5path: str) -> dict[str, Any]:
    if not h5path.strip("/"):
        return {"type": "hard"}
    holder = session.at(parent(h5path))
    try:
        link = link_of(holder.object.id, basename(h5path).encode())
    except Exception:
        return {"type": "hard"}
    if link.type != "external":
        return link.as_json()
    try:
        target = external_file(holder.file, link.file, holder.cache.confined, h5path)
    except HDF5Error:
        return link.as_json()
    is_file = holder.file.remote or Path(target).is_file()
    return link.as_json(holder.cache.contents_path(target) if is_file else None)


# --- the tree on the way ----------------------------------------------------------------------------------------------------


def _page(
    session: Session, context: Context, h5path: str, offset: int, limit: int, sort: str, default: str | None
) -> dict[str, Any]:
    page = page_of(session.at(h5path), context, offset, limit, sort, h5path=h5path)
    children = [dict(child) for child in page["children"]]
    for child in children:
        _mark_default(child, default)
    return {**page, "children": children}


def _mark_default(child: dict[str, Any], default: str | None) -> None:
    path = child["h5path"]
    if default is not None and path != "/" and (default == path or default.startswith(f"{path}/")):
        child["on_default_path"] = True
    else:
        child.pop("on_default_path", None)


def _ancestors(
    session: Session, context: Context, h5path: str, limit: int, sort: str, default: str | None
) -> list[dict[str, Any]]:
    """Pages of the groups on the way, each the one that shows the next step."""
    found: list[dict[str, Any]] = []
    names = components(h5path)
    for depth, name in list(enumerate(names))[:MAX_ANCESTORS]:
        group = "/" + "/".join(names[:depth])
        try:
            offset = _offset(session, context, group, name, limit, sort)
        except (HDF5Error, ValueError):
            continue  # the object itself says why it cannot be opened
        if offset is None or (depth == 0 and offset == 0):
            continue  # the root's first page is there already
        found.append(_page(session, context, group, offset, limit, sort, default))
    return found


def _offset(session: Session, context: Context, group: str, name: str, limit: int, sort: str) -> int:
    located = session.at(group)
    low = located.group().id
    names, _ = names_of(low, located.name, located.file).ordered(low, sort, False, context.check)
    return names.index(name.encode()) // limit * limit


# --- axes and the first picture ---------------------------------------------------------------------------------------------


def _axis_arrays(session: Session, plot: dict[str, Any] | None) -> dict[str, Any]:
    """``axis<dimension>``: the axes' values. An axis that cannot be read becomes an index axis, and a problem."""
    arrays: dict[str, Any] = {}
    for axis in plot["axes"] if plot else ():
        if not axis["has_values"]:
            continue
        try:
            located = session.at(axis["h5path"])
            values = axis_values(session, axis["h5path"], axis["dimension"])
            if values is None:
                values = np.atleast_1d(located.dataset()[()])
            arrays[f"axis{axis['dimension']}"] = values.astype(values.dtype.newbyteorder("="), copy=False)
        except (Cancelled, DeadlineExceeded):
            raise
        except Exception as error:
            axis["has_values"] = False
            if plot:
                plot["problems"].append(in_words(error, axis["h5path"]).as_json())
    for name, values in arrays.items():
        if values.dtype.kind == "b":
            arrays[name] = values.astype(np.uint8)
        elif values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
            arrays[name] = values.astype(np.float64)
    return arrays


def _first(
    session: Session, context: Context, found: dict[str, Any], text: str, size: tuple[int, int]
) -> tuple[str, Reply] | None:
    """The first picture or curve; None where there is none, with a problem of the plot if there should be one."""
    plot = found.get("plot")
    located = session.get(plot["signal"]) if plot else None
    if plot is None or located is None or not found["views"]:
        return None
    try:
        return _first_of(located, context, found["views"], plot, text, size)
    except (Cancelled, DeadlineExceeded):
        raise
    except Exception as error:
        if not isinstance(error, HDF5Error | OSError | RuntimeError | KeyError):
            log.exception("no first view")  # ours, not the file's
        plot["problems"].append(in_words(error, plot["signal"]).as_json())
        return None


def _first_of(
    located: Located, context: Context, wanted: list[str], plot: dict[str, Any], text: str, size: tuple[int, int]
) -> tuple[str, Reply] | None:
    selection = parse_slice(text, plot["shape"])
    if math.prod(selection.result_shape[-2:]) > MAX_FIRST:
        raise TooLarge(
            "The data are too large for a first picture of everything.", "Ask for a window, or a slice with strides."
        )
    if wanted[0] in ("heatmap", "rgb") and len(selection.dimensions) >= 2:
        from panosc_hdf5.core.view import first_view

        return "view", first_view(located, context, selection, size[0], size[1])
    if wanted[0] in ("line", "scatter", "heatmap") and plot["shape"]:
        from panosc_hdf5.core.line import first_line

        return "line", first_line(located, context, selection, size[0])
    return None
