"""What the names of a person's groups mean: a proposal, an instrument, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from panosc_spawner.errors import IdError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Facility, Role
from panosc_spawner.facilities.table_source_rules import GroupRule, GroupSource
from panosc_spawner.proposals.gently import gently
from panosc_spawner.proposals.model import Grant, Proposal
from panosc_spawner.proposals.source import InstrumentDirectory

_INSTRUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
MAX_KEPT = 200_000


@dataclass(frozen=True)
class Meaning:
    """Of one group's name."""

    role: Role
    proposal: ProposalRef | None = None
    instrument: str = ""


class GroupNames:
    """Reads names of groups by a facility's patterns. A name means a proposal only if it is the one name of that proposal."""

    def __init__(self, rules: Sequence[GroupRule], facility: Facility) -> None:
        self._rules = tuple(rules)
        self._facility = facility
        self._known: dict[str, Meaning | None] = {}

    def meaning(self, name: str) -> Meaning | None:
        """What a name means; None: nothing."""
        if name not in self._known:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[name] = next((found for rule in self._rules if (found := self._read(rule, name))), None)
        return self._known[name]

    def _read(self, rule: GroupRule, name: str) -> Meaning | None:
        before, field, after = re.split(r"\{(\w+)\}", rule.group)
        if not (name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)):
            return None
        text = name[len(before) : len(name) - len(after)]
        if field == "instrument":
            return (
                Meaning(rule.role, instrument=text)
                if _INSTRUMENT.fullmatch(text) and _cased(rule, text) == text
                else None
            )
        try:
            canonical = self._facility.proposals.normalise(text) if self._facility.proposals else ""
        except IdError:
            return None
        # Or MA-1234, ma-1234 and ma1234 would be three groups of one proposal, and the easiest to join would do.
        if not canonical or before + _cased(rule, canonical) + after != name:
            return None
        return Meaning(rule.role, proposal=ProposalRef(self._facility.id, canonical))


class GroupRights:
    """From the names of a person's groups to rights."""

    def __init__(
        self, rule: GroupSource, name: str, facility: Facility, instruments: Callable[[], InstrumentDirectory | None]
    ) -> None:
        self._name = name
        self._facility = facility
        self._instruments = instruments
        self.names = GroupNames(rule.groups, facility)

    async def grants(self, groups: Iterable[str]) -> list[Grant]:
        """The rights of somebody in these groups.

        Raises:
            SourceError: if the proposals of an instrument cannot be looked up.
        """
        now = datetime.now(UTC)
        found: list[Grant] = []
        staff: dict[Role, dict[str, str]] = {}
        for name in dict.fromkeys(groups):
            meaning = self.names.meaning(name)
            if meaning is None:
                continue
            if meaning.proposal:
                found.append(self._grant(Proposal(meaning.proposal), meaning.role, name, now))
            else:
                staff.setdefault(meaning.role, {})[meaning.instrument.lower()] = name
        for role, groups_of in staff.items():
            async for proposal in gently(await self._at(groups_of)):
                mine = tuple(visit for visit in proposal.visits if visit.instrument.lower() in groups_of)
                if mine:
                    group = groups_of[mine[0].instrument.lower()]
                    found.append(self._grant(replace(proposal, visits=mine), role, group, now))
        return found

    async def _at(self, instruments: Iterable[str]) -> Sequence[Proposal]:
        directory = self._instruments()
        if directory is None:
            raise SourceError(self._name, "no source says which proposals an instrument had")
        return await directory.at_instruments(self._facility.id, frozenset(instruments))

    def _grant(self, proposal: Proposal, role: Role, group: str, now: datetime) -> Grant:
        return Grant(proposal, role, self._name, f"you are in the group {group}", now)


def _cased(rule: GroupRule, text: str) -> str:
    return {"keep": text, "lower": text.lower(), "upper": text.upper()}[rule.case]
