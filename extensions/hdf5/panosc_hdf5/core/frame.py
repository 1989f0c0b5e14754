"""``frame``: a 2-D slice (or colour picture) exactly, value for value; where it is one chunk, as it is stored."""

from __future__ import annotations

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.numeric import shown, shown_dtype
from panosc_hdf5.core.picture import two_kept
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, parse_slice, refuse_above
from panosc_hdf5.core.wire import Reply, Stored

ENCODINGS = ("raw", "stored")


def frame(query: Query, context: Context) -> Reply:
    """A 2-D slice, or one with a third dimension of 3 or 4 colours, without any reduction.

    Parameters: ``slice``; ``encoding``: ``raw``, or ``stored``: the chunk as it lies in the file where the frame is exactly
    one chunk in an encoding that a browser can undo, else raw.

    Returns:
        ``h5path``, ``slice``, ``dimensions``, ``encoding``, and the array ``data``.

    Raises:
        TooLarge: beyond what one answer may be.
        HDF5Error: in words.
    """
    encoding = query.choice("encoding", ENCODINGS, "raw")
    with context.services.files.locate(query.text("path"), query.text("h5path")) as located:
        reader = Reader(located, context)
        selection = _selection(reader, query.text("slice", ""))
        refuse_above(selection.nbytes(reader.stored.itemsize), context.services.limits.reply_bytes, selection)
        header = {
            "h5path": located.asked,
            "slice": selection.text,
            "dimensions": list(selection.dimensions),
            "encoding": encoding,
        }
        stored = _stored(reader, selection) if encoding == "stored" else None
        if stored is not None:
            return Reply(header, {"data": stored}, located.depends)
        header["encoding"] = "raw"
        if reader.stored == shown_dtype(reader.stored):
            out = context.empty(selection.result_shape, reader.stored)
            return Reply(header, {"data": reader.read(selection, out, keep=False)}, located.depends)
        return Reply(header, {"data": shown(reader.read(selection, keep=False))}, located.depends)


def _selection(reader: Reader, text: str) -> Selection:
    """Two kept dimensions; three where the last one is a colour."""
    given = parse_slice(text, reader.shape)
    if len(given.dimensions) == 3 and given.result_shape[-1] in (3, 4) and (given.given or len(given.shape) == 3):
        return given
    return two_kept(given.showing(2))


def _stored(reader: Reader, selection: Selection) -> Stored | None:
    """The frame's only chunk as it lies in the file, if there is one and it holds nothing else."""
    layout = reader.layout
    if layout.kind != "chunked" or layout.pipeline is None or (layout.swapped and layout.stored.itemsize > 1):
        return None
    codec = layout.pipeline.codec
    if codec is None or layout.stored.kind not in "uif" or shown_dtype(layout.stored) != layout.stored:
        return None
    place = []
    for item, chunk, n in zip(selection.items, layout.chunks or (), selection.shape, strict=True):
        if isinstance(item, int):
            if chunk != 1:
                return None
            place.append(item)
        elif item != range(n) or chunk != n:
            return None
        else:
            place.append(0)
    info = reader.chunks.find(tuple(place))
    if info is None or info.filter_mask:
        return None
    raw = reader.chunks.raw(info, keep=True)
    return Stored(raw.data, np.dtype(layout.stored).str, selection.result_shape, codec)
