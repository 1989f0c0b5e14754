"""``profile``: values along a line across a picture, interpolated, averaged over a width."""

from __future__ import annotations

import math

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import BadRequest, TooLarge
from panosc_hdf5.core.image import Image, Unit
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.picture import picture_selection
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.validity import validity_for
from panosc_hdf5.core.wire import Reply

SEGMENT = 256
"""Samples for which a box of pixels is read at a time: a long diagonal does not read the whole picture."""
MAX_SAMPLES = 20_000_000
MAX_LENGTH = 200_000


def profile(query: Query, context: Context) -> Reply:
    """A line profile.

    Parameters: ``slice``; ``start`` and ``end`` (y,x; pixel i covers i to i+1, so its middle is i+0.5); ``width`` (pixels
    across the line that are averaged); ``mask``.

    Returns:
        ``IProfileHeader`` and the arrays ``distance``, ``value``, ``y``, ``x``; NaN where no valid pixel is.

    Raises:
        HDF5Error: in words.
    """
    start, end = query.numbers("start", 2), query.numbers("end", 2)
    width = query.integer("width", 1, low=1, high=10_000)
    if start is None or end is None:
        raise BadRequest("The parameters start and end are needed: y,x of both ends.")
    with context.services.files.locate(query.text("path"), query.text("h5path")) as located:
        reader = Reader(located, context)
        selection = picture_selection(reader, query.text("slice", ""))
        validity = validity_for(query, located, context, selection)
        height, across = selection.result_shape
        reach = 2 * (height + across + width)
        if max(map(abs, (*start, *end))) > reach:
            raise BadRequest(f"The line leads far outside of the picture, which has {across} by {height} pixels.")
        length = math.hypot(end[0] - start[0], end[1] - start[1])
        n = max(2, math.ceil(length) + 1)
        if n > MAX_LENGTH or n * width > MAX_SAMPLES:
            raise TooLarge(
                f"The profile would have {n} points of {width} pixels each.", "Draw a shorter or narrower line."
            )
        y, x = np.linspace(start[0], end[0], n), np.linspace(start[1], end[1], n)
        image = Image(reader, selection, validity, (0, height, 0, across))
        value = _values(image, y, x, _across(start, end, length, width))
        arrays = {"distance": np.linspace(0.0, length, n), "value": value, "y": y, "x": x}
        return Reply({"h5path": located.asked, "length": n}, dict(arrays), located.depends)


def _across(start: tuple[float, ...], end: tuple[float, ...], length: float, width: int) -> Array:
    """Offsets (y, x) of the parallel lines, one pixel apart."""
    steps = np.arange(width) - (width - 1) / 2
    if length == 0:
        return np.zeros((1, 2))
    normal = np.array([end[1] - start[1], start[0] - end[0]]) / length
    return steps[:, None] * normal[None, :]


def _values(image: Image, y: Array, x: Array, offsets: Array) -> Array:
    value = np.full(len(y), np.nan)
    step = max(1, min(SEGMENT, MAX_SAMPLES // 20 // len(offsets)))
    for begin in range(0, len(y), step):
        part = slice(begin, begin + step)
        # Indices of pixels, whose middles are at whole numbers here.
        rows = (y[part, None] + offsets[None, :, 0]) - 0.5
        columns = (x[part, None] + offsets[None, :, 1]) - 0.5
        value[part] = _segment(image, rows, columns)
    return value


def _segment(image: Image, rows: Array, columns: Array) -> Array:
    """Means over the lines of interpolated values."""
    inside = (rows >= -0.5) & (rows <= image.height - 0.5) & (columns >= -0.5) & (columns <= image.width - 0.5)
    if not inside.any():
        return np.full(len(rows), np.nan)
    y0, y1 = _bounds(rows[inside], image.height)
    x0, x1 = _bounds(columns[inside], image.width)
    block = image.read(Unit(y0, y1, x0, x1, 0)).astype(np.float64)
    invalid = image.validity.invalid(block if image.dtype.kind == "f" else block.astype(image.dtype), y0, x0)
    good = np.isfinite(block) if invalid is None else np.isfinite(block) & ~invalid
    block = np.where(good, block, 0.0)
    total, weight = _bilinear(block, good, rows - y0, columns - x0)
    total, weight = np.where(inside, total, 0.0), np.where(inside, weight, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = total / weight
    known = weight > 1e-9
    n = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, samples, 0.0).sum(axis=1) / n)


def _bounds(indices: Array, n: int) -> tuple[int, int]:
    return max(0, math.floor(indices.min())), min(n, math.floor(indices.max()) + 2)


def _bilinear(block: Array, good: Array, rows: Array, columns: Array) -> tuple[Array, Array]:
    """Weighted sums over the four neighbours, and the weights of those that are valid."""
    low_y, low_x = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    part_y, part_x = rows - low_y, columns - low_x
    total, weight = np.zeros(rows.shape), np.zeros(rows.shape)
    for dy in (0, 1):
        for dx in (0, 1):
            yy = np.clip(low_y + dy, 0, block.shape[0] - 1)
            xx = np.clip(low_x + dx, 0, block.shape[1] - 1)
            share = (part_y if dy else 1 - part_y) * (part_x if dx else 1 - part_x) * good[yy, xx]
            total += share * block[yy, xx]
            weight += share
    return total, weight
