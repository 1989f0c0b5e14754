"""What was used once and may not be used again (states of login attempts, ids of logout tokens); and what may be so often only."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta


class Seen:
    """A bounded memory of keys.

    Args:
        lifetime: how long a key must be remembered; after it, what the key belongs to is too old anyway.
        most: how many; beyond it the oldest is forgotten. Only what was verified is put in, so that nobody can fill it.
        clock: seconds that never go back.
    """

    def __init__(self, lifetime: timedelta, most: int = 50_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime, self._most, self._clock = lifetime.total_seconds(), most, clock
        self._keys: OrderedDict[str, float] = OrderedDict()

    def first_time(self, key: str) -> bool:
        """Whether this key was not seen before; it is from now on."""
        now = self._clock()
        while self._keys and (len(self._keys) > self._most or next(iter(self._keys.values())) <= now):
            self._keys.popitem(last=False)
        if key in self._keys:
            return False
        self._keys[key] = now + self._lifetime
        return True

    def __len__(self) -> int:
        return len(self._keys)


class Rate:
    """So many times a minute, and no more.

    Args:
        per_minute: how many; so many may also come at once.
        clock: seconds that never go back.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = float(per_minute), clock
        self._left, self._at = self._most, clock()

    def allows(self) -> bool:
        """Whether this time is within the rate; it counts then."""
        now = self._clock()
        self._left, self._at = min(self._most, self._left + (now - self._at) * self._most / 60), now
        if self._left < 1:
            return False
        self._left -= 1
        return True
