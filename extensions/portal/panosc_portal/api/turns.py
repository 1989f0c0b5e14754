"""Whose question is answered next: nobody's many or slow questions hold up the others'."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from panosc_portal.api.visitors import Visitor
from panosc_portal.index.store import Busy

FOR_ANYBODY, FOR_PEOPLE = 2, 4
"""Questions that are answered at a time. Together as many as the index has readers."""
EACH = 2
"""Of one visitor."""
WAIT = 5.0
MOST_WAITING = 200


class Turns:
    """Turns at the index."""

    def __init__(self) -> None:
        self._free = {True: asyncio.Semaphore(FOR_ANYBODY), False: asyncio.Semaphore(FOR_PEOPLE)}
        self._own: dict[str, asyncio.Semaphore] = {}
        self._here: defaultdict[str, int] = defaultdict(int)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, visitor: Visitor) -> AsyncIterator[None]:
        """A visitor's turn.

        Raises:
            Busy: if it does not come in time.
        """
        if self._waiting >= MOST_WAITING:
            raise Busy
        key = f"{visitor.anonymous} {visitor.key}"
        each = 1 if visitor.anonymous else EACH
        own, free = self._own.setdefault(key, asyncio.Semaphore(each)), self._free[visitor.anonymous]
        self._here[key] += 1
        held: list[asyncio.Semaphore] = []
        try:
            await self._take(held, own, free)
            yield
        finally:
            for one in held:
                one.release()
            self._here[key] -= 1
            if not self._here[key]:
                del self._here[key], self._own[key]

    async def _take(self, held: list[asyncio.Semaphore], *wanted: asyncio.Semaphore) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT):
                for one in wanted:
                    await one.acquire()
                    held.append(one)
        except TimeoutError:
            raise Busy from None
        finally:
            self._waiting -= 1
