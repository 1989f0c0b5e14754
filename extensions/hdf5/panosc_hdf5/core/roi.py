"""``roi``: sum, mean, greatest and least value of a region, for each frame of a stack."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import TooLarge
from panosc_hdf5.core.image import Window
from panosc_hdf5.core.numeric import Array, either, marks, shown
from panosc_hdf5.core.picture import two_kept, window_of
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, parse_slice
from panosc_hdf5.core.trace import along, axis_of, units
from panosc_hdf5.core.validity import Validity, validity_for
from panosc_hdf5.core.wire import Reply

GROUP = 4 * 1024**2
"""Bytes of the region that are read at a time."""
SECONDS = 0.25
"""Between answers."""
MAX_FRAMES = 2_000_000
NAMES = ("sum", "mean", "max", "min")


def roi(query: Query, context: Context) -> Iterator[Reply]:
    """A region measured over a stack.

    Parameters: ``slice`` (its two kept dimensions beside the axis are the picture), ``window`` (the region: y0,y1,x0,x1),
    ``axis`` (0 if not given; a picture without a further dimension is a stack of one), ``mask``.

    Yields:
        ``ITraceHeader`` and the arrays ``sum``, ``mean``, ``max``, ``min`` of the frames done so far; the last answer is
        complete. A frame without a valid pixel has NaN.

    Raises:
        HDF5Error: in words.
    """
    path, h5path = query.text("path"), query.text("h5path")
    with context.services.files.locate(path, h5path) as located:
        reader = Reader(located, context)
        given = parse_slice(query.text("slice", ""), reader.shape)
        axis, frames, picture = _stack(query, given)
        window = window_of(query, picture)
        validity = validity_for(query, located, context, picture).within(window)
        if len(frames) > MAX_FRAMES:
            raise TooLarge(f"The stack has {len(frames)} frames.", "Ask for a stride along the axis.")
        header = {"h5path": located.asked, "axis": axis, "length": len(frames)} | units(reader)
        for done, arrays in _measured(reader, axis, frames, _region(picture, window), validity):
            complete = done == len(frames)
            yield Reply(
                header | {"done": done, "complete": complete}, dict(arrays), located.depends, cacheable=complete
            )


def _stack(query: Query, given: Selection) -> tuple[int, range, Selection]:
    """The axis (-1 if the data set is one picture), the indices along it, and the picture at the first one."""
    if len(given.shape) == 2 and "axis" not in query:
        return -1, range(1), two_kept(given.showing(2))
    axis = axis_of(query, given)
    frames = along(given, axis).kept(axis)
    picture = given.with_item(axis, frames.start if frames else 0).showing(2)
    return axis, frames, two_kept(picture)


def _region(picture: Selection, window: Window) -> Selection:
    y0, y1, x0, x1 = window
    dy, dx = picture.dimensions
    return picture.within(dy, y0, y1).within(dx, x0, x1)


def _measured(
    reader: Reader, axis: int, frames: range, region: Selection, validity: Validity
) -> Iterator[tuple[int, dict[str, Array]]]:
    found = {name: np.full(len(frames), np.nan) for name in NAMES}
    if not frames:
        yield 0, found
        return
    per_group = max(1, min(256, GROUP // max(1, region.nbytes(reader.stored.itemsize))))
    groups = [(a, min(len(frames), a + per_group)) for a in range(0, len(frames), per_group)]
    dimensions = [d for d in (axis, *region.dimensions) if d >= 0]

    def work(group: tuple[int, int]) -> None:
        begin, end = group
        part = region if axis < 0 else region.with_item(axis, frames[begin:end])
        block = shown(reader.read(part, keep=False, threads=False))
        if axis < 0:
            block = block[None]
        elif sorted(dimensions)[0] != axis:
            block = np.moveaxis(block, sorted(dimensions).index(axis), 0)
        _measure(block, validity, {name: array[begin:end] for name, array in found.items()})

    batch = 2 * reader.context.services.threads
    last, done = time.monotonic(), 0
    for some in _batched(groups, batch):
        reader.each(work, iter(some), threads=len(groups) > 1)
        done = some[-1][1]
        if done < len(frames) and time.monotonic() - last > SECONDS:
            last = time.monotonic()
            yield done, {name: array[:done].copy() for name, array in found.items()}
    yield done, found


def _batched(groups: list[tuple[int, int]], n: int) -> Iterator[tuple[tuple[int, int], ...]]:
    for begin in range(0, len(groups), n):
        yield tuple(groups[begin : begin + n])


def _measure(block: Array, validity: Validity, out: dict[str, Array]) -> None:
    """Measure frames at once; ``out`` has one element for each."""
    invalid = marks(block, validity.sentinels)
    if validity.mask is not None:
        invalid = either(invalid, np.broadcast_to(validity.mask, block.shape))
    if block.dtype.kind == "f":
        nan = np.isnan(block)
        invalid = either(invalid, nan if nan.any() else None)
    axes = (1, 2)
    kind = np.float64 if block.dtype.kind == "f" else np.int64 if block.dtype.kind == "i" else np.uint64
    if invalid is None:
        out["sum"][:] = block.sum(axis=axes, dtype=kind)
        out["mean"][:] = out["sum"] / (block.shape[1] * block.shape[2])
        out["max"][:], out["min"][:] = block.max(axis=axes), block.min(axis=axes)
        return
    n = np.count_nonzero(~invalid, axis=axes)
    some = n > 0
    low, high = _bounds(block)
    total = np.where(invalid, block.dtype.type(0), block).sum(axis=axes, dtype=kind)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / n
    for name, values in {
        "sum": total,
        "mean": mean,
        "max": np.where(invalid, low, block).max(axis=axes),
        "min": np.where(invalid, high, block).min(axis=axes),
    }.items():
        out[name][:] = np.where(some, values, np.nan)


def _bounds(block: Array) -> tuple[np.generic, np.generic]:
    kind = block.dtype.type
    if block.dtype.kind == "f":
        return kind(-np.inf), kind(np.inf)
    info = np.iinfo(block.dtype)
    return kind(info.min), kind(info.max)
