"""Staging (``[portal.staging]``): which proposals' data are elsewhere, how they come here, and where they go.

A facility whose data are elsewhere has its ``paths.root`` (or an area's ``root``) on this site's own storage: that is where its
data are staged to, in the facility's own layout, and where servers mount them from like any other data.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from panosc_spawner.facilities.base import Model
from panosc_spawner.facilities.http_service import safe_service_url
from panosc_spawner.facilities.model import Area, PlainName
from panosc_spawner.facilities.units import ByteSize, Duration


class JobRules(Model):
    """Long work for people (``[portal.jobs]``): staging and archives."""

    per_person: int = Field(default=2, ge=1, le=100, description="Jobs of one person that run at a time.")
    at_once: int = Field(
        default=4, ge=1, le=1000, description="Jobs that run at a time in all; the others wait in turn."
    )
    waiting: int = Field(default=20, ge=1, le=10_000, description="Unfinished jobs that one person may have.")


class Token(Model):
    """How the storage is asked (``token = {…}``)."""

    by: Literal["person", "file", "certificate", "none"] = Field(
        description="person: with a fresh token of the person's for 'catalogue', as the hub gives it. file: with a token of the "
        "site's own. certificate: with the site's X.509 certificate (a robot's), by which it asks for a macaroon and nothing "
        "else. none: open data."
    )
    catalogue: PlainName | Literal[""] = Field(
        default="", description="For by = 'person': the name under [tokens] by which the hub gives the person's token."
    )
    file: Path | None = Field(
        default=None,
        description="For by = 'file': one line with the token; for 'certificate': PEM with the certificate and its key. Mode 0600, "
        "relative to the site's folder. Whoever has it reads what it opens, so let it be narrow, and write macaroon = true "
        "where the storage gives macaroons. Over webdav a person's processes can read what copies for them: see writer.",
    )
    macaroon: bool = Field(
        default=False,
        description="Ask the storage for a macaroon that opens this proposal's directory alone, for the time of the transfer, and "
        "use that instead (dCache, XRootD, StoRM).",
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Token:
        if (self.by == "person") != bool(self.catalogue):
            raise ValueError("by = 'person' needs catalogue, and nothing else may have it")
        if (self.by in {"file", "certificate"}) != (self.file is not None):
            raise ValueError("by = 'file' and 'certificate' need file, and nothing else may have it")
        if self.by == "certificate" and not self.macaroon:
            raise ValueError("by = 'certificate' needs macaroon = true: it is used for nothing else")
        return self


class Owner(Model):
    """Whose the staged files are (``owner = {…}``): by this others may read them, or not."""

    kind: Literal["person", "account"] = Field(
        default="person",
        description="person: the one who asked, mode 0700: nobody else reads them. account: the numbers below, mode 0750: their "
        "group reads them, as it does data that were measured here.",
    )
    uid: int = Field(default=0, ge=0, le=2**32 - 2, description="For kind = 'account'; never 0.")
    group: str = Field(
        default="",
        description="For kind = 'account': the group's name, with {proposal} where it is the proposal's own: "
        "'ess_proposal_{proposal}'; or its number.",
    )

    @field_validator("group")
    @classmethod
    def _is_group(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z0-9_.@-]*(\{proposal\})?[A-Za-z0-9_.@-]*", value, re.ASCII):
            raise ValueError("must be a group's name or number, with {proposal} at most once and no other braces")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Owner:
        if self.kind == "account" and not (self.uid and self.group):
            raise ValueError("kind = 'account' needs uid (not 0) and group")
        if self.kind == "person" and (self.uid or self.group):
            raise ValueError("uid and group are for kind = 'account'")
        return self


class Remote(Model):
    """A storage that holds a facility's data elsewhere (``[[portal.staging.remotes]]``)."""

    name: PlainName = Field(description="Names it in jobs and logs; must differ per remote.")
    title: str = Field(min_length=1, max_length=80, description="As people see it: 'dCache at DESY'.")
    facility: PlainName = Field(description="Whose data it holds: one of hub.facilities.")
    kind: Literal["webdav", "xrootd", "onedata"] = Field(
        description="webdav: copied by rclone. xrootd: the storage here fetches from the storage there (HTTP third-party copy). "
        "onedata: OneData's REST interface."
    )
    url: str = Field(
        description="What is beneath it is laid out as beneath the area's root here. For onedata: the Oneprovider, as "
        "https://oneprovider.example.org."
    )
    space: str = Field(default="", description="For onedata: the space's name or id, with a path below it if need be.")
    areas: tuple[Area, ...] = Field(
        default=(Area.RAW,), min_length=1, description="Which of a proposal's areas it holds."
    )
    token: Token
    ca_file: Path | None = Field(
        default=None,
        description="PEM file with the authorities its certificate may come from; relative to the site's folder.",
    )
    destination_url: str = Field(
        default="",
        description="For xrootd: the storage here, as https://storage.example.org:1094/staged; what is beneath it is the same "
        "directory as the area's root, seen by HTTP.",
    )
    destination_token: Token | None = Field(
        default=None,
        description="For xrootd: how the storage here is asked; by = 'file' with macaroon = true as a rule.",
    )
    writer: str = Field(
        default="",
        pattern=r"^[a-z_][a-z0-9_.-]{0,31}$|^$",
        description="For xrootd: the local account as which the storage here writes, as 'xrootd'; empty: the portal's own. For "
        "webdav: the account as which rclone runs, which nobody may log in as; empty: the one that will own the data.",
    )
    tape_url: str = Field(
        default="",
        description="WLCG Tape REST API of the storage, as https://dcache.example.org:3880/api/v1: data on tape are asked for, and "
        "waited for. Empty: everything is on disk.",
    )
    catalogue: str = Field(
        default="", description="Name of a catalogue ([catalogues.<name>]) whose checksums the copy is compared with."
    )
    catalogue_root: str = Field(
        default="", description="How the catalogue writes the area's root: '/data/visitor'. Empty: as it is here."
    )
    need_checksums: bool = Field(
        default=False,
        description="true: a file for which nobody tells a checksum is not accepted. false: its size is compared, and the page says "
        "that no more could be.",
    )
    owner: Owner = Owner()
    quota: ByteSize = Field(
        default=ByteSize(10 * 1024**4), ge=1, description="Bytes that all its staged data may take here."
    )
    keep_free: ByteSize = Field(
        default=ByteSize(10 * 1024**3), description="Bytes that stay free on the file system, whatever is staged."
    )
    max_size: ByteSize = Field(
        default=ByteSize(10 * 1024**4), ge=1, description="A bigger proposal is refused in words."
    )
    max_files: int = Field(
        default=1_000_000, ge=1, le=10_000_000, description="One with more files is refused in words."
    )
    streams: int = Field(default=4, ge=1, le=32, description="Files that are copied at a time.")
    timeout: Duration = Field(
        default=timedelta(seconds=60), description="Longest silence of the storage before a copy is begun again."
    )

    @field_validator("url", "destination_url", "tape_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return safe_service_url(value) if value else value

    @field_validator("space", "catalogue_root")
    @classmethod
    def _no_detours(cls, value: str) -> str:
        if re.search(r"[\x00-\x1f]", value) or {".", ".."} & set(value.split("/")):
            raise ValueError("must not hold '.', '..' or control characters as part of it")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _hangs_together(self) -> Remote:
        if self.kind == "xrootd" and not (self.destination_url and self.destination_token):
            raise ValueError("kind = 'xrootd' needs destination_url and destination_token")
        if self.kind == "xrootd" and self.token.by != "none" and not self.token.macaroon:
            raise ValueError(
                "kind = 'xrootd' needs token.macaroon = true: the storage here would get the token itself otherwise"
            )
        if self.kind != "xrootd" and (self.destination_url or self.destination_token):
            raise ValueError("destination_url and destination_token are for kind = 'xrootd'")
        if (self.kind == "onedata") != bool(self.space):
            raise ValueError("kind = 'onedata' needs space, and nothing else may have it")
        if self.kind == "onedata" and (self.token.macaroon or urlsplit(self.url).path):
            raise ValueError(
                "for onedata, url is the Oneprovider's host alone, and its tokens are never changed to others"
            )
        if self.destination_token and self.destination_token.by == "person":
            raise ValueError("destination_token: the storage here is the site's own: by = 'file'")
        return self

    @model_validator(mode="after")
    def _keeps_its_token(self) -> Remote:
        """What copies over WebDAV has the token, and a process is open to all others of its account (``/proc/<pid>/fd``)."""
        theirs = self.kind == "webdav" and self.owner.kind == "person" and not self.writer
        if theirs and self.token.by == "file" and not self.token.macaroon:
            raise ValueError(
                "the copy runs as the person, who could read the site's own token from it: write token.macaroon = true, "
                "or name in writer an account that nobody logs in as, or give the data to owner.kind = 'account'"
            )
        return self


class StagingRules(Model):
    """Which data come from elsewhere (``[portal.staging]``)."""

    remotes: tuple[Remote, ...] = ()
    rclone: Path = Field(default=Path("/usr/bin/rclone"), description="The program, 1.60 or newer.")

    @model_validator(mode="after")
    def _one_each(self) -> StagingRules:
        names = [remote.name for remote in self.remotes]
        if len(names) != len(set(names)):
            raise ValueError("remotes: two have the same name")
        held = [(remote.facility, area) for remote in self.remotes for area in remote.areas]
        if len(held) != len(set(held)):
            raise ValueError("remotes: two hold the same area of one facility; where its data are must be certain")
        return self
