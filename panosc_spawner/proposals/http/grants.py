"""From what a catalogue lists, beamtime by beamtime, to one grant a proposal and role."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Facility, Role
from panosc_spawner.facilities.paths import PathMap, TemplateError
from panosc_spawner.proposals.model import Grant, Proposal, Visit

log = logging.getLogger(__name__)
_TEAM = (Role.PI, Role.MEMBER)


@dataclass(frozen=True)
class Entry:
    """One line of a catalogue's list: somebody is something to a proposal, or to one of its beamtimes."""

    id: str  # as the catalogue writes it
    role: Role
    evidence: str
    title: str = ""
    visit: Visit | None = None
    not_before: datetime | None = None


class Desk:
    """Makes a facility's grants.

    A beamtime is an entry of its own in ICAT. Those of one proposal are one grant with several visits, where the person is
    on the team (then the strongest role counts for all of them); as local contact or instrument scientist somebody sees
    just the visits at which they are that. An id that is not one of the facility's is left out, with a line in the log:
    catalogues hold tests and calibrations, too.
    """

    def __init__(self, source: str, facility: Facility) -> None:
        self.source = source
        self._facility = facility
        self._told: set[str] = set()
        self._paths: PathMap | None
        try:
            self._paths = PathMap(facility)
        except TemplateError:
            self._paths = None  # ids without paths: nothing can be mounted, and the launch step says why

    def grants(self, entries: Iterable[Entry], seen_at: datetime) -> list[Grant]:
        """The grants, in the order of the list."""
        together: dict[tuple[ProposalRef, str, datetime | None], list[Entry]] = {}
        for entry in entries:
            ref = self.ref(entry.id)
            if ref is not None:
                kind = "team" if entry.role in _TEAM else entry.role
                together.setdefault((ref, kind, entry.not_before), []).append(entry)
        return [self._grant(ref, same, seen_at) for (ref, _, _), same in together.items()]

    def ref(self, text: str) -> ProposalRef | None:
        """The proposal that a catalogue means, if it is one of the facility's."""
        rule = self._facility.proposals
        try:
            if rule is None:
                raise IdError(f"{self._facility.short_name}'s file has no [proposals] table")
            return ProposalRef(self._facility.id, rule.normalise(text.strip()))
        except IdError as error:
            if len(self._told) < 100 and str(error) not in self._told:
                self._told.add(str(error))
                log.info("%s: an entry is left out: %.200s", self.source, error)
            return None

    def visit_at(self, ref: ProposalRef, path: str) -> Visit | None:
        """The visit that a path in the catalogue names, if it is one of this proposal's.

        The path is input: it only tells the fields (instrument, cycle) that the facility's own template is then rendered
        with. It may begin at another mount point than ours, so leading directories are left out one by one.
        """
        if self._paths is None or not path.startswith("/") or len(path) > 1000:
            return None
        parts = [part for part in path.split("/") if part]
        for start in range(min(len(parts), 10)):
            below = "/".join(parts[start:])
            for root in dict.fromkeys(["", *(str(self._paths.root(area)) for area in self._facility.areas)]):
                found = self._paths.locate(f"{root}/{below}")
                if found is not None and found.ref == ref:
                    fields = dict(found.fields)
                    return Visit(fields.pop("instrument", ""), fields=fields)
        return None

    def _grant(self, ref: ProposalRef, same: list[Entry], seen_at: datetime) -> Grant:
        strongest = min(same, key=lambda entry: list(Role).index(entry.role))
        return Grant(
            proposal=Proposal(
                ref=ref,
                title=next((entry.title for entry in same if entry.title), ""),
                visits=_visits(same),
            ),
            role=strongest.role,
            source=self.source,
            evidence=strongest.evidence,
            seen_at=seen_at,
            not_before=strongest.not_before,
        )


def _visits(same: list[Entry]) -> tuple[Visit, ...]:
    seen: list[Visit] = []
    for entry in same:
        if entry.visit is not None and entry.visit not in seen:
            seen.append(entry.visit)
    return tuple(seen)
