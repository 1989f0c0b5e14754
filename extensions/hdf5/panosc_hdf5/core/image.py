"""A 2-D slice as a picture: read in units that fit its storage, reduced and measured unit by unit in threads.

Never holds the whole image: an image of 800 MB takes a few MB here.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from panosc_hdf5.core.distribution import Distribution
from panosc_hdf5.core.errors import TooLarge
from panosc_hdf5.core.numeric import Array, DType, shown, shown_dtype
from panosc_hdf5.core.reading import Reader, in_threads
from panosc_hdf5.core.reduce import Pool
from panosc_hdf5.core.selection import Selection
from panosc_hdf5.core.validity import Validity

UNIT = 1_000_000
"""Pixels that are read at a time, about."""
STRIP = 1024**2
"""Bytes that are reduced and counted at a time: they stay in a core's cache."""
SAMPLED = 64_000_000
"""Pixels above which every fourth row stands for the distribution."""
WHOLE = 64 * 1024**2
"""Bytes up to which what only HDF5 can read is read at once."""

MOST = 2**37
"""Pixels above which no picture is made: it would take an hour."""

Window = tuple[int, int, int, int]
_local = threading.local()


@dataclass(frozen=True)
class Unit:
    """A part of the window, in its own pixels, and when it is read: smaller ones first."""

    y0: int
    y1: int
    x0: int
    x1: int
    stage: int


class Image:
    """A window of a 2-D slice.

    Args:
        reader: of the data set.
        selection: with two kept dimensions.
        validity: what does not count, for the whole slice.
        window: ``[y0, y1, x0, x1]`` of the slice.
    """

    def __init__(self, reader: Reader, selection: Selection, validity: Validity, window: Window) -> None:
        self.reader, self.window = reader, window
        self._dy, self._dx = selection.dimensions
        y0, y1, x0, x1 = window
        self.selection = selection.within(self._dy, y0, y1).within(self._dx, x0, x1)
        self.height, self.width = y1 - y0, x1 - x0
        self.validity = validity.within(window)
        self._step = 1
        self._keep = reader.fits(self.selection)
        self.dtype: DType = shown_dtype(reader.stored)

    def collect(
        self, pool: Pool | None, distribution: Distribution | None, units: list[Unit], *, every_row: bool = False
    ) -> None:
        """Read units, reduce and measure them; all rows of very large images count only if that is asked for."""
        reader = self.reader
        self._step = 1 if every_row else self.sampled
        if len(units) == 1 and (units[0].y1 - units[0].y0) * self.width > UNIT // 2:
            self._one(units[0], pool, distribution)
            return

        def work(unit: Unit) -> None:
            self._take(self.read(unit, threads=False), unit, pool, distribution)

        reader.each(work, iter(units), threads=len(units) > 1)

    def _one(self, unit: Unit, pool: Pool | None, distribution: Distribution | None) -> None:
        """What is read at once is still reduced and counted in threads."""
        block = self.read(unit, threads=True)
        rows = max(1, len(block) // (4 * self.reader.context.services.threads))
        parts = (slice(y, y + rows) for y in range(0, len(block), rows))
        in_threads(
            self.reader.context,
            lambda part: self._take(
                block[part], Unit(unit.y0 + part.start, 0, unit.x0, unit.x1, 0), pool, distribution
            ),
            parts,
        )

    def read(self, unit: Unit, *, threads: bool = True) -> Array:
        """The values of a unit, in this thread's memory; valid until it reads again. Not to be changed."""
        part = self.selection.within(self._dy, unit.y0, unit.y1).within(self._dx, unit.x0, unit.x1)
        if (found := self.reader.glance(part, keep=self._keep)) is not None:
            return shown(found)
        out = _buffer(part.nbytes(self.reader.stored.itemsize)).view(self.reader.stored).reshape(part.result_shape)
        return shown(self.reader.read(part, out, keep=self._keep, threads=threads))

    @property
    def sampled(self) -> int:
        """Every how many rows count for the distribution: all, except in very large images."""
        return 4 if self.height * self.width > SAMPLED else 1

    def _take(self, block: Array, unit: Unit, pool: Pool | None, distribution: Distribution | None) -> None:
        factor = pool.factor if pool is not None else 1
        for begin, end in _strips(unit.y0, block, factor):
            strip = block[begin:end]
            y, x = unit.y0 + begin, unit.x0
            masked = self.validity.masked(y, x, *strip.shape)
            if distribution is not None:
                step = self._step
                distribution.add(strip[::step], masked if masked is None else masked[::step])
            if pool is not None:
                pool.add(strip, masked, y, x)

    def units(self, factor: int = 1) -> list[Unit]:
        """The window in parts that suit its storage; the first stages are samples spread over it."""
        if self.height * self.width > MOST:
            raise TooLarge(
                f"This image has {self.height} x {self.width} pixels, more than can be read for one picture.",
                "Ask for a window of it.",
                window=[0, min(self.height, 2**16), 0, min(self.width, 2**16)],
            )
        rows, columns = self._grid(factor)
        found = [
            Unit(y0, y1, x0, x1, _stage(i, j, len(columns) > 1))
            for i, (y0, y1) in enumerate(rows)
            for j, (x0, x1) in enumerate(columns)
        ]
        return sorted(found, key=lambda unit: unit.stage)

    def _grid(self, factor: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        layout = self.reader.layout
        ys, xs = self.selection.kept(self._dy), self.selection.kept(self._dx)
        whole = [(0, self.width)]
        if layout.kind in ("library", "virtual") and self.selection.nbytes(layout.stored.itemsize) <= WHOLE:
            return [(0, self.height)], whole
        if layout.chunks is None or ys.step > 1 or xs.step > 1:
            return _cut(self.height, max(1, UNIT // max(1, self.width)), factor), whole
        cy, cx = layout.chunks[self._dy], layout.chunks[self._dx]
        if layout.kind == "chunked" and cy * cx > 2 * UNIT and layout.pipeline and layout.pipeline.blocks:
            # Each block of a large chunk can be decoded by itself.
            return _cut(self.height, max(1, UNIT // 2 // max(1, self.width)), factor), whole
        if layout.kind != "chunked":
            return _lines(ys, cy * max(1, UNIT * 8 // max(1, cy * self.width))), whole
        along = max(1, min(-(-self.width // cx), UNIT // (cy * cx)))
        down = max(1, UNIT // (cy * cx * along))
        return _lines(ys, cy * down), _lines(xs, cx * along)


def _buffer(nbytes: int) -> Array:
    kept: Array | None = getattr(_local, "unit", None)
    if kept is None or kept.nbytes < nbytes:
        kept = np.empty(nbytes, np.uint8)
        if nbytes <= 32 * 1024**2:
            _local.unit = kept
    return kept[:nbytes]


def _cut(length: int, step: int, factor: int) -> list[tuple[int, int]]:
    """Equal parts that end at multiples of the factor."""
    step = max(factor, step - step % factor)
    return [(begin, min(length, begin + step)) for begin in range(0, length, step)]


def _strips(y: int, block: Array, factor: int) -> Iterator[tuple[int, int]]:
    """Parts of a block that begins at row ``y``, with edges at multiples of the factor where it is cut."""
    height = block.shape[0]
    rows = max(factor, STRIP // max(1, block.shape[1] * block.itemsize))
    rows -= rows % factor
    if height <= 2 * rows:
        rows = height + factor
    begin = 0
    while begin < height:
        end = min(height, begin + rows - (y + begin) % factor)
        yield begin, end
        begin = end


def _lines(item: range, step: int) -> list[tuple[int, int]]:
    """Parts that end where chunks do."""
    first = item.start // step
    edges = [max(item.start, n * step) for n in range(first, -(-item.stop // step))] + [item.stop]
    return [(a - item.start, b - item.start) for a, b in itertools.pairwise(edges)]


def _stage(i: int, j: int, plane: bool) -> int:
    """0 for one part in 16, 1 for one in 4, else 2."""
    if plane:
        return 0 if i % 4 == 1 and j % 4 == 1 else 1 if i % 2 == 1 and j % 2 == 1 else 2
    return 0 if i % 16 == 8 else 1 if i % 4 == 0 else 2


def stages(units: list[Unit]) -> Iterator[list[Unit]]:
    """Units of one stage after the other."""
    for stage in range(3):
        if found := [unit for unit in units if unit.stage == stage]:
            yield found


def factor_for(height: int, width: int, screen_height: int, screen_width: int) -> int:
    """The integer factor that brings a window to a screen, without enlarging it."""
    return max(1, math.ceil(height / screen_height), math.ceil(width / screen_width))
