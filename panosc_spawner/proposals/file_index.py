"""A file of proposals by person, proposal and instrument, so that a question costs as much as its answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Facility, Role
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
from panosc_spawner.proposals.model import Proposal, Visit


@dataclass(frozen=True)
class Opening:
    """When a proposal's data become open, and whether somebody said so."""

    release: datetime | None = None
    open: bool | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether everybody may see it: what somebody said, else the date."""
        if self.open is not None:
            return self.open
        return self.release is not None and self.release <= now


class Place(NamedTuple):
    """Somebody's place on a proposal. Equal ones are one object: a million rows make some thousands."""

    ref: ProposalRef
    role: Role
    not_before: datetime | None
    ends: datetime | None


@dataclass
class FileIndex:
    """What a file says."""

    proposals: dict[ProposalRef, Proposal] = field(default_factory=dict)
    team: dict[str, list[Place]] = field(default_factory=dict)
    staff: dict[str, list[StaffEntry]] = field(default_factory=dict)
    at_instrument: dict[tuple[str, str], list[ProposalRef]] = field(default_factory=dict)
    openings: dict[ProposalRef, Opening] = field(default_factory=dict)

    def release(self, ref: ProposalRef) -> datetime | None:
        """When a proposal's data become open, if the file says so."""
        opening = self.openings.get(ref)
        return opening.release if opening else None


def build_index(text: str, facilities: Mapping[str, Facility], skipped: Collection[str], *, is_csv: bool) -> FileIndex:
    """Read a file.

    Args:
        text: its content.
        facilities: the ones it may speak of.
        skipped: facilities whose entries are passed over.
        is_csv: CSV, or else TOML.

    Raises:
        FormatError: naming the place. A file that is not understood as a whole is not used at all.
    """
    if not text.strip():
        raise FormatError("is empty")
    builder = _Builder(facilities, skipped, rows_add_up=is_csv)
    for entry in read_csv(text) if is_csv else read_toml(text):
        builder.add(entry)
    return builder.built()


class _Builder:
    def __init__(self, facilities: Mapping[str, Facility], skipped: Collection[str], *, rows_add_up: bool) -> None:
        self._facilities = facilities
        self._skipped = skipped
        self._rows_add_up = rows_add_up
        self._index = FileIndex()
        # By which object an entry is: a CSV's rows share them. They are held here, so that no number is another's later.
        self._added: dict[int, tuple[ProposalEntry, ProposalRef]] = {}
        self._places: dict[Place, Place] = {}
        self._of_terms: dict[tuple[int, ProposalRef], Place] = {}
        self._held: list[MemberEntry] = []

    def add(self, entry: Entry) -> None:
        content = entry.content
        if isinstance(content, StaffEntry):
            if self._facility(entry) is not None:
                for key in _keys(content.person):
                    self._index.staff.setdefault(key, []).append(content)
            return
        added = self._added.get(id(content))
        ref = added[1] if added else self._add_proposal(entry.where, entry, content)
        if ref is None:
            return
        for member in content.team:
            self._add_member(ref, member.person, member)
        if entry.terms:
            self._add_member(ref, entry.person, entry.terms)

    def built(self) -> FileIndex:
        index = self._index
        for person, places in index.team.items():  # a CSV repeats the person with each visit
            index.team[person] = list({id(place): place for place in places}.values())
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

    def _add_proposal(self, where: str, entry: Entry, content: ProposalEntry) -> ProposalRef | None:
        facility = self._facility(entry)
        if facility is None:
            return None
        ref = _ref(where, content, facility)
        known = self._index.proposals.get(ref)
        if known and not self._rows_add_up:
            raise FormatError(f"{where}: {ref} is there twice")
        known = known or Proposal(ref)
        self._index.proposals[ref] = Proposal(
            ref=ref,
            title=known.title or content.title,
            visits=tuple(_unique([*known.visits, *map(_visit, content.visit)])),
            environment=known.environment or content.environment,
        )
        self._note_opening(ref, where, content)
        self._added[id(content)] = (content, ref)
        return ref

    def _note_opening(self, ref: ProposalRef, where: str, content: ProposalEntry) -> None:
        """Rows of one proposal may leave it out, but not disagree: one of two dates would open what the other closes."""
        if content.release is None and content.open is None:
            return
        known = self._index.openings.get(ref, Opening())
        for name, before, now in (("release", known.release, content.release), ("open", known.open, content.open)):
            if before is not None and now is not None and before != now:
                raise FormatError(f"{where}: {ref} has another {name!r} above")
        release = content.release if known.release is None else known.release
        self._index.openings[ref] = Opening(release, content.open if known.open is None else known.open)

    def _add_member(self, ref: ProposalRef, person: str, terms: MemberEntry) -> None:
        key = (id(terms), ref)
        place = self._of_terms.get(key)
        if place is None:
            place = Place(ref, terms.role, terms.not_before, terms.ends)
            place = self._places.setdefault(place, place)
            self._of_terms[key] = place
            self._held.append(terms)
        for one in _keys(person):
            self._index.team.setdefault(one, []).append(place)


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
