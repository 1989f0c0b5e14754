"""Long loops that do not hold the hub up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

EVERY = 1000
"""Steps between two turns of the others: a few milliseconds, at some microseconds a step."""
T = TypeVar("T")


async def gently(things: Iterable[T]) -> AsyncIterator[T]:
    """The things, with a turn for whoever else waits in the event loop after each thousand."""
    for number, thing in enumerate(things, start=1):
        if number % EVERY == 0:
            await asyncio.sleep(0)
        yield thing
