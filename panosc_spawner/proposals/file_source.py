"""Proposals and teams from a file, such as a nightly export of the user office. Its forms: :mod:`.file_format`."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from panosc_spawner.errors import IdError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Facility, Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import FileSource as FileRule
from panosc_spawner.facilities.watched_file import UnusableFileError, WatchedFile
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.person_keys import NoKey, person_keys
from panosc_spawner.proposals.file_format import (
    Entry,
    FormatError,
    MemberEntry,
    ProposalEntry,
    StaffEntry,
    VisitEntry,
    read_csv,
    read_toml,
)
from panosc_spawner.proposals.model import Grant, Proposal, Visit

OPEN_SECONDS = 1.0
_EVER = datetime.min.replace(tzinfo=UTC)
_EVIDENCE = {
    Role.PI: "listed as main proposer",
    Role.MEMBER: "listed on the team",
    Role.LOCAL_CONTACT: "listed as local contact",
    Role.INSTRUMENT_SCIENTIST: "listed as instrument scientist",
    Role.STAFF: "listed as staff",
    Role.PUBLIC: "listed as open to you",
}


@dataclass(frozen=True)
class _Opening:
    """When a proposal's data become open, and whether somebody said so."""

    release: datetime | None = None
    open: bool | None = None


@dataclass
class _Index:
    """A file's content, by person, so that a question costs as much as its answer."""

    proposals: dict[ProposalRef, Proposal] = field(default_factory=dict)
    team: dict[str, list[tuple[ProposalRef, MemberEntry]]] = field(default_factory=dict)
    staff: dict[str, list[StaffEntry]] = field(default_factory=dict)
    at_instrument: dict[tuple[str, str], list[ProposalRef]] = field(default_factory=dict)
    openings: dict[ProposalRef, _Opening] = field(default_factory=dict)


class FileProposals:
    """A :class:`~.source.ProposalSource` that reads a TOML or CSV file, and knows proposals and instruments for other sources.

    The file is read in a thread, and again when it changed. Replace it by renaming a new one over it: a half-written file
    is either refused or, at worst, read as the rows it has.
    """

    def __init__(self, rule: FileRule, site: Site) -> None:
        self.name = rule.name
        self._rule = rule
        self._site = site
        self._facilities = {
            key: facility for key, facility in site.facilities.items() if not rule.facilities or key in rule.facilities
        }
        self.facilities = frozenset(self._facilities)
        self._skipped = frozenset(site.facilities) - self.facilities
        self._file = WatchedFile(site.folder / rule.path, self._build)
        self._open: tuple[_Index | None, float, list[Grant]] = (None, 0.0, [])

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        keys = await person_keys(self._rule.person, person, self._site)
        if isinstance(keys, NoKey) and keys.failed:
            raise SourceError(self.name, keys.reason)
        index = await self._current()
        now = datetime.now(UTC)
        found = [*self._open_to_all(index, now)]
        for key in () if isinstance(keys, NoKey) else keys:
            found += self._as_member(index, key, now)
            found += self._as_staff(index, key, now)
        return found

    async def describe(self, refs: Iterable[ProposalRef]) -> Mapping[ProposalRef, Proposal]:
        """See :class:`~.source.ProposalDirectory`."""
        index = await self._current()
        return {ref: index.proposals[ref] for ref in refs if ref in index.proposals}

    async def at_instruments(self, facility: str, instruments: Collection[str]) -> Sequence[Proposal]:
        """See :class:`~.source.InstrumentDirectory`."""
        return list(_at(await self._current(), facility, {name.lower() for name in instruments}))

    async def check(self) -> str:
        """See :class:`~.source.ProposalSource`."""
        index = await self._current()
        people = len({key.lower() for key in (*index.team, *index.staff)})
        proposals = _count(len(index.proposals), "proposal", "proposals")
        now = datetime.now(UTC)
        opened = sum(_is_open(opening, now) for opening in index.openings.values())
        open_words = f", {opened} of them open" if opened else ""
        if opened and not self._rule.open_data:
            open_words += " (to nobody: open_data is not set)"
        return f"{self._file.path.name}: {proposals}{open_words}, {_count(people, 'person', 'people')}"

    def _as_member(self, index: _Index, key: str, now: datetime) -> Iterator[Grant]:
        for ref, member in index.team.get(key, ()):
            yield self._grant(index.proposals[ref], member, _EVIDENCE[member.role], now, self._end(index, ref, member))

    def _end(self, index: _Index, ref: ProposalRef, member: MemberEntry) -> datetime | None:
        release = index.openings[ref].release if self._rule.team_until_open and ref in index.openings else None
        ends = [end for end in (member.ends, release) if end]
        return min(ends, default=None)

    def _as_staff(self, index: _Index, key: str, now: datetime) -> Iterator[Grant]:
        for entry in index.staff.get(key, ()):
            evidence = f"{_EVIDENCE[entry.role]} of {', '.join(entry.instruments)}"
            for proposal in _at(index, entry.facility, {name.lower() for name in entry.instruments}):
                yield self._grant(proposal, entry, evidence, now, entry.ends)

    def _open_to_all(self, index: _Index, now: datetime) -> Sequence[Grant]:
        """Rights that everybody has: made once a second for all who ask, the latest ones first."""
        if not self._rule.open_data:
            return ()
        of, at, grants = self._open
        if of is not index or time.monotonic() - at > OPEN_SECONDS:
            opened = [(ref, opening.release) for ref, opening in index.openings.items() if _is_open(opening, now)]
            opened.sort(key=lambda one: one[1] or _EVER, reverse=True)
            grants = [
                Grant(index.proposals[ref], Role.PUBLIC, self.name, "open to everybody", now, release)
                for ref, release in ((ref, release if release and release <= now else None) for ref, release in opened)
            ][: self._rule.open_limit]
            self._open = (index, time.monotonic(), grants)
        return grants

    def _grant(
        self, proposal: Proposal, entry: MemberEntry, evidence: str, now: datetime, ends: datetime | None
    ) -> Grant:
        return Grant(proposal, entry.role, self.name, evidence, now, entry.not_before, ends)

    async def _current(self) -> _Index:
        try:
            return await self._file.current()
        except UnusableFileError as error:
            raise SourceError(self.name, str(error)) from error

    def _build(self, text: str) -> _Index:
        if not text.strip():
            raise FormatError("is empty")
        is_csv = self._file.path.suffix.lower() == ".csv"
        index = _Index()
        for entry in read_csv(text) if is_csv else read_toml(text):
            facility = self._facility(entry)
            if facility is None:
                continue
            if isinstance(entry.content, StaffEntry):
                for key in _keys(entry.content.person):
                    index.staff.setdefault(key, []).append(entry.content)
            else:
                _add_proposal(index, _ref(entry.where, entry.content, facility), entry, rows_add_up=is_csv)
        for ref, proposal in index.proposals.items():
            for instrument in {name.lower() for name in proposal.instruments}:
                index.at_instrument.setdefault((ref.facility, instrument), []).append(ref)
        return index

    def _facility(self, entry: Entry) -> Facility | None:
        name = entry.content.facility
        if name in self._skipped:
            return None
        if name not in self._facilities:
            known = ", ".join(sorted(self._facilities))
            raise FormatError(f"{entry.where}: facility {name!r} is not one of this site's ({known})")
        return self._facilities[name]


def _at(index: _Index, facility: str, instruments: set[str]) -> Iterator[Proposal]:
    """The proposals of instruments (in lower case). Visits elsewhere are not these instruments' to show."""
    refs = (ref for name in sorted(instruments) for ref in index.at_instrument.get((facility, name), ()))
    for ref in dict.fromkeys(refs):
        proposal = index.proposals[ref]
        visits = tuple(visit for visit in proposal.visits if visit.instrument.lower() in instruments)
        yield replace(proposal, visits=visits)


def _is_open(opening: _Opening, now: datetime) -> bool:
    if opening.open is not None:
        return opening.open
    return opening.release is not None and opening.release <= now


def _note_opening(index: _Index, ref: ProposalRef, where: str, content: ProposalEntry) -> None:
    """Rows of one proposal may leave it out, but not disagree: one of two dates would open what the other closes."""
    if content.release is None and content.open is None:
        return
    known = index.openings.get(ref, _Opening())
    for name, before, now in (("release", known.release, content.release), ("open", known.open, content.open)):
        if before is not None and now is not None and before != now:
            raise FormatError(f"{where}: {ref} has another {name!r} above")
    release = content.release if known.release is None else known.release
    index.openings[ref] = _Opening(release, content.open if known.open is None else known.open)


def _add_proposal(index: _Index, ref: ProposalRef, entry: Entry, *, rows_add_up: bool) -> None:
    content = entry.content
    assert isinstance(content, ProposalEntry)  # noqa: S101 - for the type checker
    known = index.proposals.get(ref)
    if known and not rows_add_up:
        raise FormatError(f"{entry.where}: {ref} is there twice")
    known = known or Proposal(ref)
    index.proposals[ref] = Proposal(
        ref=ref,
        title=known.title or content.title,
        visits=tuple(_unique([*known.visits, *map(_visit, content.visit)])),
        environment=known.environment or content.environment,
    )
    _note_opening(index, ref, entry.where, content)
    for member in content.team:
        for key in _keys(member.person):
            places = index.team.setdefault(key, [])
            if (ref, member) not in places[-8:]:  # a CSV repeats the person with each visit
                places.append((ref, member))


def _ref(where: str, entry: ProposalEntry, facility: Facility) -> ProposalRef:
    if facility.proposals is None:
        raise FormatError(f"{where}: {facility.short_name}'s file has no [proposals] table, so its ids cannot be read")
    try:
        return ProposalRef(facility.id, facility.proposals.normalise(entry.proposal))
    except IdError as error:
        raise FormatError(f"{where}: {error}") from error


def _visit(entry: VisitEntry) -> Visit:
    fields = ({"cycle": entry.cycle} if entry.cycle else {}) | entry.fields
    return Visit(entry.instrument, entry.start, entry.end, fields)


def _unique(visits: Iterable[Visit]) -> Iterator[Visit]:
    seen: list[Visit] = []
    for visit in visits:
        if visit not in seen:
            seen.append(visit)
            yield visit


def _keys(person: str) -> set[str]:
    """What a person is found by. A scoped identifier means the same in any case (voperson_id); another does not."""
    return {person, person.lower()} if "@" in person else {person}


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
