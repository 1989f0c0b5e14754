"""What the portal's tests share: a hub that says what a test wants it to say, and the application over it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx
from panosc_portal.app import make_app
from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import Login, PersonReport, ProposalData
from panosc_portal.login import HUB_SESSION, Logins, LoginSettings
from panosc_portal.pages.look import templates
from pydantic import SecretStr

from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site

BASE = "/services/portal/"
ORIGIN = "http://127.0.0.1:8000"

SITE = """
[hub]
id = "portal-test"
title = "PaNOSC Hub"
facilities = ["esrf", "ill"]
spawner = "local"
public_url = "http://127.0.0.1:8000"
state_dir = "{folder}/state"
[login]
community = "test"
issuer = "https://login.example"
client_id = "hub"
[home]
source = "/home/{{user}}"
[account]
kind = "shared"
[[sources]]
type = "file"
name = "User office list"
path = "proposals.toml"
"""
COMMUNITY = 'id = "test"\ntitle = "Test community"\nissuer = "https://login.example"\n'
FACILITY = '[paths]\nroot = "{folder}/data/{facility}"\n'


def make_site(folder: Path, more: str = "") -> Site:
    """A site with ESRF and ILL over directories of ``folder``; ``more`` is TOML at the end of its site.toml."""
    site = folder / "site"
    if site.exists():
        shutil.rmtree(site)
    for part in ("communities", "facilities"):
        (site / part).mkdir(parents=True)
    (site / "site.toml").write_text(SITE.format(folder=folder) + more)
    (site / "communities" / "test.toml").write_text(COMMUNITY)
    (site / "proposals.toml").write_text("")
    for facility in ("esrf", "ill"):
        (folder / "data" / facility).mkdir(parents=True, exist_ok=True)
        (site / "facilities" / f"{facility}.toml").write_text(FACILITY.format(folder=folder, facility=facility))
    return load_site(site)


def login(username: str = "ada") -> Login:
    """Somebody's login, as the fake hub gives it."""
    return Login(username, SecretStr(f"token-{username}"), username.title())


@dataclass
class FakeHub:
    """Says what a test wrote into it. Keys are user names.

    Attributes:
        people: who they are and what is theirs; nobody else is logged in.
        directories: by (user name, ref): where data lie; anything else is refused.
        tokens: by (user name, catalogue).
        down: it does not answer.
        asked: all that it was asked, in order: ("data", "ada", "esrf/ma1234", "download").
        written: files that were put into servers: (user name, server, path, content).
    """

    people: dict[str, PersonReport] = field(default_factory=dict)
    directories: dict[tuple[str, str], ProposalData] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    down: bool = False
    asked: list[tuple[str, ...]] = field(default_factory=list)
    written: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    closed: bool = False

    async def person(self, login: Login) -> PersonReport:
        self._ask("person", login)
        return self.people[login.username]

    async def data(self, login: Login, proposal: str, purpose: str) -> ProposalData:
        self._ask("data", login, proposal, purpose)
        found = self.directories.get((login.username, proposal))
        if found is None:
            raise HubError(403, f"You are not on proposal {proposal}.", "Ask its main proposer to add you.")
        return found

    async def catalogue_token(self, login: Login, catalogue: str) -> SecretStr:
        self._ask("catalogue_token", login, catalogue)
        found = self.tokens.get((login.username, catalogue))
        if found is None:
            raise HubError(403, "This hub gives no token for that catalogue.")  # as the hub's own handler does
        return SecretStr(found)

    async def start(self, login: Login, proposal: str, environment: str, then: str) -> str:
        self._ask("start", login, proposal, environment, then)
        mine = self.people[login.username]
        if proposal not in {one.ref for one in mine.proposals}:
            raise HubError(403, f"You are not on proposal {proposal}.", "Ask its main proposer to add you.")
        if any(one.ready and one.proposals == (proposal,) for one in mine.servers):
            return then
        return f"/hub/spawn-pending/{login.username}/p-{proposal.partition('/')[2]}?{urlencode({'next': then})}"

    async def put_file(self, login: Login, server: str, path: str, content: bytes) -> str:
        self._ask("put_file", login, server, path)
        running = {one.name for one in self.people[login.username].servers if one.ready}
        if server not in running:
            raise HubError(409, "This server is not running now.", "Open the proposal first.")
        taken = {(who, where, name) for who, where, name, _ in self.written}
        stem, dot, suffix = path.rpartition(".")
        free, number = path, 1
        while (login.username, server, free) in taken:
            number += 1
            free = f"{stem}-{number}{dot}{suffix}" if dot else f"{path}-{number}"
        self.written.append((login.username, server, free, content))
        return free

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> SecretStr:
        self.asked.append(("exchange", code, verifier, redirect_uri))
        if self.down or not code.startswith("code-"):
            raise HubError(401, "The hub gave no login.", "Log in again.")
        return SecretStr(f"token-{code.removeprefix('code-')}")

    async def who(self, token: SecretStr) -> Login | None:
        self.asked.append(("who", token.get_secret_value()))
        if self.down:
            raise HubError(503, "The hub does not answer.", "Try again in a minute.")
        username = token.get_secret_value().removeprefix("token-")
        return login(username) if username in self.people else None

    async def aclose(self) -> None:
        self.closed = True

    def _ask(self, what: str, login: Login, *more: str) -> None:
        self.asked.append((what, login.username, *more))
        if self.down:
            raise HubError(503, "The hub does not answer.", "Try again in a minute.")
        if login.username not in self.people or login.token.get_secret_value() != f"token-{login.username}":
            raise HubError(401, "Your login has ended.", "Log in again.")


@dataclass
class PortalUnderTest:
    """A portal without a network: ``client`` asks it as a browser does, at addresses beneath its base."""

    portal: Portal
    hub: FakeHub
    client: httpx.AsyncClient
    xsrf: str = ""

    def log_in(self, username: str = "ada") -> Login:
        """From here on, ``client`` is this person's browser. ``xsrf`` is what its forms carry (field ``_xsrf``)."""
        self.hub.people.setdefault(username, PersonReport())
        logins = self.portal.part(Logins)
        nonce = f"nonce-of-{username}"
        held = {"token": f"token-{username}", "session": "hub-session", "nonce": nonce, "for": logins.cookie}
        sealed = logins.seal(held)
        self.client.cookies.set(logins.cookie, sealed)
        self.client.cookies.set(HUB_SESSION, "hub-session")
        self.xsrf = logins.form_token(nonce)
        return login(username)

    def log_out(self) -> None:
        """Nobody is at the browser."""
        self.client.cookies.clear()
        self.xsrf = ""


def make_portal(site: Site, hub: FakeHub) -> Portal:
    """A portal over a site and a fake hub, with what all parts may expect in it."""
    portal = Portal(site, hub, templates(site, BASE), BASE)
    settings = LoginSettings(
        "service-portal", SecretStr("a secret of the tests"), "/hub/api/oauth2/authorize", f"{BASE}oauth_callback", BASE
    )
    portal.add(Logins(settings, hub))
    return portal


@asynccontextmanager
async def serve(portal: Portal, hub: FakeHub, parts: Sequence[str] = ()) -> AsyncIterator[PortalUnderTest]:
    """Run the application with some of ``app.PARTS``."""
    app = make_app(portal, tuple(parts))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}{BASE}") as client,
    ):
        yield PortalUnderTest(portal, hub, client)
