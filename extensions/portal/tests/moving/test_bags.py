"""Bags: fetched by curl and validated by others, with checksums that were told, known or computed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import bagit
import pytest
from moving_places import open_dir, person_data
from panosc_portal.catalogues.model import Dataset, Document, File, Member
from panosc_portal.errors import HubError
from panosc_portal.hub import PersonReport
from panosc_portal.moving import bag as module
from panosc_portal.moving.as_person import Reader
from panosc_portal.moving.citing import citing
from panosc_portal.moving.download import Downloads
from panosc_portal.moving.jobs import Job, State
from panosc_portal.moving.runner import runner_of
from rocrate.rocrate import ROCrate
from running import Running, make_portal, make_site, running
from support import FakeHub

FILES = {
    "scan1/a.h5": os.urandom(50_000),
    "scan 1/é [1]{2}#%25.dat": b"odd",
    "empty": b"",
    'quote".txt': b"q",
    "50%.txt": b"p",
}
MORE = "\n[portal.downloads]\nbag_files = 20\n"


def write(area: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        open_dir((area / name).parent)
        (area / name).write_bytes(content)
        (area / name).chmod(0o644)


@pytest.fixture
def area(open_folder: Path) -> Path:
    made = open_dir(open_folder / "raw")
    write(made, FILES)
    return made


@pytest.fixture
async def at(tmp_path: Path, area: Path) -> AsyncIterator[Running]:
    hub = FakeHub({"ada": PersonReport(), "eve": PersonReport()})
    hub.directories[("ada", "esrf/ma1234")] = person_data(area)
    async with running(make_portal(make_site(tmp_path, MORE), hub), hub, ("moving.download_pages",)) as server:
        server.log_in()
        yield server


async def made(at: Running, **form: str) -> Job:
    answer = await at.client.post("download/esrf/ma1234/bag", data={"_xsrf": at.xsrf, **form})
    assert answer.status_code == 303, answer.text
    return await ended(at, answer.headers["Location"].rpartition("/")[2])


async def ended(at: Running, name: str) -> Job:
    for _ in range(1200):
        job = runner_of(at.portal).job(name, "ada")
        assert job is not None
        if job.state.over:
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(f"still {job}")


async def unpacked(at: Running, job: Job, folder: Path) -> Path:
    answer = await at.client.get(f"bags/{job.id}")
    assert answer.status_code == 200, answer.text
    (folder / "bag.zip").write_bytes(answer.content)
    with zipfile.ZipFile(folder / "bag.zip") as opened:
        opened.extractall(folder)
    return folder / "esrf-ma1234-bag"


async def fetched(at: Running, bag: Path, folder: Path) -> None:
    """What HOW-TO-FETCH.txt says."""
    answer = await at.client.post("download/esrf/ma1234/token", data={"_xsrf": at.xsrf, "kind": "curl"})
    (folder / "t.token").write_text(answer.text)
    config = (bag / "fetch.curl").read_text().replace("http://127.0.0.1:8000/services/portal/", at.address)
    (folder / "here.curl").write_text(config)
    command = ["curl", "-sS", "--config", f"{folder}/here.curl", "--header", f"@{folder}/t.token"]
    done = await asyncio.to_thread(subprocess.run, command, cwd=bag, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_bag_is_fetched_by_curl_and_valid_for_bagit(at: Running, tmp_path: Path) -> None:
    job = await made(at)
    assert job.state is State.DONE, job
    bag = await unpacked(at, job, tmp_path)
    with pytest.raises(bagit.BagError):
        bagit.Bag(str(bag)).validate()
    await fetched(at, bag, tmp_path)
    assert bagit.Bag(str(bag)).validate()
    for name, content in FILES.items():
        assert (bag / "data" / "raw" / name.replace("%25", "_25")).read_bytes() == content
    (bag / "data" / "raw" / "scan1" / "a.h5").write_bytes(b"damaged")
    with pytest.raises(bagit.BagError):
        bagit.Bag(str(bag)).validate()


async def test_the_crate_tells_every_file(at: Running, tmp_path: Path) -> None:
    bag = await unpacked(at, await made(at), tmp_path)
    await fetched(at, bag, tmp_path)
    crate = ROCrate(str(bag / "data"))
    file = next(e for e in crate.data_entities if e.id == "raw/scan1/a.h5")
    assert file["sha256"] == hashlib.sha256(FILES["scan1/a.h5"]).hexdigest()
    assert file["contentSize"] == "50000" and file["encodingFormat"] == "application/x-hdf5"
    assert file["contentUrl"] == "http://127.0.0.1:8000/services/portal/files/esrf/ma1234/raw/scan1/a.h5"
    graph = json.loads((bag / "data/ro-crate-metadata.json").read_text())["@graph"]
    assert len([e for e in graph if e["@type"] == "File"]) == len(FILES)


async def test_no_address_and_no_job_holds_a_token(at: Running, tmp_path: Path) -> None:
    job = await made(at)
    bag = await unpacked(at, job, tmp_path)
    everything = b"".join(file.read_bytes() for file in bag.rglob("*") if file.is_file()) + repr(job).encode()
    assert b"token-ada" not in everything and b"panosc-dl." not in everything


def test_licence_authors_and_doi_of_a_catalogue_are_in_the_crate(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    document = Document(
        "d", members=(Member("Ada L."), Member("Bo K."), Member("Ada L.")), licence="CC-BY-4.0", summary="S"
    )
    dataset = Dataset("x", "p", "Ferrofluid", doi="10.15151/esrf-dc-1", documents=(document,), release=date(2025, 3, 1))
    about = citing(site, "esrf/ma1234", dataset)
    assert about.cite == (
        "Ada L.; Bo K. (2025): Ferrofluid. European Synchrotron Radiation Facility. https://doi.org/10.15151/esrf-dc-1."
    )
    from panosc_portal.moving.crate import crate

    graph = {e["@id"]: e for e in json.loads(crate(about, "esrf/ma1234", []))["@graph"]}
    root = graph["./"]
    assert (
        root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
        and graph["https://spdx.org/licenses/CC-BY-4.0"]
    )
    assert root["identifier"] == "https://doi.org/10.15151/esrf-dc-1" and root["datePublished"] == "2025-03-01"
    assert [graph[one["@id"]]["name"] for one in root["author"]] == ["Ada L.", "Bo K."]
    later = replace(dataset, release=date(2999, 1, 1), created=datetime(2024, 5, 6, tzinfo=UTC))
    assert "(2024)" in citing(site, "esrf/ma1234", later).cite  # an embargo that lasts is no publication
    nothing = citing(site, "esrf/ma1234", None)
    assert nothing.licence == "" and "proposal ma1234" in nothing.cite


async def test_checksums_that_were_told_or_known_are_not_computed(
    at: Running, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "ab" * 32
    os.utime(area / "empty", (1, 1))
    (area / "manifest-sha256.txt").write_text(f"{told}  empty\n{told}  scan1/a.h5\n")
    os.utime(area / "manifest-sha256.txt", (1000, 1000))  # older than scan1/a.h5: says nothing of it any more
    asked: list[str] = []
    plain = Reader.sums

    async def spied(self: Reader, root: Path, path: str, **how: object) -> object:
        asked.append(path)
        return await plain(self, root, path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "sums", spied)
    bag = await unpacked(at, await made(at), tmp_path)
    manifest = (bag / "manifest-sha256.txt").read_text()
    assert f"{told}  data/raw/empty\n" in manifest
    assert f"{hashlib.sha256(FILES['scan1/a.h5']).hexdigest()}  data/raw/scan1/a.h5\n" in manifest
    assert "empty" not in asked and "scan1/a.h5" in asked
    asked.clear()
    assert (await made(at)).state is State.DONE
    assert asked == []


async def test_a_job_that_was_cut_goes_on_where_it_was(
    at: Running, area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = at.portal.part(Downloads).checksums
    plain, count = Reader.sums, [0]

    async def dies(self: Reader, root: Path, path: str, **how: object) -> object:
        count[0] += 1
        if count[0] == 3:
            raise RuntimeError("as if the portal were killed here")
        return await plain(self, root, path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "sums", dies)
    job = await made(at)
    assert job.state is State.FAILED and "RuntimeError" not in job.words
    (kept,) = sums._db.execute("SELECT count(*) FROM sums WHERE sha256 IS NOT NULL").fetchone()
    assert kept == 2
    runner_of(at.portal).again(job.id, __import__("support").login("ada"))
    assert (await ended(at, job.id)).state is State.DONE
    assert count[0] == 3 + len(FILES) - 2


@pytest.mark.parametrize("what", ["too many", "changed", "gone right"])
async def test_what_cannot_be_is_told(at: Running, area: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "too many":
        write(area, {f"f{number}": b"" for number in range(30)})
    elif what == "changed":
        plain = module.make_plan

        async def late(*values: object) -> object:
            plan = await plain(*values)  # type: ignore[arg-type]
            (area / "50%.txt").write_bytes(b"longer now")
            return plan

        monkeypatch.setattr(module, "make_plan", late)
    else:
        plan = module.make_plan

        async def refused(*values: object) -> object:
            at.hub.directories.clear()
            at.portal.part(Downloads)._known.clear()
            return await plan(*values)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "make_plan", refused)
    job = await made(at)
    if what == "gone right":
        assert (await at.client.get(f"bags/{job.id}")).status_code == 403
        return
    assert job.state is State.FAILED
    assert {"too many": "more than 20 files", "changed": "changed while"}[what] in job.words and job.remedy
    assert (await at.client.get(f"bags/{job.id}")).status_code == 404


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_what_passes_by_itself_ends_no_bag(at: Running, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    plain, asked = Downloads.data, [0]

    async def refused(self: Downloads, *values: object) -> object:
        asked[0] += 1
        if asked[0] > 1:  # the page itself has asked
            raise HubError(status, "Not just now.", "Try again.")
        return await plain(self, *values)  # type: ignore[arg-type]

    monkeypatch.setattr(Downloads, "data", refused)
    answer = await at.client.post("download/esrf/ma1234/bag", data={"_xsrf": at.xsrf})
    name = answer.headers["Location"].rpartition("/")[2]
    for _ in range(1200):
        job = runner_of(at.portal).job(name, "ada")
        assert job is not None and not job.state.over, job
        if job.state is State.QUEUED and job.words and job.started is not None:
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError(f"still {job}")


async def test_a_bag_is_nobody_elses(at: Running) -> None:
    job = await made(at)
    at.log_in("eve")
    assert (await at.client.get(f"bags/{job.id}")).status_code == 404
    assert (await at.client.get("bags/..%2f..%2fportal-links.key")).status_code == 404


async def test_old_bags_are_removed(at: Running) -> None:
    job = await made(at)
    file = module.bag_file(at.portal, job.id)
    os.utime(file, (1, 1))
    write_again = await made(at, pid="other")
    assert not file.exists() and module.bag_file(at.portal, write_again.id).exists()
    assert file.parent.stat().st_mode & 0o077 == 0


async def test_a_part_of_a_bag(at: Running) -> None:
    job = await made(at)
    whole = (await at.client.get(f"bags/{job.id}")).content
    part = await at.client.get(f"bags/{job.id}", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == whole[10:20]


async def test_what_a_catalogue_tells_counts_where_the_file_lies_and_has_the_size(
    at: Running, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "cd" * 32
    dataset = Dataset("x", "p", "T", location=str(area))
    listed = [
        File("empty", 0, f"sha256:{told}"),
        File("50%.txt", 99, f"sha256:{told}"),  # another size: not this file
        File(str(area / "scan1/a.h5"), None, f"SHA256:{told.upper()}"),
        File("../raw2/x", 1, f"sha256:{told}"),
        File('quote".txt', 1, "md5:" + "ab" * 16),
    ]

    async def described(self: object, task: object) -> Dataset:
        return dataset

    class Known:
        async def files(self, *values: object) -> list[File]:
            return listed

    monkeypatch.setattr(module.BagWorker, "_described", described)
    at.portal.parts[module.Federation] = Known()
    manifest = (await unpacked(at, await made(at), tmp_path) / "manifest-sha256.txt").read_text()
    taken = {line.split("  ")[1] for line in manifest.splitlines() if line.startswith(told)}
    assert taken == {"data/raw/empty", "data/raw/scan1/a.h5"}
