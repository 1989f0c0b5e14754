"""Staging over WebDAV: a real server (WsgiDAV), a real rclone."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

import httpx
import pytest
from dav_peer import DavPeer, dav_peer
from moving_places import OTHER, PERSON
from panosc_portal.moving.jobs import State
from panosc_portal.moving.runner import JobLimits
from staging_support import VISIT, data_of, desk, readable_by, remote, tree_of, write_tree
from support import login

TOKENS = {"token-for-elsewhere": ("/", False)}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed, or waits for another job, is tried again at once."""
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.05)
    monkeypatch.setattr("panosc_portal.moving.staging.ASK_AGAIN", 0.1)


async def test_data_come_whole_and_belong_to_the_person(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    tree = write_tree(there)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        done = await here.staged()
        assert tree_of(here.target) == tree
        (receipt,) = here.staging.receipts.of("esrf/ma1234")
    assert "16 files" in done.words
    assert receipt.untold == 1  # the manifest itself
    assert (done.progress.done_files, done.progress.total_files) == (16, 16)
    assert not (root / ".panosc-staging").joinpath(receipt.key).exists()
    files = [root / VISIT, *(root / VISIT).rglob("*")]
    assert {file.stat().st_uid for file in files} == {PERSON}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o700, 0o400}
    assert readable_by(PERSON, root / VISIT / "notes.txt")
    assert not readable_by(OTHER, root / VISIT / "notes.txt")


async def test_the_token_is_seen_by_nobody(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    """Not in any process's command line or environment, not in a file, not in what is kept."""
    write_tree(there)
    peer.guard.slow = 0.15
    seen: list[bytes] = []
    rclones = 0
    async with desk(tmp_path, root, remote(peer.url), kept=True) as here:
        job = here.begin()
        while not (found := here.runner.job(job.id)).state.over:  # type: ignore[union-attr]
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
                except OSError:
                    continue
                if b"rclone\0copy" in line:
                    rclones += 1
                    assert process.stat().st_uid == PERSON
                    assert b"cat /dev/fd" in environment
                    seen += [line, environment]
            await asyncio.sleep(0.05)
        assert found is not None and found.state is State.DONE
        kept = [file.read_bytes() for file in tmp_path.rglob("*.sqlite*")]
    assert rclones > 0
    assert not any(b"token-for-elsewhere" in text for text in [*seen, *kept])


async def test_nothing_is_seen_before_all_is_here(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    write_tree(there, files=40)
    peer.guard.slow = 0.05
    async with desk(tmp_path, root, remote(peer.url)) as here:
        job = here.begin()
        looks = 0
        while not here.runner.job(job.id).state.over:  # type: ignore[union-attr]
            assert not here.target.exists() or len(tree_of(here.target)) == 44
            looks += 1
            await asyncio.sleep(0.01)
        assert looks > 10
        assert len(tree_of(here.target)) == 44


async def test_data_that_were_not_staged_are_never_touched(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there)
    (root / VISIT).mkdir(parents=True)
    (root / VISIT / "mine.txt").write_text("measured here")
    async with desk(tmp_path, root, remote(peer.url)) as here:
        failed = await here.end(here.begin())
        assert "not staged" in failed.words
        assert tree_of(here.target) == {"mine.txt": b"measured here"}
    assert peer.guard.log == []


async def test_an_empty_directory_that_waits_for_data_gets_them(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    tree = write_tree(there)
    (root / VISIT).mkdir(parents=True)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        await here.staged()
        assert tree_of(here.target) == tree


async def test_again_is_quick_and_a_refresh_takes_the_place_in_one_step(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        await here.staged()
        asked = len(peer.guard.log)
        await here.staged()
        assert len(peer.guard.log) == asked
        opened = os.open(here.target, os.O_RDONLY)  # as a server has it
        shutil.rmtree(there)
        there.mkdir()
        newer = write_tree(there, files=20)
        done = await here.end(here.begin(refresh=True))
        assert done.state is State.DONE, done
        assert tree_of(here.target) == newer
        assert Path(f"/dev/fd/{opened}/scan0/frame 0000.h5").exists()  # the earlier ones, for as long as it runs
        os.close(opened)
        (place,) = (root / ".panosc-staging").iterdir()
        assert [one.name for one in place.iterdir()] == ["replaced"]
        assert here.staging.tidy() == 0
        os.utime(place / "replaced", (1, 1))
        assert here.staging.tidy() == 1
        assert list((root / ".panosc-staging").iterdir()) == []


async def test_removed_by_the_operator_it_comes_again(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    tree = write_tree(there)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        await here.staged()
        shutil.rmtree(here.target)
        await here.staged()
        assert tree_of(here.target) == tree


async def test_a_lost_right_ends_it_within_the_interval(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    write_tree(there, files=60)
    peer.guard.slow = 0.3
    limits = JobLimits(right_every=timedelta(seconds=0.3))
    async with desk(tmp_path, root, remote(peer.url), limits=limits) as here:
        job = here.begin()
        while peer.count("GET") < 6:
            await asyncio.sleep(0.02)
        here.hub.directories.clear()
        failed = await here.end(job, seconds=5)
        asked = len(peer.guard.log)
        await asyncio.sleep(1)
        assert len(peer.guard.log) <= asked + 4  # requests that were under way
        assert "You are not on proposal" in failed.words
        assert list((root / ".panosc-staging").iterdir()) == []
        assert not here.target.exists()


async def test_a_right_to_another_directory_is_another_right(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there, files=60)
    peer.guard.slow = 0.3
    limits = JobLimits(right_every=timedelta(seconds=0.3))
    async with desk(tmp_path, root, remote(peer.url), limits=limits) as here:
        job = here.begin()
        while peer.count("GET") < 6:
            await asyncio.sleep(0.02)
        elsewhere = PurePosixPath("ma1234/id31/20250916/RAW_DATA")
        here.hub.directories = {("ada", "esrf/ma1234"): data_of(root, target=elsewhere)}
        assert "was changed meanwhile" in (await here.end(job, seconds=5)).words


async def test_cancelled_nothing_is_left(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    write_tree(there, files=60)
    peer.guard.slow = 0.3
    async with desk(tmp_path, root, remote(peer.url)) as here:
        job = here.begin()
        while peer.count("GET") < 6:
            await asyncio.sleep(0.02)
        cancelled = await here.runner.cancel(job.id, "ada")
        assert cancelled is not None and cancelled.state is State.CANCELLED
        assert list((root / ".panosc-staging").iterdir()) == []
        assert list((tmp_path / "journals").iterdir()) == []
        assert not here.target.exists()


async def test_two_persons_do_it_once(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    write_tree(there)
    owner = {"kind": "account", "uid": PERSON, "group": str(OTHER)}
    async with desk(tmp_path, root, remote(peer.url, owner=owner)) as here:
        here.hub.directories[("ben", "esrf/ma1234")] = data_of(root, uid=OTHER)
        jobs = here.begin(), here.begin(login("ben"))
        assert [(await here.end(job)).state for job in jobs] == [State.DONE, State.DONE]
        assert peer.count("GET") == 17  # each file once, and the manifest before them
        assert readable_by(OTHER, here.target / "notes.txt")  # the group
        assert not readable_by(OTHER + 1, here.target / "notes.txt")


async def test_what_is_one_persons_alone_is_said_to_another(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there)
    async with desk(tmp_path, root, remote(peer.url)) as here:
        await here.staged()
        here.hub.directories[("ben", "esrf/ma1234")] = data_of(root, uid=OTHER)
        assert "belong to another person" in (await here.end(here.begin(login("ben")))).words


async def test_a_quota_is_told_before_anything_is_copied(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    write_tree(there)
    async with desk(tmp_path, root, remote(peer.url, quota="10K")) as here:
        failed = await here.end(here.begin())
    assert "only 10 kB are left" in failed.words
    assert peer.count("GET") == 1
    free = os.statvfs(root)
    async with desk(tmp_path, root, remote(peer.url, keep_free=free.f_bavail * free.f_frsize)) as here:
        assert "has room for" in (await here.end(here.begin())).words
    assert peer.count("GET") == 1  # the listing was kept
    assert not (root / ".panosc-staging").exists()


async def test_what_comes_meanwhile_is_counted_as_well(tmp_path: Path, there: Path, peer: DavPeer, root: Path) -> None:
    size = sum(len(content) for content in write_tree(there).values())
    seen: list[int] = []

    def look(method: str, path: str, *_more: object) -> None:
        if method == "GET" and path.endswith(".h5"):
            seen.append(coming.of("elsewhere", "another place"))

    peer.guard.hook = look
    async with desk(tmp_path, root, remote(peer.url, quota=f"{size}B")) as here:
        coming = here.staging.coming
        with coming.held("elsewhere", "another place", 1):
            assert "only" in (await here.end(here.begin())).words
        with coming.held("another storage", "another place", size):
            await here.staged()
        assert coming.of("elsewhere", "") == 0
    assert seen and min(seen) >= size


async def test_a_disk_that_becomes_full_is_told_in_words(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(there, files=8, size=1024 * 1024)
    monkeypatch.setattr(
        "panosc_portal.moving.quota.Room.check", lambda *_, **__: None
    )  # somebody else fills it meanwhile
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M,mode=755", "tmpfs", str(root)], check=True)
    try:
        async with desk(tmp_path, root, remote(peer.url)) as here:
            failed = await here.end(here.begin())
            assert failed.state is State.FAILED
            assert "became full" in failed.words
            assert not here.target.exists()
            kept = [path for path, content in tree_of(here.partial).items() if tree[path] == content]
            assert 0 < len(kept) < 12  # to go on from
    finally:
        subprocess.run(["umount", str(root)], check=True)


async def test_a_refused_token_and_a_missing_directory_are_told(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    peer.guard.tokens = {}
    async with desk(tmp_path, root, remote(peer.url)) as here:
        assert "does not accept the token" in (await here.end(here.begin())).words
    peer.guard.tokens = dict(TOKENS)
    there.rmdir()
    async with desk(tmp_path, root, remote(peer.url)) as here:
        assert "does not have it" in (await here.end(here.begin())).words


async def test_the_token_does_not_go_where_the_storage_sends(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    """A pool elsewhere (as dCache has them) gets no token: its address has what it needs."""
    tree = write_tree(there)
    heard: list[str] = []

    class Pool(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(str(self.headers.get("Authorization")))
            content = tree[unquote(self.path).removeprefix("/")]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    pool = ThreadingHTTPServer(("127.0.0.1", 0), Pool)
    threading.Thread(target=pool.serve_forever, daemon=True).start()

    def hook(method: str, path: str, environ: object, start: Callable[..., object]) -> list[bytes] | None:
        if method == "GET" and path.endswith(".h5"):
            below = path.removeprefix(f"/{VISIT}/")
            start("302 Found", [("Location", f"http://localhost:{pool.server_port}/{quote(below)}")])
            return [b""]
        return None

    peer.guard.hook = hook
    try:
        async with desk(tmp_path, root, remote(peer.url)) as here:
            await here.staged()
            assert tree_of(here.target) == tree
    finally:
        pool.shutdown()
        pool.server_close()
    assert heard == ["None"] * 12


async def test_the_persons_token_buys_a_macaroon_and_is_used_for_nothing_else(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    tree = write_tree(there)
    token = {"by": "person", "catalogue": "elsewhere", "macaroon": True}
    async with desk(tmp_path, root, remote(peer.url, token=token)) as here:
        await here.staged()
        assert tree_of(here.target) == tree
    assert {method for method, used in peer.guard.bearers if used == "token-for-elsewhere"} == {"POST"}
    assert {used for method, used in peer.guard.bearers if method != "POST"} == {"macaroon-1"}
    asked = {"caveats": ["activity:DOWNLOAD,LIST"], "validity": "PT720M"}
    assert peer.guard.macaroons == [(f"/{VISIT}", asked)]


async def test_a_listing_that_is_another_one_for_rclone_adds_nothing(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    """What we looked at is what is copied, though the storage tells rclone of files elsewhere, and of more."""
    tree = write_tree(there, files=3)
    names = ["..%2f..%2fevil", "../../../../evil", "../evil", "%2e%2e/evil", "more.h5", "scan0/../../evil"]

    def hook(method: str, path: str, environ: dict[str, str], start: Callable[..., object]) -> list[bytes] | None:
        if method == "GET" and ("evil" in path or path.endswith("more.h5")):
            start("200 OK", [("Content-Length", "4")])
            return [b"evil"]
        if method != "PROPFIND" or "rclone" not in environ.get("HTTP_USER_AGENT", "") or not path.endswith("RAW_DATA/"):
            return None
        entry = "<d:response><d:href>{}</d:href><d:propstat><d:prop><d:resourcetype>{}</d:resourcetype>{}</d:prop></d:propstat></d:response>"
        files = [*names, *(quote(one) for one in tree if "/" not in one)]
        sizes = {quote(one): len(content) for one, content in tree.items()}
        listed = [entry.format(path, "<d:collection/>", "")]
        listed += [
            entry.format(path + quote(one) + "/", "<d:collection/>", "")
            for one in {p.split("/")[0] for p in tree if "/" in p}
        ]
        listed += [
            entry.format(path + one, "", f"<d:getcontentlength>{sizes.get(one, 4)}</d:getcontentlength>")
            for one in files
        ]
        body = f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">{"".join(listed)}</d:multistatus>'.encode()
        start("207 Multi-Status", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        lied.append(path)
        return [body]

    lied: list[str] = []
    peer.guard.hook = hook
    async with desk(tmp_path, root, remote(peer.url)) as here:
        await here.staged()
        assert tree_of(here.target) == tree
    assert lied
    assert [file for file in root.parent.rglob("*") if "evil" in file.name or file.name == "more.h5"] == []
    asked = [path for method, path, _ in peer.guard.log if method == "GET"]
    assert not any("evil" in path or path.endswith("more.h5") for path in asked)


def test_the_guard_looks_at_destination(tmp_path: Path, there: Path) -> None:
    """The mistake that we had (a guard of addresses alone), and the guard that does not have it."""
    (there / "mine.txt").write_text("mine")
    (tmp_path / "elsewhere" / "other").mkdir()
    mine = {"t": (f"/{VISIT}", True)}
    for careful, status, escaped in ((False, 201, True), (True, 403, False)):
        with dav_peer(tmp_path / "elsewhere", mine, check_destination=careful) as peer:
            headers = {"Authorization": "Bearer t", "Destination": f"{peer.url}/other/out.txt"}
            answer = httpx.request("COPY", f"{peer.url}/{VISIT}/mine.txt", headers=headers)
        assert answer.status_code == status
        out = tmp_path / "elsewhere" / "other" / "out.txt"
        assert out.exists() is escaped
        out.unlink(missing_ok=True)
