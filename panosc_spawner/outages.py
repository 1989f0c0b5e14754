"""Which login services and proposal sources do not answer now, since when, and what that means for people."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, Literal, TypeVar

Kind = Literal["login", "source"]

FORGET = timedelta(minutes=10)
"""Nobody asks any more (everybody went home): it is not known whether it is still down, so it is not said."""

SEEN = timedelta(minutes=2)
"""A grace is over only once this process has itself met with silence for so long."""
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Outage:
    """One service that did not answer when it was last asked."""

    kind: Kind
    name: str
    since: datetime
    reason: str
    asked_at: datetime

    @property
    def meaning(self) -> str:
        """What it means for somebody who looks at the page."""
        if self.kind == "login":
            return "Nobody can log in with it now. Who is at work goes on; no new right appears meanwhile."
        return (
            "Whether you are on its proposals cannot be confirmed now: servers that run go on for a while, "
            "and proposals that depend on it cannot be opened anew."
        )


class Outages:
    """What is down, as those who ask find out.

    Args:
        now: the clock, for tests.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._down: dict[tuple[Kind, str], Outage] = {}

    def answered(self, kind: Kind, name: str) -> None:
        """It works."""
        self._down.pop((kind, name), None)

    def failed(self, kind: Kind, name: str, reason: str) -> None:
        """It did not answer, and why, in words that everybody may read."""
        now = self._now()
        known = self._down.get((kind, name))
        since = known.since if known and now - known.asked_at <= FORGET else now
        self._down[kind, name] = Outage(kind, name, since, reason, now)

    def down(self) -> tuple[Outage, ...]:
        """What is down now, the longest first."""
        now = self._now()
        fresh = (outage for outage in self._down.values() if now - outage.asked_at <= FORGET)
        return tuple(sorted(fresh, key=lambda outage: outage.since))


class Silences(Generic[K]):
    """How long this process has itself heard nothing, by a clock that nobody sets and that stands still in a suspend.

    A grace compares times of the day. After the machine slept, was off, or had its clock set, any grace is over at once,
    before the network is up and anybody could have answered; so what ends by silence needs that the silence was seen.

    Args:
        clock: seconds, for tests.
        gap: two questions that lie further apart are no silence in which anybody asked.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, gap: timedelta = FORGET) -> None:
        self._clock = clock
        self._gap = gap.total_seconds()
        self._seen: dict[K, tuple[float, float]] = {}

    def failed(self, key: K) -> timedelta:
        """A question was not answered. Returns how long that has been so: since the first one after the last answer."""
        silent = self.lasted(key)
        now = self._clock()
        self._seen[key] = now - silent.total_seconds(), now
        return silent

    def lasted(self, key: K) -> timedelta:
        """How long it has been silent now; nothing if it answered, or if nobody has asked of late."""
        now = self._clock()
        first, last = self._seen.get(key, (now, now))
        return timedelta(seconds=now - first if now - last <= self._gap else 0.0)

    def answered(self, key: K) -> None:
        """It answered."""
        self._seen.pop(key, None)

    def tidy(self) -> None:
        """Forget those about which nobody has asked of late."""
        now = self._clock()
        self._seen = {key: (first, last) for key, (first, last) in self._seen.items() if now - last <= self._gap}


def seen_enough(silence: timedelta, grace: timedelta) -> bool:
    """Whether a silence was seen for long enough to act on it; a grace that is shorter still is enough itself."""
    return silence >= min(SEEN, grace)
