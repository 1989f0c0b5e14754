"""Bags (BagIt, RFC 8493): what is too much for one zip goes as a list of addresses and checksums, and is fetched file by file.

The checksums come from manifests that lie among the data, from what was computed before, or are computed now: a job, whose page
shows how far it is. The bag itself is small: ``fetch.txt``, ``manifest-sha256.txt``, an RO-Crate, and a list that curl follows.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from panosc_portal.catalogues.model import Dataset
from panosc_portal.context import Portal
from panosc_portal.errors import CatalogueError, HubError
from panosc_portal.moving.as_person import Reader, ReadError
from panosc_portal.moving.citing import Citing, citing
from panosc_portal.moving.crate import crate
from panosc_portal.moving.download import Bearer, Downloads, in_words, quoted
from panosc_portal.moving.jobs import Job, JobError, Progress, State
from panosc_portal.moving.plan import Chosen, Names, Plan, make_plan
from panosc_portal.moving.runner import Task
from panosc_portal.moving.told_sums import MANIFEST, told_by_catalogue, told_by_manifests
from panosc_portal.search.federation import Federation

CRATE = "data/ro-crate-metadata.json"
_JOB = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True)
class Summed:
    """A file of a bag, and its SHA-256."""

    file: Chosen
    sha256: str


def bag_file(portal: Portal, job: str) -> Path:
    """Where a job's bag is kept."""
    if not _JOB.fullmatch(job):
        raise HubError(404, "There is no such bag.")
    return portal.site.config.hub.state_dir / "portal-bags" / f"{job}.zip"


class BagWorker:
    """Makes bags.

    Args:
        portal: whose they are.
        downloads: rules, and the checksums that are known.
    """

    kind = "bag"

    def __init__(self, portal: Portal, downloads: Downloads) -> None:
        self._portal, self._downloads = portal, downloads

    async def run(self, task: Task) -> str:
        """Make one, or go on."""
        self._remove_old()
        data = await self._downloads.data(Bearer(task.login), task.job.proposal)  # a refusal is the runner's to tell
        paths = tuple(task.details.get("paths", ()))
        task.say("The files are listed.")
        try:
            async with Reader(data) as reader:
                plan = await make_plan(reader, data, paths, self._downloads.rules.bag_files)
                if not plan.complete:
                    raise JobError(
                        f"There are more than {self._downloads.rules.bag_files} files, which is too much for one bag.",
                        "Choose a folder of it, or take all with rclone: the download's page shows how.",
                    )
                dataset = await self._described(task)
                summed = await self._sum_all(reader, plan, task, dataset)
        except ReadError as error:
            said = in_words(error)
            raise JobError(said.message, said.remedy) from None
        task.say("The bag is written.", State.VERIFYING)
        about = citing(self._portal.site, data.ref, dataset)
        file = bag_file(self._portal, task.job.id)
        await asyncio.to_thread(write_bag, file, plan, summed, about, str(task.details["address"]))
        days = self._downloads.rules.bag_lifetime.days
        return f"The bag of {plan.count} files is ready. It is kept for {max(1, days)} day{'s' if days > 1 else ''}."

    async def allowed(self, task: Task) -> None:
        """Whether the person still may."""
        await self._portal.hub.data(task.login, task.job.proposal, "download")

    async def discard(self, job: Job) -> None:
        """Nothing of it is left."""
        file = bag_file(self._portal, job.id)
        for one in (file, file.with_suffix(".partial")):
            one.unlink(missing_ok=True)

    async def _sum_all(self, reader: Reader, plan: Plan, task: Task, dataset: Dataset | None) -> list[Summed]:
        told = await self._of_catalogue(plan, task, dataset) | await told_by_manifests(reader, plan)
        summed: list[Summed] = []
        done = 0

        def heard(upto: int) -> None:
            task.progress(Progress(done + upto, plan.size, len(summed), plan.count))

        for file in plan.files:
            heard(0)
            summed.append(Summed(file, await self._sum(reader, file, told, task, heard)))
            done += file.size
        heard(0)
        return summed

    async def _sum(
        self, reader: Reader, file: Chosen, told: dict[str, str], task: Task, heard: Callable[[int], None]
    ) -> str:
        known = told.get(file.name) or self._downloads.checksums.sha256(file.identity)
        if known:
            return known
        if file.size > 64 * 1024**2 or not task.job.words.startswith("Checksums"):
            task.say(f"Checksums are computed: {file.name}")
        _, sums = await reader.sums(file.area.path, file.path, same=file.identity, heard=heard)
        self._downloads.checksums.keep_sha256(file.identity, sums.sha256)
        return sums.sha256

    async def _described(self, task: Task) -> Dataset | None:
        pid = str(task.details.get("pid", ""))
        if not pid or Federation not in self._portal.parts:
            return None
        with suppress(CatalogueError):
            found = await self._portal.part(Federation).find(pid, task.login)
            return found.hit.dataset if found.hit else None
        return None

    async def _of_catalogue(self, plan: Plan, task: Task, dataset: Dataset | None) -> dict[str, str]:
        """What the catalogue tells; one that does not answer is no reason to wait, since all can be computed."""
        if dataset is None:
            return {}
        with suppress(CatalogueError, HubError):
            files = await self._portal.part(Federation).files(dataset, task.login, self._downloads.rules.bag_files)
            return told_by_catalogue(plan, dataset, files)
        return {}

    def _remove_old(self) -> None:
        folder = self._portal.site.config.hub.state_dir / "portal-bags"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = time.time() - self._downloads.rules.bag_lifetime.total_seconds()
        for file in folder.iterdir():
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < oldest:
                    file.unlink()


def write_bag(file: Path, plan: Plan, summed: Sequence[Summed], about: Citing, address: str) -> None:
    """Write a bag as a zip, and let it be seen when it is complete."""
    top = f"{plan.top}-bag"
    described = [
        (name, one.file.size, one.sha256, _address(address, plan.ref, one.file))
        for name, one in zip(_names(summed), summed, strict=True)
    ]
    metadata = crate(about, plan.ref, described)
    tags: dict[str, Callable[[], Iterator[str]]] = {
        "bagit.txt": lambda: iter(["BagIt-Version: 1.0\n", "Tag-File-Character-Encoding: UTF-8\n"]),
        "bag-info.txt": lambda: _info(plan, about, len(metadata)),
        MANIFEST: lambda: _manifest(described, metadata),
        "fetch.txt": lambda: (f"{url} {size} data/{name}\n" for name, size, _, url in described),
        "fetch.curl": lambda: _curl(described),
        "HOW-TO-FETCH.txt": lambda: iter([HOW]),
    }
    partial = file.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as out:
        sums = []
        for name, lines in tags.items():
            digest = hashlib.sha256()
            with out.open(f"{top}/{name}", "w") as tag:
                for line in lines():
                    content = line.encode("utf-8")
                    digest.update(content)
                    tag.write(content)
            sums.append(f"{digest.hexdigest()}  {name}\n")
        out.writestr(f"{top}/tagmanifest-sha256.txt", "".join(sums))
        out.writestr(f"{top}/{CRATE}", metadata)
    partial.chmod(0o600)
    partial.rename(file)


def _info(plan: Plan, about: Citing, extra: int) -> Iterator[str]:
    yield f"Source-Organization: {_plain(about.facility)}\n"
    yield f"External-Description: {_plain(about.title)}\n"
    yield f"External-Identifier: {_plain(about.doi or plan.ref)}\n"
    yield f"Bagging-Date: {datetime.now(UTC).date().isoformat()}\n"
    yield f"Payload-Oxum: {plan.size + extra}.{plan.count + 1}\n"
    yield f"Contact-Name: {_plain('; '.join(about.authors[:20]) or plan.ref)}\n"
    if about.licence:
        yield f"License: {_plain(about.licence)}\n"


def _manifest(files: Sequence[tuple[str, int, str, str]], metadata: bytes) -> Iterator[str]:
    yield f"{hashlib.sha256(metadata).hexdigest()}  {CRATE}\n"
    for name, _, sha256, _ in files:
        yield f"{sha256}  data/{name}\n"


def _curl(files: Sequence[tuple[str, int, str, str]]) -> Iterator[str]:
    """A configuration of curl: addresses and names. No token is in it."""
    yield "fail\ngloboff\ncreate-dirs\nparallel\nparallel-max = 4\ncontinue-at = -\n"
    for name, _, _, url in files:
        quoted_name = f"data/{name}".replace('"', '\\"')  # a backslash is not in it (shown)
        yield f'url = "{url}"\noutput = "{quoted_name}"\n'


def _address(address: str, ref: str, file: Chosen) -> str:
    base = f"{file.area.area}/{file.area.label}" if file.area.label else file.area.area
    return f"{address}files/{quoted(f'{ref}/{base}/{file.path}')}"


def _names(summed: Sequence[Summed]) -> list[str]:
    """Names in the bag. What programs decode in a manifest (%0A, %0D; %25 only some) is not in them."""
    names = Names()
    return [names.free(re.sub(r"%(?=25|0[AaDd])", "_", one.file.name)) for one in summed]


def _plain(text: str) -> str:
    return " ".join(text.split())[:1000]


HOW = """How to fetch the data of this bag
=================================

1. On the download's page, save the token file for curl (panosc-....token). It opens these data for a limited time; keep it to
   yourself. It is not in this bag, and in no address.
2. In this folder:

       curl --config fetch.curl --header @/path/to/panosc-....token

   The same command again goes on where it was. Any other program that follows fetch.txt works as well, if it sends the header.
3. Check that nothing is missing or damaged, with any BagIt program, for example

       python -m pip install bagit && python -m bagit --validate .
"""
