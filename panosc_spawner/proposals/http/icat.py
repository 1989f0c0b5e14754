"""ICAT over its REST interface: investigations, and who is what in them.

Protocol: ``POST session`` with the form field ``json``; ``GET entityManager?sessionId=&query=`` answers a list of
``{"InvestigationUser": {…}}``; a session that is over is 403 ``{"code": "SESSION", …}``, and the message repeats its id (read
in icat.server and in the tests of datagateway-api). ``INCLUDE iu.investigation.…`` with dotted paths, then ``LIMIT skip, count``,
as ISIS' clients and python-icat write them. ICAT answers with what the account may read, and with an empty list where it may
read nothing: with ``session = "account"``, an empty list counts only if the table is not empty for that account.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import Field, SecretStr

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.http_source_rules import IcatSource
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.proposals.credentials import TokenBroker
from panosc_spawner.proposals.http import icat_queries as queries
from panosc_spawner.proposals.http.base import listed_as, role_named
from panosc_spawner.proposals.http.client import HttpStatusError
from panosc_spawner.proposals.http.fields import Exact, Item, Number, Text, read
from panosc_spawner.proposals.http.grants import Entry
from panosc_spawner.proposals.http.icat_common import PAGE, IcatCommon, IcatInvestigation
from panosc_spawner.proposals.http.sessions import Session, SessionOverError
from panosc_spawner.proposals.http.too_much import TooMuchError


class _Login(Item):
    session_id: Exact = Field(alias="sessionId")


class _WhoseSession(Item):
    user_name: Exact = Field(alias="userName")


class _Instrument(Item):
    id: Number
    name: Text = ""


class _AtInstrument(Item):
    instrument: _Instrument


class _User(Item):
    name: Exact


class _Row(Item):
    id: Number


class _Investigation(IcatInvestigation):
    instruments: tuple[_AtInstrument, ...] = Field(default=(), alias="investigationInstruments")


class _Member(_Row):
    role: Text = ""
    user: _User
    investigation: _Investigation


class _Scientist(_Row):
    user: _User
    instrument: _Instrument


class _Beamtime(_Row):
    instrument: _Instrument
    investigation: _Investigation


R = TypeVar("R", bound=_Row | _Investigation)


class IcatProposals(IcatCommon):
    """A :class:`~panosc_spawner.proposals.source.ProposalSource`."""

    def __init__(self, rule: IcatSource, site: Site, *, broker: TokenBroker) -> None:
        super().__init__(rule, site, broker=broker)
        self._token_field = rule.token_field

    async def check(self) -> str:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        if not self.by_account:
            await self.client.get("version")
            return "answers; it is asked in people's own names"
        counted = await self.as_account(self._count_members)
        if not counted:
            raise SourceError(self.name, self._blind())
        return f"{counted} memberships, asked as {self.rule.username}"

    async def log_in_account(self) -> Session:
        """See :class:`~.icat_common.IcatCommon`."""
        password = self.password.get_secret_value()
        return await self._log_in([{"username": self.rule.username}, {"password": password}])

    async def log_in_person(self, token: SecretStr) -> Session:
        """See :class:`~.icat_common.IcatCommon`."""
        return await self._log_in([{self._token_field: token.get_secret_value()}])

    async def as_member(self, session: Session, user: str) -> list[Entry]:
        """See :class:`~.icat_common.IcatCommon`."""
        members = await self._rows(session, _Member, "InvestigationUser", queries.members(user))
        if not members and self.by_account and not await self._count_members(session):
            raise SourceError(self.name, self._blind())
        entries = []
        for member in members:
            self._expect(user, member.user)
            role = role_named(member.role, self.rule.roles)
            entries += self._entries(member.investigation, role, listed_as(member.role, role))
        return entries

    async def as_scientist(self, session: Session, user: str) -> list[Entry]:
        """See :class:`~.icat_common.IcatCommon`."""
        rows = await self._rows(session, _Scientist, "InstrumentScientist", queries.scientists(user))
        for row in rows:
            self._expect(user, row.user)
        ids = tuple(sorted({row.instrument.id for row in rows}))
        if not ids:
            return []
        key = ids if self.by_account else (ids, user)  # a person may not see what another may
        return await self.shared.get(key, lambda: self._at_instruments(session, ids))

    async def released(self, session: Session) -> list[Entry]:
        """See :class:`~.icat_common.IcatCommon`."""
        assert self.rule.open_data is not None  # noqa: S101 - asked only then
        query = queries.released(self.today() - self.rule.open_data, self.today())
        rows = await self._rows(session, _Investigation, "Investigation", query)
        return [
            entry
            for row in rows
            if self.is_open(row)
            for entry in self._entries(row, Role.PUBLIC, self.open_since(row))
        ]

    async def _log_in(self, credentials: list[dict[str, str]]) -> Session:
        """Open a session, and ask whose it is: the account is the one that ICAT took the credentials for."""
        form = SecretStr(json.dumps({"plugin": self.rule.plugin, "credentials": credentials}))
        personal = not self.by_account
        answer = await self.client.post("session", form={"json": form}, personal=personal)
        session_id = SecretStr(read(_Login, answer, self.name).session_id)
        whose = read(_WhoseSession, await self.client.get("session", session_id, personal=personal), self.name)
        return Session(session_id, whose.user_name)

    async def _at_instruments(self, session: Session, ids: tuple[int, ...]) -> list[Entry]:
        query = queries.at_instruments(ids, self.today() - self.rule.instrument_window)
        rows = await self._rows(session, _Beamtime, "InvestigationInstrument", query)
        return [
            self.entry(
                row.investigation,
                row.instrument.name,
                Role.INSTRUMENT_SCIENTIST,
                f"listed as instrument scientist of {row.instrument.name}",
            )
            for row in rows
            if row.instrument.id in ids
        ]

    def _entries(self, investigation: _Investigation, role: Role, evidence: str) -> list[Entry]:
        names = [at.instrument.name for at in investigation.instruments] or [""]
        return [self.entry(investigation, name, role, evidence) for name in names]

    def _expect(self, user: str, answered: _User) -> None:
        if answered.name != user:
            raise SourceError(self.name, "it answered for somebody else")

    async def _rows(self, session: Session, model: type[R], entity: str, query: str) -> list[R]:
        """All rows of a query that sorts by id, page by page until one is empty."""
        found: dict[int, R] = {}
        limit = self.rule.max_items
        while len(found) <= limit:
            answer = await self._ask(session, queries.page(query, len(found), PAGE))
            page = self._unwrapped(answer, model, entity)
            if not page:
                return list(found.values())
            before = len(found)
            found.update((row.id, row) for row in page)
            if len(found) < before + len(page):
                raise SourceError(self.name, "its list changed while it was read, or repeats itself")
        raise TooMuchError(self.name, f"it lists more than {limit} entries (max_items)")

    async def _count_members(self, session: Session) -> int:
        answer = await self._ask(session, queries.COUNT_MEMBERS)
        if not isinstance(answer, list) or len(answer) != 1 or type(answer[0]) is not int:
            raise SourceError(self.name, "its answer is not as expected: no count")
        return int(answer[0])

    async def _ask(self, session: Session, query: str) -> Any:
        try:
            return await self.client.get(
                "entityManager", query={"sessionId": session.id, "query": query}, personal=not self.by_account
            )
        except HttpStatusError as error:
            if error.status in (401, 403) and isinstance(error.answer, dict) and error.answer.get("code") == "SESSION":
                raise SessionOverError from None
            raise

    def _unwrapped(self, answer: Any, model: type[R], entity: str) -> list[R]:
        if not isinstance(answer, list):
            raise SourceError(self.name, "its answer is not as expected: no list")
        rows = []
        for row in answer:
            if not isinstance(row, dict) or set(row) != {entity}:
                raise SourceError(self.name, f"its answer is not as expected: no {entity}")
            rows.append(read(model, row[entity], self.name))
        return rows

    def _blind(self) -> str:
        return f"the account {self.rule.username} may not read there who is on which investigation"
