"""Taking turns: so many starts at a time as the machine can do, the others in the order in which they came.

A start is a second and a half of one core. Sixty at once on two cores would each take a minute and a half, and all of them
would be given up as not answering; one after the other they are quick, and each says how many come before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class _Waiter:
    turn: asyncio.Future[None]
    tell: Callable[[int], None]


class Turns:
    """So many at a time, first come, first served.

    Args:
        at_a_time: how many may have their turn together.
    """

    def __init__(self, at_a_time: int) -> None:
        self._free = at_a_time
        self._waiting: deque[_Waiter] = deque()

    @asynccontextmanager
    async def turn(self, tell: Callable[[int], None]) -> AsyncIterator[bool]:
        """Have a turn; yields whether it had to be waited for.

        Args:
            tell: told, while waiting, how many come before.
        """
        waited = not self._free
        if waited:
            await self._wait(tell)
        else:
            self._free -= 1
        try:
            yield waited
        finally:
            self._pass_on()

    async def _wait(self, tell: Callable[[int], None]) -> None:
        waiter = _Waiter(asyncio.get_running_loop().create_future(), tell)
        self._waiting.append(waiter)
        tell(len(self._waiting) - 1)
        try:
            await waiter.turn
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                self._tell()
            else:  # it was given a turn that it can no longer take
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        waiter = self._waiting.popleft()
        if not waiter.turn.done():
            waiter.turn.set_result(None)
        self._tell()

    def _tell(self) -> None:
        for before, waiter in enumerate(self._waiting):
            waiter.tell(before)


def place_in_words(before: int) -> str:
    """What to say to somebody who waits; empty where it is not worth a word: the tens and the last five are."""
    if before > 5 and before % 10:
        return ""
    if not before:
        return "Many servers are starting now; yours is next"
    return f"Many servers are starting now; {before} {'is' if before == 1 else 'are'} before yours"


async def finished(work: Coroutine[Any, Any, None] | Awaitable[None]) -> None:
    """Wait until clean-up is finished, however often the one who waits is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
