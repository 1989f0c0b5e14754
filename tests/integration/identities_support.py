"""A real hub with two login services, and browsers that walk through them: for tests of linked logins."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urljoin

import httpx
from demo_process import Service

from benchmarks.access_stack import DEMO, Stack, stop
from benchmarks.hubs import free_ports

OTHER_SCOPE = "institute.example"
OTHER_COMMUNITY = """
id = "institute"
title = "My institute"
description = "The login of your institute, for people whom it knows longer than a community does."
issuer = ""
issuer_required = true
scopes = ["openid", "profile", "email", "voperson_id", "eduperson_entitlement", "eduperson_assurance", "offline_access"]
identity_claim = "voperson_id"
identity_scopes = ["institute.example"]
"""
ALSO = """
[[login.also]]
community = "institute"
issuer = "{issuer}"
client_id = "panosc-hub"
client_secret_file = "{secret}"
"""


class TwoLogins(Stack):
    """A hub where people log in with the community "demo", or with "institute"; ``people`` are at both."""

    def __init__(self, folder: Path, people: Sequence[str] = ("olga", "ada", "bea"), **options: object) -> None:
        super().__init__(folder, people=people, access={"recheck": "2s"}, **options)  # type: ignore[arg-type]
        (self.other_port,) = free_ports(1)
        self.other_issuer = f"http://127.0.0.1:{self.other_port}"
        self.other_provider = Service("institute", self.folder / "institute.log")
        (self.site / "communities" / "institute.toml").write_text(OTHER_COMMUNITY)
        self.other_people = self.folder / "institute.toml"
        self.other_people.write_text(self.personas.read_text().replace("@demo.panosc.example", f"@{OTHER_SCOPE}"))
        with (self.site / "site.toml").open("a") as file:
            file.write(ALSO.format(issuer=self.other_issuer, secret=self.folder / "other-secret"))

    def identity_at_institute(self, person: str) -> str:
        """The voperson_id of a person there."""
        return self.identity(person).replace("@demo.panosc.example", f"@{OTHER_SCOPE}")

    def start_provider(self) -> None:
        """Start both login services."""
        super().start_provider()
        command = [sys.executable, DEMO / "provider.py", "--port", str(self.other_port), "--title", "My institute"]
        command += ["--personas", self.other_people, "--client-secret-file", self.folder / "other-secret"]
        command += ["--redirect-uri", f"{self.url}/hub/oauth_callback/institute"]
        self.other_provider.start(command, os.environ, self.folder)
        self._until(f"{self.other_issuer}/.well-known/openid-configuration", self.other_provider, answers=(200,))

    def stop(self) -> None:
        """Stop everything."""
        super().stop()
        stop([process for process in [self.other_provider.process] if process], 30)
        self.other_provider.reap()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``panosc-hub people WORD SITE …``, as an operator would beside the hub."""
        first, *rest = words
        line = [sys.executable, "-m", "panosc_spawner.cli", "people", first, str(self.site), *rest]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


class Visitor:
    """A browser without scripts."""

    def __init__(self, hub: TwoLogins) -> None:
        self.hub = hub
        self.http = httpx.Client(
            follow_redirects=True, timeout=60, trust_env=False, headers={"Sec-Fetch-Mode": "navigate"}
        )
        self.page = httpx.Response(0)

    def get(self, path: str) -> httpx.Response:
        """Go somewhere on the hub."""
        self.page = self.http.get(f"{self.hub.url}/hub/{path}")
        return self.page

    def submit(self, action: str, choose: str = "", **fields: str) -> httpx.Response:
        """Submit the form of the present page with this action; of several the first that holds the text ``choose``."""
        for form in re.findall(r"<form\b.*?</form>", self.page.text, re.DOTALL):
            address = html.unescape(re.search(r'action="([^"]*)"', form)[1])  # type: ignore[index]
            if address.endswith(action) and choose in html.unescape(form):
                hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
                data = {name: html.unescape(value) for name, value in hidden} | fields
                self.page = self.http.post(urljoin(str(self.page.url), address), data=data)
                return self.page
        raise AssertionError(f"no form {action!r} with {choose!r} on {self.page.url}:\n{self.page.text}")

    def choose(self, person: str) -> httpx.Response:
        """Say who one is, on a login service's page."""
        form = re.search(r'<form[^>]*action="([^"]+)"', self.page.text)
        assert form, f"not at a login service, but at {self.page.url}:\n{self.page.text}"
        fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', self.page.text))
        where = urljoin(str(self.page.url), html.unescape(form[1]))
        self.page = self.http.post(where, data={**fields, "persona": person})
        return self.page

    def log_in(self, person: str, community: str = "demo") -> str:
        """Log in, and get to know one's user name."""
        self.get(f"oauth_login?community={community}")
        self.choose(person)
        return self.name()

    def name(self) -> str:
        """Who one is to the hub; empty if nobody is logged in."""
        page = self.http.get(f"{self.hub.url}/hub/account")
        found = re.search(r'user: "([^"]+)"', page.text)
        return found[1] if found and page.url.path == "/hub/account" else ""

    def link(self, again: str, other: str, community: str = "institute") -> httpx.Response:
        """All the way to the question."""
        self.get("account")
        self.submit("account/link", f'value="{community}"')
        self.choose(again)
        self.says("Now the other login")
        self.page = self.http.get(
            urljoin(self.hub.url, html.unescape(re.search(r'id="next" href="([^"]+)"', self.page.text)[1]))
        )  # type: ignore[index]
        return self.choose(other)

    def token(self) -> str:
        """A new access token of one's own."""
        jar = self.http.cookies.jar
        xsrf = next(cookie.value for cookie in jar if cookie.name == "_xsrf" and cookie.path == "/hub/")
        url = f"{self.hub.url}/hub/api/users/{self.name()}/tokens"
        made = self.http.post(url, headers={"X-XSRFToken": str(xsrf), "Sec-Fetch-Mode": "cors"}, json={})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def says(self, *texts: str) -> None:
        """Check what the page says, tags and entities aside."""
        plain = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.page.text)).split())
        for text in texts:
            assert text in plain, f"{text!r} is not on {self.page.url} ({self.page.status_code}):\n{plain}"

    def close(self) -> None:
        """Close its connections."""
        self.http.close()
