"""A search as an address: what is looked for is in it, so it can be shared, and going back works."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from panosc_portal.catalogues.model import Availability, ParameterCondition, Query
from panosc_portal.quantities import unit
from panosc_portal.search.checks import plain_doi
from panosc_spawner.panet import techniques

_LONGEST, _MOST = 400, 20
_YEARS = (1900, 2200)


@dataclass(frozen=True)
class Quantity:
    """A parameter that the page asks for: the five of the PaNOSC search interface, whose names catalogues share.

    Attributes:
        name: as the search API writes it.
        label: as people do.
        units: to choose from, the usual one first; empty: it is a text.
        example: shown in its empty field.
    """

    name: str
    label: str
    units: tuple[str, ...] = ()
    example: str = ""


QUANTITIES = (
    Quantity("sample_chemical_formula", "Chemical formula", example="Fe3O4"),
    Quantity("incident_wavelength", "Wavelength", ("Å", "nm", "pm")),
    Quantity("incident_photon_energy", "Photon energy", ("keV", "eV", "MeV")),
    Quantity("sample_temperature", "Sample temperature", ("K", "°C")),
    Quantity("sample_pressure", "Sample pressure", ("bar", "Pa", "kPa", "MPa", "GPa", "mbar")),
)
SHOWN = {one.name: one for one in QUANTITIES}
_AVAILABILITIES = {one.value: one for one in (Availability.OPEN, Availability.OWN, Availability.EMBARGOED)}
MULTIPLE = ("technique", "facility", "instrument", "access")
"""Names in an address that may be there several times."""


@dataclass(frozen=True)
class Asked:
    """A search as somebody wrote it.

    Attributes:
        query: what is looked for, as far as it was understood.
        typed: all that was typed, to be shown again: by name, in order.
        wrong: by name: what was not understood, in words.
    """

    query: Query
    typed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """What was typed into a field."""
        return next(iter(self.typed.get(name, ())), "")

    def all(self, name: str) -> tuple[str, ...]:
        """All that was chosen under a name."""
        return self.typed.get(name, ())

    @property
    def folded(self) -> bool:
        """Whether nothing but words is looked for."""
        return not set(self.typed) - {"q"}

    def address(self, **more: str) -> str:
        """The query part of its address; with more names, or without those that are empty."""
        pairs = [(name, value) for name, values in self.typed.items() if name not in more for value in values]
        return urlencode([*pairs, *((name, value) for name, value in more.items() if value)])

    def with_one(self, name: str, value: str) -> str:
        """The query part of an address with one more condition."""
        have = self.typed.get(name, ())
        if name not in MULTIPLE:
            return self.address(**{name: value})
        pairs = [(key, one) for key, values in self.typed.items() for one in values]
        return urlencode(pairs if value in have else [*pairs, (name, value)])

    def without(self, name: str, value: str = "") -> str:
        """The query part of an address without a condition."""
        names = {name, *(f"{name}.{part}" for part in ("low", "high", "unit"))}
        return urlencode(
            [
                (key, one)
                for key, values in self.typed.items()
                for one in values
                if key not in names or (value and one != value)
            ]
        )

    def conditions(self, facilities: Mapping[str, str]) -> list[tuple[str, str]]:
        """What is looked for beside words: (in words, the address without it)."""
        found = [(techniques().label(one), self.without("technique", one)) for one in self.all("technique")]
        found += [(facilities.get(one, one), self.without("facility", one)) for one in self.all("facility")]
        found += [(one, self.without("instrument", one)) for one in self.all("instrument")]
        found += [(ACCESS_WORDS.get(one, one), self.without("access", one)) for one in self.all("access")]
        if self.typed.keys() & {"from", "to"}:
            first, last = self.one("from"), self.one("to")
            words = (
                first
                if first == last
                else f"{first} to {last}"
                if first and last
                else f"from {first}"
                if first
                else f"to {last}"
            )
            left = replace(self, typed={key: value for key, value in self.typed.items() if key not in ("from", "to")})
            found.append((words, left.address()))
        if self.one("sample"):
            found.append((f"sample: {self.one('sample')}", self.without("sample")))
        for condition in self.query.parameters:
            found.append((_in_words(condition), self.without(condition.name)))
        return found


ACCESS_WORDS = {"open": "open data", "own": "mine", "embargoed": "under embargo"}


def _in_words(condition: ParameterCondition) -> str:
    label = SHOWN[condition.name].label if condition.name in SHOWN else condition.name
    if condition.text:
        return f"{label}: {condition.text}"
    low, high = (f"{one:.6g}" if one is not None else "" for one in (condition.low, condition.high))
    limits = low if low == high else f"{low} to {high}" if low and high else f"from {low}" if low else f"to {high}"
    return f"{label}: {limits} {condition.unit}".strip()


def read(given: QueryParams, facilities: Sequence[str]) -> Asked:
    """A search from an address. What is not understood is told and left out, never guessed.

    Args:
        given: the address's names and values, from outside.
        facilities: the site's keys.
    """
    reader = _Reader(given, facilities)
    query = Query(
        **reader.words(),
        techniques=reader.techniques(),
        facilities=reader.facilities(),
        instruments=reader.several("instrument"),
        years=reader.years(),
        sample=reader.text("sample"),
        parameters=tuple(found for one in QUANTITIES if (found := reader.parameter(one)) is not None),
        availability=reader.availability(),
    )
    return Asked(query, reader.typed, reader.wrong)


class _Reader:
    def __init__(self, given: QueryParams, facilities: Sequence[str]) -> None:
        self._given, self._facilities = given, facilities
        self.typed: dict[str, tuple[str, ...]] = {}
        self.wrong: dict[str, str] = {}

    def several(self, name: str) -> tuple[str, ...]:
        values = tuple(dict.fromkeys(value for one in self._given.getlist(name) if (value := _plain(one))))
        if len(values) > _MOST:
            self.wrong[name] = f"At most {_MOST} can be chosen; the others were left out."
            values = values[:_MOST]
        long = [value for value in values if len(value) > _LONGEST]
        if long:
            self.wrong[name] = f"This is longer than {_LONGEST} characters: {long[0][:40]}…"
        values = tuple(value for value in values if len(value) <= _LONGEST)
        if values:
            self.typed[name] = values
        return values

    def text(self, name: str) -> str:
        values = self.several(name)
        if values:
            self.typed[name] = values[:1]
        return values[0] if values else ""

    def words(self) -> dict[str, str]:
        text = self.text("q")
        doi = plain_doi(text)
        return {"pid": doi} if doi else {"text": text}

    def techniques(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for value in self.several("technique"):
            node = techniques().find(value)
            if node is None:
                self.wrong["technique"] = f"No technique is called “{value}”. Choose one from the list of techniques."
            else:
                found[node.id] = None
        if "technique" in self.typed:
            self.typed["technique"] = tuple(found)
            if not found:
                del self.typed["technique"]
        return tuple(found)

    def facilities(self) -> tuple[str, ...]:
        values = self.several("facility")
        unknown = [one for one in values if one not in self._facilities]
        if unknown:
            self.wrong["facility"] = f"No facility here is called “{unknown[0]}”."
        values = tuple(one for one in values if one in self._facilities)
        if "facility" in self.typed:
            self.typed["facility"] = values
            if not values:
                del self.typed["facility"]
        return values

    def availability(self) -> tuple[Availability, ...]:
        values = tuple(one for one in self.several("access") if one in _AVAILABILITIES)
        if "access" in self.typed:
            self.typed["access"] = values
            if not values:
                del self.typed["access"]
        return tuple(_AVAILABILITIES[one] for one in values)

    def years(self) -> tuple[int | None, int | None]:
        first, last = (self._year(name) for name in ("from", "to"))
        if first is not None and last is not None and first > last:
            self.wrong["to"] = f"{last} is before {first}: the years were taken the other way round."
            self.typed["from"], self.typed["to"] = (str(last),), (str(first),)
            return last, first
        return first, last

    def _year(self, name: str) -> int | None:
        text = self.text(name)
        if not text:
            return None
        if text.isascii() and text.isdigit() and _YEARS[0] <= int(text[:9]) <= _YEARS[1]:
            return int(text)
        self.wrong[name] = f"“{text[:40]}” is not a year, such as 2024."
        return None

    def parameter(self, quantity: Quantity) -> ParameterCondition | None:
        if not quantity.units:
            text = self.text(quantity.name)
            return ParameterCondition(quantity.name, text=text) if text else None
        low, high = (self._number(f"{quantity.name}.{part}") for part in ("low", "high"))
        given = self.text(f"{quantity.name}.unit") or quantity.units[0]
        known = unit(given, quantity.name)
        usual = unit(quantity.units[0], quantity.name)
        if low is None and high is None:
            self.typed.pop(f"{quantity.name}.unit", None)
            return None
        if known is None or usual is None or known.dimension != usual.dimension:
            self.wrong[f"{quantity.name}.unit"] = f"“{given[:40]}” is not a unit of this, such as {quantity.units[0]}."
            return None
        self.typed[f"{quantity.name}.unit"] = (given,)
        if low is not None and high is not None and low > high:
            low, high = high, low
        return ParameterCondition(quantity.name, low, high, given)

    def _number(self, name: str) -> float | None:
        text = self.text(name)
        if not text:
            return None
        try:
            number = float(text.replace(",", ".")) if len(text) <= 40 else math.nan
        except ValueError:
            number = math.nan
        if math.isfinite(number) and "_" not in text:
            return number
        self.wrong[name] = f"“{text[:40]}” is not a number."
        return None


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
