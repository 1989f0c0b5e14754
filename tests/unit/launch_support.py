"""A site of two facilities, a person, and what decides about them: for the tests of the launch step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Facility, Role
from panosc_spawner.facilities.site import Site, SiteFile
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.launch.model import LaunchPlan, Refusal, Selection
from panosc_spawner.launch.plan import plan
from panosc_spawner.proposals.model import Grant, Proposal, Visit

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SYNC, SPALL = "synchrotron", "spallation"


def facility(key: str, *, mount_by: str = "proposal", path: str = "{proposal}") -> Facility:
    everybody = {"default": "ro", "pi": "rw", "member": "rw", "public": "none"}
    return Facility.model_validate(
        {
            "id": key,
            "name": key.title(),
            "short_name": key[:4].upper(),
            "user_office": {"name": f"{key} user office"},
            "proposals": {
                "written": r"(?P<code>[a-z]{2})-?(?P<number>\d{1,6})",
                "canonical": "{code}{number}",
                "case": "lower",
                "examples": ["ma1234"],
            },
            "paths": {"root": f"/data/{key}", "mount_by": mount_by},
            "areas": {
                "raw": {"path": path + "/raw", "access": {"default": "ro"}},
                "processed": {"path": path + "/processed", "access": everybody, "required": False},
            },
            "environments": {
                "base": {"title": "Base", "image": "panosc/base:1", "minimum_memory": "512M"},
                "sans": {"title": "SANS", "image": "panosc/sans:1", "instruments": ["D22"]},
            },
            "default_environment": "base",
        }
    )


def site(**config: object) -> Site:
    document = {
        "hub": {"id": "test", "facilities": [SYNC, SPALL]},
        "login": {"community": "demo", "client_id": "hub"},
        "sources": [{"type": "file", "path": "proposals.toml"}],
        **config,
    }
    facilities = {
        SYNC: facility(SYNC, mount_by="visit", path="{proposal}/{instrument}/{date}"),
        SPALL: facility(SPALL),
    }
    return Site(Path("/site"), SiteFile.model_validate(document), facilities)


PERSON = Person("https://idp.example", "ada@x", "p-ada", "Ada", "demo", NOW)
ACCOUNT = Account("ada", 20001, 20000, (30001,))
ACCOUNTS: dict[str, Account | NoAccount] = {SYNC: ACCOUNT, SPALL: replace(ACCOUNT, gids=(30002,))}
MA = ProposalRef(SYNC, "ma1234")
SP = ProposalRef(SPALL, "sp7")


def grant(ref: ProposalRef = SP, role: Role = Role.MEMBER, **changes: object) -> Grant:
    visits = (Visit("ID31", date(2025, 9, 15)),) if ref.facility == SYNC else (Visit("D22", date(2025, 3, 1)),)
    proposal = Proposal(ref, "A title", visits)
    return replace(Grant(proposal, role, "user office list", "listed", NOW - timedelta(minutes=1)), **changes)  # type: ignore[arg-type]


def decide(
    *grants: Grant, ask: Selection | None = None, on: Site | None = None, **kwargs: object
) -> LaunchPlan | Refusal:
    selection = ask or Selection(tuple(dict.fromkeys(g.ref for g in grants)))
    accounts, absent = kwargs.get("accounts", ACCOUNTS), kwargs.get("absent", ())
    return plan(PERSON, grants, selection, on or site(), accounts, NOW, absent)  # type: ignore[arg-type]


SITE = site()
