"""Proposals and teams from a file, such as a nightly export of the user office. Its forms: :mod:`.file_format`."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import FileSource as FileRule
from panosc_spawner.facilities.watched_file import UnusableFileError, WatchedFile
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.person_keys import NoKey, person_keys
from panosc_spawner.proposals.file_index import FileIndex, build_index
from panosc_spawner.proposals.gently import gently
from panosc_spawner.proposals.model import Grant, Proposal

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
        self._open: tuple[FileIndex | None, float, list[Grant]] = (None, 0.0, [])

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        keys = await person_keys(self._rule.person, person, self._site)
        if isinstance(keys, NoKey) and keys.failed:
            raise SourceError(self.name, keys.reason)
        index = await self._current()
        now = datetime.now(UTC)
        found = [*self._open_to_all(index, now)]
        for key in () if isinstance(keys, NoKey) else keys:
            found += [grant async for grant in gently(self._as_member(index, key, now))]
            found += [grant async for grant in gently(self._as_staff(index, key, now))]
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
        opened = sum(opening.is_open(now) for opening in index.openings.values())
        open_words = f", {opened} of them open" if opened else ""
        if opened and not self._rule.open_data:
            open_words += " (to nobody: open_data is not set)"
        return f"{self._file.path.name}: {proposals}{open_words}, {_count(people, 'person', 'people')}"

    def _as_member(self, index: FileIndex, key: str, now: datetime) -> Iterator[Grant]:
        for place in index.team.get(key, ()):
            ref, role, not_before, ends = place
            if self._rule.team_until_open:
                ends = _earlier(ends, index.release(ref))
            yield Grant(index.proposals[ref], role, self.name, _EVIDENCE[role], now, not_before, ends)

    def _as_staff(self, index: FileIndex, key: str, now: datetime) -> Iterator[Grant]:
        for entry in index.staff.get(key, ()):
            evidence = f"{_EVIDENCE[entry.role]} of {', '.join(entry.instruments)}"
            for proposal in _at(index, entry.facility, {name.lower() for name in entry.instruments}):
                yield Grant(proposal, entry.role, self.name, evidence, now, entry.not_before, entry.ends)

    def _open_to_all(self, index: FileIndex, now: datetime) -> Sequence[Grant]:
        """Rights that everybody has: made once a second for all who ask, the latest ones first."""
        if not self._rule.open_data:
            return ()
        of, at, grants = self._open
        if of is not index or time.monotonic() - at > OPEN_SECONDS:
            opened = [(ref, opening.release) for ref, opening in index.openings.items() if opening.is_open(now)]
            opened.sort(key=lambda one: one[1] or _EVER, reverse=True)
            grants = [
                Grant(index.proposals[ref], Role.PUBLIC, self.name, "open to everybody", now, release)
                for ref, release in ((ref, release if release and release <= now else None) for ref, release in opened)
            ][: self._rule.open_limit]
            self._open = (index, time.monotonic(), grants)
        return grants

    async def _current(self) -> FileIndex:
        try:
            return await self._file.current()
        except UnusableFileError as error:
            raise SourceError(self.name, str(error)) from error

    def _build(self, text: str) -> FileIndex:
        is_csv = self._file.path.suffix.lower() == ".csv"
        return build_index(text, self._facilities, self._skipped, is_csv=is_csv)


def _at(index: FileIndex, facility: str, instruments: set[str]) -> Iterator[Proposal]:
    """The proposals of instruments (in lower case). Visits elsewhere are not these instruments' to show."""
    refs = (ref for name in sorted(instruments) for ref in index.at_instrument.get((facility, name), ()))
    for ref in dict.fromkeys(refs):
        proposal = index.proposals[ref]
        visits = tuple(visit for visit in proposal.visits if visit.instrument.lower() in instruments)
        yield replace(proposal, visits=visits)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
