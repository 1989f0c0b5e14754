"""Reduced levels of large images, made in one pass over the data and kept on disk."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.distribution import Distribution
from panosc_hdf5.core.image import Image, stages
from panosc_hdf5.core.numeric import Array
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.reduce import Pool, mean_dtype, pooled
from panosc_hdf5.core.selection import Selection
from panosc_hdf5.core.validity import Validity
from panosc_hdf5.core.wire import Reply, envelope_parts, read_envelope

VERSION = 2
LARGE = 16_000_000
"""Pixels from which on an image has a pyramid."""
BASE = 8
"""Factor of its finest level, doubled until that has not more than half of :data:`LARGE`."""
ROWS = 32
SMALLEST = 512
BINS = 256
SUFFIX = ".pyramid"


@dataclass(frozen=True)
class Level:
    """An image reduced by a factor.

    Attributes:
        factor: of the reduction.
        values: as reduced.
        valid: where there is a value; None: everywhere.
        weights: of means: how many pixels each is made of.
    """

    factor: int
    values: Array
    valid: Array | None
    weights: Array | None

    def cut(self, y0: int, y1: int, x0: int, x1: int) -> tuple[Array, Array]:
        """A part, and where it has values."""
        values = self.values[y0:y1, x0:x1]
        valid = np.ones(values.shape, np.bool_) if self.valid is None else self.valid[y0:y1, x0:x1]
        return values, valid

    def reduced(self, times: int, reducer: str) -> Level:
        """Reduced further by a whole number."""
        if times == 1:
            return self
        height, width = self.values.shape
        if self.weights is not None:
            return self._mean(self.weights, times)
        pool = Pool(height, width, times, reducer, self.values.dtype)
        pool.add(self.values, None if self.valid is None else ~self.valid, 0, 0)
        values, found = pool.result()
        return Level(self.factor * times, values, None if self.valid is None else found, None)

    def _mean(self, weights: Array, times: int) -> Level:
        """Means of means by their weights, some rows at a time."""
        height, width = (-(-n // times) for n in self.values.shape)
        values = np.empty((height, width), self.values.dtype)
        counts = np.empty((height, width), np.uint32)
        for begin in range(0, height, ROWS):
            rows = slice(begin * times, (begin + ROWS) * times)
            some = weights[rows]
            known = np.where(some > 0, self.values[rows], 0) * some
            count = pooled(some, 0, 0, times, np.add, 0, np.dtype(np.uint32))
            total = pooled(known, 0, 0, times, np.add, 0, np.dtype(np.float64))
            with np.errstate(invalid="ignore", divide="ignore"):
                values[begin : begin + ROWS] = total / count
            counts[begin : begin + ROWS] = count
        return Level(self.factor * times, values, None if self.valid is None else counts > 0, counts)


@dataclass(frozen=True)
class Pyramid:
    """Levels by factor, with the statistics of the whole image."""

    levels: dict[int, Level]
    facts: dict[str, Any]
    complete: bool = True

    @property
    def base(self) -> int:
        """Factor of the finest level."""
        return min(self.levels)

    def level(self, factor: int, reducer: str) -> Level:
        """The image reduced by a multiple of the base."""
        if factor in self.levels:
            return self.levels[factor]
        finer = max(known for known in self.levels if factor % known == 0)
        return self.levels[finer].reduced(factor // finer, reducer)


def base_factor(height: int, width: int) -> int | None:
    """Factor of the finest level that is kept, or None if the image is too small to need any."""
    if height * width <= LARGE:
        return None
    factor = BASE
    while 2 * height * width > LARGE * factor * factor:
        factor *= 2
    return factor


def build(image: Image, factor: int, reducer: str, progressive: bool) -> Iterator[Pyramid]:
    """Make the levels; incomplete ones first if they are asked for."""
    sentinels = image.validity.sentinels
    pool = Pool(image.height, image.width, factor, reducer, image.dtype, sentinels)
    distribution = Distribution(image.dtype, sentinels)
    parts = list(stages(image.units(factor)))
    for part in parts[:-1]:
        image.collect(pool, distribution, part)
        if progressive:
            yield _result(pool, distribution, factor, None)
    image.collect(pool, distribution, parts[-1])
    yield _result(pool, distribution, factor, reducer, exact=image.sampled == 1)


def _result(pool: Pool, distribution: Distribution, factor: int, reducer: str | None, exact: bool = False) -> Pyramid:
    values, valid = pool.result()
    levels = {factor: Level(factor, values, None if valid.all() else valid, pool.weights())}
    summary = distribution.summary(BINS, exact=exact)
    facts = {"stats": summary.as_json(), "suggested": summary.suggested()}
    if reducer is None:
        return Pyramid(levels, facts, complete=False)
    while max(levels[factor].values.shape) > SMALLEST:
        levels[2 * factor] = levels[factor].reduced(2, reducer)
        factor *= 2
    return Pyramid(levels, facts)


# kept


def key_of(reader: Reader, selection: Selection, reducer: str, validity: Validity) -> str:
    """A name for exactly this image, in exactly this state of its files."""
    located = reader.located
    stamps = [located.file.stamp, *located.depends]
    parts = [VERSION, located.name, selection.text, reducer, validity.key, base_factor(*selection.result_shape)]
    parts += [stamp.key for stamp in stamps]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def kept(context: Context, key: str) -> Pyramid | None:
    """The pyramid of that name, from memory or disk."""
    found: Pyramid | None = context.services.decoded.peek(("pyramid", key))
    directory = context.services.cache_dir
    if found is not None or directory is None:
        return found
    path = directory / (key + SUFFIX)
    try:
        pyramid = _read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        with suppress(OSError):
            path.unlink()
        return None
    context.services.decoded.put(("pyramid", key), pyramid, 4096)
    return pyramid


def keep(context: Context, key: str, pyramid: Pyramid) -> None:
    """Write it to the disk's cache, if there is one and it has room; else keep it in memory."""
    directory = context.services.cache_dir
    size = sum(array.nbytes for array in _arrays(pyramid).values())
    budget = context.services.limits.pyramid_cache_bytes
    if directory is not None and size <= budget // 2:
        try:
            _make_room(directory, budget - size)
            _write(directory / (key + SUFFIX), pyramid)
            return
        except OSError:
            pass  # a full or read-only disk costs speed, not pictures
    context.services.decoded.put(("pyramid", key), pyramid, size)


def once(context: Context, key: str, make: Callable[[], Pyramid]) -> Pyramid:
    """What is kept under that name; else it is made now, by one of those who wait for it."""
    found = kept(context, key)
    if found is not None:
        return found

    def fresh() -> Pyramid:
        pyramid = kept(context, key)
        if pyramid is None:
            pyramid = make()
            keep(context, key, pyramid)
        return pyramid

    made: Pyramid = context.services.decoded.get(("making", key), fresh, lambda _: 1 << 62, context.check)
    return made


def _arrays(pyramid: Pyramid) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for factor, level in pyramid.levels.items():
        named = {"values": level.values, "valid": level.valid, "weights": level.weights}
        arrays |= {f"{factor} {name}": array for name, array in named.items() if array is not None}
    return arrays


def _write(path: Path, pyramid: Pyramid) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-", suffix=SUFFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            arrays = {n: a.view(np.uint8) if a.dtype == np.bool_ else a for n, a in _arrays(pyramid).items()}
            for part in envelope_parts(Reply({"facts": pyramid.facts}, dict(arrays))):
                file.write(part)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _read(path: Path) -> Pyramid:
    # In a folder that several people share, only what is really one's own is believed.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid():
            raise PermissionError("somebody else's")
        size = found.st_size
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        os.utime(file.fileno())  # it was used
    header, arrays, end = read_envelope(memoryview(mapped))
    if end != size:
        raise ValueError("cut short")
    levels: dict[int, Level] = {}
    for factor in sorted({int(name.split()[0]) for name in arrays}):
        valid = arrays.get(f"{factor} valid")
        levels[factor] = Level(
            factor,
            arrays[f"{factor} values"],
            None if valid is None else valid.view(np.bool_),
            arrays.get(f"{factor} weights"),
        )
    if not levels:
        raise ValueError("empty")
    return Pyramid(levels, header["facts"])


def _make_room(directory: Path, budget: int) -> None:
    """Remove what was not used for longest, until the rest fits; also what a crash left half written."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = []
    for entry in os.scandir(directory):
        if entry.name.endswith(SUFFIX):
            with suppress(OSError):
                status = entry.stat()
                found.append((status.st_mtime, status.st_size, entry.path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= budget:
            break
        with suppress(OSError):
            Path(path).unlink()
            total -= size


__all__ = ["Level", "Pyramid", "base_factor", "build", "keep", "kept", "key_of", "mean_dtype", "once"]
