"""From a question to the filter of a PaNOSC search API, in the dialect of who is asked. Pure data.

Only what the dialect says it answers rightly is asked; the rest is left to the check of what comes back. Each ``where`` has one
key, and several are joined by ``and``: some implementations read the first key of an object only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from panosc_portal.catalogues.model import Availability, Kind, ParameterCondition, Query
from panosc_portal.catalogues.words import words_of
from panosc_portal.quantities import unit as unit_named
from panosc_spawner import panet
from panosc_spawner.facilities.catalogue_dialects import Dialect, Operator

MAX_TECHNIQUES = 60
_FAR = 1e300
_SLACK = 1e-9  # of a limit: conversions round, and what is a little outside is told apart here

Where = dict[str, Any]


@dataclass
class Question:
    """What is sent.

    Attributes:
        where: conditions on the data set itself; all must hold.
        joins: relations that must have something that matches.
        query: words to rank by.
        applied: the kinds of conditions in it.
    """

    where: list[Where] = field(default_factory=list)
    joins: list[dict[str, Any]] = field(default_factory=list)
    query: str = ""
    applied: set[Kind] = field(default_factory=set)

    def joined(self) -> set[str]:
        """The relations with a condition."""
        return {join["relation"] for join in self.joins}


def question(query: Query, dialect: Dialect, units: dict[str, str]) -> Question:
    """What of a question is asked.

    Args:
        query: the question.
        dialect: of the implementation.
        units: the unit in which a parameter is kept there, where that is known.
    """
    asked = Question()
    _text(query, dialect, asked)
    if query.pid:
        asked.where.append(one_of("pid", pid_spellings(query.pid), dialect))
        asked.applied.add(Kind.PID)
    _years(query, dialect, asked)
    _availability(query, asked)
    _related(query, dialect, asked)
    _parameters(query, dialect, units, asked)
    return asked


def asked_kinds(dialect: Dialect, units: dict[str, str]) -> frozenset[Kind]:
    """The kinds of conditions that an implementation can be asked. Parameters only where units are no matter."""
    kinds = {Kind.TEXT, Kind.PID, Kind.AVAILABILITY}
    if _between("", "", dialect.operators):
        kinds.add(Kind.YEARS)
    if dialect.instrument:
        kinds.add(Kind.INSTRUMENT)
    if dialect.techniques:
        kinds.add(Kind.TECHNIQUE)
    if dialect.samples and dialect.sample_text:
        kinds.add(Kind.SAMPLE)
    if dialect.parameters and dialect.parameter_operators and (dialect.converts_units or units):
        kinds.add(Kind.PARAMETER)
    return frozenset(kinds)


def pid_spellings(pid: str) -> tuple[str, ...]:
    """A PID as it was written, and a DOI without its address: catalogues keep it either way."""
    text = pid.strip()
    bare = text
    for before in ("https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "http://dx.doi.org/", "doi:"):
        if text.lower().startswith(before):
            bare = text[len(before) :].strip()
    return tuple(dict.fromkeys(word for word in (text, bare, bare.lower()) if word))


def one_of(name: str, values: Sequence[str], dialect: Dialect) -> Where:
    """A field that is one of several texts."""
    if len(values) == 1:
        return {name: values[0]}
    if "inq" in dialect.operators:
        return {name: {"inq": list(values)}}
    return {"or": [{name: value} for value in values]}


def together(conditions: Sequence[Where]) -> Where | None:
    """One condition that holds where all do."""
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else {"and": list(conditions)}


def as_text(value: Any) -> str:
    """A filter as it is put into an address."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(query: Query, dialect: Dialect, asked: Question) -> None:
    words = words_of(query.text)
    if not words:
        return
    if dialect.text == "query":
        asked.query = " ".join(words)
    else:
        asked.where += [{"text": word} for word in words]
    asked.applied.add(Kind.TEXT)


def _years(query: Query, dialect: Dialect, asked: Question) -> None:
    first, last = query.years
    if first is None and last is None:
        return
    low, high = min(max(first or 1800, 1800), 2999), min(max(last or 2999, 1800), 2999)
    conditions = (
        [{"creationDate": {"between": [f"{low}-01-01T00:00:00.000Z", f"{high}-12-31T23:59:59.999Z"]}}]
        if "between" in dialect.operators
        else _between(f"{low - 1}-12-31T23:59:59.999Z", f"{high + 1}-01-01T00:00:00.000Z", dialect.operators)
    )
    if conditions:
        asked.where += [
            condition if "creationDate" in condition else {"creationDate": condition} for condition in conditions
        ]
        asked.applied.add(Kind.YEARS)


def _between(above: Any, below: Any, operators: Iterable[str]) -> list[Where]:
    """Strictly between two values; empty where it cannot be said."""
    return [{"gt": above}, {"lt": below}] if {"gt", "lt"} <= set(operators) else []


def _availability(query: Query, asked: Question) -> None:
    wanted = set(query.availability) - {Availability.UNKNOWN}
    if not wanted or Availability.UNKNOWN in query.availability:
        return
    if wanted == {Availability.OPEN}:
        asked.where.append({"isPublic": True})
        # Some call public what is described in public: whether the data are, their release tells, which is read here.
    elif Availability.OPEN not in wanted and Availability.EMBARGOED not in wanted:
        asked.where.append({"isPublic": False})
    else:
        return
    asked.applied.add(Kind.AVAILABILITY)


def _related(query: Query, dialect: Dialect, asked: Question) -> None:
    if query.instruments and dialect.instrument:
        names = [
            spelt for name in query.instruments[:20] for spelt in dict.fromkeys((name, name.upper(), name.lower()))
        ]
        _join(asked, dialect.instrument, one_of("name", names, dialect), Kind.INSTRUMENT)
    ids = panet.beneath(query.techniques)
    known = all(panet.ids_named(technique) for technique in query.techniques)
    if query.techniques and dialect.techniques and known and 0 < len(ids) <= MAX_TECHNIQUES:
        # Ids are also kept without their address.
        spelt = [*sorted(panet.purl(one) for one in ids), *sorted(ids)]
        _join(asked, dialect.techniques, one_of(dialect.technique_field, spelt, dialect), Kind.TECHNIQUE)
    words = words_of(query.sample)
    if words and dialect.samples and dialect.sample_text:
        _join(asked, dialect.samples, together([{"text": word} for word in words]), Kind.SAMPLE)


def _join(asked: Question, relation: str, where: Where | None, kind: Kind) -> None:
    if where is not None:
        asked.joins.append({"relation": relation, "scope": {"where": where}})
        asked.applied.add(kind)


def _parameters(query: Query, dialect: Dialect, units: dict[str, str], asked: Question) -> None:
    if not query.parameters or not dialect.parameters:
        return
    each = [_parameter(condition, dialect, units) for condition in query.parameters]
    asked.joins += [{"relation": dialect.parameters, "scope": {"where": where}} for wheres in each for where in wheres]
    if all(each):
        asked.applied.add(Kind.PARAMETER)


def _parameter(condition: ParameterCondition, dialect: Dialect, units: dict[str, str]) -> list[Where]:
    """A condition as the dialect takes it; nothing where it would be answered wrongly."""
    if condition.text:
        return [{"and": [{"name": condition.name}, {"value": condition.text}]}]
    low, high, unit = condition.low, condition.high, condition.unit
    if low is None and high is None:
        return []
    if unit and not dialect.converts_units:
        kept = units.get(condition.name)
        if kept is None:
            return []
        ours, theirs = unit_named(unit, condition.name), unit_named(kept, condition.name)
        if ours is None or theirs is None or ours.dimension != theirs.dimension:
            return []
        low, high = (None if end is None else theirs.from_si(ours.to_si(end)) for end in (low, high))
        unit = kept
    # Each in a condition of its own: SciCat's implementation reads the first value of one only.
    return [
        {"and": [{"name": condition.name}, {"value": value}, *([{"unit": unit}] if unit else [])]}
        for value in _limits(low, high, dialect.parameter_operators)
    ]


def _limits(low: float | None, high: float | None, operators: frozenset[Operator]) -> list[Where]:
    """Limits, both included, by the operators there are. A little too wide, never too narrow."""
    wide_low = -_FAR if low is None else low - abs(low) * _SLACK
    wide_high = _FAR if high is None else high + abs(high) * _SLACK
    if "between" in operators:
        return [{"between": [wide_low, wide_high]}]
    if not {"gt", "lt"} <= operators:
        return []
    above: list[Where] = [] if low is None else [{"gt": math.nextafter(wide_low, -math.inf)}]
    return above + ([] if high is None else [{"lt": math.nextafter(wide_high, math.inf)}])
