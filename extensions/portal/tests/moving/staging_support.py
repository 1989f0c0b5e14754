"""What the tests of staging share: a site whose ESRF data are elsewhere, a tree of data, and jobs that are waited for."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from moving_places import PERSON
from panosc_portal.hub import AreaDirectory, Login, PersonReport, ProposalData
from panosc_portal.moving.jobs import Job, JobStore, State
from panosc_portal.moving.runner import JobLimits, Runner
from panosc_portal.moving.sealed import Seal
from panosc_portal.moving.staged import Receipts
from panosc_portal.moving.staging import Staging
from support import FakeHub, login, make_portal, make_site

from panosc_spawner.facilities.portal_staging_rules import Remote, StagingRules
from panosc_spawner.facilities.site import Site

REF = "esrf/ma1234"
VISIT = PurePosixPath("ma1234/id31/20250915/RAW_DATA")
ADA = login("ada")


def remote(url: object, **more: object) -> Remote:
    """A remote over WebDAV with the person's token, if nothing else is said."""
    rules: dict[str, object] = {
        "name": "elsewhere",
        "title": "Storage elsewhere",
        "facility": "esrf",
        "kind": "webdav",
        "url": url,
        "token": {"by": "person", "catalogue": "elsewhere"},
        "keep_free": 0,
        "timeout": "10s",
    }
    return Remote.model_validate(rules | more)


def with_remotes(site: Site, root: Path, *remotes: Remote) -> Site:
    """The site, with ESRF's root somewhere else, and its data elsewhere."""
    esrf = site.facilities["esrf"]
    assert esrf.paths is not None
    paths = esrf.paths.model_copy(update={"root": PurePosixPath(root)})
    site = replace(site, facilities={**site.facilities, "esrf": esrf.model_copy(update={"paths": paths})})
    staging = StagingRules(remotes=remotes)
    portal = site.config.portal.model_copy(update={"staging": staging})
    return replace(site, config=site.config.model_copy(update={"portal": portal}))


def write_tree(directory: Path, files: int = 12, size: int = 1000, *, manifest: bool = True) -> dict[str, bytes]:
    """Files in directories, the same each time; with ``manifest-sha256.txt`` among them. Returns path -> content."""
    tree = {f"scan{n % 3}/frame {n:04d}.h5": hashlib.sha256(b"%d" % n).digest() * (size // 32) for n in range(files)}
    tree["notes.txt"] = "Wellenlänge 0,5 nm\n".encode()
    tree["empty"] = b""
    tree["Äpfel & Birnen/100%.dat"] = b"\0" * 33
    if manifest:
        lines = [f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in tree.items()]
        tree["manifest-sha256.txt"] = "".join(lines).encode()
    for path, content in tree.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tree


def tree_of(directory: Path) -> dict[str, bytes]:
    """What is beneath a directory: path -> content."""
    return {
        str(file.relative_to(directory)): file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file()
    }


@dataclass
class Desk:
    """A portal's staging, over a fake hub: ``root`` is the facility's root here, ``target`` the visit's directory."""

    staging: Staging
    runner: Runner
    hub: FakeHub
    root: Path

    @property
    def target(self) -> Path:
        """Where the data go."""
        return self.root / VISIT

    @property
    def partial(self) -> Path:
        """Where they are before."""
        (place,) = (self.root / ".panosc-staging").iterdir()
        return place / "data"

    def begin(self, who: Login = ADA, **more: bool) -> Job:
        """The button."""
        return self.staging.begin(who, REF, "elsewhere", **more)

    async def end(self, job: Job, *states: State, seconds: float = 60) -> Job:
        """The job when it is over, or in one of ``states``."""
        async with asyncio.timeout(seconds):
            while True:
                found = self.runner.job(job.id)
                assert found is not None
                if found.state in states or (not states and found.state.over):
                    return found
                await asyncio.sleep(0.02)

    async def staged(self, who: Login = ADA) -> Job:
        """Stage, and see it done."""
        done = await self.end(self.begin(who))
        assert done.state is State.DONE, done
        return done


def data_of(root: Path, uid: int = PERSON, target: PurePosixPath = VISIT) -> ProposalData:
    """What the hub says for purpose ``stage``."""
    return ProposalData(REF, (AreaDirectory("raw", root / target, root, "id31-20250915"),), uid, uid)


@asynccontextmanager
async def desk(
    folder: Path, root: Path, *remotes: Remote, limits: JobLimits | None = None, kept: bool = False
) -> AsyncIterator[Desk]:
    """A portal's staging, running. ``kept``: jobs and receipts are in ``folder``, and outlive it."""
    site = with_remotes(make_site(folder / "made"), root, *remotes)
    hub = FakeHub()
    hub.people = {"ada": PersonReport(), "ben": PersonReport()}
    hub.directories = {("ada", REF): data_of(root)}
    hub.tokens = {("ada", "elsewhere"): "token-for-elsewhere", ("ben", "elsewhere"): "token-for-elsewhere"}
    portal = make_portal(site, hub)
    files = (folder / "jobs.sqlite", folder / "key", folder / "receipts.sqlite") if kept else (None, None, None)
    runner = Runner(JobStore(files[0]), Seal(files[1]), limits)
    journals = folder / "journals"
    journals.mkdir(exist_ok=True)
    staging = Staging(portal, runner, Receipts(files[2]), journals)
    runner.add(staging)
    await runner.start()
    try:
        yield Desk(staging, runner, hub, root)
    finally:
        await runner.stop()
        staging.close()


def readable_by(uid: int, path: Path) -> bool:
    """Whether an account reads a file, by the permissions on the way (root's tests)."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            path.read_bytes()
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
