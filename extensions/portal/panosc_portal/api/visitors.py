"""Who asks the API: anybody, or somebody with a token of the hub's, for whom what is theirs is found, too."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from pydantic import SecretStr

from panosc_portal.api.errors import ApiError
from panosc_portal.errors import HubError

Who = Callable[[SecretStr], Awaitable[frozenset[str] | None]]
"""The proposals (``esrf/ma1234``) that a token's person may open now; None if it is nobody's token."""

RECHECK = 60.0
"""Seconds for which the hub's word holds."""
_MOST_KEPT = 5000
_BEARER = re.compile(r"(?:bearer|token)\s+(\S{1,4096})\s*", re.IGNORECASE)
_PLAIN = re.compile(r"(?:(?:bearer|token)\s+)?(\S{1,4096})\s*", re.IGNORECASE)


class Visitors:
    """Answers whose proposals count for a request.

    Args:
        who: asks the hub.
        anonymous: whether those without a token are answered at all.
    """

    def __init__(self, who: Who, *, anonymous: bool = True) -> None:
        self._who, self._anonymous = who, anonymous
        self._known: OrderedDict[bytes, tuple[float, frozenset[str] | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[frozenset[str] | None]] = {}

    async def of(self, headers: Mapping[str, str]) -> frozenset[str]:
        """The proposals of a request: ``Authorization: Bearer …``, or ``access_token: …`` as ILL's clients send.

        Raises:
            ApiError: 401 for a token that is nobody's, and without one where this site wants one; 503 without the hub.
        """
        token = token_of(headers)
        if token is None:
            if not self._anonymous:
                raise ApiError(401, "This site answers people with a token of its hub only.", "AUTHORIZATION_REQUIRED")
            return frozenset()
        found = await self.refs(token)
        if found is None:
            raise ApiError(401, "The hub does not know this token, or it has ended.", "INVALID_TOKEN")
        return found

    async def refs(self, token: SecretStr) -> frozenset[str] | None:
        """A token's proposals, as the hub said within the last minute; None if it is nobody's.

        Raises:
            ApiError: 503, if the hub does not answer.
        """
        key = hashlib.sha256(token.get_secret_value().encode()).digest()
        known = self._known.get(key)
        if known and time.monotonic() - known[0] < RECHECK:
            self._known.move_to_end(key)
            return known[1]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.ensure_future(self._who(token))
            task.add_done_callback(lambda done: self._told(key, done))
        try:
            return await asyncio.shield(task)
        except HubError as error:
            raise ApiError(503, error.message) from error

    def _told(self, key: bytes, task: asyncio.Future[frozenset[str] | None]) -> None:
        self._asking.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            return
        self._known[key] = (time.monotonic(), task.result())
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)


def token_of(headers: Mapping[str, str]) -> SecretStr | None:
    """The token that a request carries.

    Raises:
        ApiError: 401, if a header is there but holds none.
    """
    for name, form in (("authorization", _BEARER), ("access_token", _PLAIN)):
        given = headers.get(name)
        if not given:
            continue
        match = form.fullmatch(given)
        if match is None:
            raise ApiError(401, f"The header {name} holds no bearer token.", "INVALID_TOKEN")
        return SecretStr(match[1])
    return None
