"""A real WebDAV server on loopback (WsgiDAV on cheroot), with a guard before it: bearer tokens that open a directory each.

The guard checks the address of a request *and* its ``Destination``: one that looks at the first alone lets MOVE and COPY carry
files out of the directory. ``DavPeer(check_destination=False)`` is such a one.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp

READING = {"OPTIONS", "GET", "HEAD", "PROPFIND"}


@dataclass
class Guard:
    """Bearer tokens: token -> directory that it opens, for reading or for all.

    Attributes:
        tokens: what they open: (path, writing too).
        log: (method, path, status) of each request.
        slow: seconds before each answer to GET.
        macaroons: what was asked for: (path, request).
        bearers: (method, token) of each request.
        hook: may answer instead: ``hook(method, path, environ, start_response)`` gives a body or None.
    """

    app: Callable[..., Iterable[bytes]]
    tokens: dict[str, tuple[str, bool]] = field(default_factory=dict)
    check_destination: bool = True
    log: list[tuple[str, str, str]] = field(default_factory=list)
    slow: float = 0.0
    macaroons: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    bearers: list[tuple[str, str]] = field(default_factory=list)
    hook: Callable[..., Any] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")

        def noted(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            self.log.append((method, path, status))
            return start_response(status, headers, *more)

        refusal = self._refusal(method, path, environ)
        if refusal:
            noted(refusal, [("Content-Length", "0"), ("WWW-Authenticate", "Bearer")])
            return [b""]
        if method == "POST" and environ.get("CONTENT_TYPE") == "application/macaroon-request":
            return self._macaroon(path, environ, noted)
        if self.hook and (body := self.hook(method, path, environ, noted)) is not None:
            return body
        if self.slow and method == "GET":
            time.sleep(self.slow)
        return self.app(environ, noted)

    def _macaroon(self, path: str, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        """As dCache does: for a bearer token, one that opens this directory alone, for reading."""
        asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.macaroons.append((path, asked))
        narrow = f"macaroon-{len(self.macaroons)}"
        self.tokens[narrow] = (path, False)
        body = json.dumps({"macaroon": narrow}).encode()
        start("200 OK", [("Content-Length", str(len(body))), ("Content-Type", "application/json")])
        return [body]

    def _refusal(self, method: str, path: str, environ: dict[str, Any]) -> str:
        kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        self.bearers.append((method, token))
        if kind.lower() != "bearer" or token not in self.tokens:
            return "401 Unauthorized"
        opened, writing = self.tokens[token]
        if method not in READING and not writing and environ.get("CONTENT_TYPE") != "application/macaroon-request":
            return "403 Forbidden"
        places = [path]
        if self.check_destination and "HTTP_DESTINATION" in environ:
            places.append(unquote(urlsplit(environ["HTTP_DESTINATION"]).path))
        inside = all(place.rstrip("/") == opened or place.startswith(opened.rstrip("/") + "/") for place in places)
        return "" if inside and not any(".." in place.split("/") for place in places) else "403 Forbidden"


@dataclass
class DavPeer:
    """A running server: ``url`` is of its root."""

    url: str
    guard: Guard

    def count(self, method: str) -> int:
        """Requests of a kind so far."""
        return sum(1 for one in list(self.guard.log) if one[0] == method)


@contextmanager
def dav_peer(root: Path, tokens: dict[str, tuple[str, bool]], *, check_destination: bool = True) -> Iterator[DavPeer]:
    """Serve a directory until the end of the block."""
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(root)},
            "simple_dc": {"user_mapping": {"*": True}},
            "verbose": 0,
            "logging": {"enable": False},
            "property_manager": False,
            "lock_storage": False,
            "dir_browser": {"enable": False},
        }
    )
    guard = Guard(app, dict(tokens), check_destination)
    server = Server(("127.0.0.1", 0), guard, numthreads=16)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield DavPeer(f"http://127.0.0.1:{server.bind_addr[1]}", guard)
    finally:
        server.stop()
        thread.join(timeout=10)
