"""What ``site.toml`` says: which facilities this hub serves, who may log in, how servers are started."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.access_rules import AccessPolicy, TokenRule
from panosc_spawner.facilities.audit_rules import AuditRules
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import AbsolutePath, AccountRule, Facility, Model, PlainName
from panosc_spawner.facilities.portal_rules import PortalRules
from panosc_spawner.facilities.source_rules import SourceRule
from panosc_spawner.facilities.units import ByteSize, Duration


class Hub(Model):
    """The hub itself (``[hub]``)."""

    id: PlainName = Field(
        description="Names this hub in container names, labels and the network; must differ per hub on one machine."
    )
    title: str = "PaNOSC Hub"
    facilities: tuple[PlainName, ...] = Field(min_length=1, description="Facilities whose proposals are served here.")
    spawner: Literal["docker", "local"] = "docker"
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Where people reach the hub; https anywhere but on loopback."
    )
    user_domains: bool = Field(
        default=False,
        description="Each person's servers are at a name of their own beneath public_url's (p-….hub.example.org): to browsers another "
        "site than the hub. Without it, a page that somebody's server shows to others can act as them here. Needs a wildcard "
        "in DNS and in the certificate.",
    )
    bind_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^http://[0-9a-zA-Z.:\[\]-]+$",
        description="Where the proxy listens. A reverse proxy with TLS stands before it anywhere but on loopback.",
    )
    port: int = Field(default=8081, ge=1, le=65535, description="Port on which servers reach the hub.")
    proxy_api_port: int = Field(default=8001, ge=1, le=65535, description="Port of the proxy's own API, on loopback.")
    state_dir: Path = Field(
        default=Path("/var/lib/panosc-hub"), description="Database, secrets and overlays; readable by the hub alone."
    )
    metrics_token_file: Path | None = Field(
        default=None,
        description="File (mode 0600, beneath the site's folder) with the token by which Prometheus reads /hub/metrics, sent "
        "as 'Authorization: Bearer …'. It opens nothing else. None: administrators' tokens only.",
    )
    demo: bool = Field(
        default=False, description="Marks every page as a demo, and refuses to listen on anything but loopback."
    )
    support: str = Field(
        default="",
        description="E-mail address or page of the people who run this hub, shown at the foot of every page.",
    )

    @field_validator("public_url")
    @classmethod
    def _https_or_loopback(cls, value: str) -> str:
        if not re.match(r"https://[^/\s]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)", value):
            raise ValueError("must be https, or http on loopback (127.0.0.1)")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _names_can_stand_beneath(self) -> Hub:
        parts = urlsplit(self.public_url)
        if self.user_domains and (parts.path or re.fullmatch(r"[\d.]+|.*:.*", parts.hostname or "")):
            raise ValueError("user_domains: needs a public_url with a host name, and without a path")
        return self


class Home(Model):
    """Where a person's files live (``[home]``). The hub creates a missing home and never deletes one."""

    kind: Literal["path", "volume"] = "path"
    source: str = Field(
        default="/home/{account}",
        description="Directory, or name of a Docker volume: {account} is the local account's name, {user} the hub's user name, {uid} the number. "
        "With a shared account, {user} must be in it.",
    )
    create: bool = Field(default=True, description="Create a missing home directory, owned by the person, mode 0700.")

    @field_validator("source")
    @classmethod
    def _one_each(cls, value: str) -> str:
        fields = set(re.findall(r"\{(\w*)\}", value))
        if unknown := fields - {"account", "user", "uid"}:
            raise ValueError(f"unknown field {{{min(unknown)}}}; use {{account}}, {{user}} or {{uid}}")
        if not fields:
            raise ValueError("must hold {account}, {user} or {uid}, or everybody would share one home")
        if ".." in value.split("/"):
            raise ValueError("must not hold '..'")
        return value


SHORTEST_IDLE = timedelta(minutes=15)
"""A server tells the hub every minute whether anything happened in it (one started by another version: every five minutes);
words may be lost. For so long the hub listens, after it was started, before it believes that a server is silent."""


class Limits(Model):
    """What one server may use. Sizes in bytes, CPU in cores."""

    memory: ByteSize = ByteSize(4 * 1024**3)
    cpu: float = Field(default=2.0, gt=0, le=1024)
    gpus: int = Field(default=0, ge=0, le=16)
    lifetime: Duration = timedelta(hours=12)
    idle: Duration | None = Field(
        default=None,
        ge=SHORTEST_IDLE,
        description="A server in which nothing happens for so long is stopped earlier; none: only its lifetime counts.",
    )
    servers: int = Field(default=5, ge=1, le=100, description="Servers one person may have at a time.")


class LimitOverride(Model):
    """Other limits for members of any of ``groups`` (``[resources.overrides.<key>]``).

    As JupyterHub's ``group_overrides``: applied in the order of their keys, later ones win.
    Groups: ``facility:esrf``, ``role:pi``, ``proposal:esrf/ma1234``, ``instrument:esrf/id31``,
    ``community:eduteams``, ``user:<hub's user name>``, ``admin``.
    """

    groups: tuple[str, ...] = Field(min_length=1)
    memory: ByteSize | None = None
    cpu: float | None = Field(default=None, gt=0, le=1024)
    gpus: int | None = Field(default=None, ge=0, le=16)
    lifetime: Duration | None = None
    idle: Duration | None = Field(default=None, ge=SHORTEST_IDLE)
    servers: int | None = Field(default=None, ge=1, le=100)


class Resources(Model):
    """Limits by group (``[resources]``): what a person may ask for at most, and what they get unasked."""

    default: Limits = Field(default_factory=Limits, description="What a server may use at most.")
    ask: ByteSize | None = Field(
        default=None, description="Memory given when nothing is asked for; the maximum if not set."
    )
    overrides: dict[str, LimitOverride] = Field(default_factory=dict)


class Docker(Model):
    """How containers are started (``[docker]``)."""

    network: str = Field(
        default="",
        description="Bridge network of this hub; empty: 'panosc-<hub id>'. Made when missing, with container-to-container traffic off.",
    )
    subnet: str = Field(default="", description="Its subnet, for example 10.73.0.0/24; empty: Docker chooses.")
    pids: int = Field(default=512, ge=64, description="Processes and threads a server may have.")
    tmp_size: ByteSize = Field(
        default=ByteSize(1024**3), description="Size of the server's /tmp, which counts as its memory."
    )
    read_only_root: bool = True
    log_size: str = Field(default="10m", pattern=r"^\d+[km]$")
    threads: int = Field(default=8, ge=2, le=64, description="Docker calls that may run at a time.")
    starts: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Servers that may be starting at a time, the others wait for their turn; 0: two a core.",
    )

    @field_validator("subnet")
    @classmethod
    def _is_subnet(cls, value: str) -> str:
        try:
            return str(ipaddress.IPv4Network(value)) if value else value
        except ValueError as error:
            raise ValueError(f"not a subnet, such as 10.73.0.0/24: {error}") from error


class LocalMode(Model):
    """How local processes are started (``[local]``)."""

    isolation: Literal["auto", "bubblewrap", "none"] = Field(
        default="auto",
        description="auto: bubblewrap where it works, else links in the home, which isolate nobody (a banner says so).",
    )
    hide: tuple[AbsolutePath, ...] = Field(
        default=(), description="Directories no server may see, beside the facilities' roots and the other homes."
    )


class SiteFile(Model):
    """The whole ``site.toml``."""

    hub: Hub
    login: Login
    home: Home = Home()
    account: AccountRule | None = None
    access: AccessPolicy = AccessPolicy()
    audit: AuditRules = AuditRules()
    sources: tuple[SourceRule, ...] = Field(min_length=1)
    tokens: dict[PlainName, TokenRule] = Field(default_factory=dict)
    resources: Resources = Resources()
    docker: Docker = Docker()
    local: LocalMode = LocalMode()
    portal: PortalRules = PortalRules()


@dataclass(frozen=True)
class Site:
    """A site: its ``site.toml``, its facilities after overrides, and where they were read."""

    folder: Path
    config: SiteFile
    facilities: Mapping[str, Facility]

    def account_rule(self, facility: str) -> AccountRule | None:
        """How a person's local account is found for a facility's data: the facility's own rule, else the site's."""
        return self.facilities[facility].account or self.config.account

    @property
    def logins(self) -> tuple[Login, ...]:
        """All communities people may log in with, the first one first."""
        return (self.config.login, *self.config.login.also)
