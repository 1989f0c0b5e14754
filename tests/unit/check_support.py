"""A site's folder in which everything is right, to be spoilt, with an identity provider on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from panosc_spawner.check import Finding, Level, check_site

Answer = tuple[int, bytes]


class Provider:
    """An identity provider's discovery document on loopback; ``answer`` can be changed."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.issuer = f"http://127.0.0.1:{server.server_address[1]}/realm"
        self.document: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "code_challenge_methods_supported": ["S256"],
        }
        self.answer: Callable[[], Answer] = lambda: (200, json.dumps(self.document).encode())


@pytest.fixture
def provider() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/realm/.well-known/openid-configuration"
            status, body = made.answer() if found else (404, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Provider(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


PROPOSALS = """
[[proposal]]
facility = "demo"
proposal = "demo-001"
title = "A lesson"
[[proposal.team]]
person = "ada@example.org"
role = "pi"
"""


class Site:
    """A site's folder in which everything is right, to be spoilt."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder = folder
        self.tables: dict[str, str] = {
            "hub": 'id = "test"\nfacilities = ["demo"]\nspawner = "local"\nstate_dir = "state"\ndemo = true',
            "login": f'community = "egi-checkin"\nissuer = "{provider.issuer}"\nclient_id = "hub"\nclient_secret_file = "secret"',
            "home": f'source = "{folder}/homes/{{user}}"',
            "account": 'kind = "shared"',
            "[sources]": 'type = "file"\npath = "proposals.toml"',
            "local": 'isolation = "none"',
        }
        for name in ("state", "homes", "data", "facilities"):
            (folder / name).mkdir(mode=0o700)
        (folder / "secret").write_text("s3cret")
        (folder / "secret").chmod(0o600)
        (folder / "proposals.toml").write_text(PROPOSALS)
        (folder / "facilities/demo.toml").write_text(f'[paths]\nroot = "{folder}/data"')

    def set(self, table: str, text: str) -> None:
        self.tables[table] = text

    def add(self, table: str, text: str) -> None:
        self.tables[table] = f"{self.tables.get(table, '')}\n{text}"

    def check(self) -> dict[str, Finding]:
        """The findings by subject; of several with one subject the worst."""
        text = "\n".join(f"[{name}]\n{body}" for name, body in self.tables.items())
        (self.folder / "site.toml").write_text(text)
        levels = list(Level)
        findings = sorted(check_site(self.folder), key=lambda finding: levels.index(finding.level))
        return {finding.subject: finding for finding in findings}


@pytest.fixture
def site(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("PANOSC_PROXY_COMMAND", "true")
    return Site(tmp_path, provider)


def assert_finding(finding: Finding, level: str, message: str, remedy: str = "") -> None:
    assert (finding.level, message in finding.message, remedy in finding.remedy) == (level, True, True), finding
