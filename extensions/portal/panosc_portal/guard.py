"""Around every request: how much of it is read, which headers its answer has, and that no error is shown as it is."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panosc_portal.context import Portal

MAX_BODY = 1024 * 1024
"""Bytes of a request's body: forms are small, and nothing is uploaded here."""
MAX_ADDRESS = 32 * 1024
"""Bytes of a request's path and query: a filter of the search API may be long."""

log = logging.getLogger(__name__)


class TooMuch(HTTPException):
    """A request's body is larger than :data:`MAX_BODY`."""

    def __init__(self) -> None:
        super().__init__(413, f"More was sent than this portal takes ({MAX_BODY // 1024} KiB). Nothing was changed.")


class Guard:
    """Pure ASGI, so that streams are not held back.

    Args:
        app: what it stands before.
        headers: of every answer that does not set them itself.
        failed: makes the answer for an error that nobody foresaw.
    """

    def __init__(
        self,
        app: ASGIApp,
        headers: Mapping[str, str],
        failed: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self.app = app
        self.failed = failed
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        scope.setdefault("state", {})["xsrf"] = ""
        answer = _Answer(send, self.headers)
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_ADDRESS:
            too_long = PlainTextResponse("The address is too long.\n", status_code=414)
            return await too_long(scope, receive, answer.send)
        try:
            await self.app(scope, _Body(receive).receive, answer.send)
        except Exception as error:
            if answer.started:
                log.exception("An answer broke off: %s %s", scope["method"], scope["path"])
                raise
            await (await self.failed(Request(scope), error))(scope, receive, answer.send)
        return None


class _Body:
    """Counts a request's body as it is read."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._read = receive, 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > MAX_BODY:
                raise TooMuch
        return message


class _Answer:
    """Adds the headers that an answer does not have."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._headers, self.started = send, headers, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = {name.lower() for name, _ in message.get("headers", [])}
            added = [pair for pair in self._headers if pair[0] not in given]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await self._send(message)


def security_headers(portal: Portal) -> dict[str, str]:
    """What every answer carries; a part that needs another policy on one page sets its own header there."""
    forms = "'self'"
    hub = urlsplit(portal.hub_base)
    if hub.netloc:  # forms lead to the hub's own pages, and by them to people's servers
        forms += f" {hub.scheme}://{hub.netloc} {hub.scheme}://*.{hub.netloc}"
    return {
        "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {forms}",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
