"""Archiving: a proposal's data are copied to another site for keeping, each file verified there, with a signed receipt.

There it is a bag (BagIt): ``data/<area>/…``, ``manifest-sha256.txt``, and ``receipts/<job>.json``. A journal on disk says what
was done, so a job that was killed goes on with the next file. What is there already is compared, and never overwritten; so the
same button, pressed again later, adds what is new.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakValueDictionary

import httpx

from panosc_portal import __version__
from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import AreaDirectory, Login, OwnProposal, ProposalData
from panosc_portal.moving.archive_site import ArchiveDav
from panosc_portal.moving.as_person import Entry, Identity, Reader, ReadError, shown
from panosc_portal.moving.checksums import Checksums
from panosc_portal.moving.dav import Bearer, make_client
from panosc_portal.moving.jobs import Job, JobError, Progress, State
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.manifest import read_manifest
from panosc_portal.moving.plan import WHY, Names, seen
from panosc_portal.moving.receipt import Signer
from panosc_portal.moving.remote_files import ListingError, RemoteFile
from panosc_portal.moving.remotes import bearer_of
from panosc_portal.moving.runner import Task, TryAgainError
from panosc_portal.moving.third_party import Macaroons
from panosc_spawner.facilities.portal_archive_rules import ArchiveSite

MANIFEST = "manifest-sha256.txt"
_ACTIVITIES = "UPLOAD,MANAGE,LIST,DELETE,DOWNLOAD"
_LEFT_OUT_TOLD = 1000
_BATCH = 500
_MOST_MANIFEST = 512 * 1024**2


@dataclass
class Archives:
    """What archives of a portal share: ``portal.part(Archives)``."""

    portal: Portal
    checksums: Checksums
    signer: Signer
    folder: Path
    _lists: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def lists(self, place: str) -> asyncio.Lock:
        """Held by who writes a place's manifest: two people's archives of one proposal are both in it."""
        return self._lists.setdefault(place, asyncio.Lock())

    def sites(self, ref: str) -> list[ArchiveSite]:
        """Archives that take this proposal's data."""
        facility = ref.partition("/")[0]
        return [site for site in self.portal.site.config.portal.archive.sites if facility in site.facilities]

    def site(self, ref: str, name: str) -> ArchiveSite:
        """One of them.

        Raises:
            HubError: 404 if there is none of that name.
        """
        found = next((site for site in self.sites(ref) if site.name == name), None)
        if found is None:
            raise HubError(404, "There is no such archive for this proposal.", "Look at the proposal's page.")
        return found

    async def may(self, login: Login, ref: str, site: ArchiveSite) -> OwnProposal:
        """The person's proposal, if their role in it may send it to the archive.

        Raises:
            HubError: 403 in words.
        """
        report = await self.portal.hub.person(login)
        own = next((one for one in report.proposals if one.ref == ref), None)
        roles = [role.value for role in site.roles]
        if own is None:
            raise HubError(403, f"You are not on proposal {ref}.", "Ask its main proposer to add you.")
        if own.role not in roles:
            raise HubError(
                403,
                f"Only {' or '.join(_ROLES.get(role, role) for role in roles)} can send {ref} to an archive; "
                f"you are its {_ROLES.get(own.role, own.role)}.",
                "Ask one of them.",
            )
        return own

    def receipt(self, job: str) -> Path:
        """Where a job's receipt is kept, for good."""
        return self.folder / f"{job}.receipt.json"

    def journal(self, job: str) -> Path:
        """Where it is written down what was done."""
        return self.folder / f"{job}.sqlite"


_ROLES = {
    "pi": "the main proposer",
    "local-contact": "the local contact",
    "member": "member",
    "instrument-scientist": "the instrument scientist",
    "staff": "staff",
    "public": "reader of open data",
}


class ArchiveWorker:
    """Does the jobs."""

    kind = "archive"

    def __init__(self, archives: Archives) -> None:
        self._archives = archives

    async def run(self, task: Task) -> str:
        """Send, or go on."""
        site = self._site(task.job)
        await self.allowed(task)
        portal = self._archives.portal
        data = await portal.hub.data(task.login, task.job.proposal, "archive")
        try:
            client = make_client(site.timeout, portal.site.folder / site.ca_file if site.ca_file else None)
        except OSError:
            raise JobError(
                f"The authorities of {site.title} cannot be read.", "Tell the people who run this hub."
            ) from None
        journal = await asyncio.to_thread(Journal, self._archives.journal(task.job.id))
        try:
            async with client, Reader(data) as reader:
                own = bearer_of(site.token, portal.site.folder, portal.hub, task)
                place = _directory(site, task.job.proposal)
                archive = await _opened(site, own, client, place)
                sending = Sending(self._archives, site, task, data, reader, archive, journal, place)
                return await sending.run()
        except ReadError as error:
            raise JobError(f"{shown(error.path)}: {error.message}", error.remedy) from None
        finally:
            journal.close()

    async def allowed(self, task: Task) -> None:
        """Whether the person still may."""
        await self._archives.may(task.login, task.job.proposal, self._site(task.job))

    async def discard(self, job: Job) -> None:
        """Forget what was done. What is in the archive already stays there: it is complete, file by file."""
        file = self._archives.journal(job.id)
        for ending in ("", "-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)

    def _site(self, job: Job) -> ArchiveSite:
        try:
            return self._archives.site(job.proposal, str(job.details.get("archive", "")))
        except HubError as error:
            raise JobError(error.message, error.remedy) from None


def _directory(site: ArchiveSite, ref: str) -> str:
    facility, _, proposal = ref.partition("/")
    return site.directory.format(facility=facility, proposal=proposal)


async def _opened(site: ArchiveSite, own: Bearer, client: httpx.AsyncClient, place: str) -> ArchiveDav:
    """The archive, with the proposal's directory made, and a token for that alone where it gives such."""
    archive = ArchiveDav(site.title, site.url, own, client)
    await archive.make_directories(place)
    if site.token.macaroon:
        narrow = Macaroons(archive, place, _ACTIVITIES)
        archive = ArchiveDav(site.title, site.url, narrow, client)
    return archive


@dataclass
class Sending:
    """One job at work."""

    archives: Archives
    site: ArchiveSite
    task: Task
    data: ProposalData
    reader: Reader
    archive: ArchiveDav
    journal: Journal
    place: str
    _made: set[str] = field(default_factory=set)
    _left_out: list[tuple[str, str]] = field(default_factory=list)
    _alike: Names = field(default_factory=Names)
    _files: int = 0
    _size: int = 0
    _done_files: int = 0
    _done_size: int = 0

    async def run(self) -> str:
        """All of it."""
        if not self.journal.listed:
            self.task.say("The files are listed.")
            await self._list()
        files, size = self.journal.totals()
        if not files:
            raise JobError("There are no files to archive.", "")
        await self.archive.make_directories(f"{self.place}/{self._beside}")
        self._files, self._size = files, size
        self._done_files, self._done_size = self.journal.copied()
        for file in self.journal.to_copy():
            self._progress(0)
            await self._send(file)
        self.task.say("The lists are written.", State.VERIFYING)
        async with self.archives.lists(f"{self.site.name}:{self.place}"):
            manifest = await self._write_lists()
        await self._write_receipt(manifest, files, size)
        with suppress(JobError):
            await self.archive.remove(f"{self.place}/{self._beside}")
        await asyncio.to_thread(self.journal.say, "done", "yes")
        more = self.journal.said("left out")
        left = f" {len(json.loads(more))} entries (links, pipes) are not part of it." if more not in {"", "[]"} else ""
        return f"{files} files are in {self.site.title}, and each was verified there.{left}"

    @property
    def _beside(self) -> str:
        return f".incoming-{self.task.job.id}"

    # --- What there is ------------------------------------------------------------------------------------------------

    async def _list(self) -> None:
        self.journal.empty()
        taken = [area for area in self.data.areas if area.area in {one.value for one in self.site.areas}]
        count = total = 0
        for area in taken:
            batch: list[RemoteFile] = []
            async for entry in self.reader.walk(area.path):
                if (file := self._entry(area, entry)) is None:
                    continue
                batch.append(file)
                count, total = count + 1, total + file.size
                if count > self.site.max_files or total > self.site.max_size:
                    raise JobError(f"This is more than {self.site.title} takes.", "Ask the archive's people.")
                if len(batch) >= _BATCH:
                    await asyncio.to_thread(self.journal.add_all, batch)
                    batch = []
            await asyncio.to_thread(self.journal.add_all, batch)
        self.journal.say("left out", json.dumps(self._left_out))
        self.journal.say("begun", datetime.now(UTC).isoformat(timespec="seconds"))
        self.journal.say("listed", "yes")

    def _entry(self, area: AreaDirectory, entry: Entry) -> RemoteFile | None:
        name = f"{seen(area)}/{shown(entry.path)}"
        if entry.kind == "locked":
            raise JobError(
                f"{name}: {WHY['locked']}, so the archive would not be complete.", "Ask the facility for access."
            )
        if entry.kind in {"link", "other"} and len(self._left_out) < _LEFT_OUT_TOLD:
            self._left_out.append((name, WHY[entry.kind]))
        if entry.kind != "file":
            return None
        if "%" in name:  # no other can be shown like another one
            name = self._alike.free(name)
        return RemoteFile(name, entry.size, (), json.dumps([seen(area), entry.path, entry.identity.as_list()]))

    # --- One file -----------------------------------------------------------------------------------------------------

    async def _send(self, file: RemoteFile) -> None:
        place, path, numbers = json.loads(file.key)
        area = next((one for one in self.data.areas if seen(one) == place), None)
        if area is None:
            raise JobError(f"You cannot read {place} any more.", "Ask the facility, and begin a new archive.")
        identity = Identity(*numbers)
        target = f"{self.place}/data/{file.path}"
        await self._directories(target)
        there = await self.archive.size(target)
        if there is not None:
            await self._same(file, area, path, identity, target, there)
            return
        beside = f"{self.place}/{self._beside}/{hashlib.sha256(file.path.encode()).hexdigest()[:24]}"
        sha256 = await self._put(file, area, path, identity, beside)
        by_digest = self.site.read_back == "digest"
        if await self.archive.sha256(beside, file.size, by_digest=by_digest) != sha256:
            await self.archive.remove(beside)
            raise TryAgainError(
                f"{self.site.title} gave back other bytes of {file.path} than were sent; it is sent again."
            )
        await self.archive.move(beside, target)
        self._done(file, identity, sha256)

    async def _put(self, file: RemoteFile, area: AreaDirectory, path: str, identity: Identity, beside: str) -> str:
        sums: list[str] = []

        async def content() -> AsyncGenerator[bytes]:
            sent = 0
            async with self.reader.open(area.path, path, same=identity, sums=("sha256",)) as stream:
                async for piece in stream:
                    yield piece
                    sent += len(piece)
                    self._progress(sent)
            if stream.sums is None or sent != file.size:
                raise ReadError("changed", path)
            sums.append(stream.sums.sha256)

        async with aclosing(content()) as pieces:
            await self.archive.put(beside, pieces, file.size)
        if not sums:
            raise TryAgainError(f"{self.site.title} did not take all of {file.path}; it is sent again.")
        return sums[0]

    async def _same(
        self, file: RemoteFile, area: AreaDirectory, path: str, identity: Identity, target: str, there: int
    ) -> None:
        """It is there already, from an earlier time: it must be the same."""
        sha256 = ""
        if there == file.size:
            sha256 = self.archives.checksums.sha256(identity)
            if not sha256:
                _, sums = await self.reader.sums(area.path, path, same=identity, heard=self._progress)
                sha256 = sums.sha256
        by_digest = self.site.read_back == "digest"
        if not sha256 or await self.archive.sha256(target, there, by_digest=by_digest) != sha256:
            raise JobError(
                f"{self.site.title} holds another {file.path} already, and an archive is not overwritten.",
                "If the file here is the right one, ask the archive's people; if not, restore it.",
            )
        self._done(file, identity, sha256)

    def _done(self, file: RemoteFile, identity: Identity, sha256: str) -> None:
        self.archives.checksums.keep_sha256(identity, sha256)
        self.journal.here([file.path])
        self.journal.compared(file.path, sha256, True)
        self._done_files, self._done_size = self._done_files + 1, self._done_size + file.size
        self._progress(0)

    async def _directories(self, target: str) -> None:
        above = target.rpartition("/")[0]
        if above not in self._made and above != self.place:
            await self.archive.make_directories(above)
            self._made.add(above)

    def _progress(self, more: int) -> None:
        self.task.progress(Progress(self._done_size + more, self._size, self._done_files, self._files))

    # --- The end ------------------------------------------------------------------------------------------------------

    async def _write_lists(self) -> str:
        """The bag's own files; returns the manifest's SHA-256."""
        lines = await asyncio.to_thread(self._manifest, await self._older())
        manifest = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(lines.items())).encode("utf-8")
        bagit = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
        today = datetime.now(UTC).date().isoformat()
        info = f"External-Identifier: {self.task.job.proposal}\nBagging-Date: {today}\n".encode()
        tags = {MANIFEST: manifest, "bagit.txt": bagit, "bag-info.txt": info}
        sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(tags.items()))
        for name, content in {**tags, "tagmanifest-sha256.txt": sums.encode()}.items():
            await self._write(name, content)
        return hashlib.sha256(manifest).hexdigest()

    async def _older(self) -> dict[str, str]:
        """What the archive's manifest says already, from earlier times."""
        content = await self.archive.small(f"{self.place}/{MANIFEST}", _MOST_MANIFEST)
        if content is None:
            return {}
        try:
            return {path: checksum.removeprefix("sha256:") for path, checksum in read_manifest(MANIFEST, content)}
        except ListingError as error:
            raise JobError(
                f"The manifest in {self.site.title} cannot be read: {error}", "Ask the archive's people."
            ) from None

    def _manifest(self, older: dict[str, str]) -> dict[str, str]:
        return older | {f"data/{path}": sha256 for path, sha256 in self.journal.sums()}

    async def _write_receipt(self, manifest: str, files: int, size: int) -> None:
        said = {
            "what": "Receipt of an archive",
            "proposal": self.task.job.proposal,
            "archive": self.site.title,
            "address": f"{self.site.url}/{self.place}",
            "files": files,
            "bytes": size,
            "manifest-sha256": manifest,
            "verified": "each file by its SHA-256, after it was written"
            + (" (as the archive told it)" if self.site.read_back == "digest" else ", read again"),
            "left out": json.loads(self.journal.said("left out") or "[]"),
            "by": self.task.job.owner,
            "begun": self.journal.said("begun"),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "job": self.task.job.id,
            "hub": self.archives.portal.site.config.hub.public_url,
            "software": f"panosc-portal {__version__}",
        }
        receipt = self.archives.signer.sign(said)
        await self._write(f"receipts/{self.task.job.id}.json", receipt)
        await asyncio.to_thread(_keep, self.archives.receipt(self.task.job.id), receipt)

    async def _write(self, name: str, content: bytes) -> None:
        """Write one of the bag's own files: beside its place, verified, then moved over the older one."""

        async def once() -> AsyncIterator[bytes]:
            yield content

        beside = f"{self.place}/{self._beside}/list"
        await self._directories(f"{self.place}/{name}")
        await self.archive.put(beside, once(), len(content))
        if await self.archive.sha256(beside, len(content)) != hashlib.sha256(content).hexdigest():
            raise TryAgainError(f"{self.site.title} gave back other bytes of {name} than were sent; it is sent again.")
        await self.archive.move(beside, f"{self.place}/{name}", overwrite=True)


def _keep(file: Path, content: bytes) -> None:
    partial = file.with_suffix(".partial")
    partial.write_bytes(content)
    partial.chmod(0o600)
    partial.rename(file)


def receipts(archives: Archives, jobs: list[Job]) -> Iterator[tuple[Job, bool]]:
    """Jobs, and whether there is a receipt of each."""
    for job in jobs:
        yield job, archives.receipt(job.id).exists()
