"""A web server on loopback that answers ranges, and misbehaves as told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.ranges = True
        self.lengths: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        self.url = ""


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            site.requests.append((self.path, asked))
            if self.path in site.redirects:
                self._head(302, {"Location": site.redirects[self.path]}, b"")
            elif self.path in site.statuses or self.path not in site.files:
                self._head(site.statuses.get(self.path, 404), {}, b"")
            else:
                self._file(site.files[self.path], asked)

        def _file(self, data: bytes, asked: str) -> None:
            etag = site.etags.get(self.path, '"1"')
            same = self.headers.get("If-Range", etag) == etag
            if not site.ranges or not asked or not same:
                self._head(200, {"ETag": etag}, data)
                return
            first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
            if first >= len(data):
                self._head(416, {"Content-Range": f"bytes */{len(data)}"}, b"")
                return
            last = min(last, len(data) - 1)
            part = {"Content-Range": f"bytes {first}-{last}/{site.lengths.get(self.path, len(data))}", "ETag": etag}
            self._head(206, part, data[first : last + 1])

        def _head(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the reader hung up: it saw enough of the head

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
