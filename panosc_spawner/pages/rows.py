"""A person's proposals as the rows of a table: built once for an answer of the sources, then filtered, shown and sent.

The browser filters by the same rules (``static/list.js``); a change here is a change there.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.launch.roles import ROLE_WORDS
from panosc_spawner.pages.words import date_range, day, last_day
from panosc_spawner.proposals.model import Grant

PAGE = 100
"""Rows shown before "show more"."""

_STRENGTH = {role: place for place, role in enumerate(Role)}


class Row(NamedTuple):
    """One proposal, all of it text; sent to the browser as an array in this order."""

    ref: str
    title: str
    instruments: str
    dates: str
    year: str
    role: str
    why: str

    @property
    def facility(self) -> str:
        """The facility's id."""
        return self.ref.partition("/")[0]

    @property
    def id(self) -> str:
        """The proposal's id at its facility."""
        return self.ref.partition("/")[2]


@dataclass(frozen=True)
class Closed:
    """A grant that does not open anything now, and why."""

    ref: ProposalRef
    title: str
    role: str
    source: str
    why: str


@dataclass(frozen=True)
class Query:
    """What the list is narrowed to; as the search form sends it."""

    q: str = ""
    facility: str = ""
    instrument: str = ""
    year: str = ""
    role: str = ""

    @property
    def active(self) -> bool:
        """Whether it narrows anything."""
        return any((self.q.strip(), self.facility, self.instrument, self.year, self.role))


@dataclass(frozen=True)
class Listing:
    """All that a person may open, most recent first, and what they may not open now."""

    rows: tuple[Row, ...]
    closed: tuple[Closed, ...]
    valid_until: datetime | None  # a grant begins or ends then, or its last day begins
    facilities: Mapping[str, str] = field(default_factory=dict)  # id to short name, of all of the site

    @cached_property
    def facets(self) -> dict[str, list[tuple[str, str, int]]]:
        """The values to narrow by: (value, words, number of proposals)."""
        facility = Counter(row.facility for row in self.rows)
        instrument = Counter(name for row in self.rows for name in row.instruments.split(", ") if name)
        year, role = Counter(row.year for row in self.rows if row.year), Counter(row.role for row in self.rows)
        return {
            "facility": [(key, self.facilities.get(key, key), facility[key]) for key in sorted(facility)],
            "instrument": [(name, name, instrument[name]) for name in sorted(instrument, key=str.lower)],
            "year": [(name, name, year[name]) for name in sorted(year, reverse=True)],
            "role": [(words, words, role[words]) for words in ROLE_WORDS.values() if words in role],
        }

    @cached_property
    def by_ref(self) -> dict[str, Row]:
        """The rows by ``<facility>/<id>``."""
        return {row.ref: row for row in self.rows}

    @cached_property
    def encoded(self) -> Encoded:
        """The rows for the browser."""
        body = {"facilities": self.facilities, "rows": self.rows}
        plain = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return Encoded(plain, gzip.compress(plain, compresslevel=1), f'"{hashlib.sha256(plain).hexdigest()[:24]}"')


class Encoded(NamedTuple):
    """The list as it goes over the wire, and its ETag."""

    plain: bytes
    zipped: bytes
    etag: str


def build_listing(grants: Iterable[Grant], site: Site, now: datetime) -> Listing:
    """The strongest right to each proposal that holds now, and those that do not hold.

    A stale grant is listed: the page says that its source did not answer, and opening it asks again.
    """
    best: dict[ProposalRef, Grant] = {}
    shut: dict[ProposalRef, tuple[Grant, str]] = {}
    turns: list[datetime] = []
    for grant in grants:
        turns += [moment for moment in _turns(grant) if moment > now]
        if why := _why_closed(grant, site, now):
            shut.setdefault(grant.ref, (grant, why))
        elif grant.ref not in best or _STRENGTH[grant.role] < _STRENGTH[best[grant.ref].role]:
            best[grant.ref] = grant
    dated = sorted(((_last_day(grant), grant) for grant in best.values()), key=lambda pair: pair[1].ref)
    dated.sort(key=lambda pair: pair[0], reverse=True)
    return Listing(
        rows=tuple(_row(grant, now) for _, grant in dated),
        closed=tuple(
            Closed(ref, grant.proposal.title, ROLE_WORDS[grant.role], grant.source, why)
            for ref, (grant, why) in sorted(shut.items())
            if ref not in best
        ),
        valid_until=min(turns, default=None),
        facilities={key: facility.short_name for key, facility in site.facilities.items()},
    )


def _last_day(grant: Grant) -> date:
    return grant.proposal.end or grant.proposal.start or date.min


def _why_closed(grant: Grant, site: Site, now: datetime) -> str:
    facility = site.facilities.get(grant.ref.facility)
    if facility is None:
        return "This hub does not serve that facility's data."
    if facility.paths is None:
        return f"This hub has not been told where {facility.short_name} keeps its data."
    if grant.not_before and now < grant.not_before:
        return f"Your access begins on {day(grant.not_before)}."
    if grant.ends_at and now >= grant.ends_at:
        return f"Your access ended with {last_day(grant.ends_at)}. Ask the {facility.user_office.name} to extend it."
    return ""


def _turns(grant: Grant) -> Iterator[datetime]:
    """When what a row says changes."""
    if grant.not_before:
        yield grant.not_before
    if grant.ends_at:
        yield grant.ends_at
        yield _last_midnight(grant.ends_at)


def _last_midnight(end: datetime) -> datetime:
    """When the last day begins of something that ends at ``end`` (exclusive)."""
    return (end - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _row(grant: Grant, now: datetime) -> Row:
    proposal = grant.proposal
    first, last = proposal.start, proposal.end
    until = ""
    if grant.ends_at:
        today = "today, " if now >= _last_midnight(grant.ends_at) else ""
        until = f", until {today}{last_day(grant.ends_at)}"
    return Row(
        ref=str(proposal.ref),
        title=proposal.title or proposal.ref.id,
        instruments=", ".join(proposal.instruments),
        dates=date_range(first, last),
        year=str((last or first).year) if last or first else "",  # type: ignore[union-attr]
        role=ROLE_WORDS[grant.role],
        why=f"{grant.source}: {grant.evidence}{until}" if grant.evidence else f"{grant.source}{until}",
    )


def folded(text: str) -> str:
    """Text to search in: lower case, no accents."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return decomposed if decomposed.isascii() else "".join(c for c in decomposed if not unicodedata.combining(c))


def filter_rows(listing: Listing, query: Query) -> list[Row]:
    """The rows that hold every word of the query, and are of the chosen facility, instrument, year and role."""
    words = folded(query.q).split()
    return [row for row in listing.rows if _in_facets(row, query) and _has_words(row, words, listing.facilities)]


def _in_facets(row: Row, query: Query) -> bool:
    return (
        (not query.facility or row.facility == query.facility)
        and (not query.instrument or query.instrument in row.instruments.split(", "))
        and (not query.year or row.year == query.year)
        and (not query.role or row.role == query.role)
    )


def _has_words(row: Row, words: list[str], facilities: Mapping[str, str]) -> bool:
    if not words:
        return True
    name = facilities.get(row.facility, row.facility)
    text = folded(f"{row.title} {row.ref} {name} {row.instruments} {row.dates} {row.role}")
    # MA-1234 finds ma1234, as people write it both ways.
    return all(word in text or (_plain(word) and _plain(word) in _plain(row.id.lower())) for word in words)


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


class Listings:
    """The listings of the people who were here last, so that a page and its list are built once for one answer."""

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._kept: OrderedDict[str, tuple[tuple[Grant, ...], Listing]] = OrderedDict()

    def get(self, username: str, grants: tuple[Grant, ...], site: Site, now: datetime) -> Listing:
        """The listing of these grants; the same object as long as the answer and its meaning are the same."""
        if kept := self._kept.get(username):
            known, listing = kept
            if not (listing.valid_until and now >= listing.valid_until) and _say_the_same(known, grants):
                self._kept.move_to_end(username)
                return listing
        listing = build_listing(grants, site, now)
        self._kept[username] = (grants, listing)
        self._kept.move_to_end(username)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return listing


def _say_the_same(known: tuple[Grant, ...], grants: tuple[Grant, ...]) -> bool:
    """Whether two answers make the same rows: all but when they were seen. Mostly it is the same objects."""
    return len(known) == len(grants) and all(
        a is b
        or (
            (a.proposal is b.proposal or a.proposal == b.proposal)
            and (a.role, a.source, a.evidence, a.not_before, a.ends_at)
            == (b.role, b.source, b.evidence, b.not_before, b.ends_at)
        )
        for a, b in zip(known, grants, strict=True)
    )
