"""Connections that are kept open, each for one request at a time, given out in turn.

httpcore's pool may give one idle connection to several waiting requests; one gets it, and another can lose again and again until
its time is over: with six requests at a time and two hundred to come, one in a few hundred waited for more than a second while
the others took milliseconds. Here each connection is a pool of its own, so there is nothing to lose.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx


class Lanes:
    """Up to ``count`` clients with one connection each.

    Args:
        make: a client with at most one connection.
        count: requests at a time; the others wait, first come, first served.
    """

    def __init__(self, make: Callable[[], httpx.AsyncClient], count: int) -> None:
        self._make = make
        self._count = count
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns = asyncio.Semaphore(count)
        self._free: list[httpx.AsyncClient] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client that nobody else uses meanwhile; the one that was used last, whose connection is most likely still open."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # connections of another event loop cannot be used in this one
            self._loop, self._turns, self._free = loop, asyncio.Semaphore(self._count), []
        async with self._turns:
            client = self._free.pop() if self._free else self._make()
            try:
                yield client
            finally:
                self._free.append(client)

    async def aclose(self) -> None:
        """Close the connections. New ones are opened when needed."""
        if self._loop is asyncio.get_running_loop():
            while self._free:
                await self._free.pop().aclose()
