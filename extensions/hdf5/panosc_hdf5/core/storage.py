"""How a data set is stored (``IStorage``): layout, chunks, filters, bytes in the file."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from h5py import h5d, h5z

from panosc_hdf5.core.links import text
from panosc_hdf5.core.sources import virtual_sources

if TYPE_CHECKING:
    from panosc_hdf5.core.files import FileCache
    from panosc_hdf5.core.open_file import OpenFile

MANY_CHUNKS = 20_000
SHOWN_SOURCES = 100
_LAYOUTS = {h5d.COMPACT: "compact", h5d.CONTIGUOUS: "contiguous", h5d.CHUNKED: "chunked", h5d.VIRTUAL: "virtual"}
_FILTERS = {
    1: "gzip",
    2: "shuffle",
    3: "fletcher32",
    4: "szip",
    5: "nbit",
    6: "scaleoffset",
    305: "LZO",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32014: "FPZIP",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32019: "JPEG",
    32022: "BitGroom",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
    32029: "TTHRESH",
}
_BITSHUFFLE = {0: "bitshuffle", 2: "bitshuffle+LZ4", 3: "bitshuffle+Zstandard"}


@lru_cache(maxsize=256)
def filter_available(code: int) -> bool:
    """Whether this process can decode a filter."""
    try:
        return bool(h5z.filter_avail(code))
    except Exception:
        return False


def filters_json(plist: Any) -> list[dict[str, Any]]:
    """``IFilter`` for each filter, in the order of writing."""
    found = []
    for index in range(plist.get_nfilters()):
        code, _, options, name = plist.get_filter(index)
        known = _FILTERS.get(code) or text(name or b"") or f"filter {code}"
        if code == 32008 and len(options) > 4:
            known = _BITSHUFFLE.get(options[4], known)
        found.append(
            {"id": int(code), "name": known, "options": [int(o) for o in options], "available": filter_available(code)}
        )
    return found


def missing_filters(dataset: Any) -> list[str]:
    """The filters of a low-level data set that this process cannot decode."""
    return [found["name"] for found in filters_json(dataset.get_create_plist()) if not found["available"]]


def storage_json(
    dataset: Any, shape: tuple[int, ...] | None, itemsize: int, file: OpenFile, cache: FileCache, *, whole: bool = True
) -> dict[str, Any]:
    """``IStorage`` of a low-level data set.

    Args:
        dataset: low-level identifier.
        shape: of the data set; None for a null dataspace.
        itemsize: bytes of one element in the file.
        file: that holds it.
        cache: knows the roots.
        whole: also what takes long: the sources, and the stored bytes of very many chunks.
    """
    plist = dataset.get_create_plist()
    nbytes = 0 if shape is None else math.prod(shape) * itemsize
    layout = "null" if shape is None else _LAYOUTS.get(plist.get_layout(), "contiguous")
    found: dict[str, Any] = {"layout": layout, "filters": [], "stored": 0, "nbytes": nbytes}
    chunks = 0
    if layout == "chunked":
        found["chunks"] = [int(n) for n in plist.get_chunk()]
        found["filters"] = filters_json(plist)
        chunks = math.prod(-(-n // c) for n, c in zip(shape or (), found["chunks"], strict=True))
    elif layout == "contiguous" and plist.get_external_count():
        found["layout"] = "external"
    elif layout == "virtual":
        limit = SHOWN_SOURCES if whole else 4
        found["sources"] = [
            source.as_json(cache) for source in virtual_sources(dataset, file, cache, limit, blocks=False)
        ]
    if whole or chunks <= MANY_CHUNKS:
        found["stored"] = int(dataset.get_storage_size())
        if found["stored"] and layout != "virtual":
            found["ratio"] = round(nbytes / found["stored"], 3)
    return found
