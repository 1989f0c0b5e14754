"""A site with one source over HTTP, a person, and a broker that hands out tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr, TypeAdapter

from panosc_spawner.errors import TokenError
from panosc_spawner.facilities.load import load_facility
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.paths import PathMap
from panosc_spawner.facilities.site import Hub, Site, SiteFile
from panosc_spawner.facilities.source_rules import SourceRule
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.proposals.make import sources_of
from panosc_spawner.proposals.model import Grant

ISSUER = "https://proxy.eduteams.example"
ADA, EVE = "ada@eduteams.example", "eve@eduteams.example"
FACILITIES = ("esrf", "ess", "euxfel", "ill")
PATIENT = {"timeout": "20s", "connect_timeout": "20s"}  # the machine that tests run on may be busy


class Broker:
    """Hands out ``token-of-<person>-for-<audience>``, and writes down what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.error = ""
        self.round = ""

    async def token(self, person: Person, audience: str) -> SecretStr:
        self.asked.append((person.subject, audience))
        if self.error:
            raise TokenError(self.error)
        return SecretStr(f"token-of-{person.subject.partition('@')[0]}-for-{audience}{self.round}")


def person(subject: str = ADA, *, linked: tuple[Identity, ...] = (), **claims: Any) -> Person:
    return Person(
        ISSUER, subject, f"p-{subject[:3]}", subject, "eduteams", datetime.now(UTC), claims=claims, linked=linked
    )


def make_site(folder: Path, *rules: Mapping[str, Any]) -> Site:
    for name in ("password", "secret"):
        (folder / name).write_text(f"the-{name}\n")
        (folder / name).chmod(0o600)
    login = Login(community="eduteams", issuer=ISSUER, client_id="hub")
    parsed = tuple(TypeAdapter(SourceRule).validate_python({**PATIENT, **rule}) for rule in rules)
    config = SiteFile(hub=Hub(id="t", facilities=FACILITIES), login=login, sources=parsed)
    return Site(folder, config, {name: load_facility(name) for name in FACILITIES})


def make_sources(folder: Path, broker: Broker, *rules: Mapping[str, Any]) -> list[Any]:
    return list(sources_of(make_site(folder, *rules), broker))


def raw_paths(grant: Grant) -> list[str]:
    """Where the facility's own template puts the raw data of each visit."""
    paths = PathMap(load_facility(grant.ref.facility))
    area = next(iter(paths.examples))
    return [str(paths.render(grant.ref, area, visit.path_fields)) for visit in grant.proposal.visits]


def by_id(grants: list[Grant]) -> dict[str, Grant]:
    assert len({grant.ref for grant in grants}) == len(grants)
    return {grant.ref.id: grant for grant in grants}


def roles(grants: list[Grant]) -> dict[str, Role]:
    return {proposal: grant.role for proposal, grant in by_id(grants).items()}
