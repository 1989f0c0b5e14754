"""Which database a source or a person's key is looked up in (``database = {…}``)."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.units import Duration

_LOCAL = ("", "localhost")
_TLS = ("verify-ca", "verify-full")


class Database(Model):
    """A database of the user office, or a copy of it. The hub only reads: give it an account that can do no more."""

    url: str = Field(
        description="'postgresql://panosc_hub@db.example.org/visa?sslrootcert=/etc/ssl/certs/ca-certificates.crt' or "
        "'sqlite:///rights.sqlite' (relative to the site's folder; four slashes: absolute). Never with a password in it. "
        "A PostgreSQL on another machine is reached with TLS and its certificate is verified, or not at all.",
        repr=False,
    )
    password_file: Path | None = Field(
        default=None,
        description="File with the account's password, mode 0600, relative to the site's folder. Whoever reads it can read all "
        "that the account can.",
    )
    connections: int = Field(default=4, ge=1, le=32, description="Connections, and so questions, at a time.")
    statement_timeout: Duration = Field(
        default=timedelta(seconds=4),
        description="A question that takes longer is given up, there and here; keep it below access.source_timeout.",
    )

    @field_validator("url")
    @classmethod
    def _known_and_safe(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError as error:
            raise ValueError("is not a database's address, such as postgresql://user@host/name") from error
        if url.password is not None or any("password" in key.lower() or key == "passfile" for key in url.query):
            raise ValueError("must not hold a password: write it into a file and name that in password_file")
        if url.drivername not in ("sqlite", "postgresql"):
            raise ValueError("must begin with postgresql:// or sqlite:///")
        if not url.database or (url.drivername == "sqlite" and (url.host or url.query or url.database == ":memory:")):
            raise ValueError("must name the database: postgresql://user@host/name, or sqlite:///file")
        if url.drivername == "postgresql" and not is_local(url) and url.query.get("sslmode", _TLS[1]) not in _TLS:
            raise ValueError(
                "sslmode must be verify-full (or verify-ca): the network in between could answer otherwise"
            )
        return value

    def __repr_args__(self) -> Any:
        """Without the address: it says where and who, and ends in logs."""
        yield "kind", make_url(self.url).drivername


def is_local(url: URL) -> bool:
    """Whether a PostgreSQL is reached by a socket file or on loopback, where nobody is in between."""
    hosts = url.query.get("host") or url.host or ""
    return all(
        _is_local_host(host) for one in ([hosts] if isinstance(hosts, str) else hosts) for host in one.split(",")
    )


def _is_local_host(host: str) -> bool:
    if host in _LOCAL or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_select(query: str, parameter: str) -> str:
    """Return a query that reads, and asks about one person.

    Raises:
        ValueError: if it is not one SELECT, or its parameters are not exactly this one.
    """
    if not re.match(r"\s*(select|with)\b", query, re.IGNORECASE) or ";" in query.rstrip().rstrip(";"):
        raise ValueError("must be one SELECT (or WITH … SELECT)")
    if set(text(query).compile().params) != {parameter}:
        raise ValueError(f"must hold the parameter :{parameter}, without quotes, and no other")
    return query
