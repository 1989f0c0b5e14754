"""``tile``: a square of an image at a level; level 0 is full resolution, each further one half of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from panosc_hdf5.core import pyramid as pyramids
from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import BadRequest
from panosc_hdf5.core.image import Image
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.picture import Shown, narrowed, picture_header, picture_selection
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.reduce import REDUCERS, Pool
from panosc_hdf5.core.selection import refuse_above
from panosc_hdf5.core.validity import Validity, validity_for
from panosc_hdf5.core.view import levels_of
from panosc_hdf5.core.wire import Reply

MAX_LEVEL = 32
MAX_SIZE = 4096


def tile(query: Query, context: Context) -> Reply:
    """One tile.

    Parameters: ``slice``, ``level``, ``x`` and ``y`` (which tile), ``size`` (pixels of the tile), ``reduce``, ``mask``.

    Returns:
        The common part of ``IViewHeader``, ``level``, ``x``, ``y``, and the array ``data``; tiles at the right and lower
        edge are smaller.

    Raises:
        HDF5Error: in words.
    """
    size = query.integer("size", 256, low=16, high=MAX_SIZE)
    level = query.integer("level", 0, high=MAX_LEVEL)
    place = query.integer("y"), query.integer("x")
    reducer = query.choice("reduce", REDUCERS, "max")
    with context.services.files.locate(query.text("path"), query.text("h5path")) as located:
        reader = Reader(located, context)
        selection = picture_selection(reader, query.text("slice", ""))
        validity = validity_for(query, located, context, selection)
        factor, span = 1 << level, size << level
        height, width = selection.result_shape
        y0, x0 = place[0] * span, place[1] * span
        if y0 >= height or x0 >= width:
            raise BadRequest(
                f"There is no tile x={place[1]}, y={place[0]} at level {level}: the image has {width} by {height} pixels."
            )
        shown = Shown(selection, (y0, min(height, y0 + span), x0, min(width, x0 + span)))
        refuse_above(size * size * 8, context.services.limits.reply_bytes, selection)
        data, fill = _data(reader, shown, validity, factor, reducer)
        header = picture_header(reader, shown, factor, reducer, fill, validity)
        header |= {"level": level, "x": place[1], "y": place[0]}
        return Reply(header, {"data": data}, located.depends)


def _data(reader: Reader, shown: Shown, validity: Validity, factor: int, reducer: str) -> tuple[Array, int | None]:
    y0, y1, x0, x1 = shown.window
    base = pyramids.base_factor(*shown.size)
    if base is not None and factor >= base:
        (pyramid,) = levels_of(reader, shown.selection, validity, reducer)
        level = pyramid.level(factor, reducer)
        return _packed(narrowed(*level.cut(y0 // factor, -(-y1 // factor), x0 // factor, -(-x1 // factor))))
    key = ("tile", pyramids.key_of(reader, shown.selection, reducer, validity), shown.window, factor)

    def make() -> tuple[Array, int | None]:
        image = Image(reader, shown.selection, validity, shown.window)
        pool = Pool(image.height, image.width, factor, reducer, image.dtype, validity.sentinels)
        image.collect(pool, None, image.units(factor))
        return _packed(narrowed(*pool.result()))

    context = reader.context
    found: tuple[Array, int | None] = context.services.decoded.get(key, make, _size, context.check)
    return found


def _packed(found: tuple[Array, int | None]) -> tuple[Array, int | None]:
    return np.ascontiguousarray(found[0]), found[1]


def _size(made: tuple[Any, Any]) -> int:
    return int(made[0].nbytes)
