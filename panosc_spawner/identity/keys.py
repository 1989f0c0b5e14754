"""A provider's public keys: fetched from its ``jwks_uri``, kept, and fetched again when a token names one that is new."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from panosc_spawner.identity.tokens import Keys, UnknownKey

FRESH = timedelta(hours=1)
"""How long keys are used before they are asked for again: a key that a provider withdraws is not trusted for longer."""

PAUSE = timedelta(seconds=10)
"""Between two fetches because of an unknown key. Whoever sends tokens with made-up key ids makes the hub ask once in this time, not more often."""

T = TypeVar("T")


class KeyStore:
    """The keys of one provider.

    Args:
        fetch: gets the keys; raises what the caller of :meth:`validated` is to see if nobody answers with any.
        clock: seconds that never go back.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Keys]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys = Keys()
        self._fetched = self._tried = float("-inf")
        self._failure: Exception | None = None
        self._failed = float("-inf")
        self._lock = asyncio.Lock()

    async def validated(self, validate: Callable[[Keys], T]) -> T:
        """What ``validate`` makes of the keys; where it knows no key, once more with newer ones.

        Raises:
            InvalidToken: of ``validate``.
            Exception: of ``fetch``, where there are no keys that are fresh enough.
        """
        try:
            return validate(await self._fresh())
        except UnknownKey:
            if not await self._newer():
                raise
        return validate(self._keys)

    async def _fresh(self) -> Keys:
        asked = self._clock()
        async with self._lock:
            if self._clock() - self._fetched > FRESH.total_seconds():
                # Whoever waited shares the answer, or each would wait for one of its own.
                if self._failure and self._failed > asked:
                    raise self._failure
                await self._get()
            return self._keys

    async def _newer(self) -> bool:
        """Fetch again, unless that was done a moment ago; whether there are newer keys than before."""
        before = self._fetched
        async with self._lock:
            if self._fetched != before:  # somebody else did, meanwhile
                return True
            if self._clock() - self._tried < PAUSE.total_seconds():
                return False
            self._tried = self._clock()
            await self._get()
            return True

    async def _get(self) -> None:
        try:
            self._keys = await self._fetch()
        except Exception as error:
            self._failure, self._failed = error.with_traceback(None), self._clock()
            raise
        self._fetched, self._failure = self._clock(), None
