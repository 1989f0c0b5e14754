"""ICAT+ (ESRF): investigations, one a beamtime, with their users.

Protocol as generated from its own OpenAPI description into PyPI's ``icat-plus-client`` 5.7.4: ``POST /session`` with ``plugin``,
``username``, ``password`` answers ``sessionId`` and ``name``; ``GET /catalogue/{sessionId}/investigation`` takes ``filter``
(``participant``, ``instrumentscientist``, ``released``), ``username`` ("user.name prefix"), ``startDate``, ``instrumentName``,
``limit``, ``skip``, and says in ``meta.page.total`` how many there are; an investigation has ``investigationUsers`` of ``{role,
user: {name}}``, else ``…/investigation/id/{id}/investigationusers`` has them; ``…/user/name/{name}/instrumentscientist``.

``username`` finds by prefix and ``participant`` is "where user has reading permissions", which is more than a team: so a
membership counts only where exactly this user is among the investigation's users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, SecretStr

from panosc_spawner.errors import SourceError
from panosc_spawner.facilities.model import Role
from panosc_spawner.proposals.http.base import listed_as, role_named
from panosc_spawner.proposals.http.client import HttpStatusError
from panosc_spawner.proposals.http.fields import Exact, Item, Number, Text, read, read_list
from panosc_spawner.proposals.http.grants import Entry
from panosc_spawner.proposals.http.icat_common import PAGE, IcatCommon, IcatInvestigation
from panosc_spawner.proposals.http.sessions import Session, SessionOverError
from panosc_spawner.proposals.http.too_much import TooMuchError


class _Login(Item):
    session_id: Exact = Field(alias="sessionId")
    name: Exact


class _User(Item):
    name: Exact


class _Member(Item):
    role: Text = ""
    user: _User


class _ListedMember(Item):
    name: Exact
    role: Text = ""


class _Instrument(Item):
    name: Text = ""


class _Scientist(Item):
    instrument: _Instrument


class _Page(Item):
    total: Number


class _Meta(Item):
    page: _Page | None = None


class _Investigation(IcatInvestigation):
    instrument: _Instrument | None = None
    members: tuple[_Member, ...] | None = Field(default=None, alias="investigationUsers")
    meta: _Meta | None = None

    @property
    def at(self) -> str:
        """Its instrument's name."""
        return self.instrument.name if self.instrument else ""


class IcatPlusProposals(IcatCommon):
    """A :class:`~panosc_spawner.proposals.source.ProposalSource`."""

    async def check(self) -> str:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        if not self.by_account:
            return "asked in people's own names only; nothing can be tried without a login"
        await self.as_account(self._sees_something)
        return f"lists investigations, asked as {self.rule.username}"

    async def log_in_account(self) -> Session:
        """See :class:`~.icat_common.IcatCommon`."""
        return await self._log_in(self.rule.username, self.password)

    async def log_in_person(self, token: SecretStr) -> Session:
        """See :class:`~.icat_common.IcatCommon`."""
        return await self._log_in("", token)

    async def as_member(self, session: Session, user: str) -> list[Entry]:
        """See :class:`~.icat_common.IcatCommon`."""
        found = await self._pages(session, {"username": user} if self.by_account else {"filter": "participant"})
        if not found and self.by_account:
            await self._sees_something(session)  # else "none" could mean that the account may see nothing
        entries = []
        for one in found:
            for member in await self._members(session, one):
                if member.user.name == user:
                    role = role_named(member.role, self.rule.roles)
                    entries.append(self.entry(one, one.at, role, listed_as(member.role, role)))
        return entries

    async def as_scientist(self, session: Session, user: str) -> list[Entry]:
        """See :class:`~.icat_common.IcatCommon`."""
        since = f"{self.today() - self.rule.instrument_window:%Y-%m-%d}"
        if not self.by_account:
            return self._scientist_entries(
                await self._pages(session, {"filter": "instrumentscientist", "startDate": since})
            )
        answer = await self._ask(session, "user", "name", user, "instrumentscientist")
        rows = read_list(_Scientist, answer, self.name, self.rule.max_items)
        names = sorted({row.instrument.name for row in rows if row.instrument.name})
        if any("," in name for name in names):
            raise SourceError(self.name, "an instrument's name has a comma, so it cannot be asked for")

        async def at_instruments() -> list[Entry]:
            found = await self._pages(session, {"instrumentName": ",".join(names), "startDate": since})
            return self._scientist_entries([one for one in found if one.at in names])

        return await self.shared.get(tuple(names), at_instruments) if names else []

    async def released(self, session: Session) -> list[Entry]:
        """See :class:`~.icat_common.IcatCommon`."""
        assert self.rule.open_data is not None  # noqa: S101 - asked only then
        since = f"{self.today() - self.rule.open_data:%Y-%m-%d}"
        found = await self._pages(session, {"filter": "released", "startDate": since})
        return [self.entry(one, one.at, Role.PUBLIC, self.open_since(one)) for one in found if self.is_open(one)]

    async def _log_in(self, username: str, secret: SecretStr) -> Session:
        answer = await self.client.post(
            "session",
            payload={"plugin": self.rule.plugin, "username": username, "password": secret},
            personal=not self.by_account,
        )
        login = read(_Login, answer, self.name)
        return Session(SecretStr(login.session_id), login.name)

    async def _sees_something(self, session: Session) -> None:
        answer = await self._ask(session, "investigation", query={"limit": "1", "skip": "0"})
        if not read_list(_Investigation, answer, self.name, self.rule.max_items):
            raise SourceError(self.name, f"the account {self.rule.username} sees no investigation at all")

    async def _members(self, session: Session, investigation: _Investigation) -> tuple[_Member, ...]:
        if investigation.members is not None:
            return investigation.members
        answer = await self._ask(session, "investigation", "id", str(investigation.id), "investigationusers")
        listed = read_list(_ListedMember, answer, self.name, self.rule.max_items)
        return tuple(_Member(role=member.role, user=_User(name=member.name)) for member in listed)

    def _scientist_entries(self, found: Sequence[_Investigation]) -> list[Entry]:
        words = "listed as instrument scientist of"
        return [
            self.entry(one, one.at, Role.INSTRUMENT_SCIENTIST, f"{words} {one.at or 'its instrument'}") for one in found
        ]

    async def _pages(self, session: Session, question: dict[str, str]) -> list[_Investigation]:
        """All pages, until one is empty; as many as the service says there are, where it says so."""
        found: dict[int, _Investigation] = {}
        limit = self.rule.max_items
        total = None
        while len(found) <= limit:
            query = {**question, "limit": str(PAGE), "skip": str(len(found))}
            page = read_list(_Investigation, await self._ask(session, "investigation", query=query), self.name, limit)
            if not page:
                if total not in (None, len(found)):
                    raise SourceError(self.name, f"it lists {len(found)} of {total} investigations")
                return list(found.values())
            before = len(found)
            found.update((one.id, one) for one in page)
            if len(found) < before + len(page):
                raise SourceError(self.name, "its list changed while it was read, or repeats itself")
            total = next((one.meta.page.total for one in page if one.meta and one.meta.page), total)
        raise TooMuchError(self.name, f"it lists more than {limit} entries (max_items)")

    async def _ask(self, session: Session, *path: str, query: dict[str, str] | None = None) -> Any:
        try:
            return await self.client.get(
                "catalogue", session.id, *path, query=query or {}, personal=not self.by_account
            )
        except HttpStatusError as error:
            if error.status in (401, 403):
                raise SessionOverError from None
            raise
