"""Values as JSON without losing anything: what JavaScript's numbers cannot hold becomes a string.

Integers beyond 2^53 and NaN, Infinity, -Infinity are strings; complex numbers ``[re, im]``; enums their members' names; compounds
arrays in the order of their fields; opaque bytes hexadecimal; references the path that they lead to.
"""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from h5py import h5r

from panosc_hdf5.core.errors import TooLarge
from panosc_hdf5.core.fields import as_text
from panosc_hdf5.core.links import text

EXACT = 2**53
MAX_CHARACTERS = 8_000_000


class Encoder:
    """Encodes values of one type.

    Args:
        kind: the type, as ``types.type_json`` gives it.
        obj: any object of the file, to resolve references.
        cells: how many numbers and strings there may be altogether.
    """

    def __init__(self, kind: dict[str, Any], obj: Any, cells: int) -> None:
        self._kind = kind
        self._obj = obj
        self._left = cells
        self._characters = MAX_CHARACTERS

    def encode(self, value: Any, dimensions: int) -> Any:
        """The value, nested like its shape.

        Args:
            value: as h5py gives it.
            dimensions: how many it has: an element of variable length is an array, too.

        Raises:
            TooLarge: more cells, or longer strings, than an answer may hold.
        """
        return self._any(value, self._kind, dimensions)

    def _spend(self, cells: int) -> None:
        self._left -= cells
        if self._left < 0:
            raise TooLarge(
                "These are more values than a table shows at once.",
                "Ask for a slice, or export them.",
                code="too_many_cells",
            )

    def _any(self, value: Any, kind: dict[str, Any], dimensions: int) -> Any:
        if kind["class"] == "array":
            # h5py puts an array type's dimensions behind the data set's own.
            return self._any(value, kind["base"], dimensions + len(kind["dims"]))
        if dimensions:
            return self._nested(value, kind, dimensions)
        if isinstance(value, np.ndarray) and kind["class"] != "vlen":
            value = value[()]
        self._spend(1)
        return self._single(value, kind)

    def _nested(self, array: np.ndarray[Any, Any], kind: dict[str, Any], dimensions: int) -> list[Any]:
        if kind["class"] in ("integer", "float", "boolean", "bitfield") and array.dtype.kind in "iufb":
            self._spend(array.size)
            found: list[Any] = _numbers(array)
            return found
        return [self._any(item, kind, dimensions - 1) for item in array]

    def _single(self, value: Any, kind: dict[str, Any]) -> Any:
        match kind["class"]:
            case "string":
                return self._string(value)
            case "complex":
                return [number(value.real), number(value.imag)]
            case "enum":
                names = {v: k for k, v in kind["members"].items()}
                return names.get(int(value), number(value))
            case "compound":
                return self._compound(value, kind)
            case "vlen":
                return self._variable(value, kind["base"])
            case "reference":
                return self._reference(value)
            case "opaque" | "time" | "unknown":
                return (
                    value.hex()
                    if isinstance(value, bytes)
                    else _hex(value)
                    if isinstance(value, np.void)
                    else str(value)
                )
        return number(value)

    def _string(self, value: Any) -> str:
        found = as_text(value)
        self._characters -= len(found)
        if self._characters < 0:
            raise TooLarge(
                "This is more text than a table shows at once.", "Read it in a notebook.", code="too_much_text"
            )
        return found

    def _variable(self, value: Any, base: dict[str, Any]) -> list[Any]:
        while isinstance(value, np.ndarray) and not value.ndim:
            value = value[()]
        if value is None or (isinstance(value, int | float) and not value):
            return []  # nothing was ever written here
        found: list[Any] = self._any(np.asarray(value), base, 1)
        return found

    def _compound(self, value: Any, kind: dict[str, Any]) -> list[Any]:
        fields = kind["fields"]
        self._spend(len(fields) - 1)
        names = value.dtype.names or ()
        return [self._any(value[name], field["type"], 0) for name, field in zip(names, fields, strict=False)]

    def _reference(self, value: Any) -> str | None:
        if not value:
            return None
        try:
            name = h5r.get_name(value, self._obj.id)
            if name is None:
                return "?"
            if isinstance(value, h5py.RegionReference):
                return text(name) + _bounds(h5r.get_region(value, self._obj.id))
            return text(name)
        except Exception:
            return "? (it leads to nothing)"


def _hex(value: np.void) -> str:
    return value.tobytes().hex()


def _bounds(space: Any) -> str:
    try:
        low, high = space.get_select_bounds()
    except Exception:
        return "[]"
    return "[" + ", ".join(f"{a}:{b + 1}" for a, b in zip(low, high, strict=True)) + "]"


def _numbers(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.kind in "iu":
        if array.dtype.itemsize == 8 and array.size and (int(array.max()) > EXACT or int(array.min()) < -EXACT):
            return _mapped(array)
        return array.tolist()
    if array.dtype.kind == "b":
        return array.tolist()
    if array.dtype.itemsize == 8 and bool(np.isfinite(array).all()):
        return array.tolist()
    return _mapped(array)


def _mapped(array: np.ndarray[Any, Any]) -> list[Any]:
    return [_mapped(item) if isinstance(item, np.ndarray) else number(item) for item in array]


def number(value: Any) -> Any:
    """One number as JSON; a float of few bits as the shortest decimal that is this float."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        exact = int(value)
        return exact if -EXACT <= exact <= EXACT else str(exact)
    if isinstance(value, np.void):  # bit fields and the like
        return _hex(value)
    found = float(str(value)) if isinstance(value, np.float16 | np.float32) else float(value)
    if math.isfinite(found):
        if isinstance(value, np.longdouble) and value.dtype.itemsize > 8 and np.longdouble(found) != value:
            return str(value)
        return found
    if isinstance(value, np.longdouble) and bool(np.isfinite(value)):
        return str(value)
    return "NaN" if math.isnan(found) else "Infinity" if found > 0 else "-Infinity"
