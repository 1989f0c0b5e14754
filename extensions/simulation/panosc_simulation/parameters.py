"""An instrument's parameters: what its program takes, what the person gave, and what differs."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import math
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .errors import InstrumentError
from .instrument import Value
from .monitors import Axis

_LINE = re.compile(r"^\s*(double|int|string|vector)\s+(\w+)(?:\s*=\s*(.*))?$")
MOST_POINTS = 100_000


class Declared(NamedTuple):
    """One parameter as the program lists it."""

    kind: str
    default: str | None


def declared(program: Path, environment: Mapping[str, str]) -> dict[str, Declared]:
    """The parameters of a compiled instrument."""
    asked = subprocess.run(
        [str(program), "--list-parameters"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        env=dict(environment),
        errors="replace",
    )
    found = (_LINE.match(line) for line in asked.stdout.splitlines())
    return {one[2]: Declared(one[1], one[3]) for one in found if one}


def complete(known: Mapping[str, Declared], given: Mapping[str, Value]) -> dict[str, Value]:
    """Every parameter with its value: what was given, else its default.

    Raises:
        InstrumentError: for a name that does not exist, a value that does not fit, or one that is missing.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(known) or 'none'}."
            raise InstrumentError(f"The instrument has no parameter {name}. {hint}")
    missing = [name for name, one in known.items() if one.default is None and name not in given]
    if missing:
        raise InstrumentError(f"These parameters have no default and need a value: {', '.join(missing)}.")
    return {name: _fits(name, one.kind, given.get(name, one.default or "")) for name, one in known.items()}


def plain(name: str, value: Any) -> Value:
    """A value as Python's own number or text, also if it is one of NumPy's.

    Raises:
        InstrumentError: if it is anything else.
    """
    if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0:
        value = value.item()
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    raise InstrumentError(f"The parameter {name} is one number or one text, and {value!r} is not.")


def _fits(name: str, kind: str, value: Value) -> Value:
    if kind in ("string", "vector"):
        text = str(value)
        if "\0" in text:
            raise InstrumentError(f"The parameter {name} has a zero byte in it.")
        return text
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InstrumentError(f"The parameter {name} is a number, and “{value}” is not.") from None
    if not math.isfinite(number):
        raise InstrumentError(f"The parameter {name} must be finite, and {number} is not.")
    if kind == "int":
        if number != int(number):
            raise InstrumentError(f"The parameter {name} is a whole number, and {number} is not.")
        return int(number)
    return number


def arguments(values: Mapping[str, Value]) -> list[str]:
    """As the program takes them; numbers with all their digits."""
    return [f"{name}={value!r}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()]


def axes(over: Mapping[str, ArrayLike], units: Mapping[str, str]) -> tuple[Axis, ...]:
    """The axes of a scan.

    Raises:
        InstrumentError: if there is none, or one is empty, not of numbers, or there are far too many points.
    """
    if not over:
        raise InstrumentError("A scan needs at least one parameter to go over: over={“name”: values}.")
    made = []
    for name, values in over.items():
        try:
            numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
        except (TypeError, ValueError):
            raise InstrumentError(f"The values of {name} are not all numbers.") from None
        if numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
            raise InstrumentError(f"The values of {name} must be one row of finite numbers, at least one.")
        made.append(Axis(name, numbers, units.get(name, ""), name))
    points = math.prod(len(axis.values) for axis in made)
    if points > MOST_POINTS:
        raise InstrumentError(f"That is {points} points; {MOST_POINTS} are the most.")
    return tuple(made)


def points(scan: Sequence[Axis]) -> list[dict[str, Value]]:
    """The values of each point, the last axis fastest."""
    grid = itertools.product(*(axis.values.tolist() for axis in scan))
    return [dict(zip((axis.name for axis in scan), point, strict=True)) for point in grid]


def seed_of(seed: int, point: int) -> int:
    """The seed of a scan's point: 1 to 2**31 - 1.

    Not ``seed + point``: McStas seeds ray n with a hash of (n + 1)(seed + 1), so near seeds share rays.
    """
    digest = hashlib.sha256(f"{seed} {point}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (2**31 - 1) + 1
