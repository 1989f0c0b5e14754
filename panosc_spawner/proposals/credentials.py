"""Tokens with which a source may be asked in a person's name."""

from __future__ import annotations

from typing import Protocol

from pydantic import SecretStr

from panosc_spawner.errors import TokenError
from panosc_spawner.identity.person import Person


class TokenBroker(Protocol):
    """Hands out short-lived tokens of people, each for one audience and never for another."""

    async def token(self, person: Person, audience: str) -> SecretStr:
        """A fresh access token of this person's login, made for this audience (RFC 8693).

        Raises:
            TokenError: in words, if there is none to be had now.
        """
        ...


NO_LOGIN = "no login is at hand here to ask in the person's name"


class NoTokens:
    """A broker for where no login is at hand: checks, dry runs, tests."""

    async def token(self, person: Person, audience: str) -> SecretStr:
        """See :class:`TokenBroker`."""
        raise TokenError(NO_LOGIN)
