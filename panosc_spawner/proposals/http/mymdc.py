"""myMdC (European XFEL): a person's proposals by their number there.

Routes and fields as read in ``metadata_client`` 4.2.2 (PyPI) and in DAMNIT's clients and tests: ``POST oauth/token`` with
``client_credentials``; headers ``accept: application/json; version=1`` and ``X-User-Email`` (of the application's account);
``GET api/users/{id}/proposals`` answers ``[{proposal_id, proposal_number}]``; ``GET api/proposals/by_number/{n}`` has ``number``,
``title``, ``def_proposal_path``, ``instrument_identifier``, ``instrument_cycle_id``, ``principal_investigator_id``,
``main_proposer_id``, ``local_contact_id``, ``beamtime_start_at``, ``begin_at``, ``release_at``; ``GET api/instrument_cycles/{id}``
has ``identifier``. Lists have pages (``page``, ``page_size``, ``X-Total-Pages``).

``def_proposal_path`` is ``/gpfs/exfel/exp/FXE/202331/p900390/raw`` or ``/gpfs/exfel/d/raw/XMPL/202550/p700005``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import Field, SecretStr

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.http_source_rules import MyMdcSource
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.http.base import HttpProposals, all_of
from panosc_spawner.proposals.http.client import HttpStatusError
from panosc_spawner.proposals.http.fields import Exact, Item, Moment, Number, Text, read, read_list
from panosc_spawner.proposals.http.grants import Entry
from panosc_spawner.proposals.http.recent import Recent
from panosc_spawner.proposals.http.too_much import TooMuchError, about_one_person
from panosc_spawner.proposals.model import Grant, Proposal, Visit
from panosc_spawner.secret_file import read_secret

PAGE = 100
AT_A_TIME = 6  # requests for proposals of one person
_PROPOSAL_SECONDS = 300.0
_CYCLE_SECONDS = 24 * 3600.0
_EARLY = 30.0  # seconds before the end of a token from which it is not used any more


class _Token(Item):
    access_token: Exact
    expires_in: Number = 0


class _Membership(Item):
    proposal_number: Number | None  # must be there; null for what has no number yet


class _Cycle(Item):
    identifier: Text


class _Proposal(Item):
    number: Number
    title: Text = ""
    path: Text = Field(default="", alias="def_proposal_path")
    instrument: Text = Field(default="", alias="instrument_identifier")
    cycle_id: Number | None = Field(default=None, alias="instrument_cycle_id")
    principal_investigator_id: Number | None = None
    main_proposer_id: Number | None = None
    local_contact_id: Number | None = None
    local_data_contact_id: Number | None = None
    beamtime_start: Moment = Field(default=None, alias="beamtime_start_at")
    beamtime_end: Moment = Field(default=None, alias="beamtime_end_at")
    begin: Moment = Field(default=None, alias="begin_at")
    end: Moment = Field(default=None, alias="end_at")


class MyMdcProposals(HttpProposals):
    """A :class:`~panosc_spawner.proposals.source.ProposalSource` and :class:`~panosc_spawner.proposals.source.ProposalDirectory`."""

    def __init__(self, rule: MyMdcSource, site: Site) -> None:
        super().__init__(rule, site)
        self._rule = rule
        self._secret = read_secret(site.folder / rule.client_secret_file, "client secret")
        self._facility = rule.facility
        self._token: tuple[SecretStr, float] | None = None
        self._getting_token = asyncio.Lock()
        self._proposals: Recent[tuple[_Proposal, Visit]] = Recent(_PROPOSAL_SECONDS, size=5000)
        self._cycles: Recent[str] = Recent(_CYCLE_SECONDS, size=1000)

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        seen_at = datetime.now(UTC)
        entries = []
        for key in await self.keys_of(self._rule.person, person):
            user = _user_id(key)
            if user is None:
                raise PersonalSourceError(self.name, "your number there is not a number, so it is not asked for")
            with about_one_person():
                numbers = await self._numbers(user)
            found = await all_of((partial(self._proposal, number) for number in numbers), AT_A_TIME)
            entries += [self._entry(proposal, visit, user) for proposal, visit in found]
        return self.desk.grants(entries, seen_at)

    async def describe(self, refs: Iterable[ProposalRef]) -> Mapping[ProposalRef, Proposal]:
        """See :class:`~panosc_spawner.proposals.source.ProposalDirectory`."""
        known: dict[ProposalRef, Proposal] = {}
        for ref in refs:
            digits = ref.id.lstrip("pP").lstrip("0")
            if ref.facility != self._facility or not digits.isascii() or not digits.isdigit():
                continue
            try:
                proposal, visit = await self._proposal(int(digits))
            except HttpStatusError as error:
                if error.status != 404:
                    raise
                continue
            known[ref] = Proposal(ref, proposal.title, (visit,))
        return known

    async def check(self) -> str:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        await self._ask("me")
        return f"answers to the application of {self._rule.service_email}"

    async def _numbers(self, user: int) -> list[int]:
        """The numbers of somebody's proposals, page by page until one brings nothing new.

        Whether this list has pages is not written anywhere: where it has none, the second page is the first again.
        """
        found: dict[int, None] = {}
        limit = self._rule.max_items
        for page in range(1, limit + 2):
            try:
                answer = await self._ask(
                    "users", str(user), "proposals", query={"page": str(page), "page_size": str(PAGE)}
                )
            except HttpStatusError as error:
                if error.status != 404 or page > 1:
                    raise
                raise PersonalSourceError(self.name, "it does not know the number that you are linked to") from None
            rows = read_list(_Membership, answer, self.name, limit)
            fresh = {row.proposal_number: None for row in rows if row.proposal_number is not None}
            if not fresh.keys() - found.keys():
                return list(found)
            found |= fresh
            if len(found) > limit:
                break
        raise TooMuchError(self.name, f"it lists more than {limit} proposals (max_items)")

    async def _proposal(self, number: int) -> tuple[_Proposal, Visit]:
        return await self._proposals.get(number, lambda: self._look_up(number))

    async def _look_up(self, number: int) -> tuple[_Proposal, Visit]:
        proposal = read(_Proposal, await self._ask("proposals", "by_number", str(number)), self.name)
        if proposal.number != number:
            raise SourceError(self.name, "it answered for another proposal")
        return proposal, await self._visit(proposal)

    async def _visit(self, proposal: _Proposal) -> Visit:
        """Instrument and cycle from its own path where that is one of the facility's, else from the cycle's record."""
        start = self.day(proposal.beamtime_start or proposal.begin)
        end = self.day(proposal.beamtime_end or proposal.end)
        ref = self.desk.ref(str(proposal.number))
        on_disk = self.desk.visit_at(ref, proposal.path) if ref else None
        if on_disk is not None:
            return Visit(on_disk.instrument or proposal.instrument, start, end, on_disk.fields)
        fields = {}
        if proposal.cycle_id is not None and proposal.cycle_id > 0:  # myMdC's own tests have proposals of cycle -1
            fields["cycle"] = await self._cycle(proposal.cycle_id)
        return Visit(proposal.instrument, start, end, fields)

    async def _cycle(self, cycle_id: int) -> str:
        async def ask() -> str:
            return read(_Cycle, await self._ask("instrument_cycles", str(cycle_id)), self.name).identifier

        return await self._cycles.get(cycle_id, ask)

    def _entry(self, proposal: _Proposal, visit: Visit, user: int) -> Entry:
        if user in (proposal.principal_investigator_id, proposal.main_proposer_id):
            pi = user == proposal.principal_investigator_id
            role, evidence = Role.PI, "listed as principal investigator" if pi else "listed as main proposer"
        elif user in (proposal.local_contact_id, proposal.local_data_contact_id):
            role, evidence = Role.LOCAL_CONTACT, "listed as local contact"
        else:
            role, evidence = Role.MEMBER, "listed on the team"
        return Entry(str(proposal.number), role, evidence, proposal.title, visit)

    async def _ask(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        token = await self._current_token()
        try:
            return await self._get(token, path, query)
        except HttpStatusError as error:
            if error.status != 401:
                raise
        async with self._getting_token:
            if self._token is not None and self._token[0] is token:
                self._token = None  # it was withdrawn before its time; try once with another
        return await self._get(await self._current_token(), path, query)

    async def _get(self, token: SecretStr, path: tuple[str, ...], query: Mapping[str, str] | None) -> Any:
        headers: dict[str, str | SecretStr] = {
            "Accept": "application/json; version=1",
            "X-User-Email": self._rule.service_email,
            "Authorization": SecretStr(f"Bearer {token.get_secret_value()}"),
        }
        return await self.client.get("api", *path, query=query, headers=headers)

    async def _current_token(self) -> SecretStr:
        async with self._getting_token:
            if self._token is None or time.monotonic() >= self._token[1]:
                begun = time.monotonic()
                form = {
                    "grant_type": "client_credentials",
                    "client_id": self._rule.client_id,
                    "client_secret": self._secret,
                }
                token = read(_Token, await self.client.post("oauth", "token", form=form), self.name)
                if not token.access_token.isascii() or not token.access_token.isprintable():
                    raise SourceError(self.name, "its answer is not as expected: access_token")
                self._token = (SecretStr(token.access_token), begun + max(0.0, token.expires_in - _EARLY))
            return self._token[0]


def _user_id(key: str) -> int | None:
    return int(key) if key.isascii() and key.isdigit() and len(key) <= 12 and not key.startswith("0") else None
