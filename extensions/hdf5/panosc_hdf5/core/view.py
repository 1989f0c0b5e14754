"""``view``: a window of a 2-D slice, reduced to what a screen needs, with its statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from panosc_hdf5.core import pyramid as pyramids
from panosc_hdf5.core.context import Context
from panosc_hdf5.core.distribution import Distribution
from panosc_hdf5.core.image import Image, factor_for
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.picture import MAX_SCREEN, Shown, narrowed, picture_header, picture_selection, two_kept, window_of
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.reduce import REDUCERS, Pool, mean_dtype
from panosc_hdf5.core.selection import Selection, refuse_above
from panosc_hdf5.core.validity import Validity, automatic, validity_for
from panosc_hdf5.core.wire import Reply

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located

BINS = 256


def view(query: Query, context: Context) -> Iterator[Reply]:
    """A window of a 2-D slice for a screen.

    Parameters: ``slice``, ``window`` (y0,y1,x0,x1), ``width`` and ``height`` of the screen, ``reduce``, ``mask``,
    ``progressive`` (answers of a large image come as parts of it are read; the last one is complete).

    Yields:
        ``IViewHeader`` with the array ``data``.

    Raises:
        HDF5Error: in words.
    """
    path, h5path = query.text("path"), query.text("h5path")
    screen = (
        query.integer("height", 1024, low=1, high=MAX_SCREEN),
        query.integer("width", 1024, low=1, high=MAX_SCREEN),
    )
    reducer = query.choice("reduce", REDUCERS, "max")
    progressive = query.flag("progressive")
    with context.services.files.locate(path, h5path) as located:
        reader = Reader(located, context)
        selection = picture_selection(reader, query.text("slice", ""))
        shown = Shown(selection, window_of(query, selection))
        validity = validity_for(query, located, context, selection)
        yield from _views(reader, shown, validity, screen, reducer, progressive)


def first_view(located: Located, context: Context, selection: Selection, width: int, height: int) -> Reply:
    """The picture with which a data set is opened: all of a slice, by maximum, without masked pixels.

    Args:
        located: a data set of numbers.
        context: of the request.
        selection: of it; leading dimensions beyond two are fixed at their first index.
        width: of the screen.
        height: of the screen.

    Raises:
        HDF5Error: in words.
    """
    reader = Reader(located, context)
    selection = two_kept(selection.showing(2))
    rows, columns = selection.result_shape
    shown = Shown(selection, (0, rows, 0, columns))
    screen = (min(max(height, 1), MAX_SCREEN), min(max(width, 1), MAX_SCREEN))
    # A large image's first sixteenth is enough to open it; the rest is asked for by the view itself.
    return next(_views(reader, shown, automatic(located, context, selection), screen, "max", True))


def _views(
    reader: Reader, shown: Shown, validity: Validity, screen: tuple[int, int], reducer: str, progressive: bool
) -> Iterator[Reply]:
    y0, y1, x0, x1 = shown.window
    factor = factor_for(y1 - y0, x1 - x0, *screen)
    _refuse_large(reader, shown, factor, reducer)
    base = pyramids.base_factor(*shown.size)
    if base is not None and factor >= base and (y0 % base, x0 % base) == (0, 0):
        yield from _from_pyramid(reader, shown, validity, factor // base * base, reducer, progressive)
        return
    image = Image(reader, shown.selection, validity, shown.window)
    pool = Pool(image.height, image.width, factor, reducer, image.dtype, validity.sentinels)
    distribution = Distribution(image.dtype, validity.sentinels)
    image.collect(pool, distribution, image.units(factor))
    summary = distribution.summary(BINS, exact=image.sampled == 1)
    facts = {"stats": summary.as_json(), "suggested": summary.suggested(), "complete": True}
    yield _reply(reader, shown, validity, (factor, reducer), pool.result(), facts)


def _refuse_large(reader: Reader, shown: Shown, factor: int, reducer: str) -> None:
    y0, y1, x0, x1 = shown.window
    itemsize = mean_dtype(reader.stored).itemsize if reducer == "mean" else reader.stored.itemsize
    cells = -(-(y1 - y0) // factor) * -(-(x1 - x0) // factor)
    refuse_above(cells * itemsize, reader.context.services.limits.reply_bytes, shown.selection)


def _from_pyramid(
    reader: Reader, shown: Shown, validity: Validity, factor: int, reducer: str, progressive: bool
) -> Iterator[Reply]:
    """Of a large image: from its pyramid, which is made if it is not there."""
    for pyramid in levels_of(reader, shown.selection, validity, reducer, progressive):
        level = pyramid.level(_fitting(factor, shown.window), reducer)
        y0, y1, x0, x1 = shown.window
        f = level.factor
        cells = (y0 // f, -(-y1 // f), x0 // f, -(-x1 // f))
        facts = {**pyramid.facts, "complete": pyramid.complete}
        yield _reply(reader, shown, validity, (f, reducer), level.cut(*cells), facts)


def _fitting(factor: int, window: tuple[int, int, int, int]) -> int:
    """The largest factor up to this one for which the window begins with a whole cell, among multiples of the base."""
    while window[0] % factor or window[2] % factor:
        factor //= 2
    return factor


def levels_of(
    reader: Reader, selection: Selection, validity: Validity, reducer: str, progressive: bool = False
) -> Iterator[pyramids.Pyramid]:
    """A large image's pyramid, the last one complete; incomplete ones before if they are asked for."""
    context = reader.context
    height, width = selection.result_shape
    key = pyramids.key_of(reader, selection, reducer, validity)
    base = pyramids.base_factor(height, width) or pyramids.BASE
    found = pyramids.kept(context, key)

    def build(previews: bool) -> Iterator[pyramids.Pyramid]:
        return pyramids.build(Image(reader, selection, validity, (0, height, 0, width)), base, reducer, previews)

    if found is not None:
        yield found
    elif not progressive:
        yield pyramids.once(context, key, lambda: list(build(False))[-1])
    else:
        for pyramid in build(True):
            if pyramid.complete:
                pyramids.keep(context, key, pyramid)
            yield pyramid


def _reply(
    reader: Reader,
    shown: Shown,
    validity: Validity,
    reduction: tuple[int, str],
    pixels: tuple[Array, Array],
    facts: dict[str, Any],
) -> Reply:
    data, fill = narrowed(*pixels)
    header = picture_header(reader, shown, *reduction, fill, validity) | facts
    return Reply(header, {"data": np.ascontiguousarray(data)}, reader.located.depends, cacheable=facts["complete"])
