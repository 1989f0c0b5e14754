"""What ICAT and ICAT+ have in common: sessions, in a person's name or an account's, and three ways to see an investigation."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import Field, SecretStr

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.http_source_rules import IcatPlusSource, IcatSource
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.proposals.credentials import TokenBroker
from panosc_spawner.proposals.http.base import HttpProposals
from panosc_spawner.proposals.http.fields import Exact, Item, Moment, Number, Text, with_zone
from panosc_spawner.proposals.http.grants import Entry
from panosc_spawner.proposals.http.icat_queries import quoted_name
from panosc_spawner.proposals.http.recent import Recent
from panosc_spawner.proposals.http.sessions import Session, SessionOverError, Sessions
from panosc_spawner.proposals.http.too_much import about_one_person
from panosc_spawner.proposals.model import Grant, Visit
from panosc_spawner.secret_file import read_secret

PAGE = 200
_SHARED_SECONDS = 15.0  # what an instrument's investigations are, and which are open, does not depend on who asks
_ACCOUNT_SESSION, _PERSON_SESSION = 3600.0, 300.0
T = TypeVar("T")


class IcatInvestigation(Item):
    """One beamtime of a proposal: ``name`` is the proposal's id."""

    id: Number
    name: Exact
    visit_id: Text = Field(default="", alias="visitId")
    title: Text = ""
    doi: Text = ""
    start: Moment = Field(default=None, alias="startDate")
    end: Moment = Field(default=None, alias="endDate")
    release: Moment = Field(default=None, alias="releaseDate")


class IcatCommon(HttpProposals, ABC):
    """The base of both sources."""

    def __init__(self, rule: IcatSource | IcatPlusSource, site: Site, *, broker: TokenBroker) -> None:
        super().__init__(rule, site)
        self.rule = rule
        self.by_account = rule.session == "account"
        self.password = (
            read_secret(site.folder / rule.password_file, "password") if rule.password_file else SecretStr("")
        )
        self.shared: Recent[list[Entry]] = Recent(_SHARED_SECONDS, size=200)
        self._broker = broker
        self._sessions = Sessions(
            _ACCOUNT_SESSION if self.by_account else _PERSON_SESSION, size=1 if self.by_account else 1000
        )

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~panosc_spawner.proposals.source.ProposalSource`."""
        seen_at = datetime.now(UTC)
        if self.by_account:
            keys = await self.keys_of(self.rule.person, person)
            users = [self.rule.user.replace("{key}", key) for key in keys]
            entries = await self.as_account(lambda session: self._all(session, users)) if users else []
        else:
            token = await self.token_of(self._broker, person, self.rule.audience)
            login = (person.issuer, person.subject, hashlib.sha256(token.get_secret_value().encode()).hexdigest())
            entries = await self._within(
                login, lambda: self.log_in_person(token), lambda session: self._all(session, [session.user])
            )
        return self.desk.grants(entries, seen_at)

    @abstractmethod
    async def log_in_account(self) -> Session:
        """A session of the rule's account."""

    @abstractmethod
    async def log_in_person(self, token: SecretStr) -> Session:
        """A session of the person to whom a token was given, with the user name that the service takes them for."""

    @abstractmethod
    async def as_member(self, session: Session, user: str) -> list[Entry]:
        """The investigations that exactly this user is listed in."""

    @abstractmethod
    async def as_scientist(self, session: Session, user: str) -> list[Entry]:
        """The investigations at the instruments that this user is a scientist of."""

    @abstractmethod
    async def released(self, session: Session) -> list[Entry]:
        """The investigations with open data."""

    async def as_account(self, question: Callable[[Session], Awaitable[T]]) -> T:
        """Ask with the rule's account."""
        return await self._within("account", self.log_in_account, question)

    def entry(self, investigation: IcatInvestigation, instrument: str, role: Role, evidence: str) -> Entry:
        """One beamtime, as an entry of a list."""
        fields = {"visit": investigation.visit_id} if investigation.visit_id else {}
        visit = Visit(instrument, self.day(investigation.start), self.day(investigation.end), fields)
        opens = with_zone(investigation.release, self.zone) if role is Role.PUBLIC else None
        return Entry(investigation.name, role, evidence, investigation.title, visit, opens)

    def is_open(self, investigation: IcatInvestigation) -> bool:
        """Whether its own fields say that its data are open, whatever a query let through."""
        release = with_zone(investigation.release, self.zone)
        return release is not None and release <= datetime.now(UTC) and bool(investigation.doi)

    def open_since(self, investigation: IcatInvestigation) -> str:
        """Evidence for open data."""
        return f"open since {self.day(investigation.release)}"

    async def _within(
        self,
        login: Hashable,
        begin: Callable[[], Awaitable[Session]],
        question: Callable[[Session], Awaitable[T]],
    ) -> T:
        try:
            return await self._sessions.ask(login, begin, question)
        except SessionOverError:
            kind = SourceError if self.by_account else PersonalSourceError
            raise kind(self.name, "it refuses what is asked in a session that it just opened") from None

    async def _all(self, session: Session, users: Sequence[str]) -> list[Entry]:
        entries: list[Entry] = []
        for user in users:
            try:
                quoted_name(user)
            except ValueError as error:
                words = f"your user name there {error}, so it is not asked for"
                raise PersonalSourceError(self.name, words) from error
            with about_one_person():
                entries += await self.as_member(session, user)
                if self.rule.instrument_scientists:
                    entries += await self.as_scientist(session, user)
        if self.rule.open_data is not None:
            entries += await self.shared.get("released", lambda: self.released(session))
        return entries
