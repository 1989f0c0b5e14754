"""Where NeXus' defaults lead, and what is plotted of any object."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any

from panosc_hdf5.core.links import components, join
from panosc_hdf5.core.nxdata import is_nxdata, plain_plot, plot_of_group
from panosc_hdf5.core.session import Session, basename, parent
from panosc_hdf5.core.types import is_numeric

MAX_STEPS = 32
MAX_SEARCHED = 400
MAX_NAMES = 60
SEARCH_SECONDS = 0.3
PICTURE = 16
_FIRST = {"NXdata": 0, "NXentry": 1, "NXsubentry": 2, "NXinstrument": 3, "NXdetector": 4, "NXprocess": 5}


def default_path(session: Session, start: str = "/") -> str | None:
    """The path of the NXdata group or data set that a file, or a part of it, is best shown by.

    ``@default`` from group to group; where it ends, the first NXdata below; else the first picture, plane or curve.
    """
    here, seen = start, {start}
    for _ in range(MAX_STEPS):
        if session.dataset(here) is not None or is_nxdata(session, here):
            return here
        default = (session.attribute(here, "default") or "").strip()
        target = _normal(default if default.startswith("/") else join(here, default)) if default else ""
        if not target or target in seen or session.get(target) is None:
            break
        seen.add(target)
        here = target
    found = _first_below(session, here)
    return found if found is not None or here == start else _first_below(session, start)


def _normal(path: str) -> str:
    return "/" + "/".join(components(path))


def _first_below(session: Session, start: str) -> str | None:
    """The first NXdata, else the best numbers, level by level and within bounds of time."""
    until = time.monotonic() + SEARCH_SECONDS
    pending: deque[str] = deque([start])
    seen: set[Any] = set()
    best: tuple[int, str] = (0, "")
    for _ in range(MAX_SEARCHED):
        if not pending or time.monotonic() > until:
            break
        group = pending.popleft()
        located = session.get(group)
        key = (located.file.path, located.name) if located is not None else group
        if key in seen:
            continue
        seen.add(key)
        groups: list[tuple[int, str]] = []
        for name in session.names(group, MAX_NAMES):
            path = join(group, name)
            if session.dataset(path) is not None:
                best = max(best, (_worth(session, path), path), key=lambda item: item[0])
            elif session.group(path) is not None:
                if is_nxdata(session, path) and plot_of_group(session, path):
                    return path
                groups.append((_FIRST.get(session.nx_class(path), 9), path))
        # What NeXus puts data into first; Python's sort keeps the natural order among equals.
        ordered = [path for _, path in sorted(groups, key=lambda item: item[0])]
        pending.extend(ordered)
    return best[1] if best[0] else None


def _worth(session: Session, path: str) -> int:
    """3: a picture; 2: a plane; 1: a curve; 0: nothing to plot."""
    dataset = session.dataset(path)
    if dataset is None or not dataset.shape or not math.prod(dataset.shape) or not is_numeric(session.kind(path)):
        return 0
    if len(dataset.shape) > 1 and min(dataset.shape[-2:]) >= PICTURE:
        return 3
    if len(dataset.shape) > 1 and min(dataset.shape[-2:]) > 1:
        return 2
    return 1 if math.prod(dataset.shape) > 1 else 0


def plot_of(session: Session, h5path: str) -> dict[str, Any] | None:
    """``IPlot`` of any object, without what concerns detectors; None where there is nothing to plot."""
    if session.dataset(h5path) is not None:
        return _plot_of_dataset(session, h5path)
    if is_nxdata(session, h5path):
        return plot_of_group(session, h5path)
    if session.group(h5path) is None:
        return None
    target = default_path(session, h5path) if _leads(session, h5path) else None
    return plot_of(session, target) if target is not None and target != h5path else None


def _leads(session: Session, h5path: str) -> bool:
    """Whether a click on this group should show what is below: NeXus' own levels, and groups that name a default."""
    named = session.attribute(h5path, "default") is not None
    return named or session.nx_class(h5path) in ("NXroot", "NXentry", "NXsubentry", "NXprocess", "NXdetector")


def _plot_of_dataset(session: Session, h5path: str) -> dict[str, Any] | None:
    """A signal has its group's axes and errors; anything else is plotted by itself."""
    plain = plain_plot(session, h5path)
    group = parent(h5path)
    if plain is None or not is_nxdata(session, group):
        return plain
    found = plot_of_group(session, group)
    if found is None:
        return plain
    if found["signal"] == h5path:
        return found
    if any(other["h5path"] == h5path for other in found["auxiliary"]):
        return plot_of_group(session, group, basename(h5path)) or plain
    return plain


def views(kind: dict[str, Any], shape: list[int] | None, plot: dict[str, Any] | None, *, is_group: bool) -> list[str]:
    """``ViewKind``: what makes sense, the best first.

    Args:
        kind: the type of what is shown: the plot's signal, or the data set itself.
        shape: of it.
        plot: the object's plot.
        is_group: whether the object is a group.
    """
    if is_group and plot is None:
        return ["group"]
    found = _of_values(kind, shape, plot)
    return [*found, "group"] if is_group else found


def _of_values(kind: dict[str, Any], shape: list[int] | None, plot: dict[str, Any] | None) -> list[str]:
    word = kind["class"]
    if shape is None:
        return ["raw"]
    if word == "compound":
        return ["compound", "raw"]
    if not is_numeric(kind):
        return (["matrix", "raw"] if shape else ["scalar", "raw"]) if word in ("string", "reference") else ["raw"]
    if not shape:
        return ["scalar", "raw"]
    if word == "complex":
        return ["complex", "matrix", "raw"]
    interpretation = (plot or {}).get("interpretation")
    if (plot or {}).get("scatter"):
        return ["scatter", "line", "matrix", "raw"]
    if len(shape) < 2:
        return ["line", "matrix", "raw"] if shape[0] != 1 else ["scalar", "line", "matrix", "raw"]
    pictures = ["heatmap", "line", "matrix", "raw"]
    if interpretation in ("spectrum", "scalar") or min(shape[-2:]) == 1:
        pictures = ["line", "heatmap", "matrix", "raw"]
    if len(shape) > 2 and shape[-1] in (3, 4):
        return ["rgb", *pictures] if interpretation == "rgb-image" else [*pictures[:-1], "rgb", "raw"]
    return pictures
