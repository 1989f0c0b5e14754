"""A reduced image as an answer: the smallest integer type that holds it, one value for "nothing here", and the header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from panosc_hdf5.core.errors import BadRequest, Unsupported
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, parse_slice

if TYPE_CHECKING:
    from panosc_hdf5.core.image import Window
    from panosc_hdf5.core.validity import Validity

MAX_SCREEN = 8192


@dataclass(frozen=True)
class Shown:
    """What is shown of which slice.

    Attributes:
        selection: with two kept dimensions.
        window: ``[y0, y1, x0, x1]`` of it.
    """

    selection: Selection
    window: Window

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole slice."""
        height, width = self.selection.result_shape
        return height, width


def picture_selection(reader: Reader, text: str | None) -> Selection:
    """The slice to show, with two kept dimensions.

    Raises:
        Unsupported: the data set has fewer, or no pixel.
        BadRequest: no such slice.
    """
    selection = parse_slice(text, reader.shape).showing(2)
    return two_kept(selection)


def two_kept(selection: Selection) -> Selection:
    """The selection, if it is a picture.

    Raises:
        Unsupported: it has fewer than two dimensions, or no pixel.
    """
    if len(selection.dimensions) != 2:
        raise Unsupported(
            f"A picture has two dimensions; the slice {selection.text!r} has {len(selection.dimensions)}.",
            "Show it as a curve or as values.",
            code="not_an_image",
        )
    if not selection.size:
        raise Unsupported("There is nothing to show: the slice has no elements.", code="empty")
    return selection


def window_of(query: Query, selection: Selection) -> Window:
    """The parameter ``window``; everything if it is not there.

    Raises:
        BadRequest: it does not lie within the slice.
    """
    height, width = selection.result_shape
    given = query.integers("window", 4)
    if given is None:
        return 0, height, 0, width
    y0, y1, x0, x1 = given
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise BadRequest(
            f"The window must be y0,y1,x0,x1 with y0 < y1 <= {height} and x0 < x1 <= {width}: the slice has that size."
        )
    return y0, y1, x0, x1


def narrowed(values: Array, valid: Array) -> tuple[Array, int | None]:
    """Values in the smallest type of the same kind, and which one means "nothing here".

    Returns:
        The array; the fill value, which no valid pixel has; None for NaN, and for integers of which none is missing and
        which use all values of their type.
    """
    if values.dtype.kind == "f":
        return np.where(valid, values, values.dtype.type(np.nan)), None
    everywhere = bool(valid.all())
    known = values if everywhere else values[valid]
    low, high = (int(known.min()), int(known.max())) if known.size else (0, 0)
    for name in _candidates(values.dtype, low):
        info = np.iinfo(name)
        if not info.min <= low <= high <= info.max:
            continue
        if high < info.max or low > info.min:
            fill = int(info.max if high < info.max else info.min)
        elif info.bits == 8 * values.dtype.itemsize and (everywhere or info.bits > 16):
            return (values, None) if everywhere else _without_room(values, valid)
        else:
            continue
        out = values.astype(name)
        if not everywhere:
            out[~valid] = fill
        return out, fill
    return _without_room(values, valid)


def _candidates(dtype: np.dtype[Any], low: int) -> tuple[str, ...]:
    """Types of the same kind or, where nothing is negative, without a sign; the smallest first."""
    if low >= 0:
        return ("u1", "u2", "u4", "u8")
    return ("i1", "i2", "i4", "i8")


def _without_room(values: Array, valid: Array) -> tuple[Array, int | None]:
    """Integers that use both ends of their type: a value that does not occur is found."""
    present = np.unique(values[valid])
    gap = np.flatnonzero(np.diff(present.astype(np.uint64)) > 1)
    if not gap.size:
        return np.where(valid, values, np.nan).astype(np.float64), None
    fill = int(present[gap[0]]) + 1
    out = values.copy()
    out[~valid] = fill
    return out, fill


def picture_header(
    reader: Reader, shown: Shown, factor: int, reducer: str, fill: int | None, validity: Validity
) -> dict[str, Any]:
    """The parts of ``IViewHeader`` that views and tiles have in common."""
    height, width = shown.size
    return {
        "h5path": reader.located.asked,
        "slice": shown.selection.text,
        "dimensions": list(shown.selection.dimensions),
        "size": {"height": height, "width": width},
        "window": list(shown.window),
        "factor": factor,
        "reduce": reducer,
        "fill": fill,
        "mask": validity.path,
    }
