"""Archives, on a real WebDAV server: each file verified, a signed receipt, nothing overwritten, and words for what fails."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bagit
import httpx
import pytest
from archive_support import REF, archive, archived, begin, end, own
from dav_peer import DavPeer, dav_peer
from moving_places import open_dir
from panosc_portal.hub import PersonReport
from panosc_portal.moving import archive as module
from panosc_portal.moving.jobs import State
from panosc_portal.moving.receipt import Signer, verified
from panosc_portal.moving.runner import runner_of

FILES = {"scan1/a.h5": os.urandom(700_000), "scan 2/é #%.dat": b"odd", "empty": b"", "notes.txt": b"hello"}
TOKENS = {"token-for-stfc": ("/esrf/ma1234", True)}


@pytest.fixture
def area(open_folder: Path) -> Path:
    made = open_dir(open_folder / "raw")
    for name, content in FILES.items():
        open_dir((made / name).parent)
        (made / name).write_bytes(content)
        (made / name).chmod(0o644)
    return made


@pytest.fixture
def there(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    (made / "esrf" / "ma1234").mkdir(parents=True)
    return made


@pytest.fixture
def peer(there: Path) -> Iterator[DavPeer]:
    with dav_peer(there, TOKENS) as running:
        yield running


def held(there: Path) -> dict[str, bytes]:
    base = there / "esrf" / "ma1234" / "data" / "raw"
    return {str(f.relative_to(base)): f.read_bytes() for f in base.rglob("*") if f.is_file()}


def fails(when: Callable[[str, str], bool], status: str) -> Callable[..., Any]:
    def hook(method: str, path: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if not when(method, path):
            return None
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("Content-Length", "0")])
        return [b""]

    return hook


async def test_a_proposal_becomes_a_bag_there_with_a_signed_receipt(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer
) -> None:
    (area / "link").symlink_to("/etc/passwd")
    async with archive(tmp_path, area, peer.url) as at:
        page = (await at.client.get(f"archive/{REF}")).text
        assert "Send to STFC archive" in page and "raw" in page and "683.6 kB" in page and not peer.guard.log
        job = await archived(at)
        receipt = (await at.client.get(f"archive/receipts/{job.id}")).content
        key = (await at.client.get("archive/key")).json()["key"]
        page = (await at.client.get(f"archive/{REF}")).text
        assert f"archive/receipts/{job.id}" in page
    assert held(there) == FILES
    bag = there / "esrf" / "ma1234"
    assert bagit.Bag(str(bag)).validate()
    assert not list(bag.glob(".incoming*"))
    assert (bag / "receipts" / f"{job.id}.json").read_bytes() == receipt
    said = json.loads(receipt)
    assert (said["files"], said["bytes"], said["by"], said["proposal"]) == (4, 700_008, "ada", REF)
    assert said["manifest-sha256"] == hashlib.sha256((bag / "manifest-sha256.txt").read_bytes()).hexdigest()
    assert said["left out"] == [["raw/link", "a link; links are not followed"]]
    assert verified(receipt, key)
    assert not verified(receipt.replace(b'"files": 4', b'"files": 5'), key)
    assert not verified(receipt, Signer(None).public) and not verified(b"{}", key) and not verified(b"x", key)
    assert b"token" not in receipt


async def test_each_file_is_read_again_before_it_has_its_place(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer
) -> None:
    async with archive(tmp_path, area, peer.url) as at:
        await archived(at)
    moved: set[str] = set()
    read: set[str] = set()
    for method, path, status in peer.guard.log:
        if method == "GET" and "/.incoming-" in path and status.startswith("200"):
            read.add(path)
        if method == "MOVE":
            assert path in read or path.endswith("/list")
            moved.add(path)
    assert len(moved) == len(FILES) + 1


async def test_bytes_that_came_out_wrong_are_sent_again(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.05)
    broken: list[str] = []

    def hook(method: str, path: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if method == "GET" and "/.incoming-" in path and not broken:
            file = there / path.lstrip("/")
            if file.stat().st_size > 1000:
                broken.append(path)
                file.write_bytes(b"\0" + file.read_bytes()[1:])
        return None

    peer.guard.hook = hook
    async with archive(tmp_path, area, peer.url) as at:
        job = await archived(at)
        assert job.attempts == 2
    assert broken and held(there) == FILES


async def test_a_second_time_adds_what_is_new_and_sends_nothing_else(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer
) -> None:
    async with archive(tmp_path, area, peer.url) as at:
        await archived(at)
        (area / "later.h5").write_bytes(b"later")
        (area / "later.h5").chmod(0o644)
        puts = peer.count("PUT")
        await archived(at)
        assert peer.count("PUT") - puts == 1 + 5  # the file, four lists and a receipt
    assert held(there) == FILES | {"later.h5": b"later"}
    assert bagit.Bag(str(there / "esrf" / "ma1234")).validate()
    assert len(list((there / "esrf/ma1234/receipts").iterdir())) == 2


async def test_what_is_there_is_never_overwritten(tmp_path: Path, area: Path, there: Path, peer: DavPeer) -> None:
    async with archive(tmp_path, area, peer.url) as at:
        await archived(at)
        (area / "notes.txt").write_bytes(b"HELLO")
        job = await end(at, await begin(at))
        assert job.state is State.FAILED and "another raw/notes.txt already" in job.words and job.remedy
        (area / "notes.txt").write_bytes(b"longer than before")
        job = await end(at, await begin(at))
        assert job.state is State.FAILED and "not overwritten" in job.words
    assert held(there)["notes.txt"] == b"hello"


async def test_what_comes_there_meanwhile_is_not_overwritten_either(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer
) -> None:
    looked: list[bool] = []

    def hook(method: str, path: str, *_: object) -> None:
        looked.append(method == "HEAD" and path.endswith("notes.txt"))
        if method == "PUT" and any(looked):  # looked for already, and not moved yet
            (there / "esrf/ma1234/data/raw/notes.txt").write_bytes(b"somebody else's")

    peer.guard.hook = hook
    async with archive(tmp_path, area, peer.url) as at:
        job = await end(at, await begin(at))
        assert job.state is State.FAILED and "nothing was overwritten" in job.words
    assert held(there)["notes.txt"] == b"somebody else's"


@pytest.mark.parametrize(
    ("when", "status", "words"),
    [
        (("PUT", ".incoming"), "507 Insufficient Storage", "has no room"),
        (("PUT", ".incoming"), "403 Forbidden", "does not allow it"),
        (("MOVE", ""), "409 Conflict", "its place"),
        (("MOVE", ""), "412 Precondition Failed", "nothing was overwritten"),
        (("PUT", ".incoming"), "302 Found", "not followed"),
        (("HEAD", "/data/"), "500 Internal Server Error", "whether it has"),
        (("MKCOL", ""), "401 Unauthorized", "does not accept the token"),
    ],
)
async def test_each_failure_is_told_in_words(
    tmp_path: Path,
    area: Path,
    there: Path,
    peer: DavPeer,
    monkeypatch: pytest.MonkeyPatch,
    when: tuple[str, str],
    status: str,
    words: str,
) -> None:
    monkeypatch.setattr("panosc_portal.moving.runner._LAST_TRY", 1)
    peer.guard.hook = fails(lambda method, path: method == when[0] and when[1] in path, status)
    async with archive(tmp_path, area, peer.url) as at:
        job = await end(at, await begin(at))
        assert job.state is State.FAILED, job
        assert words in job.words and "token-for-stfc" not in job.words and "127.0.0.1" not in job.words, job.words
        assert (await at.client.get(f"archive/receipts/{job.id}")).status_code == 404
    assert held(there) == {}


async def test_a_file_that_changes_while_it_is_sent_is_not_archived(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer
) -> None:
    def hook(method: str, path: str, *_: object) -> None:
        if method == "HEAD" and path.endswith("notes.txt"):
            (area / "notes.txt").write_bytes(b"other!")

    peer.guard.hook = hook
    async with archive(tmp_path, area, peer.url) as at:
        job = await end(at, await begin(at))
        assert job.state is State.FAILED and "changed while it was read" in job.words
    assert "notes.txt" not in held(there)


async def test_a_file_that_cannot_be_read_is_told_before_anything_is_sent(
    tmp_path: Path, area: Path, peer: DavPeer, as_root: None
) -> None:
    (area / "locked").write_bytes(b"")
    (area / "locked").chmod(0)
    async with archive(tmp_path, area, peer.url) as at:
        job = await end(at, await begin(at))
        assert job.state is State.FAILED and "raw/locked" in job.words and "not be complete" in job.words
    assert peer.count("PUT") == 0


@pytest.mark.parametrize(("role", "may"), [("pi", True), ("local-contact", True), ("member", False), ("staff", False)])
async def test_who_may(tmp_path: Path, area: Path, peer: DavPeer, role: str, may: bool) -> None:
    async with archive(tmp_path, area, peer.url, role=role) as at:
        page = await at.client.get(f"archive/{REF}")
        assert ("Send to STFC archive" in page.text) is may
        answer = await at.client.post(f"archive/{REF}", data={"_xsrf": at.xsrf, "archive": "stfc"})
        assert answer.status_code == (303 if may else 403)
        if not may:
            assert "Only the main proposer or the local contact" in page.text
            assert not runner_of(at.portal).jobs("ada") and not peer.guard.log


async def test_others_have_no_page_no_job_and_no_receipt(tmp_path: Path, area: Path, peer: DavPeer) -> None:
    async with archive(tmp_path, area, peer.url) as at:
        job = await archived(at)
        assert (await at.client.post(f"archive/{REF}", data={"archive": "stfc"})).status_code == 403  # no XSRF token
        unknown = await at.client.post(f"archive/{REF}", data={"_xsrf": at.xsrf, "archive": "nowhere"})
        assert unknown.status_code == 404
        assert "No archive takes data" in (await at.client.get("archive/ill/1-2-3")).text
        at.log_in("eve")
        assert (await at.client.get(f"archive/receipts/{job.id}")).status_code == 404
        assert "You are not on proposal" in (await at.client.get(f"archive/{REF}")).text


async def test_a_role_that_is_lost_ends_the_job(
    tmp_path: Path, area: Path, peer: DavPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with archive(tmp_path, area, peer.url) as at:
        plain = module.Sending._put

        async def late(self: module.Sending, *values: Any) -> str:
            at.hub.people["ada"] = PersonReport((own("member"),))
            with pytest.raises(Exception, match="Only the main proposer"):
                await module.ArchiveWorker(self.archives).allowed(self.task)
            return await plain(self, *values)

        monkeypatch.setattr(module.Sending, "_put", late)
        await end(at, await begin(at))
        assert (await at.client.post(f"archive/{REF}", data={"_xsrf": at.xsrf, "archive": "stfc"})).status_code == 403


async def test_a_guard_that_ignores_destinations_is_found_by_this_very_check(there: Path) -> None:
    """The peer of these tests checks where a MOVE leads; one that does not lets files out of the proposal's directory."""
    (there / "esrf/ma1234/x").write_bytes(b"x")
    for checks, status in ((True, 403), (False, 201)):
        with dav_peer(there, TOKENS, check_destination=checks) as peer:
            headers = {"Authorization": "Bearer token-for-stfc", "Destination": f"{peer.url}/esrf/other-{checks}.txt"}
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.request("MOVE", f"{peer.url}/esrf/ma1234/x", headers=headers)
        assert answer.status_code == status


async def test_the_archives_own_digest_counts_where_it_is_told(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer
) -> None:
    def hook(method: str, path: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        file = there / path.lstrip("/")
        if method == "HEAD" and environ.get("HTTP_WANT_DIGEST") and file.stat().st_size > 10:
            told = hashlib.sha256(file.read_bytes()).hexdigest()
            start_response("200 OK", [("Content-Length", "5"), ("Digest", f"sha-256={told}")])
            return [b""]
        return None

    peer.guard.hook = hook
    async with archive(tmp_path, area, peer.url, read_back="digest") as at:
        await archived(at)
    read = [
        path for method, path, _ in peer.guard.log if method == "GET" and "/.incoming-" in path and "list" not in path
    ]
    assert len(read) == 3  # the small ones, of which no digest was told
    assert held(there) == FILES


async def test_an_answer_without_end_is_not_read(tmp_path: Path, area: Path, there: Path, peer: DavPeer) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(400):
            told.append(1)
            yield bytes(1024**2)

    def hook(method: str, path: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if method != "PUT":
            return None
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        (there / path.lstrip("/")).write_bytes(body)
        start_response("201 Created", [("Content-Length", str(400 * 1024**2))])
        return endless()

    told: list[int] = []
    peer.guard.hook = hook
    async with archive(tmp_path, area, peer.url) as at:
        await archived(at)
    assert held(there) == FILES and len(told) < 400


async def test_names_that_are_shown_alike_are_all_archived(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer
) -> None:
    (area / "a\x01").write_bytes(b"1")
    (area / "a%01").write_bytes(b"2")
    for file in area.glob("a*"):
        file.chmod(0o644)
    async with archive(tmp_path, area, peer.url) as at:
        await archived(at)
    assert {held(there)[name] for name in ("a%01", "a%01~2")} == {b"1", b"2"}
