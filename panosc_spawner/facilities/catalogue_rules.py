"""Catalogues in which the portal finds data sets: ``[catalogues.<name>]`` of a facility's file, and of a site's.

One table a catalogue. What implementations of the PaNOSC search API differ in is in ``catalogue_dialects``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.catalogue_dialects import DIALECTS, Dialect
from panosc_spawner.facilities.http_service import HttpService
from panosc_spawner.facilities.ids import refuse_slow
from panosc_spawner.facilities.units import ByteSize, Duration


class CatalogueCommon(HttpService):
    """What all catalogues have."""

    name: str = Field(
        default="",
        description="Not written: it is the table's name, and names the catalogue in the portal's addresses.",
    )
    title: str = Field(default="", max_length=80, description="As people see it; empty: the facility's short name.")
    enabled: bool = Field(default=True, description="false: it is not asked.")
    verified: bool = Field(
        default=False,
        description="Set it to true once `panosc-hub check` has found that it answers as this table says. Until then, check warns.",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=10),
        description="Longest wait for one answer. A search waits for a catalogue as long as [portal.search] says, and no longer.",
    )
    max_answer: ByteSize = Field(
        default=ByteSize(4 * 1024**2), ge=1024, description="A bigger answer is not read: it is an error."
    )
    audience: str = Field(
        default="",
        description="For whom a person's token is made (RFC 8693), so that people find their own data there. Empty: it is asked "
        "without anybody's name, and shows open data.",
    )
    landing: str = Field(
        default="",
        description="Address of a data set's page at the facility, with {pid} in it: https://data.example.org/doi/{pid}.",
    )
    proposal_id: str = Field(
        default=r"(?P<id>.{1,100})",
        description="Regular expression of how it writes a proposal, with the group 'id' for the facility's own id.",
    )

    @field_validator("landing")
    @classmethod
    def _one_pid(cls, value: str) -> str:
        if value and (value.count("{pid}") != 1 or re.search(r"[{}\s]", value.replace("{pid}", ""))):
            raise ValueError("must hold {pid} once, and no other braces")
        if value and (urlsplit(value).scheme != "https" or "{" in (urlsplit(value).netloc or "{")):
            raise ValueError("must be an https address, with {pid} after the host")
        return value

    @field_validator("proposal_id")
    @classmethod
    def _has_id(cls, value: str) -> str:
        try:
            pattern = re.compile(value, re.ASCII)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if "id" not in pattern.groupindex:
            raise ValueError("needs the group (?P<id>…)")
        refuse_slow(pattern, "proposal_id")
        return value

    @property
    def personal(self) -> bool:
        """Whether it is asked with people's own tokens."""
        return bool(self.audience)


class PanoscCatalogue(CatalogueCommon):
    """A PaNOSC search API (``type = "panosc"``)."""

    type: Literal["panosc"]
    url: str = Field(description="With the last part: https://search.example.org/api.")
    implementation: Literal["reference", "scicat", "ill", "datagateway", "federation", "hub"] = Field(
        default="reference",
        description="Whose it is. They answer the same question differently, so what each is asked, and what is checked here "
        "instead, depends on it.",
    )
    units: dict[str, str] = Field(
        default_factory=dict,
        description="The unit in which it keeps a parameter, by the parameter's name: { incident_wavelength = 'nm' }. Only then is a "
        "condition with a unit asked there, in this unit; all others are checked here on what it answers.",
    )
    differs: dict[str, Any] = Field(
        default_factory=dict,
        description="Where it differs from its implementation, as `check` found: { document = 'documents' }. Keys: those of "
        "Dialect in facilities/catalogue_dialects.py.",
    )

    @property
    def dialect(self) -> Dialect:
        """How it speaks."""
        return Dialect.model_validate({**dict(DIALECTS[self.implementation]), **self.differs})

    @model_validator(mode="after")
    def _own_data_needs_a_header(self) -> PanoscCatalogue:
        try:
            _ = self.dialect
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"differs.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if self.audience and not self.dialect.token_header:
            raise ValueError(
                f"audience: {self.implementation!r} takes no tokens; or name the header that takes one in differs.token_header"
            )
        return self


class SciCatCatalogue(CatalogueCommon):
    """SciCat's own API, version 4 (``type = "scicat"``)."""

    type: Literal["scicat"]
    url: str = Field(description="Without the version: https://scicat.example.org/api.")
    login: Literal["bearer", "oidc-token"] = Field(
        default="oidc-token",
        description="How a person's token is used. oidc-token: SciCat's auth/oidc/token takes it and gives its own. bearer: as it is.",
    )
    dates: bool = Field(
        default=False,
        description="Whether its filters take dates as {'$date': …}, so that years are asked there; `check` tells. If not, years are "
        "checked here on what it answers.",
    )
    ignored_groups: tuple[str, ...] = Field(
        default=(), description="Groups that do not make a data set somebody's own. One with an empty name never does."
    )


class IcatCatalogue(CatalogueCommon):
    """ICAT's REST interface (``type = "icat"``)."""

    type: Literal["icat"]
    url: str = Field(description="With the last part: https://icat.example.org/icat.")
    plugin: str = Field(default="anon", min_length=1, description="Authentication plugin for asking without a person.")
    units: dict[str, str] = Field(
        default_factory=dict, description="The unit in which it keeps a parameter, by the parameter's name; see panosc."
    )
    username: str = Field(default="", description="Of a public account, where the plugin wants one.")
    password_file: Path | None = Field(default=None, description="Its password: one line, mode 0600.")
    person_plugin: str = Field(default="oidc", min_length=1, description="Authentication plugin for people's tokens.")
    token_field: str = Field(
        default="token", pattern=r"^[A-Za-z_]{1,40}$", description="The plugin's credential that takes the token."
    )

    @model_validator(mode="after")
    def _account_is_whole(self) -> IcatCatalogue:
        if bool(self.username) != bool(self.password_file):
            raise ValueError("username and password_file go together")
        return self


class IcatPlusCatalogue(CatalogueCommon):
    """ICAT+ as at the ESRF (``type = "icatplus"``)."""

    type: Literal["icatplus"]
    url: str = Field(default="https://icatplus.esrf.fr", description="Of ICAT+, without /catalogue.")
    plugin: str = Field(default="db", min_length=1, description="Authentication plugin for asking without a person.")
    username: str = Field(default="", description="Of a public account, which sees released data only.")
    password_file: Path | None = Field(default=None, description="Its password: one line, mode 0600.")
    person_plugin: str = Field(default="esrf", min_length=1, description="Authentication plugin for people's tokens.")

    @model_validator(mode="after")
    def _somebody_asks(self) -> IcatPlusCatalogue:
        if bool(self.username) != bool(self.password_file):
            raise ValueError("username and password_file go together")
        if not self.username and not self.audience:
            raise ValueError(
                "needs an audience (people's own tokens), or username and password_file of a public account"
            )
        return self


class MyMdcCatalogue(CatalogueCommon):
    """myMdC, the European XFEL's (``type = "mymdc"``): people's own runs, asked with their own tokens."""

    type: Literal["mymdc"]
    url: str = Field(default="https://in.xfel.eu/metadata", description="Without /api.")
    audience: str = Field(
        min_length=1,
        description="For whom a person's token is made. The hub's own application is never used here: it may read everybody's.",
    )


class OaiCatalogue(CatalogueCommon):
    """A repository that is harvested by OAI-PMH (``type = "oai"``): its records are kept here and searched here."""

    type: Literal["oai"]
    url: str = Field(description="Its base URL: https://data.example.org/oai2d.")
    prefix: Literal["oai_dc", "oai_datacite", "datacite"] = Field(default="oai_datacite", description="metadataPrefix.")
    set: str = Field(default="", pattern=r"^[A-Za-z0-9_.:-]{0,200}$", description="Only this set.")
    every: Duration = Field(default=timedelta(hours=6), ge=timedelta(minutes=5), description="How often it is asked.")
    max_records: int = Field(default=200_000, ge=1, le=5_000_000, description="More than these are not kept.")
    max_answer: ByteSize = Field(default=ByteSize(32 * 1024**2), ge=1024, description="A bigger page is not read.")
    timeout: Duration = Field(default=timedelta(seconds=60), description="Longest wait for one page.")


class TiledCatalogue(CatalogueCommon):
    """A tiled server (``type = "tiled"``): its tree is searched, a node is a data set."""

    type: Literal["tiled"]
    url: str = Field(description="Without /api/v1: https://tiled.example.org.")
    path: str = Field(default="", pattern=r"^[A-Za-z0-9_./ -]{0,300}$", description="Only below this node.")
    title_key: str = Field(default="title", pattern=r"^[A-Za-z0-9_.]{1,60}$", description="Metadata key of the title.")
    proposal_key: str = Field(
        default="proposal_id", pattern=r"^[A-Za-z0-9_.]{1,60}$", description="Metadata key of the proposal."
    )


CatalogueRule = Annotated[
    PanoscCatalogue
    | SciCatCatalogue
    | IcatCatalogue
    | IcatPlusCatalogue
    | MyMdcCatalogue
    | OaiCatalogue
    | TiledCatalogue,
    Field(discriminator="type"),
]


class PortalCatalogues(Model):
    """Catalogues of a site beyond its facilities' own (``[portal.catalogues]``)."""

    also: tuple[str, ...] = Field(
        default=(),
        description="Others that come with the hub and belong to none of its facilities: maxiv, psi, alba, hzdr.",
    )
    off: tuple[str, ...] = Field(default=(), description="Names of those that are not asked.")
    own: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")], CatalogueRule] = Field(
        default_factory=dict,
        description="The site's own, as [portal.catalogues.own.<name>], of no facility's data alone.",
    )
