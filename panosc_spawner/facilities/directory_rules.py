"""Which LDAP directory a source, an account rule or a person's key is looked up in (``server = {…}``)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.units import Duration

FIELDS = ("key", "uid", "dn", "name")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}(;[A-Za-z0-9-]+)*", re.ASCII)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _is_attribute(value: str) -> str:
    if not _ATTRIBUTE.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is not a name of an LDAP attribute")
    return value


def _is_filter(value: str) -> str:
    if not value.startswith("(") or not value.endswith(")") or value.count("(") != value.count(")"):
        raise ValueError("is not an LDAP filter, such as '(uid={key})'")
    fields = re.findall(r"\{(.*?)\}", value)
    if unknown := [field for field in fields if field not in FIELDS]:
        raise ValueError(f"unknown field {{{unknown[0]}}}")
    if not fields:
        raise ValueError("must hold a field such as {key}, or it would be about everybody")
    return value


Attribute = Annotated[str, AfterValidator(_is_attribute)]
Filter = Annotated[str, AfterValidator(_is_filter)]


class LdapServer(Model):
    """A directory, asked read-only. Referrals to other servers are not followed."""

    urls: tuple[str, ...] = Field(
        min_length=1,
        max_length=8,
        description="['ldaps://ldap1.example.org', 'ldaps://ldap2.example.org']: the next one is asked when one does not answer. "
        "ldap:// only with start_tls, or on loopback: anybody in between could answer otherwise.",
    )
    start_tls: bool = Field(
        default=False, description="Change to TLS on an ldap:// connection before anything is said."
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) that may have signed the servers', relative to the site's folder; not set: the system's.",
    )
    bind_dn: str = Field(default="", description="Account to log in with; empty: nobody's (anonymous).")
    password_file: Path | None = Field(default=None, description="File with its password, mode 0600.")
    connections: int = Field(default=4, ge=1, le=32, description="Questions at a time.")
    timeout: Duration = Field(
        default=timedelta(seconds=2),
        description="For each server to connect, and to answer; with several servers, keep the sum below access.source_timeout.",
    )
    page_size: int = Field(default=500, ge=1, le=10000, description="Entries asked for at a time.")

    @model_validator(mode="after")
    def _is_safe(self) -> LdapServer:
        for url in self.urls:
            try:
                parts = urlsplit(url)
                port = parts.port
            except ValueError as error:
                raise ValueError(f"urls: {url[:80]!r} is not an address") from error
            if (
                parts.scheme not in ("ldap", "ldaps")
                or not parts.hostname
                or parts.path.strip("/")
                or parts.query
                or port == 0
            ):
                raise ValueError(f"urls: {url[:80]!r} must be ldaps://host or ldap://host, with a port at most")
            if parts.username or parts.password:
                raise ValueError("urls: must hold no account and no password: write bind_dn and password_file")
            if parts.scheme == "ldap" and not self.start_tls and parts.hostname not in _LOOPBACK:
                raise ValueError(f"urls: {url[:80]!r} is not protected: write ldaps://, or start_tls = true")
            if parts.scheme == "ldaps" and self.start_tls:
                raise ValueError("start_tls: is for ldap:// addresses; ldaps:// has TLS from the start")
        if bool(self.bind_dn) != bool(self.password_file):
            raise ValueError(
                "password_file: bind_dn and password_file go together (a bind without password is nobody's)"
            )
        return self

    def __repr_args__(self) -> Any:
        """Without account and file."""
        yield "urls", self.urls


class LdapPeople(Model):
    """Where a person's own entry is, when groups name people by it (``people = {…}``)."""

    base: str = Field(min_length=1, description="'ou=people,dc=example,dc=org'")
    filter: Filter = Field(default="(uid={key})", description="Finds the one entry of a person's key.")
    uid: Attribute = Field(default="uid", description="Attribute whose value is {uid} in groups_filter.")
