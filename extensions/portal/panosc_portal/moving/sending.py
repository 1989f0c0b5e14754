"""Sending a lot for a long time: in turn, while the right to it lasts, and so that what broke off is seen to be incomplete."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from panosc_portal.errors import HubError
from panosc_portal.moving.as_person import ReadError
from panosc_portal.moving.ranges import Wanted

log = logging.getLogger(__name__)

HUB_AWAY = timedelta(minutes=5)
"""How long the hub may be silent while something is sent."""
_OUT_OF_HAND = {"Cache-Control": "private, no-cache", "Content-Security-Policy": "default-src 'none'; sandbox"}


class Busy(HubError):
    """Too many downloads at a time."""


class Lanes:
    """So many at a time: of one person, and in all. The others wait a while for their turn.

    Args:
        per_person: at a time.
        at_once: at a time in all.
        wait: at most.
    """

    def __init__(self, per_person: int, at_once: int, wait: timedelta) -> None:
        self._per_person, self._at_once, self._wait = per_person, at_once, wait.total_seconds()
        self._of: Counter[str] = Counter()
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def one(self, person: str) -> AsyncIterator[None]:
        """A place.

        Raises:
            Busy: if none became free in time.
        """
        async with self._freed:
            try:
                await asyncio.wait_for(self._freed.wait_for(lambda: self._free(person)), self._wait)
            except TimeoutError:
                raise self._refusal() from None
            self._of[person] += 1
        try:
            yield
        finally:
            self._of[person] -= 1
            self._of += Counter()  # forgets who has none
            await asyncio.shield(self._tell())

    async def _tell(self) -> None:
        async with self._freed:
            self._freed.notify_all()

    def _free(self, person: str) -> bool:
        return self._of[person] < self._per_person and self._of.total() < self._at_once

    def _refusal(self) -> Busy:
        if self._of.total() >= self._at_once:
            return Busy(503, "Too many downloads are running now.", "Try again in some minutes.")
        return Busy(
            429,
            f"You have {self._per_person} downloads running, which is as many as one person may have at a time.",
            "Wait until one ends, or cancel one. Programs: fewer at a time (rclone --transfers, curl --parallel-max).",
        )


class Sending(Response):
    """An answer that is streamed.

    Args:
        wanted: which part, and its headers.
        body: makes the bytes ``start`` to ``end``. It may raise ReadError: the answer then ends too early, and the connection
            is closed, so that nobody takes it for the whole.
        still: asks the hub whether the person still may; raises HubError.
        place: a place among those that are sent at a time.
        refused: makes the answer when there is none.
        name: of the file that is saved.
        recheck: how often ``still`` is asked.
        stall: ends it when nothing is taken for so long.
        headers: more of them.
    """

    def __init__(
        self,
        wanted: Wanted,
        body: Callable[[int, int], AsyncGenerator[bytes]],
        *,
        still: Callable[[], Awaitable[object]],
        place: Callable[[], contextlib.AbstractAsyncContextManager[None]],
        refused: Callable[[Busy], Response],
        disposition: str,
        media_type: str = "application/octet-stream",
        recheck: timedelta = timedelta(seconds=60),
        stall: timedelta = timedelta(minutes=10),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        told = {**_OUT_OF_HAND, "Content-Disposition": disposition, **(headers or {}), **wanted.headers}
        super().__init__(None, wanted.status, told, media_type)
        if "Content-Length" in wanted.headers:
            self.headers["Content-Length"] = wanted.headers["Content-Length"]
        elif wanted.status in {304, 412}:
            del self.headers["Content-Type"]
        self._wanted, self._body, self._still = wanted, body, still
        self._place, self._refused = place, refused
        self._recheck, self._stall = recheck.total_seconds(), stall.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if scope["method"] == "HEAD" or self._wanted.end <= self._wanted.start:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
            return
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._place())
            except Busy as busy:
                await self._refused(busy)(scope, receive, send)
                return
            await (
                self._still()
            )  # finding the data and waiting for a place took its time; a refusal is still answered in words
            await self._send_all(scope, receive, send)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pump = asyncio.create_task(self._pump(send))
        others = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._ended())]
        try:
            await asyncio.wait([pump, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, *others):
                if not task.done():
                    task.cancel()
            results = await asyncio.gather(pump, *others, return_exceptions=True)
        if not isinstance(results[0], BaseException):
            await send({"type": "http.response.body", "body": b""})
            return
        # Without the last message the server closes the connection: whoever reads sees that it is not complete.
        failed = next((r for r in results if isinstance(r, Exception)), None)
        if isinstance(failed, ReadError | HubError | TimeoutError):
            log.warning("A download was broken off: %s", failed if str(failed) else "nothing was taken for too long")
        elif failed is not None:
            log.error("A download was broken off by an error", exc_info=failed)

    async def _pump(self, send: Send) -> None:
        async with contextlib.aclosing(self._body(self._wanted.start, self._wanted.end)) as body:
            async for piece in body:
                async with asyncio.timeout(self._stall):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _ended(self) -> None:
        """Ends when the right does.

        Raises:
            HubError: with the hub's words.
        """
        away = 0.0
        while True:
            await asyncio.sleep(self._recheck)
            try:
                await self._still()
                away = 0.0
            except HubError as error:
                away += self._recheck
                asked_too_much = error.status == 429  # by all that the person does here: no word about the right
                if (error.status < 500 and not asked_too_much) or away > HUB_AWAY.total_seconds():
                    raise


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
