"""By what a source, or a directory, knows a person (``person = {…}`` of a source or an account rule)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from panosc_spawner.facilities.model import Model


class SubjectKey(Model):
    """By their identity at the login's issuer (``by = "subject"``): voperson_id, or sub."""

    by: Literal["subject"] = "subject"
    issuer: str = Field(default="", description="Of which login; empty: the site's first.")


class ClaimKey(Model):
    """By a claim of their login (``by = "claim"``): a user-office number that the provider guarantees."""

    by: Literal["claim"]
    claim: str = Field(
        min_length=1, description="Its name. Never one that people choose: preferred_username, email, name."
    )


class TableKey(Model):
    """By a list that links identities to the facility's own names (``by = "table"``), as the user office exports it."""

    by: Literal["table"]
    path: Path = Field(
        description="CSV with the columns 'person' (voperson_id or sub) and 'key', beneath the site's folder."
    )
    issuer: str = Field(default="", description="Of which login; empty: the site's first.")


PersonKey = Annotated[SubjectKey | ClaimKey | TableKey, Field(discriminator="by")]
