"""Answers that may be used again for a moment, where asking each time would only load the service."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """The last answers to questions that do not depend on who asks. Never one that failed.

    Args:
        seconds: how long an answer is used again.
        size: how many are kept.
        now: a clock in seconds, for tests.
    """

    def __init__(self, seconds: float, size: int, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._size = size
        self._now = now
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to ``key``: kept, or asked for now. What ``ask`` raises is raised."""
        known = self._kept.get(key)
        if known is not None and self._now() - known[0] < self._seconds:
            return known[1]
        begun = self._now()
        answer = await ask()
        self._kept[key] = (begun, answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return answer

    def forget(self, key: Hashable) -> None:
        """Ask again next time."""
        self._kept.pop(key, None)
