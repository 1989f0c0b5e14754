"""Which login services and proposal sources do not answer now, since when, and what that means for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Kind = Literal["login", "source"]

FORGET = timedelta(minutes=10)
"""Nobody asks any more (everybody went home): it is not known whether it is still down, so it is not said."""


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
