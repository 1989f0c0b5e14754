"""Which numbers are shown for which HDF5 type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panosc_hdf5.core.errors import Unsupported

Array = np.ndarray[Any, Any]
DType = np.dtype[Any]


def stored_dtype(dtype: DType) -> DType:
    """The plain number type of a data set's type, in the machine's byte order.

    Args:
        dtype: as h5py gives it.

    Raises:
        Unsupported: it is no number.
    """
    if dtype.kind not in "biufc" or dtype.subdtype is not None or dtype.names is not None:
        raise Unsupported(
            f"The data set holds {_words(dtype)}; this view shows numbers.",
            "Choose the table view, or a member of the compound.",
            code="not_numeric",
        )
    return np.dtype(dtype.str).newbyteorder("=")  # without h5py's notes on enums


def _words(dtype: DType) -> str:
    if dtype.names is not None:
        return "compound values"
    if dtype.subdtype is not None:
        return "arrays in each element"
    return {"S": "text", "O": "text, references or sequences", "U": "text", "V": "opaque bytes"}.get(
        dtype.kind, f"values of type {dtype}"
    )


def shown_dtype(stored: DType) -> DType:
    """The type that is shown: booleans as 0 and 1, halves as singles, long doubles as doubles, complex as magnitude."""
    if stored.kind == "b":
        return np.dtype(np.uint8)
    if stored.kind == "f":
        return np.dtype(np.float32 if stored.itemsize <= 4 else np.float64)
    if stored.kind == "c":
        return np.dtype(np.float32 if stored.itemsize <= 8 else np.float64)
    return stored


def shown(array: Array) -> Array:
    """Values as they are shown; without a copy where the type stays."""
    target = shown_dtype(array.dtype)
    if array.dtype == target:
        return array
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind == "c":
        return np.abs(array).astype(target, copy=False)
    with np.errstate(over="ignore"):
        return array.astype(target)


def number(value: Any) -> int | float | None:
    """A number for JSON: exact where it is a whole one; None for what is not finite."""
    if value is None:
        return None
    if isinstance(value, (int, np.integer, np.bool_)):
        return int(value)
    found = float(value)
    return found if np.isfinite(found) else None


def marks(block: Array, sentinels: Sequence[int]) -> Array | None:
    """Where a block has one of some values; None if nowhere."""
    found: Array | None = None
    for value in sentinels:
        if not representable(value, block.dtype):
            continue
        here = block == block.dtype.type(value)
        found = here if found is None else found | here
    return found if found is not None and found.any() else None


def representable(value: int, dtype: DType) -> bool:
    """Whether a type has such a value."""
    if dtype.kind == "f":
        return float(dtype.type(value)) == value
    info = np.iinfo(dtype)
    return bool(info.min <= value <= info.max)


def either(one: Array | None, other: Array | None) -> Array | None:
    """Where one of two conditions holds; None if nowhere."""
    if one is None or other is None:
        return one if other is None else other
    found: Array = one | other
    return found
