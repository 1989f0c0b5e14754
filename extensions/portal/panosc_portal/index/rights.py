"""Whose data that are not public may be found: by a token of the hub's, as the hub said within the last minute."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from panosc_portal.context import Portal
from panosc_portal.login import Logins

Who = Callable[[SecretStr], Awaitable[frozenset[str] | None]]
"""The proposals (``esrf/ma1234``) that a token's person may open now; None if it is nobody's token."""

RECHECK = 60.0
"""Seconds for which the hub's word holds."""
_MOST_KEPT = 5000


class Rights:
    """The proposals of tokens.

    Args:
        who: asks the hub.
    """

    def __init__(self, who: Who) -> None:
        self._who = who
        self._known: OrderedDict[bytes, tuple[float, frozenset[str] | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Future[frozenset[str] | None]] = {}

    async def refs(self, token: SecretStr) -> frozenset[str] | None:
        """A token's proposals; None if it is nobody's.

        Raises:
            HubError: 503, if the hub does not answer.
        """
        key = hashlib.sha256(token.get_secret_value().encode()).digest()
        known = self._known.get(key)
        if known and time.monotonic() - known[0] < RECHECK:
            self._known.move_to_end(key)
            return known[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(self._who(token))
            asking.add_done_callback(lambda done: self._told(key, done))
        return await asyncio.shield(asking)

    def _told(self, key: bytes, asked: asyncio.Future[frozenset[str] | None]) -> None:
        self._asking.pop(key, None)
        if asked.cancelled() or asked.exception() is not None:
            return
        self._known[key] = (time.monotonic(), asked.result())
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)


def rights_of(portal: Portal) -> Rights:
    """The portal's: one for its API and its searches."""
    if Rights not in portal.parts:

        async def who(token: SecretStr) -> frozenset[str] | None:
            login = await portal.part(Logins).hub.who(token)
            if login is None:
                return None
            report = await portal.hub.person(login)
            return frozenset(one.ref for one in report.proposals)

        portal.add(Rights(who))
    return portal.part(Rights)
