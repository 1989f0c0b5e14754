"""Which part of a data set: numpy's syntax from outside, parsed, checked and sized before anything is read."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from panosc_hdf5.core.errors import BadRequest, TooLarge, Unsupported

MAX_DIMENSIONS = 32
"""HDF5's own limit."""

_INTEGER = re.compile(r"-?[0-9]{1,20}")


@dataclass(frozen=True)
class Selection:
    """A rectangular part of a data set, perhaps with strides.

    Attributes:
        shape: of the whole data set.
        items: one a dimension: a valid index, or ``range`` with a step of at least 1.
        given: whether somebody asked for it; False for what was filled in.
    """

    shape: tuple[int, ...]
    items: tuple[int | range, ...]
    given: bool = True

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The dimensions that are kept: those with a range."""
        return tuple(d for d, item in enumerate(self.items) if isinstance(item, range))

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of what is read."""
        return tuple(len(item) for item in self.items if isinstance(item, range))

    @property
    def size(self) -> int:
        """How many elements; 1 for a single one."""
        return math.prod(self.result_shape)

    def nbytes(self, itemsize: int) -> int:
        """Bytes of the result."""
        return self.size * itemsize

    @property
    def index(self) -> tuple[int | slice, ...]:
        """As numpy and h5py take it."""
        return tuple(
            item if isinstance(item, int) else slice(item.start, max(item.start, item.stop), item.step)
            for item in self.items
        )

    @property
    def text(self) -> str:
        """Canonical: equal selections have equal texts."""
        return ", ".join(_item_text(item, n) for item, n in zip(self.items, self.shape, strict=True))

    def kept(self, dimension: int) -> range:
        """The indices of a kept dimension."""
        item = self.items[dimension]
        if isinstance(item, int):
            raise TypeError(f"dimension {dimension} is not kept")
        return item

    def with_item(self, dimension: int, item: int | range) -> Selection:
        """The same with another entry, in indices of the data set."""
        return replace(self, items=(*self.items[:dimension], item, *self.items[dimension + 1 :]))

    def within(self, dimension: int, start: int, stop: int) -> Selection:
        """A part of it along one kept dimension, in indices of the selection, half open."""
        return self.with_item(dimension, self.kept(dimension)[start:stop])

    def showing(self, count: int) -> Selection:
        """At most ``count`` kept dimensions, the last ones; leading ones are fixed at their first index.

        Raises:
            BadRequest: somebody asked for more kept dimensions than can be shown.
        """
        surplus = self.dimensions[: max(0, len(self.dimensions) - count)]
        if surplus and self.given:
            raise BadRequest(
                f"The slice {self.text!r} keeps {len(self.dimensions)} dimensions; {count} can be shown.",
                "Give an index for the others, such as "
                f"{', '.join('0' if d in surplus else ':' for d in range(len(self.shape)))!r}.",
            )
        selection = self
        for dimension in surplus:
            item = selection.kept(dimension)
            if not item:
                raise Unsupported("There is nothing to show: one of the dimensions has no elements yet.", code="empty")
            selection = selection.with_item(dimension, item.start)
        return selection


def parse_slice(text: str | None, shape: Sequence[int] | None) -> Selection:
    """Numpy's basic indexing: whole numbers, ``a:b:c``, ``:`` and ``...``, separated by commas.

    Args:
        text: None or blank is everything.
        shape: of the data set; None for a null dataspace.

    Raises:
        BadRequest: no such slice, in words.
        Unsupported: the data set has a null dataspace.
    """
    if shape is None:
        raise Unsupported("The data set holds no data (its dataspace is null).", code="empty")
    shape = tuple(int(n) for n in shape)
    if max(shape, default=0) > sys.maxsize:
        raise Unsupported("The data set claims to have more elements than can be counted.")
    stripped = (text or "").strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        stripped = stripped[1:-1].strip()
    if not stripped or stripped == "()":
        return Selection(shape, tuple(range(n) for n in shape), given=False)
    parts = [part.strip() for part in stripped.split(",", MAX_DIMENSIONS + 2)]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()  # numpy allows a trailing comma
    parts = _without_ellipsis(parts, len(shape))
    return Selection(shape, tuple(_item(part, n, d) for d, (part, n) in enumerate(zip(parts, shape, strict=True))))


def _without_ellipsis(parts: list[str], dimensions: int) -> list[str]:
    ellipses = parts.count("...")
    if ellipses > 1:
        raise BadRequest("A slice may hold only one '...'.")
    given = len(parts) - ellipses
    if given > dimensions:
        raise BadRequest(f"The slice has {given} entries, but the data set has {dimensions} dimensions.")
    at = parts.index("...") if ellipses else given
    return parts[:at] + [":"] * (dimensions - given) + parts[at + ellipses :]


def _item(part: str, n: int, dimension: int) -> int | range:
    if ":" not in part:
        index = _integer(part, part, dimension)
        if not -n <= index < n:
            raise BadRequest(
                f"Index {index} is outside of dimension {dimension}, which has {n} elements.",
                f"Indices go from 0 to {n - 1}." if n else "There is nothing to read yet.",
            )
        return index + n if index < 0 else index
    bounds = [bound.strip() for bound in part.split(":", 3)]
    if len(bounds) > 3:
        raise BadRequest(f"{part[:40]!r} is no slice: it has too many colons.")
    start, stop, step = ([_integer(bound, part, dimension) if bound else None for bound in bounds] + [None])[:3]
    if step is not None and step < 1:
        raise BadRequest(f"The step of {part[:40]!r} must be 1 or more.")
    found = range(*slice(start, stop, step).indices(n))
    if len(found) == 0:
        return range(0, 0)
    if len(found) == 1:
        return range(found.start, found.start + 1)
    return range(found.start, found[-1] + 1, found.step) if found.step > 1 else found


def _integer(text: str, part: str, dimension: int) -> int:
    if not _INTEGER.fullmatch(text):
        raise BadRequest(
            f"{part[:40]!r} is no index or slice (dimension {dimension}).",
            "Slices are written as in numpy: '3, :, 10:20', '-1, ...', '::2'.",
        )
    return int(text)


def _item_text(item: int | range, n: int) -> str:
    if isinstance(item, int):
        return str(item)
    if not item:
        return ":" if n == 0 else "0:0"
    last_stop = len(range(item.start, n, item.step)) == len(item)
    start = str(item.start) if item.start else ""
    stop = "" if last_stop else str(item.stop)
    return f"{start}:{stop}" + (f":{item.step}" if item.step > 1 else "")


def human_bytes(n: int) -> str:
    """Such as ``17.9 MB``."""
    size = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"


def refuse_above(nbytes: int, limit: int, selection: Selection, **details: Any) -> None:
    """Refuse what is too large, before any I/O, and say how to get it.

    Args:
        nbytes: what would be read or sent.
        limit: what may be.
        selection: what was asked for.
        details: more for programs.

    Raises:
        TooLarge: with a stride and a slice that would fit.
    """
    if nbytes <= limit:
        return
    factor = -(-nbytes // max(1, limit))
    kept = selection.dimensions
    stride = max(2, math.ceil(factor ** (1 / max(1, len(kept)))))
    strided = ", ".join(f"::{stride}" if d in kept else _item_text(i, n) for d, (i, n) in _numbered(selection))
    remedies = [f"a stride ({strided!r})"]
    if len(kept) > 2:
        part = ", ".join(_first_text(i, n, d in kept[:-2]) for d, (i, n) in _numbered(selection))
        remedies.insert(0, f"one frame ({part!r})")
        details["slice"] = part
    if len(kept) >= 2:
        remedies.insert(0, "a reduced view or a tile of it")
    raise TooLarge(
        f"This is {human_bytes(nbytes)}; one answer may be {human_bytes(limit)}.",
        f"Ask for {', or '.join(remedies)}.",
        nbytes=nbytes,
        limit=limit,
        stride=strided,
        **details,
    )


def _numbered(selection: Selection) -> list[tuple[int, tuple[int | range, int]]]:
    return list(enumerate(zip(selection.items, selection.shape, strict=True)))


def _first_text(item: int | range, n: int, fixed: bool) -> str:
    return str(item.start) if fixed and isinstance(item, range) else _item_text(item, n)
