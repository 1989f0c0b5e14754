"""Turns for what is dear to answer: a few at a time, one of each person, and nobody waits for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from tornado import web

PATIENCE = 5.0
"""Seconds. Whoever has closed the page is then not waited for either: Tornado lets a request go on without its reader."""


class Looks:
    """So many looks at a time, of different people.

    Args:
        at_a_time: how many.
        patience: seconds that somebody waits for their turn.
    """

    def __init__(self, at_a_time: int = 4, patience: float = PATIENCE) -> None:
        self._free, self._patience = asyncio.Semaphore(at_a_time), patience
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, person: str) -> AsyncIterator[None]:
        """Have a turn.

        Args:
            person: whose it is, by user name.

        Raises:
            HTTPError: 503 in words, if none is free in time.
        """
        own = self._own.setdefault(person, asyncio.Lock())
        try:
            async with asyncio.timeout(self._patience):
                await self._have(own)
        except TimeoutError:
            raise web.HTTPError(503, "Too much is being looked up at the moment. Try again in a minute.") from None
        try:
            yield
        finally:
            self._free.release()
            own.release()

    async def _have(self, own: asyncio.Lock) -> None:
        await own.acquire()
        try:
            await self._free.acquire()
        except BaseException:
            own.release()
            raise
