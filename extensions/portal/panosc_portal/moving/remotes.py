"""From a remote's rules to what copies from it: clients, tokens, and the account that will own the data."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from panosc_portal.hub import Hub, ProposalData
from panosc_portal.moving.backend import Backend
from panosc_portal.moving.dav import Bearer, DavClient, StorageError, make_client
from panosc_portal.moving.onedata import OneDataBackend
from panosc_portal.moving.place import HIDDEN, Ownership, PlaceError, Writer
from panosc_portal.moving.rclone import RcloneBackend
from panosc_portal.moving.runner import Task
from panosc_portal.moving.tape import Tape
from panosc_portal.moving.third_party import Macaroons, ThirdPartyBackend
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.portal_staging_rules import Remote, StagingRules, Token
from panosc_spawner.secret_file import read_secret

_TELL = "Tell the people who run this hub."
_OURS = "This hub's storage"
_WRITING = "UPLOAD,MANAGE,LIST,DELETE,DOWNLOAD"


@dataclass
class Connection:
    """A remote, for one directory of one job."""

    backend: Backend
    tape: Tape | None


@asynccontextmanager
async def connected(
    remote: Remote, rules: StagingRules, folder: Path, hub: Hub, task: Task, path: str, key: str
) -> AsyncIterator[Connection]:
    """What copies a directory from a remote, with tokens for this job.

    Args:
        remote: its rules.
        rules: of staging.
        folder: the site's, for relative paths.
        hub: gives persons' tokens.
        task: whose job it is; its login is looked at each time a token is needed.
        path: of the directory, beneath the remote's url.
        key: of its place here.
    """
    async with AsyncExitStack() as stack:
        makes = _Maker(remote, folder, hub, task, stack)
        client = await makes.client(None)
        own = bearer_of(remote.token, folder, hub, task)
        backend = await makes.backend(rules, client, own, path, key)
        tape = Tape(remote.title, remote.tape_url, urlsplit(remote.url).path, own, client) if remote.tape_url else None
        yield Connection(backend, tape)


@dataclass
class _Maker:
    """Makes what one connection needs; the stack closes it."""

    remote: Remote
    folder: Path
    hub: Hub
    task: Task
    stack: AsyncExitStack

    @property
    def ca_file(self) -> Path | None:
        return self.folder / self.remote.ca_file if self.remote.ca_file else None

    async def client(self, certificate: Path | None) -> httpx.AsyncClient:
        """A client; with a certificate, it is for asking for macaroons alone."""
        try:
            if certificate and certificate.stat().st_mode & 0o077:
                raise StorageError("The certificate for the storage can be read by others.", _TELL)
            made = make_client(self.remote.timeout, self.ca_file, certificate, streams=self.remote.streams)
        except OSError as error:
            raise StorageError(
                f"The authorities or the certificate for {self.remote.title} cannot be used.", _TELL
            ) from error
        return await self.stack.enter_async_context(made)

    async def macaroons(
        self, title: str, url: str, rule: Token, plain: httpx.AsyncClient, path: str, activities: str
    ) -> Macaroons:
        """Gives macaroons for one directory."""
        asking = await self.client(self.folder / rule.file) if rule.by == "certificate" and rule.file else plain
        wide = DavClient(title, url, bearer_of(rule, self.folder, self.hub, self.task), asking)
        return Macaroons(wide, path, activities)

    async def backend(
        self, rules: StagingRules, client: httpx.AsyncClient, own: Bearer, path: str, key: str
    ) -> Backend:
        """What copies."""
        remote = self.remote
        if remote.kind == "onedata":
            return OneDataBackend(remote.title, remote.url, remote.space, own, client, remote.streams)
        narrow: Macaroons | None = None
        if remote.token.macaroon:
            narrow = await self.macaroons(remote.title, remote.url, remote.token, client, path, "DOWNLOAD,LIST")
        source = DavClient(remote.title, remote.url, narrow or own, client)
        silence = remote.timeout.total_seconds()
        if remote.kind == "webdav":
            return RcloneBackend(source, narrow or own, rules.rclone, remote.streams, silence, self.ca_file)
        rule = remote.destination_token or Token(by="none")
        there: Bearer = bearer_of(rule, self.folder, self.hub, self.task)
        if rule.macaroon:
            inside = f"{HIDDEN}/{key}/data"
            there = await self.macaroons(_OURS, remote.destination_url, rule, client, inside, _WRITING)
        destination = DavClient(_OURS, remote.destination_url, there, client)
        return ThirdPartyBackend(source, destination, narrow, remote.streams, silence)


def bearer_of(rule: Token, folder: Path, hub: Hub, task: Task) -> Bearer:
    """What gives tokens by a rule; each time a fresh one."""

    async def person() -> SecretStr:
        return await hub.catalogue_token(task.login, rule.catalogue)

    async def file() -> SecretStr:
        return read_secret(folder / (rule.file or ""), "token of the storage")

    async def none() -> None:
        return None

    return {"person": person, "file": file, "certificate": none, "none": none}[rule.by]


def ownership(remote: Remote, ref: ProposalRef, data: ProposalData) -> Ownership:
    """Whose the data will be.

    Raises:
        PlaceError: if the portal cannot give them to that account, or there is none.
    """
    rule = remote.owner
    if rule.kind == "account":
        owner = Ownership(rule.uid, _group(rule.group.replace("{proposal}", ref.id)), shared=True)
    else:
        owner = Ownership(data.uid, data.gid)
    if owner.uid == 0 and not (data.own and rule.kind == "person"):
        raise PlaceError("The data would belong to root, so they are not taken over.")
    if os.geteuid() not in {0, owner.uid}:
        raise PlaceError(
            f"The portal runs as account {os.geteuid()} and cannot give data to account {owner.uid}.",
            "Tell the people who run this hub: staging for several accounts needs the portal to run as root.",
        )
    return owner


def writer(remote: Remote, owner: Ownership) -> Writer:
    """As whom the data are written while they come.

    Raises:
        PlaceError: if there is no such account.
    """
    if not remote.writer:
        return Writer(owner.uid, owner.gid) if remote.kind == "webdav" else Writer(os.geteuid(), os.getegid())
    try:
        account = pwd.getpwnam(remote.writer)
    except KeyError:
        raise PlaceError(f"There is no account {remote.writer!r} here (portal.staging, writer).") from None
    if os.geteuid() not in {0, account.pw_uid}:
        raise PlaceError(f"The portal may not let {remote.writer!r} write here: it does not run as root.")
    return Writer(account.pw_uid, account.pw_gid)


def _group(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise PlaceError(
            f"There is no group {name!r} on this machine, whose the data would be.",
            "Tell the people who run this hub: the group must be known to the portal's machine.",
        ) from None
