"""SciCat: the proposals that the person's own groups may see.

Routes and fields as read in SciCatProject/backend: ``src/proposals/proposals.controller.ts`` (``GET proposals?filters=``, whose
list is of the groups of who asks, and of everything for an administrator), ``dto/update-proposal.dto.ts``
(``MeasurementPeriodList``, ``instrumentIds``), ``schemas/measurement-period.schema.ts``, ``src/auth/auth.controller.ts``
(``GET auth/whoami``, ``POST auth/oidc/token`` with ``idToken``), ``src/auth/strategies/jwt.strategy.ts`` (``currentGroups`` are
the ones of the last login there).

``GET proposals/{pid}/datasets`` gave everybody every dataset until 5.2.1 (GHSA-pxvj-88j3-82p8). Nothing here asks for it, and
nothing here puts a value from outside into a path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, SecretStr

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.http_source_rules import SciCatSource
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.credentials import TokenBroker
from panosc_spawner.proposals.http.base import HttpProposals
from panosc_spawner.proposals.http.client import HttpStatusError
from panosc_spawner.proposals.http.fields import Exact, Item, Moment, Text, Words, read, read_list
from panosc_spawner.proposals.http.grants import Entry
from panosc_spawner.proposals.http.recent import Recent
from panosc_spawner.proposals.http.too_much import TooMuchError, about_one_person
from panosc_spawner.proposals.model import Grant, Visit

PAGE = 100
MAX_GROUPS_TEXT = 3000  # characters; an address must not become too long


class _Login(Item):
    access_token: Exact


class _Me(Item):
    username: Exact
    current_groups: Words = Field(alias="currentGroups")


class _Period(Item):
    instrument: Text = ""
    start: Moment = None
    end: Moment = None


class _Proposal(Item):
    proposal_id: Exact = Field(alias="proposalId")
    owner_group: Text = Field(default="", alias="ownerGroup")
    access_groups: Words = Field(default=(), alias="accessGroups")
    title: Text = ""
    start: Moment = Field(default=None, alias="startTime")
    end: Moment = Field(default=None, alias="endTime")
    periods: tuple[_Period, ...] | None = Field(default=(), alias="MeasurementPeriodList")
    instruments: Words = Field(default=(), alias="instrumentIds")


class SciCatProposals(HttpProposals):
    """A :class:`~panosc_spawner.proposals.source.ProposalSource`."""

    def __init__(self, rule: SciCatSource, site: Site, *, broker: TokenBroker) -> None:
        super().__init__(rule, site)
        self._rule = rule
        self._broker = broker
        self._own_tokens: Recent[SecretStr] = Recent(rule.login_again.total_seconds(), size=2000)
        self._ignored = frozenset(rule.ignored_groups) | {""}

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        keys = await self.keys_of(self._rule.person, person)
        names = frozenset(self._rule.user.replace("{key}", key) for key in keys)
        if not names:
            return []
        token = await self.token_of(self._broker, person, self._rule.audience)
        seen_at = datetime.now(UTC)
        try:
            found = await self._listed(person, token, names)
        except HttpStatusError as error:
            if error.status != 401 or self._rule.login == "bearer":
                raise
            self._own_tokens.forget(_one_login(person, token))  # SciCat's own token ran out
            found = await self._listed(person, token, names)
        return self.desk.grants(found, seen_at)

    async def check(self) -> str:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`.

        Without a person's token SciCat lists published proposals only, so this shows that it answers, and no more.
        """
        answer = await self.client.get("proposals", query={"filters": _filters(0, 1)})
        read_list(_Proposal, answer, self.name, self._rule.max_items)
        return "answers; what people may see it tells only to their own login"

    async def _listed(self, person: Person, token: SecretStr, names: frozenset[str]) -> list[Entry]:
        credentials = {"Authorization": await self._bearer(person, token)}
        answer = await self.client.get("auth", "whoami", headers=credentials, personal=True)
        me = read(_Me, answer, self.name)
        if me.username not in names:
            raise PersonalSourceError(self.name, "it takes your login for another account than yours")
        groups = frozenset(group.strip() for group in me.current_groups) - self._ignored
        with about_one_person():
            proposals = await self._pages(credentials, groups) if groups else []
        return [entry for proposal in proposals for entry in self._entries(proposal, groups)]

    async def _bearer(self, person: Person, token: SecretStr) -> SecretStr:
        if self._rule.login == "oidc-token":
            token = await self._own_tokens.get(_one_login(person, token), lambda: self._exchange(token))
        return SecretStr(f"Bearer {token.get_secret_value()}")

    async def _exchange(self, token: SecretStr) -> SecretStr:
        answer = await self.client.post("auth", "oidc", "token", payload={"idToken": token}, personal=True)
        own = read(_Login, answer, self.name).access_token
        if not own.isascii() or not own.isprintable() or not own:
            raise SourceError(self.name, "its answer is not as expected: access_token")
        return SecretStr(own)

    async def _pages(self, credentials: dict[str, SecretStr], groups: frozenset[str]) -> list[_Proposal]:
        """All pages, sorted, until one is empty: a short page may be the server's own smaller limit and not the end."""
        found: dict[str, _Proposal] = {}
        limit = self._rule.max_items
        for _ in range(limit + 1):
            answer = await self.client.get(
                "proposals", query={"filters": _filters(len(found), PAGE, groups)}, headers=credentials, personal=True
            )
            page = read_list(_Proposal, answer, self.name, limit)
            if not page:
                return list(found.values())
            before = len(found)
            found.update((proposal.proposal_id, proposal) for proposal in page)
            if len(found) < before + len(page):
                raise SourceError(self.name, "its list changed while it was read, or repeats itself")
            if len(found) > limit:
                break
        raise TooMuchError(self.name, f"it lists more than {limit} proposals (max_items)")

    def _entries(self, proposal: _Proposal, groups: frozenset[str]) -> list[Entry]:
        """None if none of the person's groups is the proposal's: SciCat shows administrators everything."""
        own = sorted(groups & {proposal.owner_group, *(group.strip() for group in proposal.access_groups)})
        if not own:
            return []
        role, group = min(((self._role(group), group) for group in own), key=lambda item: list(Role).index(item[0]))
        evidence = f"you are in the group {group}"
        visits: list[Visit | None] = [*self._visits(proposal)] or [None]
        return [Entry(proposal.proposal_id, role, evidence, proposal.title, visit) for visit in visits]

    def _role(self, group: str) -> Role:
        if group in self._rule.roles:
            return self._rule.roles[group]
        endings = (
            (name[1:], role) for name, role in self._rule.roles.items() if name.startswith("*") and len(name) > 1
        )
        return next((role for ending, role in endings if group.endswith(ending)), Role.MEMBER)

    def _visits(self, proposal: _Proposal) -> list[Visit]:
        if proposal.periods:
            return [
                Visit(_instrument(period.instrument), self.day(period.start), self.day(period.end))
                for period in proposal.periods
            ]
        start, end = self.day(proposal.start), self.day(proposal.end)
        return [Visit(_instrument(name), start, end) for name in proposal.instruments]


def _instrument(text: str) -> str:
    """Instruments are also written as paths: '/PSI/SLS/TOMCAT' (measurement-period.schema.ts)."""
    return text.rstrip("/").rpartition("/")[2]


def _filters(skip: int, limit: int, groups: frozenset[str] = frozenset()) -> str:
    """The question. The groups only spare SciCat from sending an administrator everything; what counts is checked here."""
    filters: dict[str, Any] = {"limits": {"skip": skip, "limit": limit, "order": "proposalId:asc"}}
    if groups and sum(map(len, groups)) < MAX_GROUPS_TEXT:
        any_of = {"$in": sorted(groups)}
        filters["where"] = {"$or": [{"ownerGroup": any_of}, {"accessGroups": any_of}]}
    return json.dumps(filters, separators=(",", ":"))


def _one_login(person: Person, token: SecretStr) -> tuple[str, str, str]:
    digest = hashlib.sha256(token.get_secret_value().encode()).hexdigest()
    return (person.issuer, person.subject, digest)
