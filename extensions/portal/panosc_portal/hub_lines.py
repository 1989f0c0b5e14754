"""The portal's connections to the hub: nobody's questions take those that others', or logins, need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import httpx

from panosc_portal.errors import HubError

TURN_SECONDS = 5.0
"""How long one person's question waits for their others."""


class Line(StrEnum):
    """What a question is about; each kind has connections of its own."""

    LOGIN = "login"  # who somebody is: asked for everybody, and answered by the hub at once
    QUICK = "quick"  # what is theirs, a token, a file into a server
    SLOW = "slow"  # where data lie, a start: the hub looks at file systems, which may sleep


CONNECTIONS: Mapping[Line, int] = {Line.LOGIN: 50, Line.QUICK: 150, Line.SLOW: 200}
PER_PERSON: Mapping[Line, int] = {Line.QUICK: 24, Line.SLOW: 8}
"""At a time. A search asks for a token for each catalogue, all at once."""


@dataclass
class _Lane:
    places: asyncio.Semaphore
    people: int = 0  # who are in it or wait


@dataclass
class _Turns:
    lanes: dict[tuple[Line, str], _Lane] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, line: Line, username: str) -> AsyncIterator[None]:
        lane = self.lanes.setdefault((line, username), _Lane(asyncio.Semaphore(PER_PERSON[line])))
        lane.people += 1
        try:
            await _place(lane.places)
            try:
                yield
            finally:
                lane.places.release()
        finally:
            lane.people -= 1
            if not lane.people:
                del self.lanes[line, username]


async def _place(places: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await places.acquire()
    except TimeoutError:
        raise HubError(
            429,
            "The hub is still looking at other things that you asked for.",
            "Wait until they are done, or stop some of them, then try again.",
        ) from None


class HubLines:
    """All connections to the hub and, through its proxy, to people's servers.

    Args:
        transport: for tests.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._turns = _Turns()
        self._clients = {line: _client(transport, most) for line, most in CONNECTIONS.items()}

    @asynccontextmanager
    async def on(self, line: Line, username: str = "") -> AsyncIterator[httpx.AsyncClient]:
        """The connections for one question.

        Args:
            line: what it is about.
            username: whose it is; needed for all but :attr:`Line.LOGIN`.

        Raises:
            HubError: 429, if the person asks more at a time than :data:`PER_PERSON`.
        """
        if line is Line.LOGIN:
            yield self._clients[line]
            return
        async with self._turns.turn(line, username):
            yield self._clients[line]

    async def aclose(self) -> None:
        """Close them."""
        for client in self._clients.values():
            await client.aclose()


def _client(transport: httpx.AsyncBaseTransport | None, most: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=10, keepalive_expiry=5.0),
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )
