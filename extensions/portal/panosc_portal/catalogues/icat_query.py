"""A question as ICAT's query language (JPQL). Pure: text in, text out.

ICAT's REST interface has no parameters for a query, so values stand in its text. A value with any other character than
those of :data:`_SAFE` is not asked at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from panosc_portal.catalogues.model import Availability, Kind, ParameterCondition, Query
from panosc_portal.catalogues.panosc_filter import MAX_TECHNIQUES, pid_spellings
from panosc_portal.catalogues.words import words_of
from panosc_portal.quantities import unit
from panosc_spawner import panet

# Letters of any script, digits, and signs that mean nothing in JPQL and in LIKE: no quote, backslash, %, _, ':', '{'.
_SAFE = re.compile(r"[\w .,/@+#()=-]{1,200}")
_INCLUDE = (
    "INCLUDE ds.investigation.investigationInstruments.instrument, ds.investigation.investigationUsers.user, ds.sample, "
    "ds.parameters.type, ds.datasetTechniques.technique"
)
_SLACK = 1e-9


@dataclass
class DatasetQuery:
    """Joins and conditions on ``Dataset ds``."""

    joins: list[str] = field(default_factory=lambda: ["JOIN ds.investigation inv"])
    where: list[str] = field(default_factory=list)
    applied: frozenset[Kind] = frozenset()

    def rows(self, skip: int, limit: int) -> str:
        """One page, newest first."""
        return (
            f"SELECT DISTINCT ds {self._from()} ORDER BY ds.startDate DESC, ds.id {_INCLUDE} LIMIT {skip:d}, {limit:d}"
        )

    def count(self) -> str:
        """How many."""
        return f"SELECT COUNT(DISTINCT ds) {self._from()}"

    def _from(self) -> str:
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"FROM Dataset ds {' '.join(self.joins)}{where}"

    def add(self, kind: Kind, conditions: Sequence[str], joins: Sequence[str] = ()) -> None:
        """Conditions that must all hold. If one of them could not be said (empty), none is."""
        if conditions and all(conditions):
            self.where += conditions
            self.joins += joins
            self.applied |= {kind}


def dataset_query(query: Query, units: Mapping[str, str], now: datetime) -> DatasetQuery:
    """What of a question is asked.

    Args:
        query: the question.
        units: in which ICAT keeps a parameter, by its name.
        now: for what is released.
    """
    asked = DatasetQuery()
    words = [_like(word) for word in words_of(query.text)]
    asked.add(Kind.TEXT, [_any_of(("ds.name", "inv.title", "inv.summary"), word) for word in words])
    if query.pid:
        asked.add(Kind.PID, [_named(query.pid)])
    if query.instruments:
        names = [_text(name.lower()) for name in query.instruments]
        joins = ("JOIN inv.investigationInstruments ii", "JOIN ii.instrument ins")
        asked.add(Kind.INSTRUMENT, [f"LOWER(ins.name) IN ({', '.join(names)})" if all(names) else ""], joins)
    ids = panet.beneath(query.techniques)
    if ids and len(ids) <= MAX_TECHNIQUES and all(panet.ids_named(one) for one in query.techniques):
        pids = [*(f"'{panet.purl(one)}'" for one in sorted(ids)), *(f"'{one}'" for one in sorted(ids))]
        asked.add(
            Kind.TECHNIQUE, [f"te.pid IN ({', '.join(pids)})"], ("JOIN ds.datasetTechniques dt", "JOIN dt.technique te")
        )
    if query.sample:
        samples = [_like(word) for word in words_of(query.sample)]
        asked.add(Kind.SAMPLE, [_any_of(("s.name",), word) for word in samples], ("JOIN ds.sample s",))
    _years(query, asked)
    if set(query.availability) == {Availability.OPEN}:
        asked.add(Kind.AVAILABILITY, [f"inv.releaseDate <= {_stamp(now)}"])
    elif query.availability and not {Availability.OPEN, Availability.UNKNOWN} & set(query.availability):
        asked.where.append(f"(inv.releaseDate > {_stamp(now)} OR inv.releaseDate IS NULL)")
    _parameters(query, units, asked)
    return asked


def of_dataset(pid: str) -> DatasetQuery | None:
    """One data set, by its number or DOI; None if it is neither."""
    condition = _named(pid)
    return DatasetQuery(where=[condition]) if condition else None


def _named(pid: str) -> str:
    if re.fullmatch(r"\d{1,18}", pid.strip(), re.ASCII):
        return f"ds.id = {int(pid)}"
    # An address has a colon, which is not said; the DOI in it can be.
    texts = [text for spelt in pid_spellings(pid) if (text := _text(spelt.lower()))]
    listed = ", ".join(texts)
    return f"(LOWER(ds.doi) IN ({listed}) OR LOWER(inv.doi) IN ({listed}))" if texts else ""


def _years(query: Query, asked: DatasetQuery) -> None:
    first, last = query.years
    low = [f"ds.startDate >= {{ts {min(max(first, 1800), 2999)}-01-01 00:00:00}}"] if first is not None else []
    high = [f"ds.startDate < {{ts {min(max(last, 1800), 2999) + 1}-01-01 00:00:00}}"] if last is not None else []
    asked.add(Kind.YEARS, low + high)


def _parameters(query: Query, units: Mapping[str, str], asked: DatasetQuery) -> None:
    conditions, joins = [], []
    for number, one in enumerate(query.parameters[:8]):
        conditions.append(_parameter(one, f"p{number}", f"t{number}", units))
        joins += [f"JOIN ds.parameters p{number}", f"JOIN p{number}.type t{number}"]
    asked.add(Kind.PARAMETER, conditions, joins)


def _parameter(one: ParameterCondition, value: str, kind: str, units: Mapping[str, str]) -> str:
    name = _text(one.name)
    if not name:
        return ""
    if one.text:
        text = _text(one.text)
        return f"{kind}.name = {name} AND {value}.stringValue = {text}" if text else ""
    low, high, kept = one.low, one.high, units.get(one.name, "")
    if one.unit:
        ours, theirs = unit(one.unit, one.name), unit(kept, one.name)
        if not kept or ours is None or theirs is None or ours.dimension != theirs.dimension:
            return ""
        low, high = (None if end is None else theirs.from_si(ours.to_si(end)) for end in (low, high))
    ends = [(">=", low, -_SLACK), ("<=", high, _SLACK)]
    limits = [
        f"{value}.numericValue {sign} {_number(end + abs(end) * by)}" for sign, end, by in ends if end is not None
    ]
    return " AND ".join([f"{kind}.name = {name}", *limits]) if limits else ""


def _number(value: float) -> str:
    """A number as JPQL reads it; nothing that is none gets here, and if so, it finds nothing."""
    return f"{value:.15g}" if math.isfinite(value) else "0 AND 1 = 0"


def _any_of(fields: Sequence[str], pattern: str) -> str:
    return f"({' OR '.join(f'LOWER({name}) LIKE {pattern}' for name in fields)})" if pattern else ""


def _like(word: str) -> str:
    text = _text(word.lower())
    return f"'%{text[1:-1]}%'" if text and "_" not in text else ""


def _text(value: str) -> str:
    """A value as a JPQL string; empty if it has a character that could be read as anything else."""
    return f"'{value}'" if _SAFE.fullmatch(value) else ""


def _stamp(moment: datetime) -> str:
    return f"{{ts {moment:%Y-%m-%d %H:%M:%S}}}"
