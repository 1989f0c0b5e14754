"""What somebody has asked for by a button, until their server runs and their browser comes back for it.

A browser comes back by a plain address, which anybody could have put into a page. So that such an address does nothing by
itself, it names a ticket that was made when the person pressed the button, is theirs alone, and is good for once.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 3600.0
"""A start may wait for its turn, and download an image."""
MOST = 5000


@dataclass(frozen=True)
class Ticket:
    """What is to be opened for whom: a data set (source and pid), or a path."""

    person: str
    text: str
    source: str = ""


class Tickets:
    """The open tickets of this process; whoever loses one to a restart presses the button again.

    Args:
        now: a clock in seconds, for tests.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._open: OrderedDict[str, tuple[float, Ticket]] = OrderedDict()

    def make(self, ticket: Ticket) -> str:
        """A ticket's name."""
        name = secrets.token_urlsafe(16)
        self._open[name] = (self._now() + SECONDS, ticket)
        while len(self._open) > MOST:
            self._open.popitem(last=False)
        return name

    def take(self, name: str, person: str) -> Ticket | None:
        """The ticket, which is gone then; None if there is none of this name for this person."""
        until, ticket = self._open.get(name, (0.0, None))
        if ticket is None or ticket.person != person or self._now() >= until:
            return None
        del self._open[name]
        return ticket
