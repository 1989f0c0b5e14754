"""Archives (``[portal.archive]``): other sites to which a proposal's data are copied for keeping, and who may do that."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.http_service import safe_service_url
from panosc_spawner.facilities.model import Area, PlainName, Role
from panosc_spawner.facilities.portal_staging_rules import Token
from panosc_spawner.facilities.units import ByteSize, Duration


class ArchiveSite(Model):
    """An archive that takes data over WebDAV (``[[portal.archive.sites]]``)."""

    name: PlainName = Field(description="Names it in addresses, jobs and logs; must differ per archive.")
    title: str = Field(min_length=1, max_length=80, description="As people see it: 'STFC archive'.")
    facilities: tuple[PlainName, ...] = Field(min_length=1, description="Whose proposals it takes.")
    url: str = Field(description="Directory beneath which proposals lie there, as https://archive.example.org/panosc.")
    directory: str = Field(
        default="{facility}/{proposal}", description="A proposal's directory beneath it: {facility} and {proposal}."
    )
    areas: tuple[Area, ...] = Field(
        default=(Area.RAW, Area.PROCESSED), min_length=1, description="Areas of a proposal that it takes."
    )
    roles: tuple[Role, ...] = Field(
        default=(Role.PI, Role.LOCAL_CONTACT), min_length=1, description="Roles in a proposal that may send it there."
    )
    token: Token
    ca_file: Path | None = Field(
        default=None,
        description="PEM file with the authorities its certificate may come from; relative to the site's folder.",
    )
    read_back: Literal["bytes", "digest"] = Field(
        default="bytes",
        description="How each file is verified after it was sent. bytes: it is read again and compared. digest: the archive's own "
        "SHA-256 (RFC 3230) is compared; where it tells none, it is read again.",
    )
    max_files: int = Field(default=1_000_000, ge=1, le=10_000_000, description="More files are refused in words.")
    max_size: ByteSize = Field(
        default=ByteSize(100 * 1024**4), ge=1, description="A bigger proposal is refused in words."
    )
    timeout: Duration = Field(default=timedelta(seconds=60), description="Longest silence of the archive.")
    terms: str = Field(
        default="",
        max_length=500,
        description="A sentence on what the archive does with data, shown before they are sent.",
    )

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return safe_service_url(value).rstrip("/")

    @field_validator("token")
    @classmethod
    def _no_certificate(cls, value: Token) -> Token:
        if value.by == "certificate":
            raise ValueError(
                "an archive is asked with a token: by = 'person' or 'file', with macaroon = true where it gives them"
            )
        return value

    @field_validator("directory")
    @classmethod
    def _own_directory(cls, value: str) -> str:
        plain = re.sub(r"\{(facility|proposal)\}", "x", value)
        if "{proposal}" not in value or "{facility}" not in value:
            raise ValueError("must hold {facility} and {proposal}, or proposals would share a directory")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", plain) or {".", ".."} & set(plain.split("/")):
            raise ValueError("must be a relative path of letters, digits, '_', '-', '.', {facility} and {proposal}")
        return value


class ArchiveRules(Model):
    """Where data are archived (``[portal.archive]``)."""

    sites: tuple[ArchiveSite, ...] = ()

    @model_validator(mode="after")
    def _one_each(self) -> ArchiveRules:
        names = [site.name for site in self.sites]
        if len(names) != len(set(names)):
            raise ValueError("sites: two have the same name")
        return self
