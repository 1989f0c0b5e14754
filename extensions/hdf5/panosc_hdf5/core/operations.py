"""The operations by name. The server's workers and the kernel's widget both answer through :func:`run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import HDF5Error, NotFound
from panosc_hdf5.core.failures import in_words, raised_by_h5py
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.wire import Reply

Operation = Callable[[Query, Context], Reply | Iterator[Reply]]


@dataclass(frozen=True)
class Entry:
    """Where an operation is, and how it is treated.

    Attributes:
        module: imported at first use, so that a worker starts quickly.
        function: in that module.
        parameters: the names it reads; others are refused.
        seconds: its deadline.
        streamed: whether it may yield several replies.
    """

    module: str
    function: str
    parameters: tuple[str, ...]
    seconds: float = 30.0
    streamed: bool = False


_FILE = ("path", "h5path")
_SLICE = (*_FILE, "slice")
_GEOMETRY = ("beam_x", "beam_y", "distance", "pixel_x", "pixel_y", "wavelength")

TABLE: dict[str, Entry] = {
    # names, types, meaning
    "open": Entry("opening", "open_file", (*_FILE, "slice", "width", "height", "limit", "sort")),
    "entity": Entry("opening", "entity", _FILE),
    "children": Entry("tree", "children", (*_FILE, "offset", "limit", "sort", "descending")),
    "attributes": Entry("attributes", "attributes", _FILE),
    "search": Entry("search", "search", (*_FILE, "q", "kind", "limit", "case"), 300.0, streamed=True),
    "values": Entry("values", "values", _SLICE),
    "check": Entry("check", "check", _FILE, 120.0),
    "state": Entry("live", "state", _FILE),
    # pictures and curves
    "view": Entry(
        "view", "view", (*_SLICE, "window", "width", "height", "reduce", "mask", "progressive"), 300.0, streamed=True
    ),
    "tile": Entry("tile", "tile", (*_SLICE, "level", "x", "y", "size", "reduce", "mask"), 300.0),
    "frame": Entry("frame", "frame", (*_SLICE, "encoding")),
    "line": Entry("line", "line", (*_SLICE, "range", "points"), 120.0),
    "stats": Entry("stats", "stats", (*_SLICE, "window", "mask", "bins"), 120.0),
    # measurements
    "trace": Entry("trace", "trace", (*_FILE, "axis", "point", "slice"), 300.0),
    "roi": Entry("roi", "roi", (*_SLICE, "window", "axis", "mask"), 300.0, streamed=True),
    "profile": Entry("profile", "profile", (*_SLICE, "start", "end", "width", "mask")),
    "azimuthal": Entry("azimuthal", "azimuthal", (*_SLICE, "bins", "unit", "mask", *_GEOMETRY), 120.0),
    # out of here
    "export": Entry("export", "export", (*_SLICE, "format"), 120.0),
}


def run(name: str, parameters: Mapping[str, str], context: Context) -> Iterator[Reply]:
    """Answer one question.

    Raises:
        HDF5Error: in words; every failure that is not a bug is one.
    """
    entry = TABLE.get(name)
    if entry is None:
        raise NotFound(f"There is no operation {name[:40]!r}.")
    query = Query(parameters)
    query.refuse_unknown(entry.parameters)
    operation: Operation = getattr(import_module(f"panosc_hdf5.core.{entry.module}"), entry.function)
    try:
        answer = operation(query, context)
        if isinstance(answer, Reply):
            yield answer
        else:
            yield from answer
    except Exception as error:
        # In a damaged file any call of h5py can fail, in ways that nobody foresees. What others raise is a bug.
        if not isinstance(error, HDF5Error) and (isinstance(error, MemoryError) or raised_by_h5py(error)):
            raise in_words(error, query.text("h5path", "") or "The file") from error
        raise
