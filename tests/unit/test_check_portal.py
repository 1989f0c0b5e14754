"""What `panosc-hub check` says of the portal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from launch_support import site

from panosc_spawner.check import portal as module
from panosc_spawner.check.catalogues import check_catalogues
from panosc_spawner.check.portal import check_portal
from panosc_spawner.facilities.site import Site


def with_portal(port: int, enabled: bool = True) -> Site:
    made = site(portal={"enabled": enabled, "port": port})
    hub = made.config.hub.model_copy(update={"port": 1, "proxy_api_port": 2})
    return replace(made, config=made.config.model_copy(update={"hub": hub}))


@pytest.fixture
def answering() -> Iterator[tuple[HTTPServer, list[tuple[int, bytes, str]]]]:
    """A server that answers whatever a test wants it to."""
    says: list[tuple[int, bytes, str]] = [(200, b'{"status":"ok"}', "")]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, retry = says[-1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if retry:
                self.send_header("Retry-After", retry)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, says
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_site_without_one_hears_nothing_of_it() -> None:
    assert list(check_portal(with_portal(8082, enabled=False))) == []


def test_a_package_that_is_missing_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    both = [*check_catalogues(with_portal(8082)), *check_portal(with_portal(8082))]
    assert [(found.level, "not installed" in found.message) for found in both] == [("error", True)]


def test_it_answers_or_what_keeps_it_does_or_something_else(
    answering: tuple[HTTPServer, list[tuple[int, bytes, str]]],
) -> None:
    server, says = answering
    port = server.server_address[1]
    (found,) = check_portal(with_portal(port))
    assert (found.level, "it answers" in found.message) == ("ok", True)
    says.append((503, b"<html>", "5"))
    (found,) = check_portal(with_portal(port))
    assert (found.level, "started again and again" in found.remedy) == ("warning", True)
    says.append((200, b"hello", ""))
    (found,) = check_portal(with_portal(port))
    assert (found.level, "something else" in found.message) == ("warning", True)


def test_a_free_port_is_fine() -> None:
    probe = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = probe.server_address[1]
    probe.server_close()
    (found,) = check_portal(with_portal(port))
    assert (found.level, "is free" in found.message) == ("ok", True)
