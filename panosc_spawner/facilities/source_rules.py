"""Where a site's proposals come from (``[[sources]]`` of ``site.toml``)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from panosc_spawner.facilities.http_source_rules import AnyHttpSource
from panosc_spawner.facilities.model import Model, PlainName, Role
from panosc_spawner.facilities.person_keys import PersonKey, SubjectKey
from panosc_spawner.facilities.table_source_rules import GroupsSource, LdapSource, SqlSource
from panosc_spawner.facilities.units import Duration


class FileSource(Model):
    """Proposals and their teams in a TOML or CSV file (``type = "file"``)."""

    type: Literal["file"]
    name: str = "file"
    path: Path = Field(description="TOML or CSV file, relative to the site's folder; read again when it changes.")
    facilities: tuple[PlainName, ...] = Field(default=(), description="Only these; empty: all of the site's.")
    person: PersonKey = Field(
        default=SubjectKey(),
        description="What 'person' in the file is; not set: identities (voperson_id or sub) of the first login. Of another one: "
        "{ by = 'subject', issuer = 'https://…' }; numbers of the user office: { by = 'claim', … }, 'table', 'sql' or 'ldap'.",
    )
    open_data: bool = Field(
        default=False,
        description="Whoever is logged in sees proposals that the file calls open, or whose release is past, as role 'public'; needs "
        "a facility whose areas give that role something. A later release, or open = false, takes it away.",
    )
    open_limit: int = Field(default=500, ge=1, le=5000, description="The latest so many of them.")
    team_until_open: bool = Field(
        default=False, description="The team's own rights, such as writing processed data, end at the release."
    )


class EntitlementSource(Model):
    """Proposals in the person's entitlements (``type = "entitlements"``)."""

    type: Literal["entitlements"]
    name: str = "entitlements"
    facility: PlainName
    issuer: str = Field(
        description="Entitlements count only from this verified issuer. The '#authority' is never trusted."
    )
    namespace: str = Field(description="URN namespace the issuer may speak for, compared component by component.")
    group: tuple[str, ...] = Field(
        description="Group path before the proposal id: ['umbrellaid', 'esrf', 'proposals']."
    )
    roles: dict[str, Role] = Field(
        default_factory=dict, description="The entitlement's role= to ours; no role is 'member'."
    )
    lifetime: Duration = Field(
        default=timedelta(hours=1),
        description="The claims count this long after they were seen; they are seen at each login and refresh.",
    )


SourceRule = Annotated[
    FileSource | EntitlementSource | SqlSource | LdapSource | GroupsSource | AnyHttpSource, Field(discriminator="type")
]
