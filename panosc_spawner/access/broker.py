"""Tokens of people for the sources that are asked in their name: exchanged for one audience, and kept until shortly before they end."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from jupyterhub import orm
from pydantic import SecretStr

from panosc_spawner.errors import TokenError
from panosc_spawner.identity.exchange import GivenToken
from panosc_spawner.identity.person import Person

MARGIN = timedelta(seconds=30)
"""A token that ends sooner is not used any more: the question takes its time."""
MAX_KEPT = 10_000


class Exchange(Protocol):
    """What is needed of the hub's authenticator."""

    async def exchange_token(self, user: Any, audience: str, scope: str = "") -> GivenToken:
        """A fresh token of a user's login for one audience."""


class HubTokens:
    """The :class:`~panosc_spawner.proposals.credentials.TokenBroker` of a running hub.

    Made before the hub runs, since the sources need it; it hands out tokens from :meth:`open` on.

    Args:
        clock: the time, for tests.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = clock
        self._app: Any = None
        self._exchange: Exchange | None = None
        self._kept: OrderedDict[tuple[str, str, str], GivenToken] = OrderedDict()
        self._asking: dict[tuple[str, str, str], asyncio.Task[GivenToken]] = {}

    def open(self, app: Any, exchange: Exchange) -> None:
        """Begin to hand out tokens."""
        self._app, self._exchange = app, exchange

    def forget(self, username: str) -> None:
        """Somebody's login ended: none of their tokens is used again."""
        for key in [key for key in self._kept if key[0] == username]:
            del self._kept[key]
        for key, task in list(self._asking.items()):
            if key[0] == username:
                task.cancel()

    async def token(self, person: Person, audience: str) -> SecretStr:
        """See :class:`TokenBroker`. Who asks the same at the same time gets the same token.

        Raises:
            TokenError: in words.
        """
        return (await self.given(person, audience)).value

    async def given(self, person: Person, audience: str, scope: str = "") -> GivenToken:
        """As :meth:`token`, with the scopes that the login service is asked for, and with its end.

        Raises:
            TokenError: in words.
        """
        key = (person.username, audience, scope)
        kept = self._kept.get(key)
        if kept and kept.expires_at - self._now() > MARGIN:
            return kept
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._fresh(*key))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise TokenError("your login has just ended") from None
            raise

    async def _fresh(self, username: str, audience: str, scope: str) -> GivenToken:
        row = orm.User.find(self._app.db, username) if self._app else None
        if row is None or self._exchange is None:
            raise TokenError("no login is at hand here to ask in the person's name")
        given = await self._exchange.exchange_token(self._app.users[row], audience, scope)
        self._kept[username, audience, scope] = given
        self._kept.move_to_end((username, audience, scope))
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return given
