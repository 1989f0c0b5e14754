"""Numbers with units, as catalogues and files write them, in SI. Pint converts; texts from outside are bounded first.

``A`` is ampere to pint, and ångström to most files of the field: who knows the parameter's name gives it.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache

import pint

MAX_UNIT = 48
"""Characters of a unit. What is longer is no unit."""
TOLERANCE = 1e-9
"""Relative: numbers nearer than this are equal, so that 5 angstrom is 0.5 nm after conversion."""

_ATOM = r"(?:[A-Za-zµμΩÅ°%]{1,24}|1)(?:\s?(?:\*\*|\^)?\s?[+-]?[1-9](?:\.5)?)?"
_UNIT = re.compile(rf"{_ATOM}(?:\s?(?:\*|/|·|\.|\s)\s?{_ATOM}){{0,7}}")
_ALIASES = {
    "": "",
    "a.u.": "",
    "arbitrary": "",
    "celsius": "degC",
    "deg c": "degC",
    "deg_c": "degC",
    "°c": "degC",
    "℃": "degC",
    "degrees": "degree",
    "deg": "degree",
    "°": "degree",
    "å": "angstrom",
    "ang": "angstrom",
    "angstroms": "angstrom",
    "angstrom": "angstrom",
    "1/a": "1/angstrom",
    "1/å": "1/angstrom",
    "a^-1": "1/angstrom",
    "å^-1": "1/angstrom",
    "micron": "micrometer",
    "microns": "micrometer",
}
_LENGTHS = re.compile(r"wave.?length|lambda|d.?spacing|lattice|cell", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unit:
    """How a unit becomes SI: ``si = value * factor + offset``. Two units with one ``dimension`` (their SI base units) can be compared."""

    factor: float
    offset: float
    dimension: str

    def to_si(self, value: float) -> float:
        """A value of this unit, in SI base units."""
        return value * self.factor + self.offset

    def from_si(self, value: float) -> float:
        """An SI value in this unit."""
        return (value - self.offset) / self.factor


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[float]:
    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=None)


@lru_cache(maxsize=4096)
def unit(text: str, name: str = "") -> Unit | None:
    """What a text says as a unit; None if it is none that can be compared. An empty text is a plain number.

    Args:
        text: as written: ``nm``, ``Å``, ``1/angstrom``, ``celsius``.
        name: the parameter's name, which tells ``A`` of a wavelength from ``A`` of a current.
    """
    text = text.strip()
    if len(text) > MAX_UNIT:
        return None
    plain = _ALIASES.get(text.lower(), text)
    if text == "A" and is_length(name):
        plain = "angstrom"
    if not plain:
        return Unit(1.0, 0.0, "")
    if _UNIT.fullmatch(plain) is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantity = _registry().Quantity
            parsed = _registry().parse_units(plain.replace("·", "*"))
            zero, one = (quantity(at, parsed).to_base_units() for at in (0.0, 1.0))
    except (
        Exception
    ):  # pint raises what its parser, tokenizer and definitions raise: none of it makes a unit of the text
        return None
    factor, offset = float(one.magnitude) - float(zero.magnitude), float(zero.magnitude)
    if not (math.isfinite(factor) and math.isfinite(offset)) or factor == 0:
        return None
    base = str(one.units)  # not the dimension: an angle is no plain number, a turn a second no hertz
    return Unit(factor, offset, "" if base == "dimensionless" else base)


def is_length(name: str) -> bool:
    """Whether a parameter of this name is a length of the atomic scale, whose ``A`` is ångström."""
    return _LENGTHS.search(name) is not None


def in_si(value: float, text: str, name: str = "") -> tuple[float, str] | None:
    """A value in SI base units with its dimension; None if the unit is none."""
    found = unit(text, name)
    if found is None or not math.isfinite(value):
        return None
    si = found.to_si(value)
    return (si, found.dimension) if math.isfinite(si) else None


def nearly(value: float) -> tuple[float, float]:
    """The bounds within which numbers count as equal to this one."""
    slack = abs(value) * TOLERANCE
    return value - slack, value + slack
