"""How a person's local account, with its numbers, is found (``[account]`` of a site or a facility)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.directory_rules import Attribute, Filter, LdapServer
from panosc_spawner.facilities.person_keys import PersonKey, SubjectKey, require_not_chosen


class ClaimAccount(Model):
    """The identity provider sends the local account (``kind = "claim"``)."""

    kind: Literal["claim"]
    uid: str = Field(default="uidNumber", description="Claim with the numeric user id.")
    gid: str = Field(default="gidNumber", description="Claim with the numeric primary group id.")
    name: str = Field(default="", description="Claim with the account name; empty: the hub's user name.")
    gids: str = Field(default="", description="Claim with a list of supplementary group ids.")
    issuer: str = Field(
        default="",
        description="From which login; empty: the site's first. People who come by another have no account: its claims may say anything.",
    )


class NssAccount(Model):
    """The machine knows the account: passwd, LDAP, sssd (``kind = "nss"``), asked with ``getent``."""

    kind: Literal["nss"]
    claim: str = Field(
        default="preferred_username",
        description="Claim whose value is the account name. Write it, even if it is this one: it must be one the provider guarantees.",
    )
    table: dict[str, str] = Field(
        default_factory=dict, description="Instead of a claim: identity (voperson_id or sub) to account name."
    )
    person: PersonKey | None = Field(
        default=None,
        description="Instead of a claim or a table: where the account name of an identity is looked up, such as "
        "{ by = 'table', path = 'accounts.csv' } or { by = 'ldap', … }.",
    )
    issuer: str = Field(
        default="", description="Of which login the claim, or the table's identities, are; empty: the site's first."
    )

    @field_validator("claim")
    @classmethod
    def _nobody_chooses_it(cls, value: str) -> str:
        return require_not_chosen(value)

    @model_validator(mode="after")
    def _one_way(self) -> NssAccount:
        if self.person is not None and (self.table or "claim" in self.model_fields_set):
            raise ValueError("person: is written instead of claim and table, not with them")
        return self


class AccountRow(Model):
    """One row of a static table."""

    name: str
    uid: int = Field(gt=0)
    gid: int = Field(gt=0)
    gids: tuple[int, ...] = ()


class TableAccount(Model):
    """A static table in the TOML file (``kind = "table"``), by identity (voperson_id or sub)."""

    kind: Literal["table"]
    people: dict[str, AccountRow] = Field(description="By identity, or by the key that 'person' finds.")
    person: PersonKey = Field(
        default=SubjectKey(), description="By what the table knows people; not set: their identity."
    )


class LdapAccount(Model):
    """A directory knows the account (``kind = "ldap"``): numbers from its entry, groups from those that name it."""

    kind: Literal["ldap"]
    server: LdapServer
    person: PersonKey = Field(default=SubjectKey(), description="What {key} in the filter is; not set: their identity.")
    base: str = Field(min_length=1, description="Where accounts are: 'ou=people,dc=example,dc=org'.")
    filter: Filter = Field(
        description="Finds the one entry of a person, {key}: '(uid={key})'. Several entries are no account. The attribute must be "
        "one that people cannot write: whoever can, can be anybody."
    )
    name: Attribute = Field(default="uid", description="Attribute with the account's name.")
    uid: Attribute = Field(default="uidNumber", description="Attribute with the numeric user id.")
    gid: Attribute = Field(default="gidNumber", description="Attribute with the numeric primary group id.")
    groups_base: str = Field(default="", description="Where groups are; empty: no further groups.")
    groups_filter: Filter = Field(
        default="(&(objectClass=posixGroup)(memberUid={name}))",
        description="Finds the account's groups: {name} is its name, {dn} its entry, as in '(member={dn})'.",
    )
    group_gid: Attribute = Field(default="gidNumber", description="Attribute with a group's number.")


class SharedAccount(Model):
    """Everybody runs as one uid:gid (``kind = "shared"``): for courses and demos, where the mounts alone separate people."""

    kind: Literal["shared"]
    name: str = "scientist"
    uid: int = Field(default=1000, gt=0)
    gid: int = Field(default=1000, gt=0)


AccountRule = Annotated[
    ClaimAccount | NssAccount | TableAccount | LdapAccount | SharedAccount, Field(discriminator="kind")
]
