"""What the results on a page have in common, with counts, to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from panosc_portal.catalogues.model import Availability
from panosc_portal.search.address import ACCESS_WORDS, Asked
from panosc_portal.search.checks import technique_id
from panosc_portal.search.merge import Hit
from panosc_spawner.panet import techniques

_MOST = 12


@dataclass(frozen=True)
class Choice:
    """One value of a facet: in words, how many of the results have it, and the address of the search with it."""

    label: str
    count: int
    address: str
    chosen: bool = False


@dataclass(frozen=True)
class Facet:
    """One facet, its most frequent values first."""

    title: str
    choices: tuple[Choice, ...]


def facets(hits: Iterable[Hit], asked: Asked, names: Mapping[str, str]) -> tuple[Facet, ...]:
    """The facets of some results.

    Args:
        hits: the results.
        asked: the search they are of.
        names: the site's facilities, by key.
    """
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("facility", "instrument", "technique", "year", "access")
    }
    for hit in hits:
        one = hit.dataset
        if one.facility in names:
            counts["facility"][one.facility] += 1
        if one.instrument and one.instrument.name:
            counts["instrument"][one.instrument.name] += 1
        counts["technique"].update({name for t in one.techniques if (name := technique_id(t))})
        if one.created:
            counts["year"][str(one.created.year)] += 1
        if one.availability is not Availability.UNKNOWN:
            counts["access"][one.availability.value] += 1
    found = (
        _facet("Facility", "facility", counts["facility"], asked, lambda value: names.get(value, value)),
        _facet("Instrument", "instrument", counts["instrument"], asked, str),
        _facet("Technique", "technique", counts["technique"], asked, techniques().label),
        _years(counts["year"], asked),
        _facet("Access", "access", counts["access"], asked, lambda value: ACCESS_WORDS.get(value, value)),
    )
    return tuple(one for one in found if one.choices)


def _facet(title: str, name: str, counts: Counter[str], asked: Asked, label: Callable[[str], str]) -> Facet:
    chosen = asked.all(name)
    return Facet(
        title,
        tuple(
            Choice(
                label(value),
                count,
                asked.without(name, value) if value in chosen else asked.with_one(name, value),
                value in chosen,
            )
            for value, count in sorted(counts.items(), key=lambda item: (-item[1], label(item[0])))[:_MOST]
        ),
    )


def _years(counts: Counter[str], asked: Asked) -> Facet:
    chosen = asked.one("from") if asked.one("from") == asked.one("to") else ""
    return Facet(
        "Year",
        tuple(
            Choice(
                year,
                count,
                asked.address(**{"from": "" if year == chosen else year, "to": "" if year == chosen else year}),
                year == chosen,
            )
            for year, count in sorted(counts.items(), reverse=True)[:_MOST]
        ),
    )
