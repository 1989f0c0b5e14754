"""The hub as operators run it, in a process of its own: ``panosc_spawner.hub.configure`` with a site's folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from browser_steps import Browser
from idp import CLIENT_ID, IdentityProvider, free_port
from made_on_demand import ROOT

OVERLAY = Path(__file__).with_name("hub_overlay.py")

SITE = """
[hub]
id = "{id}"
title = "Hub under test"
facilities = ["esrf", "ill"]
spawner = "local"
public_url = "{url}"
bind_url = "{url}"
port = {hub_port}
proxy_api_port = {api_port}
state_dir = "{folder}/state"
support = "hub@facility.example"
demo = true

[login]
community = "{community}"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret_file = "{secret_file}"
required_entitlement = "{required}"
{login}

[home]
source = "{folder}/homes/{{user}}"

[account]
kind = "shared"

[access]
recheck = "{recheck}"
{access}

[[sources]]
type = "file"
name = "User office list"
path = "proposals.toml"
{more}
"""

ROOTS = '[paths]\nroot = "{folder}/data/{facility}"\n'


class Hub:
    """A hub, from its folder.

    Args:
        folder: for its site, state, homes and data.
        port: of its public address, which the provider has to know before.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}

    def write_site(
        self,
        provider: IdentityProvider,
        *,
        proposals: str = "proposal = []\n",
        required: str = "",
        login: str = "",
        access: str = "",
        more: str = "",
        recheck: str = "1s",
    ) -> None:
        """A site that people log in to with this provider's community. ``login``, ``access`` and ``more`` are TOML."""
        site = self.folder / "site"
        for part in ("communities", "facilities"):
            (site / part).mkdir(parents=True, exist_ok=True)
        values = {
            "id": f"t{self.port}",
            "url": self.url,
            "hub_port": free_port(),
            "api_port": free_port(),
            "folder": self.folder,
            "community": provider.id,
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "secret_file": provider.secret_file,
        }
        text = SITE.format(**values, required=required, login=login, access=access, more=more, recheck=recheck)
        (site / "site.toml").write_text(text, encoding="utf-8")
        (site / "communities" / f"{provider.id}.toml").write_text(provider.community(), encoding="utf-8")
        for facility in ("esrf", "ill"):
            rule = ROOTS.format(folder=self.folder, facility=facility)
            (site / "facilities" / f"{facility}.toml").write_text(rule, encoding="utf-8")
        (site / "proposals.toml").write_text(proposals, encoding="utf-8")
        if provider.ca:
            self.environment["SSL_CERT_FILE"] = str(provider.ca)

    def start(self, settings: Mapping[str, Mapping[str, Any]] | None = None, seconds: float = 90) -> None:
        """Start, and wait until it answers.

        Args:
            settings: of JupyterHub's classes, over what the site says.
            seconds: how long that may take.
        """
        environment = os.environ | {
            "PANOSC_SITE": str(self.folder / "site"),
            "PANOSC_TEST_SETTINGS": json.dumps(settings or {}),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "jupyterhub", "-f", str(OVERLAY)]
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment | self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/hub/health", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the hub does not start:\n{self.log()[-6000:]}")

    def stop(self) -> None:
        """End it and what it started."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def log(self) -> str:
        """What it said."""
        return (self.folder / "hub.log").read_text(encoding="utf-8", errors="replace")

    def audit(self) -> list[dict[str, Any]]:
        """The lines of its audit log."""
        lines = []
        for file in (self.folder / "state").glob("audit*.jsonl"):
            lines += [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return lines


class Visitor(Browser):
    """Somebody's browser at a hub with one provider.

    Args:
        hub: the hub.
        provider: whose pages the browser meets on the way.
    """

    def __init__(self, hub: Hub, provider: IdentityProvider, **options: Any) -> None:
        super().__init__(provider.ca, **options)
        self.hub, self.provider = hub, provider

    def begin(self, next: str = "/hub/test/who", **arguments: str) -> httpx.Response:
        """Go to log in; the page where that leads, which is the provider's."""
        return self.get(f"{self.hub.url}/hub/oauth_login", params={"next": next, **arguments})

    def log_in(self, who: str, next: str = "/hub/test/who", **arguments: str) -> httpx.Response:
        """Log in as somebody, by the provider's real pages; where that ends."""
        page = self.begin(next, **arguments)
        assert page.status_code == 200, page.text[:2000]
        return self.provider.choose(self, page, who)

    def who(self) -> dict[str, Any] | None:
        """Who the hub thinks this is; None if nobody is logged in."""
        answer = self.get(f"{self.hub.url}/hub/test/who", follow_redirects=False)
        if answer.status_code in (302, 303) and "/login" in answer.headers["location"]:
            return None
        assert answer.status_code == 200, (answer.status_code, answer.text[:500])
        known: dict[str, Any] = answer.json()
        return known

    def until_logged_out(self, seconds: float = 60) -> float:
        """Wait until the hub knows this browser no more; how long it took."""
        begun = time.monotonic()
        while self.who() is not None:
            assert time.monotonic() - begun < seconds, self.hub.log()[-3000:]
            time.sleep(0.2)
        return time.monotonic() - begun

    def xsrf(self) -> str:
        """The token that the hub's forms hold."""
        page = self.get(f"{self.hub.url}/hub/home")
        found = re.search(r'xsrf_token: "([^"]+)"', page.text)
        assert found, page.text[:1000]
        return found[1]

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the hub's API as its own pages do."""
        headers = {"X-XSRFToken": self.xsrf(), "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
        return self.request(method, f"{self.hub.url}/hub/api/{path}", headers=headers, **options)


@dataclass
class Pair:
    """A provider, and the hub whose people log in with it."""

    provider: IdentityProvider
    hub: Hub

    def visitor(self) -> Visitor:
        """A new browser."""
        return Visitor(self.hub, self.provider)
