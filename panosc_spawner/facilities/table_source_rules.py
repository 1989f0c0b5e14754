"""Sources that are a facility's tables or groups: databases, LDAP, the machine's own groups."""

from __future__ import annotations

import re
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.database_rules import Database, require_select
from panosc_spawner.facilities.directory_rules import Attribute, Filter, LdapPeople, LdapServer
from panosc_spawner.facilities.model import Model, PlainName, Role
from panosc_spawner.facilities.person_keys import PersonKey, SubjectKey
from panosc_spawner.facilities.units import Duration

VISA_TABLES: dict[str, tuple[str, ...]] = {
    "proposal": ("id", "identifier", "title", "public_at"),
    "experiment": ("id", "proposal_id", "instrument_id", "start_date", "end_date"),
    "experiment_user": ("experiment_id", "user_id", "role"),
    "instrument": ("id", "name"),
    "instrument_scientist": ("instrument_id", "user_id", "role"),
    "users": ("id", "key"),
}
"""Tables and columns that VISA's ETL fills (ILLGrenoble/visa-docs, development-etl.md), and three that it has not."""

NOT_IN_VISA = ("experiment_user.role", "instrument_scientist.role", "users.key")
OPTIONAL = (*NOT_IN_VISA, "proposal.title", "proposal.public_at", "experiment.start_date", "experiment.end_date")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}", re.ASCII)


class SqlSource(Model):
    """Proposals and their teams in a database (``type = "sql"``): tables as VISA's ETL fills them, or a query of your own."""

    type: Literal["sql"]
    name: str = "database"
    facility: PlainName
    database: Database
    person: PersonKey = Field(default=SubjectKey(), description="By what the user ids of the tables know people.")
    namespace: str = Field(default="", description="Schema of the tables: 'visa'. Empty: the account's search path.")
    tables: dict[str, str] = Field(
        default_factory=dict, description="Other names of VISA's tables: { experiment = 'beamtime' }."
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Other names of their columns: { 'experiment.start_date' = 'begin_at' }; '' where there is none. Beyond "
        "VISA's: 'experiment_user.role' and 'instrument_scientist.role' (a word that [sources.roles] translates), and "
        "'users.key', where people are known by another column of users than its id.",
    )
    query: str = Field(
        default="",
        description="Instead of tables: one SELECT with the parameter :person that gives a row for each visit, with the columns "
        "proposal, and any of role, title, instrument, start, end, cycle, environment, not_before, ends, public_at. The person's "
        "key is bound to the parameter, never written into the text.",
    )
    user_ids: Literal["text", "number"] = Field(
        default="text", description="What user ids, and with a query :person, are in the database; VISA's are text."
    )
    roles: dict[str, Role] = Field(
        default_factory=dict,
        description="Its words for roles, in any case, to ours. A word that is not named gives nothing; no word is 'member' "
        "(or, for staff of instruments, staff_role).",
    )
    staff_role: Literal[Role.INSTRUMENT_SCIENTIST, Role.LOCAL_CONTACT, Role.STAFF] | None = Field(
        default=Role.INSTRUMENT_SCIENTIST,
        description="Role of the people in instrument_scientist for all proposals of their instruments; 'none': they get none.",
    )
    before_start: Duration | None = Field(
        default=None, description="A right begins this long before the first visit starts; not set: at once."
    )
    after_end: Duration | None = Field(
        default=None, description="It ends this long after the last visit's last day; not set: when the source says so."
    )
    open_data: bool = Field(
        default=False,
        description="Whoever is logged in sees proposals whose public_at is past, as role 'public'; needs a facility whose areas "
        "give that role something. A public_at set again to the future takes it away.",
    )
    open_limit: int = Field(default=500, ge=1, le=5000, description="The latest so many of them.")
    team_until_open: bool = Field(
        default=False, description="The team's own rights, such as writing processed data, end at public_at."
    )
    time_zone: str = Field(default="UTC", description="Of times without zone in the database: 'Europe/Paris'.")

    @field_validator("staff_role", mode="before")
    @classmethod
    def _or_none(cls, value: object) -> object:
        return None if value == "none" else value

    @field_validator("tables")
    @classmethod
    def _known_tables(cls, value: dict[str, str]) -> dict[str, str]:
        for table, own in value.items():
            if table not in VISA_TABLES:
                raise ValueError(f"no table {table!r}; there are {', '.join(VISA_TABLES)}")
            _check_identifier(own)
        return value

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: dict[str, str]) -> dict[str, str]:
        known = [f"{table}.{column}" for table, columns in VISA_TABLES.items() for column in columns]
        for column, own in value.items():
            if column not in known:
                raise ValueError(f"no column {column!r}; there are {', '.join(known)}")
            if own or column not in OPTIONAL:
                _check_identifier(own)
        return value

    @field_validator("namespace")
    @classmethod
    def _is_identifier(cls, value: str) -> str:
        return _check_identifier(value) if value else value

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("is not a time zone, such as 'Europe/Paris'") from error
        return value

    @field_validator("roles")
    @classmethod
    def _any_case(cls, value: dict[str, Role]) -> dict[str, Role]:
        return {word.strip().lower(): role for word, role in value.items()}

    @model_validator(mode="after")
    def _query_or_tables(self) -> Self:
        if not self.query:
            return self
        if self.tables or self.columns or self.namespace:
            raise ValueError("query: replaces tables, columns and namespace; write one or the other")
        if self.open_data:
            raise ValueError("open_data: needs tables; a query is about one person")
        try:
            require_select(self.query, "person")
        except ValueError as error:
            raise ValueError(f"query: {error}") from error
        return self


class GroupRule(Model):
    """What groups of one pattern of names mean (``[[sources.groups]]``)."""

    group: str = Field(
        description="Name of the group with {proposal} or {instrument} in it: 'ess_proposal_{proposal}', '{instrument}_staff'. "
        "A name counts only if it is exactly what this makes of the proposal's canonical id: one proposal, one group."
    )
    role: Role = Field(
        default=Role.MEMBER, description="Of the group's members; for {instrument}, for example 'local-contact'."
    )
    case: Literal["keep", "lower", "upper"] = Field(
        default="keep",
        description="How the ids are written in names of groups: 'upper' where ma1234's group is MA1234.",
    )

    @field_validator("group")
    @classmethod
    def _one_field(cls, value: str) -> str:
        fields = re.findall(r"\{(.*?)\}", value)
        if fields not in (["proposal"], ["instrument"]) or value.count("{") != 1 or value.count("}") != 1:
            raise ValueError("must hold {proposal} or {instrument} once, for example 'ess_proposal_{proposal}'")
        return value


class GroupSource(Model):
    """What sources of groups have in common."""

    facility: PlainName
    groups: tuple[GroupRule, ...] = Field(
        min_length=1, description="Patterns of names; the first that fits counts. Other groups mean nothing."
    )
    instruments_from: str = Field(
        default="",
        description="Name of the source (file or sql) that knows which proposals an instrument had; for groups of instruments.",
    )

    @model_validator(mode="after")
    def _instruments_are_known(self) -> Self:
        if any("{instrument}" in rule.group for rule in self.groups) and not self.instruments_from:
            raise ValueError("instruments_from: is missing: which source knows the proposals of an instrument?")
        return self


class LdapSource(GroupSource):
    """Groups of a directory, each of them a proposal's team (``type = "ldap"``)."""

    type: Literal["ldap"]
    name: str = "directory"
    server: LdapServer
    person: PersonKey = Field(
        default=SubjectKey(), description="What {key} in the filters is; not set: their identity."
    )
    people: LdapPeople | None = Field(
        default=None, description="Where their own entry is, if groups_filter holds {dn} (groupOfNames) or {uid}."
    )
    groups_base: str = Field(min_length=1, description="'ou=groups,dc=example,dc=org'")
    groups_filter: Filter = Field(
        default="(&(objectClass=posixGroup)(memberUid={key}))",
        description="Finds a person's groups; with 'people' also '(&(objectClass=groupOfNames)(member={dn}))'.",
    )
    group_name: Attribute = Field(default="cn", description="Attribute with the group's name.")

    @model_validator(mode="after")
    def _fields_are_known(self) -> Self:
        if self.people is None and re.search(r"\{(dn|uid)\}", self.groups_filter):
            raise ValueError("people: is missing: {dn} and {uid} are those of the person's own entry")
        if "{name}" in self.groups_filter or (self.people and re.search(r"\{(dn|uid|name)\}", self.people.filter)):
            raise ValueError("groups_filter: use {key}, {dn} or {uid}; and in people.filter {key}")
        return self


class GroupsSource(GroupSource):
    """Groups of this machine (NSS: /etc/group, LDAP by sssd), each of them a proposal's team (``type = "groups"``).

    A person is in those of their account (``[account]``), asked with ``getent``: some 5 ms of a core for each question.
    """

    type: Literal["groups"]
    name: str = "groups"


def _check_identifier(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is not a name of a table, column or schema")
    return name
