"""Sessions at ICAT and ICAT+: of a public account for everybody's questions, of a person for their own."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from panosc_portal.catalogues.base import HttpCatalogue
from panosc_portal.catalogues.model import Credentials
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.facilities.catalogue_rules import IcatCatalogue, IcatPlusCatalogue
from panosc_spawner.facilities.model import Facility
from panosc_spawner.proposals.http.sessions import Session, SessionOverError, Sessions
from panosc_spawner.secret_file import read_secret

T = TypeVar("T")
PERSON = "person"
"""``Session.user`` of a session in a person's name; else it is empty."""
_PUBLIC_SECONDS, _PERSON_SECONDS = 3600.0, 300.0


class WithSessions(HttpCatalogue):
    """The base of both.

    Raises:
        ConfigurationError: if the account's password file cannot be used.
    """

    def __init__(self, rule: IcatCatalogue | IcatPlusCatalogue, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        self.password = read_secret(folder / rule.password_file, "password") if rule.password_file else SecretStr("")
        self._public = Sessions(_PUBLIC_SECONDS, size=1)
        self._people = Sessions(_PERSON_SECONDS, size=1000)

    async def within(self, credentials: Credentials | None, question: Callable[[Session, bool], Awaitable[T]]) -> T:
        """Ask within a session: the person's if they have a token for this, else the public account's.

        ``question`` gets the session and whether it is a person's; it raises ``SessionOverError`` where the session is over,
        and is then asked once more.
        """
        token = self.token_for(credentials)
        try:
            with self.asking():
                if token is None:
                    return await self._public.ask(
                        "public", self.log_in_public, lambda session: question(session, False)
                    )
                key = hashlib.sha256(token.get_secret_value().encode()).hexdigest()
                return await self._people.ask(
                    key, lambda: self.log_in_person(token), lambda session: question(session, True)
                )
        except SessionOverError:
            reason = "it refuses what is asked in a session that it just opened"
            raise CatalogueError(self.name, Outcome.REFUSED, reason) from None

    @abstractmethod
    async def log_in_public(self) -> Session:
        """A session without a person's name, or ``CatalogueError`` if there is none."""

    @abstractmethod
    async def log_in_person(self, token: SecretStr) -> Session:
        """A session of the person to whom a token was given."""
