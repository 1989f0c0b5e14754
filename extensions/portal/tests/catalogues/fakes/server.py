"""A server of its own for each fake, on loopback, in the test's event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import h11


@dataclass(frozen=True)
class Asked:
    """One request, as it came in."""

    method: str
    path: tuple[str, ...]  # decoded components
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    raw: str  # path and query as sent

    def json(self, name: str) -> Any:
        """A parameter that is JSON; None if it is not there."""
        return json.loads(self.query[name]) if name in self.query else None


@dataclass(frozen=True)
class Reply:
    """What is answered: JSON, or bytes as they are."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"

    def body(self) -> bytes:
        """As it is sent."""
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


Send = Callable[[dict[str, Any]], Awaitable[None]]
Trouble = Callable[[Send], Awaitable[None]]


class Fake:
    """The base: a subclass gives ``answer``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.trouble: Trouble | None = None
        self.troubled: Callable[[Asked], bool] = lambda asked: True
        self.delay = 0.0
        self.url = ""
        self._open: set[asyncio.Task[Any]] = set()

    async def answer(self, asked: Asked) -> Reply:
        """What is answered to a request."""
        return Reply(404, {"error": {"statusCode": 404, "message": "not here"}})

    def questions(self, name: str = "filter") -> list[Any]:
        """What was asked in a parameter, in order."""
        return [asked.json(name) for asked in self.asked if name in asked.query]

    def seen(self, secret: str) -> bool:
        """Whether a text was anywhere in what came in."""
        return any(
            secret in unquote(asked.raw) or secret in str(asked.headers) or secret.encode() in asked.body
            for asked in self.asked
        )

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            connection = h11.Connection(h11.SERVER)
            while await self._one(connection, reader, writer):
                connection.start_next_cycle()
        except (h11.ProtocolError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        body, request = b"", None
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.ConnectionClosed):
                return False
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
        assert request is not None

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                raw = connection.send(h11.Response(status_code=message["status"], headers=message["headers"])) or b""
            else:
                raw = connection.send(h11.Data(data=message["body"])) or b""
                raw += (connection.send(h11.EndOfMessage()) or b"") if not message.get("more_body") else b""
            writer.write(raw)
            await writer.drain()

        await self._answered(request, body, send)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    async def _answered(self, request: h11.Request, body: bytes, send: Send) -> None:
        raw = bytes(request.target).decode()
        path, _, query = raw.partition("?")
        asked = Asked(
            bytes(request.method).decode(),
            tuple(unquote(part) for part in path.split("/")[1:]),
            dict(parse_qsl(query, keep_blank_values=True)),
            {key.decode().title(): value.decode("latin-1") for key, value in request.headers},
            body,
            raw,
        )
        self.asked.append(asked)
        await asyncio.sleep(self.delay)
        if self.trouble is not None and self.troubled(asked):
            await self.trouble(send)
            return
        await send_reply(send, await self.answer(asked))

    async def close(self) -> None:
        """End what is still going on."""
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send one answer."""
    headers = {"content-type": reply.kind, **reply.headers}
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": reply.body()})


F = TypeVar("F", bound=Fake)


@asynccontextmanager
async def serving(fake: F) -> AsyncIterator[F]:
    """The fake, served while this lasts."""
    server = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await fake.close()
        await server.wait_closed()


def always(reply: Reply) -> Trouble:
    """Answer everything with this."""

    async def trouble(send: Send) -> None:
        await send_reply(send, reply)

    return trouble


async def hang(send: Send) -> None:
    """Never answer."""
    await asyncio.sleep(60)


async def drip(send: Send) -> None:
    """A byte now and then, so that no wait for one is ever too long."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    for _ in range(300):
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(0.1)


def elsewhere(target: str) -> Trouble:
    """Send to another address."""
    return always(Reply(302, b"", {"location": target}))
