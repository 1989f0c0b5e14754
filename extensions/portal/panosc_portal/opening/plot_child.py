"""A process that looks at one HDF5 file as the person whose it is: what its default plot is, and a small picture of it.

Started by :mod:`panosc_portal.opening.plots`, with an order on its input (JSON) and an answer on its output (JSON). All that
it needs is imported while it is still the portal; then it becomes the person, who may not even reach our Python, and is bound
in memory and time, since the file may be hostile. What the file says of itself is read by the HDF5 viewer's own core.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from panosc_portal.moving.reader_child import become
from panosc_portal.opening.picture import curve_svg, image_png

MEMORY = 3 * 1024**3
CPU_SECONDS = 20
SECONDS = 15.0
_HEIGHT, _WIDTH = 320, 480


def _viewer() -> Any:
    """The HDF5 viewer's core, with all of it that opening a file may need; its filters are registered, too."""
    importlib.import_module("hdf5plugin")
    for name in (
        "opening",
        "view",
        "line",
        "pyramid",
        "detector",
        "definitions",
        "nxdata",
        "nexus",
        "virtual",
        "native",
    ):
        importlib.import_module(f"panosc_hdf5.core.{name}")
    return importlib.import_module("panosc_hdf5.core.operations")


def look(operations: Any, root: str, path: str) -> dict[str, Any]:
    """What is in a file.

    Args:
        operations: of the viewer's core.
        root: a real directory; nothing outside of it is opened, whatever the file links to.
        path: of the file, beneath it.

    Returns:
        ``{"plot": …, "picture": {"type", "data"}}``; without plot where the file has none, ``{"error": words}`` where it cannot
        be opened.
    """
    from panosc_hdf5.core.context import Context, Limits, Services, Ticket
    from panosc_hdf5.core.errors import HDF5Error

    services = Services(roots=(Path(root),), limits=Limits(reply_bytes=32 * 1024**2), threads=1)
    asked = {
        "path": os.path.realpath(Path(root) / path),
        "limit": "1",
        "width": str(_WIDTH),
        "height": str(_HEIGHT),
    }
    try:
        reply = next(operations.run("open", asked, Context(services, Ticket(SECONDS))))
    except HDF5Error as error:
        return {"error": str(error)[:500]}
    entity = reply.header["entity"]
    found: dict[str, Any] = {"where": str(entity.get("h5path", ""))[:1000]}
    if "error" in entity:
        found["error"] = str(entity["error"].get("message", ""))[:500]
    if plot := entity.get("plot"):
        found["plot"] = _told(plot, entity)
        if picture := _picture(reply, plot):
            found["picture"] = {"type": picture[0], "data": base64.b64encode(picture[1]).decode()}
    return found


def _told(plot: dict[str, Any], entity: dict[str, Any]) -> dict[str, Any]:
    """What the notebook and the page need of the plot. Paths stay as they are: they name what is read; words are made plain."""
    axes = [
        {"h5path": axis.get("h5path")}
        | {key: _plain(axis.get(key)) for key in ("dimension", "label", "units", "scale", "has_values")}
        for axis in plot["axes"][:8]
    ]
    return {
        "group": entity.get("h5path"),
        "signal": plot["signal"],
        "shape": [int(n) for n in plot["shape"]][:16],
        "title": _plain(plot.get("title")),
        "units": _plain(plot.get("units")),
        "errors": plot.get("errors"),
        "views": [_plain(view) for view in entity.get("views", [])][:10],
        "axes": axes,
        "scale": _plain(plot.get("scale")),
        "problems": [_plain(problem.get("message")) for problem in plot.get("problems", [])][:5],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    return "".join(letter for letter in str(value)[:1000] if letter.isprintable())


def _picture(reply: Any, plot: dict[str, Any]) -> tuple[str, bytes] | None:
    arrays, header = reply.arrays, reply.header
    if "view" in header and "data" in arrays:
        view = header["view"]
        low, high = view["suggested"]["domain"]
        log = view["suggested"]["scale"] == "log"
        return "image/png", image_png(arrays["data"], view.get("fill"), (low, high), log, _WIDTH, _HEIGHT)
    if "line" in header:
        values = {name: array for name, array in arrays.items() if name != "data"}
        return "image/svg+xml", curve_svg(values, plot, _WIDTH, _HEIGHT)
    return None


def main() -> None:
    """Carry out one order: ``{"uid", "gid", "groups", "root", "path"}``."""
    operations = _viewer()
    order = json.loads(sys.stdin.readline())
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    become(order["uid"], order["gid"], order["groups"])
    answer = look(operations, order["root"], order["path"])
    sys.stdout.write(json.dumps(answer, allow_nan=False) + "\n")
    sys.stdout.flush()
    os._exit(0)  # whatever HDF5 still holds open of a damaged file


if __name__ == "__main__":
    main()
