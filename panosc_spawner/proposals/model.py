"""Proposals, and people's rights to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role


@dataclass(frozen=True)
class Visit:
    """One beamtime of a proposal: where and when. ``fields`` are the source's own values for path templates (``cycle``)."""

    instrument: str
    start: date | None = None
    end: date | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def path_fields(self) -> dict[str, str]:
        """Values for a facility's path templates: instrument, date (YYYYMMDD), year, and the source's own, which win."""
        known = {"instrument": self.instrument}
        if self.start:
            known |= {"date": f"{self.start:%Y%m%d}", "year": f"{self.start:%Y}"}
        return {name: value for name, value in (known | dict(self.fields)).items() if value}


@dataclass(frozen=True)
class Proposal:
    """An accepted experiment, with canonical id."""

    ref: ProposalRef
    title: str = ""
    visits: tuple[Visit, ...] = ()
    environment: str = ""  # suggested by the source; must be one of the facility's to count

    @property
    def instruments(self) -> tuple[str, ...]:
        """Its instruments, each once, in the order of the visits."""
        return tuple(dict.fromkeys(visit.instrument for visit in self.visits if visit.instrument))

    @property
    def start(self) -> date | None:
        """First day of its first visit."""
        return min((visit.start for visit in self.visits if visit.start), default=None)

    @property
    def end(self) -> date | None:
        """Last day of its last visit."""
        return max((day for visit in self.visits if (day := visit.end or visit.start)), default=None)


@dataclass(frozen=True, slots=True)  # the book keeps some 200 for each of 5000 people
class Grant:
    """One person's right to one proposal.

    ``source`` and ``evidence`` say why in words for the person ("ESRF user office list", "listed as main proposer");
    ``seen_at`` is when the source last said so. The right holds from ``not_before`` until ``ends_at`` (exclusive), if set.
    All times have a zone. ``confirmed`` is false where its source failed just now and this is its last good answer: such a
    right is shown, and makes no new mount.

    No right is without an end: one that its source does not say again is over ``access.max_grant_age`` after ``seen_at``
    (:meth:`until`), also where the source names no end.
    """

    proposal: Proposal
    role: Role
    source: str
    evidence: str
    seen_at: datetime
    not_before: datetime | None = None
    ends_at: datetime | None = None
    confirmed: bool = True

    @property
    def ref(self) -> ProposalRef:
        """The proposal it is for."""
        return self.proposal.ref

    @property
    def since(self) -> datetime:
        """From when it holds: what the source says, else since it was seen."""
        return self.not_before or self.seen_at

    def until(self, max_age: timedelta) -> datetime:
        """When it ends (exclusive): as its source says, or because nobody confirmed it for ``max_age``; the earlier one."""
        unconfirmed = self.seen_at + max_age
        return min(self.ends_at, unconfirmed) if self.ends_at else unconfirmed


@dataclass(frozen=True)
class SourceOutcome:
    """How one source answered: its grants count, or why it did not answer."""

    source: str
    asked_at: datetime
    grants: int = 0
    error: str = ""  # empty: it answered
    stale_since: datetime | None = None  # set when the last good answer is shown instead


@dataclass(frozen=True)
class GrantReport:
    """All that a site's sources say about one person now."""

    grants: tuple[Grant, ...]
    outcomes: tuple[SourceOutcome, ...]
