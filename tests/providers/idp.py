"""Three real identity providers behind one interface, and what differs between them as data."""

from __future__ import annotations

import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import httpx
from browser_steps import Browser

CLIENT_ID = "panosc-hub"
SCOPE = "demo.panosc.example"
NAMESPACE = "urn:geant:panosc.example"
MEMBERS = f"{NAMESPACE}:group:demo"
MFA, SFA = "https://refeds.org/profile/mfa", "https://refeds.org/profile/sfa"
ARCHIVE = "https://archive.panosc.example"
"""An audience that tokens may be exchanged for, where the provider can."""


@dataclass
class Member:
    """Somebody of the community. Change it and call :meth:`IdentityProvider.write`: the provider knows at once."""

    key: str
    name: str
    preferred_username: str
    email: str
    entitlements: list[str] = field(default_factory=lambda: [f"{MEMBERS}#{SCOPE}"])
    claimed: list[str] = field(
        default_factory=list
    )  # what the person's own institute says of groups, where there is one
    suspended: bool = False
    acr: str = SFA

    @property
    def subject(self) -> str:
        """The community's opaque identifier."""
        return f"{self.key.encode().hex():0<32}@{SCOPE}"


def people() -> dict[str, Member]:
    """Somebody for each thing that is tried; two of them share name, user name and e-mail address."""
    made = [
        Member("ada", "Ada Lovelace", "ada", "ada@univ.example", acr=MFA),
        Member("imposter", "Ada Lovelace", "ada", "ada@univ.example"),
        Member("lookalike", "Аda Lovelace", "аdа", "ada@univ.example"),  # the first letters are Cyrillic
        Member("bob", "Bob Co", "bob", "bob@univ.example"),
        Member("carl", "Carl Linnæus", "carl", "carl@univ.example"),
        Member("dora", "Dora Out", "dora", "dora@univ.example"),
        Member("erin", "Erin Grace", "erin", "erin@univ.example"),
        Member("eve", "Eve", "eve", "eve@evil.example", claimed=[f"{MEMBERS}:ill:proposals:8-04-923"]),
        Member("stranger", "Nobody's Member", "stranger", "m@evil.example", entitlements=[]),
    ]
    return {member.key: member for member in made}


@dataclass(frozen=True)
class Behaviour:
    """How a provider differs from the others. The suite reads this, and holds each provider to it."""

    sends_lists: bool  # claims with one value come as a list
    rotates: bool  # a refresh token can be used once
    live: bool  # userinfo and refresh say what is so now, not what was so at the login
    logs_out: bool  # has an end_session_endpoint
    backchannel: bool  # reports logouts to the hub
    names_issuer: bool  # RFC 9207
    tells_acr: bool
    exchanges: bool  # RFC 8693
    requires_pkce: bool
    refuses_strangers: bool  # whoever is no member does not get past the provider
    drops_claimed: bool  # what a person's institute says of groups is not passed on


class IdentityProvider:
    """A real provider in processes of its own, on loopback.

    Args:
        folder: for its files and logs.
        hub: the hub's address, for callbacks.
    """

    id: ClassVar[str]
    behaviour: ClassVar[Behaviour]
    scheme: ClassVar[str] = "http"

    def __init__(self, folder: Path, hub: str) -> None:
        self.folder, self.hub = folder, hub
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.people = people()
        self.secret_file = folder / "client-secret"
        self.secret_file.touch(0o600)
        self.secret_file.write_text(secrets.token_urlsafe(32) + "\n")
        self.ca: Path | None = None  # whom to trust, beside the machine's own, to reach it
        self.access_token_seconds = 2
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def issuer(self) -> str:
        """As in its discovery document."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def secret(self) -> str:
        """The hub's."""
        return self.secret_file.read_text().strip()

    @property
    def callback(self) -> str:
        """Where it sends people back to."""
        return f"{self.hub}/hub/oauth_callback"

    def community(self) -> str:
        """The community's file, for the hub's site."""
        return (
            f'id = "{self.id}"\ntitle = "The {self.id} community"\ndescription = "For tests."\n'
            'issuer_required = true\nidentity_claim = "voperson_id"\n'
            f'identity_scopes = ["{SCOPE}"]\nnamespaces = ["{NAMESPACE}"]\ntoken_auth = "basic"\n'
            'scopes = ["openid", "profile", "email", "voperson_id", "eduperson_entitlement", "eduperson_assurance", "offline_access"]\n'
            f"{self.extra_community()}"
        )

    def extra_community(self) -> str:
        """More keys of the community's file."""
        return ""

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self, clock_offset: float = 0.0) -> None:
        """Start, with a new key and no memory of anybody; its clock is fast by ``clock_offset`` seconds."""
        self.write()
        self.launch(clock_offset)
        self.wait()

    def launch(self, clock_offset: float) -> None:
        """Start the processes."""
        raise NotImplementedError

    def write(self) -> None:
        """Tell the provider how people are now."""
        raise NotImplementedError

    def stop(self) -> None:
        """End its processes."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def restart(self, clock_offset: float = 0.0) -> None:
        """A new key on the same port."""
        self.stop()
        self.start(clock_offset)

    def run(self, command: list[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        """Start one process; what it says goes to the log."""
        with (self.folder / "provider.log").open("ab") as log:
            words = [str(word) for word in command]
            self._processes.append(subprocess.Popen(words, cwd=cwd or self.folder, env=env, stdout=log, stderr=log))

    def wait(self, seconds: float = 60) -> None:
        """Until it answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and all(process.poll() is None for process in self._processes):
            try:
                if self.discovery():
                    return
            except (httpx.HTTPError, ValueError):
                time.sleep(0.1)
        raise RuntimeError(f"the provider {self.id} does not start:\n{self.log()[-4000:]}")

    def log(self) -> str:
        """What it said."""
        return (self.folder / "provider.log").read_text(errors="replace")

    # -- as others see it ------------------------------------------------------------------------------------------------

    def client(self) -> httpx.Client:
        """For asking it directly."""
        verify = ssl.create_default_context(cafile=str(self.ca)) if self.ca else True
        return httpx.Client(verify=verify, trust_env=False, timeout=10)

    def discovery(self) -> dict[str, object]:
        """Its discovery document."""
        with self.client() as client:
            answer = client.get(f"{self.issuer}/.well-known/openid-configuration").raise_for_status()
        document: dict[str, object] = answer.json()
        return document

    def choose(self, browser: Browser, page: httpx.Response, who: str) -> httpx.Response:
        """On its pages, be somebody (or nobody: ""), until the browser is back at the hub."""
        raise NotImplementedError


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_at(response: httpx.Response, address: str) -> bool:
    """Whether a page is this server's."""
    return response.url.host == urlsplit(address).hostname and response.url.port == urlsplit(address).port
