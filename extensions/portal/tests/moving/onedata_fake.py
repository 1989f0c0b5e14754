"""A Oneprovider's REST interface over a directory, as onedatafilerestclient 25.2 speaks to it; and a WLCG Tape REST API."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

API = "/api/v3/oneprovider"


@dataclass
class Fake:
    """What it has, and what it was asked.

    Attributes:
        root: the space's directory.
        token: the only one that is taken.
        camel: attributes in camel case (from 21.2.5 on), or as before.
        page: children on one page.
        lies: attributes of a path that are told instead of the right ones.
        extra: children that are told besides, by directory.
        cut: bytes after which a content breaks off, by path; once.
        asked: (method, path, Range).
        localities: of the tape interface, by path; else DISK.
        staged: requests of the tape interface: id -> paths.
    """

    root: Path
    token: str = "token-for-elsewhere"
    camel: bool = True
    page: int = 3
    lies: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    localities: dict[str, str] = field(default_factory=dict)
    staged: dict[str, list[str]] = field(default_factory=dict)
    url: str = ""

    def identity(self, path: str) -> str:
        return hashlib.sha256(path.encode()).hexdigest().upper()

    def path(self, identity: str) -> str | None:
        paths = [".", *(str(one.relative_to(self.root)) for one in self.root.rglob("*"))]
        return next((path for path in paths if self.identity(path) == identity), None)

    def attributes(self, path: str) -> dict[str, Any]:
        place = self.root / path
        state = place.stat()
        kind, size = ("DIR", 0) if place.is_dir() else ("REG", state.st_size)
        told = {"name": place.name, "type": kind, "size": size, "mtime": int(state.st_mtime)}
        return {"fileId" if self.camel else "file_id": self.identity(path)} | told | self.lies.get(path, {})

    def children(self, path: str) -> list[dict[str, Any]]:
        found = sorted(str(one.relative_to(self.root)) for one in (self.root / path).iterdir())
        return [self.attributes(one) for one in found] + self.extra.get(path, [])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if parts.path.startswith("/tape/v1/"):
            return self._say(404, {})
        if not self._allowed(parts.path):
            return None
        below = parts.path.removeprefix(f"{API}/data/").split("/")
        path = self.fake.path(below[0])
        if path is None:
            return self._say(404, {"error": {"id": "posix", "details": {"errno": "enoent"}}})
        if below[1:] == ["content"]:
            return self._content(path)
        if below[1:] == ["children"]:
            return self._children(path, int(query.get("limit", "1000")), query.get("token", ""))
        return self._say(200, self.fake.attributes(path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path.startswith("/tape/v1/"):
            return self._tape(path.removeprefix("/tape/v1/"), json.loads(body))
        if not self._allowed(path):
            return None
        _, _, below = unquote(path.removeprefix(f"{API}/lookup-file-id/")).partition("/")
        if not (self.fake.root / below).exists():
            return self._say(404, {"error": {"id": "posix", "details": {"errno": "enoent"}}})
        return self._say(200, {"fileId": self.fake.identity(below or ".")})

    def do_DELETE(self) -> None:
        self.fake.asked.append(("DELETE", self.path, ""))
        self.fake.staged.pop(self.path.rpartition("/")[2], None)
        self._say(200, None)

    def _allowed(self, path: str) -> bool:
        self.fake.asked.append((self.command, path, self.headers.get("Range", "")))
        if self.headers.get("X-Auth-Token") == self.fake.token:
            return True
        self._say(401, {"error": {"id": "unauthorized"}})
        return False

    def _children(self, path: str, limit: int, token: str) -> None:
        found, start = self.fake.children(path), int(token or 0)
        end = start + min(limit, self.fake.page)
        page: dict[str, Any] = {"children": found[start:end], "isLast": end >= len(found)}
        if end < len(found):
            page["nextPageToken"] = str(end)
        self._say(200, page)

    def _content(self, path: str) -> None:
        content = (self.fake.root / path).read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        cut = self.fake.cut.pop(path, None)
        self.wfile.write(content[start:cut])
        if cut is not None:
            self.close_connection = True

    def _tape(self, what: str, body: Any) -> None:
        self.fake.asked.append(("POST", f"tape/{what}", ""))
        if self.headers.get("Authorization") != f"Bearer {self.fake.token}":
            return self._say(401, {})
        if what == "archiveinfo":
            told = [{"path": path, "locality": self.fake.localities.get(path, "DISK")} for path in body["paths"]]
            return self._say(200, told)
        self.fake.staged["request-1"] = [one["path"] for one in body["files"]]
        return self._say(201, {"requestId": "request-1"})

    def _say(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def onedata(root: Path) -> Iterator[Fake]:
    """Serve a directory as a space until the end of the block."""
    fake = Fake(root)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
