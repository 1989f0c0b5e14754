"""Services on loopback that answer as the real ones do, write down what they were asked, and fail as they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


@dataclass(frozen=True)
class Asked:
    """One request, as it came in."""

    method: str
    path: tuple[str, ...]  # decoded components
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    raw: str  # path and query as sent

    @property
    def form(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    content: Any = None  # JSON, or bytes as they are
    headers: dict[str, str] = field(default_factory=dict)


Trouble = Callable[["Handler"], Awaitable[None]]


class Handler(RequestHandler):
    """Hands everything to the service."""

    service: Service

    def initialize(self, service: Service) -> None:
        self.service = service

    def compute_etag(self) -> None:
        return None

    def check_xsrf_cookie(self) -> None:
        pass

    async def _any(self) -> None:
        path, _, _ = self.request.uri.partition("?")
        asked = Asked(
            method=self.request.method or "",
            path=tuple(unquote(part) for part in path.split("/")[1:]),
            query={key: self.request.query_arguments[key][0].decode() for key in self.request.query_arguments},
            headers=dict(self.request.headers.get_all()),
            body=self.request.body,
            raw=self.request.uri or "",
        )
        self.service.asked.append(asked)
        if self.service.trouble is not None and self.service.troubles(asked):
            await self.service.trouble(self)
            return
        reply = await self.service.answer(asked)
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if reply.content is not None:
            self.set_header("Content-Type", "application/json")
            self.write(reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content))

    get = post = delete = put = _any

    def log_exception(self, *_: Any) -> None:
        raise


class Service:
    """The base: a subclass gives ``answer``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.trouble: Trouble | None = None
        self.troubles: Callable[[Asked], bool] = lambda asked: True
        self.url = ""
        self._server: HTTPServer | None = None

    async def answer(self, asked: Asked) -> Reply:
        return Reply(404, {"message": "not here"})

    def start(self) -> None:
        (socket,) = bind_sockets(0, "127.0.0.1")
        self._server = HTTPServer(Application([(r".*", Handler, {"service": self})], log_function=lambda _: None))
        self._server.add_sockets([socket])
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()

    def seen(self, secret: str) -> list[Asked]:
        """The requests that have a text anywhere."""
        return [
            asked
            for asked in self.asked
            if secret in asked.raw
            or secret in unquote(asked.raw)
            or secret in str(asked.headers)
            or secret in asked.body.decode()
        ]


# --- How services fail ----------------------------------------------------------------------------------------------------


async def hang(handler: Handler) -> None:
    await asyncio.sleep(30)


async def drip(handler: Handler) -> None:
    """Send a byte now and then, so that no wait for one is ever too long."""
    handler.write(b"[")
    for _ in range(300):
        await handler.flush()
        await asyncio.sleep(0.1)
        handler.write(b" ")


async def broken(handler: Handler) -> None:
    handler.set_status(500)
    handler.write(b"<html>stack trace with SECRET-OF-THE-BODY</html>")


async def busy(handler: Handler) -> None:
    handler.set_status(429)


async def unauthorized(handler: Handler) -> None:
    handler.set_status(401)
    handler.write(b'{"message": "SECRET-OF-THE-BODY"}')


async def forbidden(handler: Handler) -> None:
    handler.set_status(403)


async def garbage(handler: Handler) -> None:
    handler.write(b"<html>Welcome to the hotel's network</html>")


async def empty(handler: Handler) -> None:
    handler.set_status(200)


async def nothing(handler: Handler) -> None:
    handler.write(b"null")


async def other_type(handler: Handler) -> None:
    handler.write(b'{"error": "maintenance"}')


async def wrong_items(handler: Handler) -> None:
    handler.write(b'[{"proposalId": 7, "pid": 7, "Investigation": 7, "name": {}, "id": "x"}]')


async def huge(handler: Handler) -> None:
    handler.write(b"[")
    for _ in range(200):
        handler.write(b'"' + b"x" * 65536 + b'",')
        await handler.flush()


async def zipped(handler: Handler) -> None:
    handler.set_header("Content-Encoding", "gzip")
    handler.write(b"\x1f\x8b\x08\x00")


async def deep(handler: Handler) -> None:
    handler.write(b"[" * 100_000 + b"]" * 100_000)


async def twice(handler: Handler) -> None:
    handler.write(b'[{"proposalId": "1", "proposalId": "2", "name": "a", "name": "b"}]')


async def latin(handler: Handler) -> None:
    handler.write('["é"]'.encode("latin-1"))


async def not_a_number(handler: Handler) -> None:
    handler.write(b"[NaN]")


async def cut_off(handler: Handler) -> None:
    handler.set_header("Content-Length", "1000")
    handler.write(b"[")
    await handler.flush()
    handler.request.connection.stream.close()  # type: ignore[attr-defined]


def elsewhere(target: str) -> Trouble:
    async def redirect(handler: Handler) -> None:
        handler.set_status(302)
        handler.set_header("Location", target)

    return redirect


FAILURES = [
    hang, drip, broken, busy, unauthorized, forbidden, garbage, empty, nothing, other_type, wrong_items, huge, zipped, deep,
    twice, latin, not_a_number, cut_off,
]  # fmt: skip
