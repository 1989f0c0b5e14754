"""A service that misbehaves when told to: a small reverse proxy that stands before a real one."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

HANG_SECONDS = 60.0
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "upgrade"}


@dataclass
class FaultyProxy:
    """Passes requests on, unless a fault is set. Runs in a thread of its own, on a port of loopback that it keeps.

    ``fault`` is one of "" (none), "hang" (reads the request, never answers), "500", "slow" (answers after ``delay``),
    "garbage" (200, not what was asked for), "redirect" (to ``elsewhere``), "wrong key" (another key set than the one that
    signed), "late" (does what was asked, but its answer never comes), "down" (refuses connections). ``only`` restricts it to paths that begin so. ``seen`` are the paths asked for, ``answered`` those that the service behind it answered.
    """

    target: str
    port: int
    delay: float = 3.0
    elsewhere: str = ""
    only: tuple[str, ...] = ()
    certificate: tuple[Path, Path] | None = None
    fault: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._server: HTTPServer | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        self._call(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def set(self, fault: str, *only: str) -> None:
        """Misbehave like this from now on; with "" behave again."""
        self._call(lambda: self._set(fault, only))

    def present(self, certificate: tuple[Path, Path]) -> None:
        """Another certificate for connections from now on."""
        self.certificate = certificate
        asyncio.run_coroutine_threadsafe(self._relisten(), self._loop).result(20)

    def _set(self, fault: str, only: tuple[str, ...]) -> None:
        self.fault, self.only = fault, only
        if fault == "down":
            self._stop_listening()
        elif self._server is None:
            self._listen()

    def _call(self, act: Callable[[], object]) -> None:
        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    def _listen(self) -> None:
        context = None
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
        app = web.Application([(r".*", Passing, {"proxy": self})], log_function=lambda handler: None)
        self._server = HTTPServer(app, ssl_options=context)
        self._server.add_sockets(bind_sockets(self.port, "127.0.0.1", reuse_port=True))

    def _stop_listening(self) -> None:
        if self._server:
            self._server.stop()
            closing = asyncio.ensure_future(self._server.close_all_connections())
            closing.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._server = None

    async def _relisten(self) -> None:
        await self._close()
        self._listen()

    async def _close(self) -> None:
        if self._server:
            self._server.stop()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._server.close_all_connections(), 5)
            self._server = None

    def concerns(self, path: str) -> bool:
        """Whether the fault is about this path."""
        return bool(self.fault) and (not self.only or path.startswith(self.only))


class Passing(web.RequestHandler):
    """One request, passed on or not."""

    def initialize(self, proxy: FaultyProxy) -> None:
        self.proxy = proxy

    def check_xsrf_cookie(self) -> None:
        """It is not ours to check."""

    async def get(self) -> None:
        proxy = self.proxy
        proxy.seen.append((str(self.request.method), self.request.path))
        fault = proxy.fault if proxy.concerns(self.request.path) else ""
        if fault == "hang":
            await asyncio.sleep(HANG_SECONDS)
        elif fault == "500":
            self.set_status(500)
            self.write({"error": "server_error"})
        elif fault == "garbage":
            self.write("<html>under maintenance</html>")
        elif fault == "redirect":
            self.redirect(proxy.elsewhere + self.request.path, status=307)
        elif fault == "wrong key" and self.request.path == "/jwks":
            self.write(await self._other_keys())
        else:
            if fault == "slow":
                await asyncio.sleep(proxy.delay)
            await self._pass_on()

    post = get

    async def _other_keys(self) -> dict[str, Any]:
        """The provider's key set, but the keys behind its names are others."""
        answer = await AsyncHTTPClient().fetch(self.proxy.target + "/jwks", headers={"Host": self.request.host})
        public = jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)
        return {"keys": [{**key, "n": public["n"], "e": public["e"]} for key in json.loads(answer.body)["keys"]]}

    async def _pass_on(self) -> None:
        headers = {name: value for name, value in self.request.headers.items() if name.lower() not in HOP_BY_HOP}
        request = HTTPRequest(
            self.proxy.target + self.request.uri,
            method=str(self.request.method),
            headers={**headers, "Host": self.request.host},
            body=self.request.body or None if self.request.method == "GET" else self.request.body,
            follow_redirects=False,
            decompress_response=False,
        )
        try:
            answer = await AsyncHTTPClient().fetch(request, raise_error=False)
        except (HTTPClientError, OSError):
            self.set_status(502)
            return
        self.proxy.answered.append(self.request.path)
        if self.proxy.fault == "late" and self.proxy.concerns(self.request.path):
            await asyncio.sleep(HANG_SECONDS)
            return
        self.set_status(answer.code if answer.code != 599 else 502)
        for name, value in answer.headers.get_all():
            if name.lower() not in HOP_BY_HOP:
                self.add_header(name, value)
        if answer.body and answer.code not in (204, 304):
            self.write(answer.body)
