"""A small site on disk in which everything can be opened, for tests that break one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.username import username_for

ISSUER = "https://login.example"
SUBJECT = "ada@login.example"

SITE = """
[hub]
id = "words"
facilities = ["demo", "ill"]
state_dir = "state"
[login]
community = "test"
client_id = "hub"
{login}
[home]
source = "{folder}/homes/{{user}}"
[account]
{account}
[access]
source_timeout = "2s"
{access}
[[sources]]
type = "file"
name = "User office"
path = "proposals.toml"
{sources}
"""
COMMUNITY = """
id = "test"
title = "Test login"
description = "A name and an identifier."
issuer = "https://login.example"
identity_scopes = ["login.example"]
namespaces = ["urn:geant:login.example"]
"""
PROPOSALS = """
[[proposal]]
facility = "demo"
proposal = "demo-001"
title = "Pigments"
{visit}
[[proposal.team]]
person = "ada@login.example"
role = "pi"
{team}
[[proposal]]
facility = "demo"
proposal = "demo-002"
title = "Somebody else's"
[[proposal.team]]
person = "bea@login.example"
role = "pi"
[[proposal]]
facility = "ill"
proposal = "8-04-923"
title = "Micelles"
[[proposal.visit]]
instrument = "D22"
start = 2026-05-30
end = 2026-06-02
{cycle}
[[proposal.team]]
person = "ada@login.example"
role = "pi"
"""


@dataclass
class Words:
    """The parts of a site; write them, then load it."""

    folder: Path
    account: str = 'kind = "table"\n[account.people."ada@login.example"]\nname = "ada"\nuid = 4001\ngid = 4000'
    login: str = ""
    access: str = ""
    sources: str = ""
    team: str = ""
    visit: str = ""
    cycle: str = 'cycle = "261"'
    demo: str = ""
    ill: str = ""
    proposals: str = PROPOSALS
    files: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def raw(self) -> Path:
        return self.data / "demo" / "demo-001" / "raw"

    def write(self) -> Path:
        """The site's folder, with data that everybody may read."""
        site = self.folder / "site"
        for part in ("communities", "facilities", "state"):
            (site / part).mkdir(parents=True, exist_ok=True)
        parts = {"login": self.login, "account": self.account, "access": self.access, "sources": self.sources}
        (site / "site.toml").write_text(SITE.format(folder=self.folder, **parts))
        (site / "communities/test.toml").write_text(COMMUNITY)
        (site / "facilities/demo.toml").write_text(f'{self.demo}\n[paths]\nroot = "{self.data}/demo"\n')
        (site / "facilities/ill.toml").write_text(f'{self.ill}\n[paths]\nroot = "{self.data}/ill"\n')
        text = self.proposals.format(visit=self.visit, team=self.team, cycle=self.cycle)
        (site / "proposals.toml").write_text(text)
        for name, content in self.files.items():
            (site / name).write_text(content)
        for proposal in ("demo-001", "demo-002"):
            for area in ("raw", "processed", "scratch", "shared"):
                (self.data / "demo" / proposal / area).mkdir(parents=True, exist_ok=True)
                (self.data / "demo" / proposal / area).chmod(0o777)
        for area in ("rawdata", "processed"):
            (self.data / f"ill/261/d22/exp_8-04-923/{area}").mkdir(parents=True, exist_ok=True)
        for place in [self.data, *self.data.rglob("*")]:
            place.chmod(0o777)
        return site

    def site(self) -> Site:
        return load_site(self.write())


def person(**changes: Any) -> Person:
    """Ada, logged in just now."""
    now = datetime.now(UTC)
    known: dict[str, Any] = {
        "issuer": ISSUER,
        "subject": SUBJECT,
        "username": username_for(ISSUER, SUBJECT),
        "display_name": "Ada",
        "community": "test",
        "seen_at": now - timedelta(seconds=30),
        "logged_in_at": now - timedelta(minutes=20),
    }
    return Person(**(known | changes))
