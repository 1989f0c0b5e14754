"""What a facility's TOML file says: who it is, how it names proposals, where data lie, what it offers.

Everything facilities differ in is here, as data. Unknown keys are refused.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from panosc_spawner.facilities.account_rules import (
    AccountRow,
    AccountRule,
    ClaimAccount,
    LdapAccount,
    NssAccount,
    SharedAccount,
    TableAccount,
)
from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.catalogue_rules import CatalogueRule
from panosc_spawner.facilities.ids import IdRule
from panosc_spawner.facilities.units import ByteSize


class Role(StrEnum):
    """What somebody is to a proposal, strongest first. Sources translate their own words to these."""

    PI = "pi"
    MEMBER = "member"
    LOCAL_CONTACT = "local-contact"
    INSTRUMENT_SCIENTIST = "instrument-scientist"
    STAFF = "staff"
    PUBLIC = "public"


class Area(StrEnum):
    """The parts of a proposal's data. The value is the directory name the person sees."""

    RAW = "raw"
    PROCESSED = "processed"
    SCRATCH = "scratch"
    SHARED = "shared"


class Access(StrEnum):
    """What a server may do in an area."""

    NONE = "none"
    READ = "ro"
    WRITE = "rw"


def _plain_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", value, re.ASCII) or value.endswith("-"):
        raise ValueError("use 1 to 20 lower-case letters, digits and hyphens, starting with a letter")
    return value


def _absolute(value: PurePosixPath) -> PurePosixPath:
    text = str(value)
    if not value.is_absolute() or ".." in value.parts or re.search(r"[{}\x00-\x1f:,]", text) or text == "/":
        raise ValueError(
            "must be an absolute directory without '..', braces, ':', ',' or control characters, and not '/'"
        )
    return value


__all__ = [
    "IMAGES_BUILD",
    "AbsolutePath",
    "Access",
    "AccountRow",
    "AccountRule",
    "Area",
    "AreaRule",
    "ClaimAccount",
    "Environment",
    "Facility",
    "LdapAccount",
    "Model",
    "NssAccount",
    "Paths",
    "PlainName",
    "Role",
    "SharedAccount",
    "TableAccount",
    "UserOffice",
]

IMAGES_BUILD = "panosc-hub images build --verify "
"""The command that builds this repository's images; their names follow."""

PlainName = Annotated[str, AfterValidator(_plain_name)]
AbsolutePath = Annotated[PurePosixPath, AfterValidator(_absolute)]


class AreaRule(Model):
    """One area (``[areas.raw]``): its directory, and who may do what in it."""

    path: str = Field(
        description="Directory beneath the root, for example '{proposal}/{instrument}/{date}/RAW_DATA'. "
        "Fields: {proposal}, {instrument}, {date}, {year}, {cycle} and those of [paths.fields]."
    )
    root: AbsolutePath | None = Field(default=None, description="Instead of paths.root, for an area on other storage.")
    access: dict[Role | Literal["default"], Access] = Field(
        description="ro, rw or none for each role; 'default' for the roles not named. Raw data can never be rw."
    )
    required: bool = Field(
        default=True,
        description="true: a missing directory refuses the start, in words; false: the area is left out with a notice.",
    )

    def access_for(self, role: Role) -> Access:
        """The access of a role; a role that is not named and without default gets none."""
        return self.access.get(role, self.access.get("default", Access.NONE))


class Paths(Model):
    """Where a facility's data lie (``[paths]``)."""

    root: AbsolutePath = Field(description="Every proposal directory must resolve beneath this directory.")
    mount_by: Literal["proposal", "visit"] = Field(
        default="proposal",
        description="proposal: one directory an area, shown as proposals/<facility>/<id>/raw. "
        "visit: one a visit (beamtime), shown as proposals/<facility>/<id>/raw/<instrument>-<date or cycle>.",
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="A regular expression for each field of a template; instrument, date, year and cycle have one already.",
    )
    examples: dict[str, str] = Field(
        default_factory=dict,
        description="A value of each field with an expression of its own; each is tried when the file is loaded.",
    )
    case: dict[str, Literal["lower", "upper", "keep"]] = Field(
        default_factory=dict,
        description="How a field is written on disk, whatever the source writes: instrument = 'lower' makes ID31 id31.",
    )


class UserOffice(Model):
    """Whom a person asks when a proposal is missing."""

    name: str
    url: str = ""
    email: str = ""


class Environment(Model):
    """An image a facility offers (``[environments.<id>]``)."""

    title: str
    description: str = ""
    image: str = Field(
        description="Image name with tag, or name@sha256:<digest>. Only images named here are ever started."
    )
    pull: Literal["never", "if-missing"] = Field(
        default="never", description="if-missing pulls it, with progress on the page."
    )
    version: str = ""
    kernels: tuple[str, ...] = ("Python 3",)
    packages: tuple[str, ...] = Field(default=(), description="What people come for, with versions: 'pyFAI 2026.9.0'.")
    techniques: tuple[str, ...] = Field(default=(), description="Technique names (PaNET labels) it is made for.")
    formats: tuple[str, ...] = Field(default=(), description="File formats it reads beside HDF5 and NeXus.")
    instruments: tuple[str, ...] = Field(
        default=(), description="Suggested for proposals of these instruments; of several such, the one named last."
    )
    desktop: bool = Field(default=False, description="It has a desktop, which opens at <server>/desktop/.")
    licence: str = ""
    size: ByteSize | None = Field(
        default=None, description="Shown until it is on the machine; then Docker's own number is."
    )
    minimum_memory: ByteSize = Field(
        default=ByteSize(512 * 1024**2), description="A smaller request is refused in words."
    )
    gpus: int = Field(default=0, ge=0, le=16, description="GPUs it needs.")
    status: Literal["current", "deprecated", "withdrawn"] = Field(
        default="current",
        description="deprecated: still starts, said to be so, and suggested only where there is no other. withdrawn: stays in the "
        "software catalogue, so that results made with it can be traced, and starts no more.",
    )
    status_note: str = Field(
        default="", max_length=300, description="Why, and what to use instead; shown with the status."
    )
    doi: str = Field(
        default="",
        pattern=r"^(10\.\d{4,9}/\S{1,200})?$",
        description="Of this environment as published, as 10.5281/zenodo.1234.",
    )

    @field_validator("image")
    @classmethod
    def _is_image(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-zA-Z0-9._/:-]{0,254}(@sha256:[0-9a-f]{64})?", value, re.ASCII):
            raise ValueError("not an image reference: write name:tag or name@sha256:<64 hex digits>")
        return value

    @property
    def digest(self) -> str | None:
        """``sha256:…`` when the image is pinned by digest."""
        return self.image.partition("@")[2] or None

    @property
    def brought_by(self) -> str:
        """The command that brings the image to this machine."""
        ours = re.fullmatch(r"panosc/([a-z0-9-]+):[\w.-]+", self.image, re.ASCII)
        return f"{IMAGES_BUILD}{ours[1]}" if ours else f"docker pull {self.image}"


class Facility(Model):
    """A research infrastructure, as its TOML file describes it."""

    id: PlainName
    name: str
    short_name: str
    country: str = ""
    url: str = ""
    colour: str = Field(
        default="#5f6b7a", pattern=r"^#[0-9a-fA-F]{6}$", description="Of the tag; its name is always in it too."
    )
    user_office: UserOffice
    embargo: str = Field(
        default="", description="A sentence on when data become open, shown where people ask why they see no data."
    )
    proposals: IdRule | None = None
    paths: Paths | None = None
    areas: dict[Area, AreaRule] = Field(default_factory=dict)
    account: AccountRule | None = Field(default=None, description="Instead of the site's [account].")
    sources: tuple[str, ...] = Field(
        default=(),
        description="Names of the site's [[sources]] whose word counts for this facility; empty: all that speak of it. "
        "Name them where a source serves several facilities and is this one's authority for none or some of its rights.",
    )
    catalogues: dict[PlainName, CatalogueRule] = Field(
        default_factory=dict,
        description="Where the portal finds its data sets, as [catalogues.<name>]; see CatalogueRule.",
    )
    environments: dict[PlainName, Environment] = Field(default_factory=dict)
    default_environment: str = ""
    start_page: str = Field(
        default="processed/start-here.ipynb",
        description="Opened in JupyterLab when it exists: a file beneath the proposal's directory, as area/file.",
    )
    to_fill: tuple[str, ...] = Field(
        default=(),
        description="Keys that are not public and that the operator must give before the facility can be used.",
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> Facility:
        for area, rule in self.areas.items():
            if area is Area.RAW and Access.WRITE in rule.access.values():
                raise ValueError("areas.raw.access: raw data are never writable; write 'ro' or 'none'")
        if self.default_environment and self.default_environment not in self.environments:
            raise ValueError(f"default_environment: {self.default_environment!r} is not one of environments")
        return self
