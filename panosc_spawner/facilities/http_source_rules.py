"""Catalogues and user offices that are asked over HTTP: ``scicat``, ``icat``, ``icatplus``, ``mymdc``, ``ill``."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.http_service import HttpService
from panosc_spawner.facilities.model import PlainName, Role
from panosc_spawner.facilities.person_keys import PersonKey, SubjectKey
from panosc_spawner.facilities.units import Duration

_DAY = timedelta(days=1)


class HttpSource(HttpService):
    """What all sources over HTTP have."""

    name: str = Field(
        min_length=1, description="People see it as the reason why they may see a proposal: 'SciCat at ESS'."
    )
    facility: PlainName = Field(description="Whose proposals it lists: one of hub.facilities.")
    max_items: int = Field(
        default=2000,
        ge=1,
        le=100_000,
        description="Most entries of one list for one person. More is an error, never a list that is silently cut.",
    )
    timezone: str = Field(
        default="",
        description="The facility's, as Europe/Paris: a beamtime's day in paths is the day there, but many catalogues write "
        "UTC. Empty: the day as it is written.",
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            if value:
                ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("is not a time zone such as Europe/Paris") from error
        return value


class SciCatSource(HttpSource):
    """SciCat, backend 4 or 5 (``type = "scicat"``), asked with the person's own token: it lists what their groups may see."""

    type: Literal["scicat"]
    url: str = Field(description="With the version: https://scicat.example.org/api/v3.")
    audience: str = Field(
        min_length=1,
        description="For whom the person's token is made (RFC 8693), as the login service and SciCat know SciCat.",
    )
    login: Literal["bearer", "oidc-token"] = Field(
        default="oidc-token",
        description="oidc-token: the token is given to SciCat's auth/oidc/token, which checks it as an ID token (so the audience "
        "is SciCat's own client id, and the token a JWT), and what comes back is used; SciCat accepts no tokens but its own. "
        "bearer: the token is used as it is, where a gateway before SciCat takes it.",
    )
    login_again: Duration = Field(
        default=timedelta(seconds=20),
        description="For login = 'oidc-token': SciCat looks up a person's groups when they log in there and keeps them, so the "
        "hub logs in anew after this time. Longer spares SciCat (its route has a rate limit), and a group that was taken away "
        "counts for that much longer.",
    )
    person: PersonKey = Field(
        default=SubjectKey(),
        description="By what SciCat knows the person. Its whoami must answer with that user name: SciCat itself finds people "
        "by user name or e-mail, and both can be somebody else's.",
    )
    user: str = Field(
        default="{key}",
        description="The user name in SciCat, from the person's key: 'oidc.{key}'.",
    )
    roles: dict[str, Role] = Field(
        default_factory=dict,
        description="Groups that mean a role: a whole name, or an ending as '*-pi'. Any other group means 'member'. The "
        "principal investigator's e-mail in a proposal is never looked at.",
    )
    ignored_groups: tuple[str, ...] = Field(
        default=(),
        description="Groups that give nothing, such as one that everybody is in. A group with an empty name never counts.",
    )

    @field_validator("user")
    @classmethod
    def _has_key(cls, value: str) -> str:
        return _with_key(value)


class _IcatCommon(HttpSource):
    plugin: str = Field(
        min_length=1,
        description="ICAT's authentication plugin: 'db' or 'ldap' for an account, 'oidc' for people's tokens.",
    )
    session: Literal["person", "account"] = Field(
        default="person",
        description="person: asked in the person's name, with a token of their login; ICAT's own rules decide. account: asked "
        "with one account that may read who is on which investigation. Give such an account no right to read datasets.",
    )
    audience: str = Field(
        default="", description="For session = 'person': for whom the person's token is made (RFC 8693)."
    )
    username: str = Field(default="", description="For session = 'account'.")
    password_file: Path | None = Field(
        default=None,
        description="For session = 'account': one line, mode 0600, relative to the site's folder. Whoever has it reads who is "
        "on which proposal.",
    )
    person: PersonKey = Field(
        default=SubjectKey(), description="For session = 'account': by what ICAT knows the person. Never by e-mail."
    )
    user: str = Field(
        default="{key}",
        description="The person's user name in ICAT, from their key: 'ldap/{key}'. The part before '/' keeps user names of "
        "several plugins apart; without it, one person could be taken for another.",
    )
    roles: dict[str, Role] = Field(
        default_factory=lambda: {
            "principal investigator": Role.PI,
            "main proposer": Role.PI,
            "pi": Role.PI,
            "principal_experimenter": Role.PI,
            "local contact": Role.LOCAL_CONTACT,
            "local_contact": Role.LOCAL_CONTACT,
            "instrument scientist": Role.INSTRUMENT_SCIENTIST,
        },
        description="The catalogue's roles to ours, in any case; a role that is not named is 'member'.",
    )
    instrument_scientists: bool = Field(
        default=True, description="Whether scientists of an instrument see the proposals that have beamtime there."
    )
    instrument_window: Duration = Field(
        default=730 * _DAY, description="They see the ones whose experiment began within this time."
    )
    open_data: Duration | None = Field(
        default=None,
        description="Everybody sees open data (released, with a DOI) of experiments that began within this time, as role "
        "'public': '1825d'. Without it, nobody sees more than their own.",
    )

    @field_validator("user")
    @classmethod
    def _has_key(cls, value: str) -> str:
        return _with_key(value)

    @model_validator(mode="after")
    def _one_way_in(self) -> _IcatCommon:
        if self.session == "person" and not self.audience:
            raise ValueError("session = 'person' needs an audience; or write session = 'account'")
        if self.session == "account" and not (self.username and self.password_file):
            raise ValueError("session = 'account' needs username and password_file")
        return self


class IcatSource(_IcatCommon):
    """ICAT's REST interface (``type = "icat"``), for any site that runs ICAT."""

    type: Literal["icat"]
    url: str = Field(description="With the last part: https://icat.example.org/icat.")
    token_field: str = Field(
        default="token",
        pattern=r"^[A-Za-z_]{1,40}$",
        description="For session = 'person': the name of the plugin's credential that takes the token.",
    )


class IcatPlusSource(_IcatCommon):
    """ICAT+ as at the ESRF (``type = "icatplus"``)."""

    type: Literal["icatplus"]
    url: str = Field(default="https://icatplus.esrf.fr", description="Of ICAT+, without /catalogue.")
    plugin: str = Field(default="esrf", min_length=1, description="Its authentication plugin.")


class MyMdcSource(HttpSource):
    """myMdC, the European XFEL's metadata catalogue (``type = "mymdc"``)."""

    type: Literal["mymdc"]
    url: str = Field(default="https://in.xfel.eu/metadata", description="Without /api.")
    client_id: str = Field(min_length=1, description="Of the application that was registered in myMdC for this hub.")
    client_secret_file: Path = Field(
        description="Its secret: one line, mode 0600, relative to the site's folder. Whoever has it reads who is on which proposal."
    )
    service_email: str = Field(
        description="E-mail of the account to which the application belongs; myMdC wants it in X-User-Email. It is the hub's "
        "own, never a person's: people are looked up by number."
    )
    person: PersonKey = Field(
        description="By what number myMdC knows the person: { by = 'table', path = 'mymdc.csv' }. Never by e-mail."
    )

    @field_validator("service_email")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not re.fullmatch(r"[!-~]{1,64}@[A-Za-z0-9.-]{1,190}", value, re.ASCII):
            raise ValueError("is not an e-mail address")
        return value


class IllSource(HttpSource):
    """ILL's PaNOSC search API with own data (``type = "ill"``), asked with the person's token."""

    type: Literal["ill"]
    url: str = Field(default="https://fairdata.ill.fr/fairdata/api", description="Of its search API.")
    audience: str = Field(min_length=1, description="For whom the person's token is made (RFC 8693).")
    person: PersonKey = Field(
        description="The person's number in ILL's user office, as the members of a proposal have it. It decides the role."
    )
    proof_document: str = Field(
        default="",
        description="Pid of a document that is not public and that everybody with an account may see. ILL answers a bad "
        "token as if nobody had asked, so without it, somebody without any proposal under embargo cannot be told from "
        "somebody whom ILL did not recognise: they get an error that says so, not an empty list.",
    )
    pid: str = Field(
        default=r"(?:(?:https?://doi\.org/)?10\.5291/ILL-DATA\.)?(?P<id>[A-Za-z0-9-]{1,32})",
        description="Regular expression of a document's pid, with the group 'id' for the proposal.",
    )
    roles: dict[str, Role] = Field(
        default_factory=lambda: {
            "principal investigator": Role.PI,
            "main proposer": Role.PI,
            "local contact": Role.LOCAL_CONTACT,
        },
        description="ILL's roles to ours, in any case; a role that is not named is 'member'.",
    )
    unlisted: Role = Field(
        default=Role.STAFF,
        description="Role of people who may see a proposal under embargo without being among its members.",
    )

    @field_validator("pid")
    @classmethod
    def _has_id(cls, value: str) -> str:
        try:
            groups = re.compile(value, re.ASCII).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if "id" not in groups:
            raise ValueError("needs the group (?P<id>…)")
        return value


def _with_key(value: str) -> str:
    if value.count("{key}") != 1 or re.search(r"[{}]", value.replace("{key}", "")):
        raise ValueError("must hold {key} once, and no other braces")
    return value


AnyHttpSource = SciCatSource | IcatSource | IcatPlusSource | MyMdcSource | IllSource
