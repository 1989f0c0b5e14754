"""Staging: a proposal's data from a storage elsewhere to where servers here mount them (use case 3).

One job is one proposal at one remote; it has a directory for each visit and area. Each goes through the same steps, and each
step is found again after a kill: list (all of it, looked at), look at the room, wait for tape, copy out of sight, read all
again and compare, give it its owner, and rename. A server that starts sees all of a directory, or none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from panosc_portal.catalogues.model import Catalogue, Credentials
from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import AreaDirectory, Login, ProposalData
from panosc_portal.moving.backend import Copying
from panosc_portal.moving.dav import StorageStatusError
from panosc_portal.moving.jobs import Job, JobError, State
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.manifest import MANIFESTS, MAX_MANIFEST, catalogue_checksums, take_manifest
from panosc_portal.moving.place import Ownership, Place, PlaceError, tidy
from panosc_portal.moving.publishing import ended_meanwhile, publish
from panosc_portal.moving.quota import FULL, Coming, Room
from panosc_portal.moving.remote_files import ListingError, RemoteFile, TreeLimits
from panosc_portal.moving.remotes import Connection, connected, ownership, writer
from panosc_portal.moving.runner import Runner, Task
from panosc_portal.moving.staged import Receipt, Receipts
from panosc_portal.moving.threads import asked_in_staging_thread, in_staging_thread
from panosc_portal.moving.verify import verify
from panosc_portal.moving.worker import LaterError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.portal_staging_rules import Remote
from panosc_spawner.facilities.units import format_size

KIND = "stage"
_LISTED_AT_ONCE = 500
_LEFT_SECONDS = 7 * 86400.0
_BRIEFLY = 2.0
"""Seconds to wait for another job at the same directory before this one gives its turn back."""
ASK_AGAIN = 30.0
"""Seconds after which it is taken up again then."""


@dataclass
class _Directory:
    """One directory of a job, in hand."""

    area: AreaDirectory
    place: Place
    path: str  # beneath the remote's url
    journal: Journal


@dataclass
class Staging:
    """Stages proposals. Shared as a part: ``portal.part(Staging)``.

    Args:
        portal: the site and its hub.
        runner: runs the jobs.
        receipts: what is here.
        folder: for journals; readable by the portal alone.
        catalogues: by name; they know checksums.
    """

    portal: Portal
    runner: Runner
    receipts: Receipts
    folder: Path
    catalogues: dict[str, Catalogue] = field(default_factory=dict)
    kind: str = KIND
    coming: Coming = field(default_factory=Coming)
    _busy: dict[str, asyncio.Lock] = field(default_factory=dict)

    def remotes(self, ref: str) -> list[Remote]:
        """Where a proposal's data are elsewhere; empty if they are here."""
        facility = ref.partition("/")[0]
        return [remote for remote in self.portal.site.config.portal.staging.remotes if remote.facility == facility]

    def begin(self, login: Login, ref: str, remote: str, *, refresh: bool = False) -> Job:
        """Start to stage, or return the job that does it already.

        Raises:
            JobError: if there is no such remote, or the person has too many jobs.
        """
        known = next((one for one in self.remotes(ref) if one.name == remote), None)
        if known is None:
            raise JobError("The data of this proposal do not come from there.", "Go back to the proposal's page.")
        title = f"{ref.partition('/')[2]} from {known.title}"
        return self.runner.submit(KIND, login, ref, title, remote=remote, refresh=refresh)

    async def allowed(self, task: Task) -> None:
        """See :class:`~panosc_portal.moving.runner.Worker`: the same directories as when it began."""
        data = await self.portal.hub.data(task.login, task.job.proposal, KIND)
        began = task.details.get("directories")
        if began is not None and began != _named(self._areas(self._remote(task.job), data)):
            raise HubError(403, "Where this proposal's data belong was changed meanwhile.", "Start it again.")

    async def run(self, task: Task) -> str:
        """See :class:`~panosc_portal.moving.runner.Worker`."""
        remote = self._remote(task.job)
        data = await self.portal.hub.data(task.login, task.job.proposal, KIND)
        areas = self._areas(remote, data)
        task.remember(directories=_named(areas))
        done = [await self._directory(task, remote, data, area, len(areas) > 1) for area in areas]
        return _all_words(remote, [receipt for receipt in done if receipt])

    async def discard(self, job: Job) -> None:
        """See :class:`~panosc_portal.moving.runner.Worker`. What another person's job goes on with stays."""
        others = [one for one in self.runner.store.unfinished(KIND, job.proposal) if one.id != job.id]
        if others:
            return
        for root, path in job.details.get("directories", []):
            place = await asked_in_staging_thread(Place, Path(root), PurePosixPath(path))
            async with self._lock(place.key):
                receipt = self.receipts.get(place.key)
                if receipt and not receipt.published:
                    self.receipts.forget(place.key)
                await in_staging_thread(place.discard)
                journal = await in_staging_thread(Journal, self._journal(place))
                await self._give_up_tape(job, place, journal)
                journal.remove()

    def close(self) -> None:
        """Close its files."""
        self.receipts.close()

    def tidy(self) -> int:
        """Remove what nobody goes on with, and what was replaced, some days later. Returns how many directories.

        Blocks for as long as that takes: for a thread.
        """
        keep = {
            Place(Path(root), PurePosixPath(path)).key
            for job in self.runner.store.unfinished(KIND)
            for root, path in job.details.get("directories", [])
        }
        roots = set()
        for remote in self.portal.site.config.portal.staging.remotes:
            facility = self.portal.site.facilities[remote.facility]
            for area in remote.areas:
                rule = facility.areas.get(area)
                roots |= {Path(rule.root or facility.paths.root)} if rule and facility.paths else set()
        return sum(tidy(root, keep, time.time() - _LEFT_SECONDS) for root in roots if root.is_dir())

    async def _give_up_tape(self, job: Job, place: Place, journal: Journal) -> None:
        """Nobody waits for files on tape any more. If that cannot be said, the storage brings them for nothing."""
        login = self.runner.login(job.owner)
        if login is None or not journal.said("requests"):
            return
        rules, folder = self.portal.site.config.portal.staging, self.portal.site.folder
        task = Task(job, login, self.runner)
        with suppress(JobError, HubError):
            path = str(place.relative)
            async with connected(
                self._remote(job), rules, folder, self.portal.hub, task, path, place.key
            ) as connection:
                if connection.tape:
                    await connection.tape.give_up(journal)

    def _remote(self, job: Job) -> Remote:
        for remote in self.remotes(job.proposal):
            if remote.name == job.details.get("remote"):
                return remote
        raise JobError(
            "The storage that these data come from is not known here any more.", "Tell the people who run this hub."
        )

    def _areas(self, remote: Remote, data: ProposalData) -> list[AreaDirectory]:
        found = [area for area in data.areas if area.area in remote.areas]
        if not found:
            raise HubError(
                403, f"None of the data at {remote.title} are yours to open.", "Ask the proposal's main proposer."
            )
        return found

    async def _directory(
        self, task: Task, remote: Remote, data: ProposalData, area: AreaDirectory, several: bool
    ) -> Receipt | None:
        place = await asked_in_staging_thread(Place, area.root, area.path)
        async with self._alone(place.key):
            if receipt := await self._here_already(task, place, data):
                return receipt
            journal = await in_staging_thread(Journal, self._journal(place))
            try:
                directory = _Directory(area, place, str(place.relative), journal)
                rules, folder = self.portal.site.config.portal.staging, self.portal.site.folder
                async with connected(
                    remote, rules, folder, self.portal.hub, task, directory.path, place.key
                ) as connection:
                    return await self._steps(task, remote, data, directory, connection)
            except StorageStatusError as error:
                if error.status == 404 and several and not journal.listed:  # a visit without data
                    return None
                raise
            finally:
                journal.close()

    async def _here_already(self, task: Task, place: Place, data: ProposalData) -> Receipt | None:
        """The receipt if all is here; what was interrupted in its last step is ended."""
        receipt = self.receipts.get(place.key)
        occupied = await asked_in_staging_thread(place.occupied)
        if receipt is None:
            if occupied:
                raise PlaceError(
                    f"At {place.target} there are data that were not staged; they are left as they are.",
                    "If they are the proposal's own, nothing has to be staged. Else tell the people who run this hub.",
                )
            return None
        if not receipt.published:
            return await in_staging_thread(ended_meanwhile, self.receipts, receipt, place, self._journal(place))
        if not occupied:
            self.receipts.forget(place.key)  # the operator removed them
            return None
        if not receipt.shared and receipt.owner != data.uid:
            raise PlaceError(
                "These data are here already, but they belong to another person of the proposal.",
                "Ask the people who run this hub to let staged data belong to the proposal's group (portal.staging, owner).",
            )
        return None if task.details.get("refresh") and receipt.at < task.job.created else receipt

    async def _steps(
        self, task: Task, remote: Remote, data: ProposalData, directory: _Directory, connection: Connection
    ) -> Receipt:
        journal, place = directory.journal, directory.place
        ref = ProposalRef(*task.job.proposal.split("/", 1))
        owner = ownership(remote, ref, data)
        if not journal.listed:
            task.say(f"It asks {remote.title} what is there.")
            await self._list(task, remote, directory, connection)
        used = self.receipts.used(remote.name, place.key) + self.coming.of(remote.name, place.key)
        room = Room(place.root, remote.quota, remote.keep_free, used, remote.title)
        with self.coming.held(remote.name, place.key, journal.totals()[1]):
            return await self._come(task, remote, directory, connection, owner, room)

    async def _come(
        self, task: Task, remote: Remote, directory: _Directory, connection: Connection, owner: Ownership, room: Room
    ) -> Receipt:
        journal, place = directory.journal, directory.place
        account = writer(remote, owner)
        copying = Copying(directory.path, place, journal, account, room, task.progress)
        await copying.check_room()
        if connection.tape:
            await connection.tape.ready(directory.path, journal)
        await in_staging_thread(place.prepare, account)
        try:
            await self._copy_and_verify(task, remote, copying, connection)
        except ListingError:
            journal.empty()  # the next try looks anew
            raise
        task.say("It puts the data in their place.", State.VERIFYING)
        receipt = _receipt(remote, task.job.proposal, directory, owner)
        return await in_staging_thread(publish, self.receipts, receipt, place, journal, owner)

    async def _copy_and_verify(self, task: Task, remote: Remote, copying: Copying, connection: Connection) -> None:
        files, size = copying.journal.totals()
        task.say(f"{files:,} files, {format_size(size)}, come from {remote.title}.")
        copying.told()
        try:
            await connection.backend.copy(copying)
            task.say("All is here; it is read again and compared.", State.VERIFYING)
            await verify(copying, connection.backend, remote.need_checksums, remote.streams)
        except OSError as error:
            if error.errno in FULL:
                raise copying.room.full() from None
            raise JobError(
                f"The data cannot be written here ({error.strerror}).", "Tell the people who run this hub."
            ) from error

    async def _list(self, task: Task, remote: Remote, directory: _Directory, connection: Connection) -> None:
        journal = directory.journal
        journal.empty()
        limits = TreeLimits(files=remote.max_files, bytes=remote.max_size)
        held: list[RemoteFile] = []
        manifests: list[str] = []
        async for file in connection.backend.walk(directory.path, limits):
            held.append(file)
            if file.path in MANIFESTS:
                manifests.append(file.path)
            if len(held) >= _LISTED_AT_ONCE:
                await in_staging_thread(journal.add_all, held)
                held.clear()
                files, size = journal.totals()
                task.say(f"It asks {remote.title} what is there: {files:,} files, {format_size(size)} so far.")
        await in_staging_thread(journal.add_all, held)
        if tangled := await in_staging_thread(journal.tangled):
            raise ListingError(f"The storage lists {tangled[-80:]!r} as a file and as a directory.")
        if not journal.totals()[0]:
            raise JobError(f"There are no files for this proposal at {remote.title}.", "Ask the facility.")
        for name in manifests:
            content = await connection.backend.small(f"{directory.path}/{name}", MAX_MANIFEST)
            if content is not None:
                await in_staging_thread(take_manifest, journal, name, content)
        await self._ask_catalogue(task, remote, directory)
        journal.say("listed", "yes")

    async def _ask_catalogue(self, task: Task, remote: Remote, directory: _Directory) -> None:
        if not remote.catalogue:
            return
        catalogue = self.catalogues.get(remote.catalogue)
        if catalogue is None:
            raise JobError(
                f"There is no catalogue {remote.catalogue!r} here to compare with (portal.staging, catalogue).",
                "Tell the people who run this hub.",
            )
        credentials = await self._credentials(task, catalogue)
        there = PurePosixPath(remote.catalogue_root or directory.place.root) / directory.path
        proposal = task.job.proposal.partition("/")[2]
        async for path, checksum in catalogue_checksums(catalogue, credentials, proposal, there):
            directory.journal.expect(path, [checksum])

    async def _credentials(self, task: Task, catalogue: Catalogue) -> Credentials | None:
        """The person's, where the catalogue is asked in people's names; elsewhere it is asked for what is open."""
        if not catalogue.capabilities.own_data:
            return None
        token = await self.portal.hub.catalogue_token(task.login, catalogue.name)
        return Credentials(task.login.username, token, catalogue.name)

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        """Nobody else's job works at this directory. One that does may do so for hours: this one does not hold a turn meanwhile."""
        lock = self._lock(key)
        try:
            async with asyncio.timeout(_BRIEFLY):
                await lock.acquire()
        except TimeoutError:
            raise LaterError(
                "Somebody else's job is bringing these data. This one goes on by itself when they are here.", ASK_AGAIN
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _lock(self, key: str) -> asyncio.Lock:
        return self._busy.setdefault(key, asyncio.Lock())

    def _journal(self, place: Place) -> Path:
        return self.folder / f"{place.key}.sqlite"


def _named(areas: list[AreaDirectory]) -> list[list[str]]:
    return [[str(area.root), str(area.path)] for area in areas]


def _receipt(remote: Remote, proposal: str, directory: _Directory, owner: Ownership) -> Receipt:
    """What is known of a directory before it is published."""
    return Receipt(
        key=directory.place.key,
        remote=remote.name,
        proposal=proposal,
        area=directory.area.area,
        label=directory.area.label,
        path=str(directory.place.target),
        files=0,
        size=0,
        untold=0,
        manifest="",
        owner=owner.uid,
        shared=owner.shared,
        published=False,
    )


def _all_words(remote: Remote, receipts: list[Receipt]) -> str:
    if not receipts:
        raise JobError(f"There are no data of this proposal at {remote.title}.", "Ask the facility.")
    files, size, untold = (sum(getattr(one, name) for one in receipts) for name in ("files", "size", "untold"))
    compared = (
        "all compared with their checksums"
        if not untold
        else f"{files - untold:,} compared with their checksums; of {untold:,} the storage tells sizes only, which are right"
    )
    return f"{files:,} files, {format_size(size)}, from {remote.title} are here: {compared}."


__all__ = ["KIND", "Staging"]
