"""Proposals and teams from a file, such as a nightly export of the user office. Its forms: :mod:`.file_format`."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from panosc_spawner.errors import IdError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Facility, Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import FileSource as FileRule
from panosc_spawner.identity.person import Person
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

MAX_BYTES = 256 * 1024**2
_EVIDENCE = {
    Role.PI: "listed as main proposer",
    Role.MEMBER: "listed on the team",
    Role.LOCAL_CONTACT: "listed as local contact",
    Role.INSTRUMENT_SCIENTIST: "listed as instrument scientist",
    Role.STAFF: "listed as staff",
    Role.PUBLIC: "listed as open to you",
}


@dataclass
class _Index:
    """A file's content, by person, so that a question costs as much as its answer."""

    proposals: dict[ProposalRef, Proposal] = field(default_factory=dict)
    team: dict[str, list[tuple[ProposalRef, MemberEntry]]] = field(default_factory=dict)
    staff: dict[str, list[StaffEntry]] = field(default_factory=dict)
    at_instrument: dict[tuple[str, str], list[ProposalRef]] = field(default_factory=dict)


class FileProposals:
    """A :class:`~.source.ProposalSource` and :class:`~.source.ProposalDirectory` that reads a TOML or CSV file.

    The file is read in a thread, and again when it changed. Replace it by renaming a new one over it: a half-written file
    is either refused or, at worst, read as the rows it has. People are found by their subject (``voperson_id`` or ``sub``)
    at the site's one issuer.
    """

    def __init__(self, rule: FileRule, site: Site) -> None:
        self.name = rule.name
        self.path = site.folder / rule.path
        self._facilities = {
            key: facility for key, facility in site.facilities.items() if not rule.facilities or key in rule.facilities
        }
        self.facilities = frozenset(self._facilities)
        self._skipped = frozenset(site.facilities) - self.facilities
        self._version: tuple[int, ...] = ()
        self._index = _Index()
        self._refused: tuple[tuple[int, ...], str] = ((), "")
        self._reading: asyncio.Task[_Index] | None = None

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        index = await self._current()
        now = datetime.now(UTC)
        return [*self._as_member(index, person, now), *self._as_staff(index, person, now)]

    async def describe(self, refs: Iterable[ProposalRef]) -> Mapping[ProposalRef, Proposal]:
        """See :class:`~.source.ProposalDirectory`."""
        index = await self._current()
        return {ref: index.proposals[ref] for ref in refs if ref in index.proposals}

    async def check(self) -> str:
        """See :class:`~.source.ProposalSource`."""
        index = await self._current()
        people = len({key.lower() for key in (*index.team, *index.staff)})
        return f"{self.path.name}: {_count(len(index.proposals), 'proposal', 'proposals')}, {_count(people, 'person', 'people')}"

    def _as_member(self, index: _Index, person: Person, now: datetime) -> Iterator[Grant]:
        for ref, member in index.team.get(person.subject, ()):
            yield self._grant(index.proposals[ref], member, _EVIDENCE[member.role], now)

    def _as_staff(self, index: _Index, person: Person, now: datetime) -> Iterator[Grant]:
        for entry in index.staff.get(person.subject, ()):
            instruments = {name.lower() for name in entry.instruments}
            evidence = f"{_EVIDENCE[entry.role]} of {', '.join(entry.instruments)}"
            refs = (ref for name in sorted(instruments) for ref in index.at_instrument.get((entry.facility, name), ()))
            for ref in dict.fromkeys(refs):
                proposal = index.proposals[ref]
                # A proposal may have visits elsewhere; those are not this instrument's to show.
                visits = tuple(visit for visit in proposal.visits if visit.instrument.lower() in instruments)
                yield self._grant(replace(proposal, visits=visits), entry, evidence, now)

    def _grant(self, proposal: Proposal, entry: MemberEntry, evidence: str, now: datetime) -> Grant:
        return Grant(
            proposal=proposal,
            role=entry.role,
            source=self.name,
            evidence=evidence,
            seen_at=now,
            not_before=entry.not_before,
            ends_at=entry.ends,
        )

    async def _current(self) -> _Index:
        """The file's content as it is now. Askers share one read, so that a hanging file system holds one thread."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(asyncio.to_thread(self._read_if_changed))
            self._reading.add_done_callback(_retrieve)
        return await asyncio.shield(self._reading)

    def _read_if_changed(self) -> _Index:
        try:
            with open(self.path, "rb", opener=_without_waiting) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise SourceError(self.name, f"{self.path.name} is not a file")
                version = _version(status)
                if version == self._version:
                    return self._index
                if version == self._refused[0]:
                    raise SourceError(self.name, self._refused[1])
                content = file.read(MAX_BYTES + 1)
                if _version(os.fstat(file.fileno())) != version or len(content) != version[1]:
                    raise SourceError(self.name, f"{self.path.name} changed while it was read, or is too big")
        except OSError as error:
            raise SourceError(self.name, f"{self.path.name} cannot be read: {error.strerror}") from error
        try:
            index = self._build(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise self._refusal(version, f"{self.path.name} is not UTF-8 at byte {error.start}") from error
        except FormatError as error:
            raise self._refusal(version, f"{self.path.name}: {error}") from error
        self._version, self._index = version, index
        return index

    def _refusal(self, version: tuple[int, ...], reason: str) -> SourceError:
        """Remembered until the file changes: to read a big broken one for every page would slow everybody down."""
        self._refused = (version, reason)
        return SourceError(self.name, reason)

    def _build(self, text: str) -> _Index:
        if not text.strip():
            raise FormatError("is empty")
        is_csv = self.path.suffix.lower() == ".csv"
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


def _version(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe, too, at once: one that nobody writes to would hold the source's only reader for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _retrieve(task: asyncio.Task[_Index]) -> None:
    """Look at the outcome, so that a read whose askers all gave up does not warn."""
    if not task.cancelled():
        task.exception()


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
