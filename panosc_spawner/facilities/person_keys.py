"""By what a source, or a directory, knows a person (``person = {…}`` of a source or an account rule)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from panosc_spawner.facilities.model import Model

CHOSEN_BY_PEOPLE = frozenset(
    {"email", "name", "nickname", "given_name", "family_name", "orcid", "profile", "website", "mail", "displayname"}
)
"""Claims that people set themselves, or that others may hold too: whoever writes them there would be somebody else here."""


class SubjectKey(Model):
    """By their identity at a login's issuer (``by = "subject"``): voperson_id, or sub."""

    by: Literal["subject"] = "subject"
    issuer: str = Field(default="", description="Of which login; empty: the site's first.")


class ClaimKey(Model):
    """By a claim of their login (``by = "claim"``): a user-office number that the provider guarantees.

    It counts only while they are logged in with that login: another provider may send anything under the same name.
    """

    by: Literal["claim"]
    claim: str = Field(
        min_length=1,
        max_length=128,
        description="Its name. Never one that people choose: those of e-mail addresses, names and ORCIDs are refused; "
        "preferred_username only where the provider guarantees that nobody can choose another's.",
    )
    issuer: str = Field(default="", description="From which login; empty: the site's first.")

    @field_validator("claim")
    @classmethod
    def _nobody_chooses_it(cls, value: str) -> str:
        if value.lower() in CHOSEN_BY_PEOPLE or re.search(r"e?mail", value.lower()):
            raise ValueError("people choose it, or share it: name a claim whose value the provider guarantees")
        return value


class TableKey(Model):
    """By a list that links identities to the facility's own names (``by = "table"``), as the user office exports it."""

    by: Literal["table"]
    path: Path = Field(
        description="CSV with the columns 'person' (voperson_id or sub) and 'key', beneath the site's folder; read again "
        "when it changes. Whoever can write it decides who is who."
    )
    issuer: str = Field(default="", description="Of which login; empty: the site's first.")


PersonKey = Annotated[SubjectKey | ClaimKey | TableKey, Field(discriminator="by")]
