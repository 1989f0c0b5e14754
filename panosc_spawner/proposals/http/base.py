"""What the sources over HTTP have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from panosc_spawner.errors import PersonalSourceError, SourceError, TokenError
from panosc_spawner.facilities.http_source_rules import HttpSource
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.person_keys import PersonKey
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.person_keys import NoKey, person_keys
from panosc_spawner.proposals.credentials import TokenBroker
from panosc_spawner.proposals.http.client import HttpClient
from panosc_spawner.proposals.http.fields import day_of
from panosc_spawner.proposals.http.grants import Desk

T = TypeVar("T")


class HttpProposals:
    """The base of a source over HTTP: its client, its facility, and who somebody is there."""

    def __init__(self, rule: HttpSource, site: Site) -> None:
        self.name = rule.name
        self.facilities = frozenset({rule.facility})
        self.client = HttpClient(rule, site.folder)
        self.desk = Desk(rule.name, site.facilities[rule.facility])
        self.zone = ZoneInfo(rule.timezone) if rule.timezone else None
        self._site = site

    async def aclose(self) -> None:
        """Close its connections."""
        await self.client.aclose()

    async def keys_of(self, rule: PersonKey, person: Person) -> tuple[str, ...]:
        """By what the service knows a person: one for each identity that is proven to be theirs. None if it does not.

        Raises:
            SourceError: if that could not be found out.
        """
        keys = await person_keys(rule, person, self._site)
        if not isinstance(keys, NoKey):
            return keys
        if keys.failed:
            raise SourceError(self.name, keys.reason)
        return ()

    async def token_of(self, broker: TokenBroker, person: Person, audience: str) -> SecretStr:
        """A token of the person's login for this service.

        Raises:
            PersonalSourceError: if there is none to be had.
        """
        try:
            return await broker.token(person, audience)
        except TokenError as error:
            raise PersonalSourceError(self.name, f"it is asked in your name, but {error}") from error

    def today(self) -> date:
        """The day, at the facility."""
        return datetime.now(self.zone or UTC).date()

    def day(self, moment: datetime | None) -> date | None:
        """The day of a time in an answer, at the facility."""
        return day_of(moment, self.zone)


def role_named(word: str, roles: Mapping[str, Role]) -> Role:
    """Our role for a catalogue's, in any case; a role that is not named is a plain member's."""
    folded = " ".join(word.casefold().split())
    return next((role for name, role in roles.items() if " ".join(name.casefold().split()) == folded), Role.MEMBER)


def listed_as(word: str, role: Role) -> str:
    """Evidence in words, with the catalogue's own word for the role."""
    return f"listed as {word}" if word.strip() else f"listed as {role.value.replace('-', ' ')}"


async def all_of(asked: Iterable[Callable[[], Awaitable[T]]], at_a_time: int) -> list[T]:
    """The results of all, a few at a time. The first failure is raised, and nothing of the others goes on."""
    turns = asyncio.Semaphore(at_a_time)

    async def in_turn(ask: Callable[[], Awaitable[T]]) -> T:
        async with turns:
            return await ask()

    tasks = [asyncio.ensure_future(in_turn(ask)) for ask in asked]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
