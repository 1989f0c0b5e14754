"""From a database's rows to rights. The same rows come again and again, for one person after another: they are read once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import IdRule, ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.table_source_rules import SqlSource as SqlRule
from panosc_spawner.proposals.model import Grant, Proposal, Visit
from panosc_spawner.proposals.sql_queries import Row, read_row

MAX_KEPT = 200_000
"""Rows, ids and proposals that are kept read; some 100 MB at most."""
log = logging.getLogger(__name__)

_EVIDENCE = {
    Role.PI: "listed as main proposer",
    Role.MEMBER: "listed on the experiment's team",
    Role.LOCAL_CONTACT: "local contact of {instruments}",
    Role.INSTRUMENT_SCIENTIST: "instrument scientist of {instruments}",
    Role.STAFF: "staff of {instruments}",
    Role.PUBLIC: "open to everybody",
}


@dataclass(frozen=True)
class _Right:
    """A right of nobody yet: all of a grant but when it was seen."""

    proposal: Proposal
    evidence: str
    not_before: datetime | None
    ends: datetime | None


class RowRights:
    """Reads rows, and makes one right for each proposal and role of them. Several threads may use it."""

    def __init__(self, rule: SqlRule, ids: IdRule | None) -> None:
        self._rule = rule
        self._ids = ids
        self._zone = ZoneInfo(rule.time_zone)
        self._refs: dict[str, ProposalRef | None] = {}
        self._rows: dict[tuple[tuple[str, ...], tuple[Any, ...]], Row] = {}
        self._rights: dict[tuple[Role, tuple[Row, ...]], _Right] = {}

    def read(self, names: tuple[str, ...], values: Iterable[Sequence[Any]]) -> Iterator[Row]:
        """The rows, read strictly.

        Raises:
            RowError: naming the column.
        """
        if len(self._rows) > MAX_KEPT:
            self._rows, self._rights = {}, {}
        for cells in values:
            key = (names, tuple(cells))
            row = self._rows.get(key)
            if row is None:
                row = self._rows[key] = read_row(names, cells, self._zone)
            yield row

    def grants(self, rows: Iterable[Row], by_default: Role, now: datetime) -> Iterator[Grant]:
        """The rights that rows give; ``by_default`` is the role where a row has no word for it."""
        of: dict[tuple[ProposalRef, Role], list[Row]] = {}
        for row in rows:
            role, ref = self._role(row.role, by_default), self._ref(row.proposal)
            if role is not None and ref is not None:
                of.setdefault((ref, role), []).append(row)
        for (ref, role), visits in of.items():
            key = (role, tuple(visits))
            right = self._rights.get(key)
            if right is None:
                right = self._rights[key] = self._right(ref, role, visits)
            yield Grant(right.proposal, role, self._rule.name, right.evidence, now, right.not_before, right.ends)

    def _right(self, ref: ProposalRef, role: Role, rows: Sequence[Row]) -> _Right:
        visits = tuple(dict.fromkeys(visit for row in rows for visit in _visits(row)))
        proposal = Proposal(
            ref,
            next((row.title for row in rows if row.title), ""),
            tuple(Visit(*visit[:3], {"cycle": visit[3]} if visit[3] else {}) for visit in visits),
            next((row.environment for row in rows if row.environment), ""),
        )
        instruments = ", ".join(proposal.instruments) or "its instrument"
        return _Right(proposal, _EVIDENCE[role].format(instruments=instruments), *self._window(role, proposal, rows))

    def _window(self, role: Role, proposal: Proposal, rows: Sequence[Row]) -> tuple[datetime | None, datetime | None]:
        """From the rows' own moments (the widest of several), and from the rule's distances to the visits."""
        if role is Role.PUBLIC:
            return max((row.public_at for row in rows if row.public_at), default=None), None
        begins = (
            []
            if any(row.not_before is None for row in rows)
            else [min(row.not_before for row in rows if row.not_before)]
        )
        ends = [] if any(row.ends is None for row in rows) else [max(row.ends for row in rows if row.ends)]
        rule = self._rule
        if rule.before_start is not None and proposal.start:
            begins.append(datetime.combine(proposal.start, time(), self._zone) - rule.before_start)
        if rule.after_end is not None and proposal.end:
            ends.append(datetime.combine(proposal.end + timedelta(days=1), time(), self._zone) + rule.after_end)
        if rule.team_until_open and role in (Role.PI, Role.MEMBER):
            ends += [row.public_at for row in rows[:1] if row.public_at]
        return (
            max(begins).astimezone(UTC) if begins else None,
            min(ends).astimezone(UTC) if ends else None,
        )

    def _role(self, word: str, by_default: Role | None) -> Role | None:
        if not word:
            return by_default
        word = word.lower()
        if self._rule.roles:
            return self._rule.roles.get(word)
        return Role(word) if word in tuple(Role) else None

    def _ref(self, text: str) -> ProposalRef | None:
        """The proposal of an id as the database writes it; None for text that is none (tests, old numbers)."""
        if text not in self._refs:
            if len(self._refs) >= MAX_KEPT:
                self._refs.clear()
            self._refs[text] = self._read_id(text)
        return self._refs[text]

    def _read_id(self, text: str) -> ProposalRef | None:
        try:
            return ProposalRef(self._rule.facility, self._ids.normalise(text)) if self._ids else None
        except IdError as error:
            log.info("%s: a proposal is left out: %.200s", self._rule.name, error)
            return None


def _visits(row: Row) -> Iterable[tuple[str, Any, Any, str]]:
    if row.instrument or row.start or row.cycle:
        yield row.instrument, row.start, row.end, row.cycle
