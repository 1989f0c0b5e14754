"""By what a source, or a directory, knows a person (``person = {…}`` of a source or an account rule)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.database_rules import Database, require_select
from panosc_spawner.facilities.directory_rules import Attribute, Filter, LdapServer

_CHOSEN_BY_PEOPLE = frozenset(
    {"email", "name", "nickname", "given_name", "family_name", "orcid", "profile", "website", "mail", "displayname"}
)
"""Claims that people set themselves, or that others may hold too: whoever writes them there would be somebody else here."""


def require_not_chosen(claim: str) -> str:
    """Return the name of a claim by which people may be known.

    Raises:
        ValueError: if people set its value themselves, or several may have the same.
    """
    if claim.lower() in _CHOSEN_BY_PEOPLE or "mail" in claim.lower():
        raise ValueError("people choose it, or share it: name a claim whose value the provider guarantees")
    return claim


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
        return require_not_chosen(value)


class TableKey(Model):
    """By a list that links identities to the facility's own names (``by = "table"``), as the user office exports it."""

    by: Literal["table"]
    path: Path = Field(
        description="CSV with the columns 'person' (voperson_id or sub) and 'key', beneath the site's folder; read again "
        "when it changes. Whoever can write it decides who is who."
    )
    issuer: str = Field(default="", description="Of which login; empty: the site's first.")


class SqlKey(Model):
    """By what a database says about their identity (``by = "sql"``): the user office's number of whoever linked their login."""

    by: Literal["sql"]
    database: Database
    query: str = Field(
        description="One SELECT with the parameter :subject (voperson_id or sub, bound, never written into the text) that gives "
        "one row with one column: 'SELECT office_id FROM aai_link WHERE subject = :subject'. Several rows are nobody."
    )
    issuer: str = Field(default="", description="Of which login; empty: the site's first.")

    @field_validator("query")
    @classmethod
    def _one_select(cls, value: str) -> str:
        return require_select(value, "subject")


class LdapKey(Model):
    """By an attribute of their entry in a directory (``by = "ldap"``)."""

    by: Literal["ldap"]
    server: LdapServer
    base: str = Field(min_length=1, description="Where the entries of people are: 'ou=people,dc=example,dc=org'.")
    filter: Filter = Field(
        description="Finds the one entry of an identity, {key}: '(eduPersonUniqueId={key})'. Several entries are nobody. The "
        "attribute must be one that people cannot write."
    )
    attribute: Attribute = Field(default="uid", description="Whose one value is the key.")
    issuer: str = Field(default="", description="Of which login; empty: the site's first.")


PersonKey = Annotated[SubjectKey | ClaimKey | TableKey | SqlKey | LdapKey, Field(discriminator="by")]
