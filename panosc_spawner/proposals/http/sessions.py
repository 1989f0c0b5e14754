"""Sessions of services that want a login of their own (ICAT, ICAT+): opened when needed, renewed once when they ran out."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import SecretStr

T = TypeVar("T")


class SessionOverError(Exception):
    """The service does not know the session any more. Raised by a question, never passed on to who asked."""


@dataclass(frozen=True)
class Session:
    """A session, and whose it is there."""

    id: SecretStr
    user: str


@dataclass
class _Place:
    session: Session | None = None
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sessions:
    """The open sessions, by login.

    Args:
        seconds: how long one is used before it is opened anew, so that what the service knows of a person is not older.
        size: how many are kept; the service ends the others when their time is over.
        now: a clock in seconds, for tests.
    """

    def __init__(self, seconds: float, size: int, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._size = size
        self._now = now
        self._places: OrderedDict[Hashable, _Place] = OrderedDict()

    async def ask(
        self, login: Hashable, begin: Callable[[], Awaitable[Session]], question: Callable[[Session], Awaitable[T]]
    ) -> T:
        """The answer to a question that is asked within a session.

        If the session is over in the middle, the whole question is asked once more in a new one: half of a list from each
        would be neither.

        Args:
            login: whose session: never shared between logins.
            begin: opens one.
            question: asks; raises :class:`SessionOverError` when the session is not known any more.

        Raises:
            SessionOverError: if a new session was over at once, too.
        """
        session = await self._current(login, begin)
        try:
            return await question(session)
        except SessionOverError:
            self._drop(login, session)
            return await question(await self._current(login, begin))

    async def _current(self, login: Hashable, begin: Callable[[], Awaitable[Session]]) -> Session:
        place = self._places.setdefault(login, _Place())
        self._places.move_to_end(login)
        while len(self._places) > self._size:
            self._places.popitem(last=False)
        async with place.lock:  # a hundred people's questions open one session, not a hundred
            if place.session is None or self._now() >= place.until:
                place.session = None
                begun = self._now()
                place.session = await begin()
                place.until = begun + self._seconds
            return place.session

    def _drop(self, login: Hashable, session: Session) -> None:
        place = self._places.get(login)
        if place is not None and place.session is session:  # else somebody renewed it meanwhile
            place.session = None
