"""Staging between two real XRootD storages: macaroons, third-party copy, adler32; and from one of them by rclone."""

from __future__ import annotations

import asyncio
import base64
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from moving_places import OTHER, PERSON
from panosc_portal.moving.dav import DavClient, StorageError, make_client
from panosc_portal.moving.jobs import State
from pydantic import SecretStr
from staging_support import VISIT, desk, readable_by, remote, tree_of, write_tree
from xrootd_peer import Storage, certificates, own_network, storage


@dataclass
class Pair:
    """A storage elsewhere and one here, whose directory is the facility's root."""

    there: Storage
    here: Storage
    robot: Path

    @property
    def far(self) -> Path:
        """The proposal's directory elsewhere."""
        return self.there.root / VISIT

    def rules(self, **more: object) -> dict[str, object]:
        """Of the remote."""
        by_robot = {"by": "certificate", "file": str(self.robot), "macaroon": True}
        return {
            "kind": "xrootd",
            "url": self.there.url,
            "token": by_robot,
            "destination_url": self.here.url,
            "destination_token": by_robot,
            "writer": "xrootd",
            "ca_file": str(self.robot.with_name("cert.pem")),
        } | more


@pytest.fixture(scope="module")
def storages() -> Iterator[Pair]:
    """Both, for all tests of this file."""
    folder = Path(tempfile.mkdtemp(prefix="panosc-xrootd-")).resolve()
    folder.chmod(0o755)
    account = pwd.getpwnam("xrootd")
    try:
        for name in ("far", "near"):
            (folder / name).mkdir(mode=0o755)
        shutil.chown(folder / "far", account.pw_uid, account.pw_gid)
        robot = certificates(folder)
        with (
            own_network(),
            storage(folder, "there", 1094, folder / "far") as there,
            storage(folder, "here", 1095, folder / "near") as here,
        ):
            yield Pair(there, here, robot)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def pair(storages: Pair) -> Iterator[Pair]:
    """Both, empty."""
    storages.far.mkdir(parents=True)
    yield storages
    for root in (storages.there.root, storages.here.root):
        for one in root.iterdir():
            shutil.rmtree(one)


async def test_one_storage_fetches_from_the_other(tmp_path: Path, pair: Pair) -> None:
    tree = write_tree(pair.far, files=6, manifest=False)
    async with desk(tmp_path, pair.here.root, remote(**pair.rules())) as here:
        done = await here.staged()
        assert tree_of(here.target) == tree
        assert "all compared with their checksums" in done.words  # adler32, as the storage knows it
        files = [here.target, *here.target.rglob("*")]
        assert {file.stat().st_uid for file in files} == {PERSON}
        assert readable_by(PERSON, here.target / "notes.txt")
        assert not readable_by(OTHER, here.target / "notes.txt")
        assert list((pair.here.root / ".panosc-staging").iterdir()) == []


async def test_rclone_copies_from_it_with_a_macaroon_of_that_directory(tmp_path: Path, pair: Pair) -> None:
    tree = write_tree(pair.far, files=6)
    rules = {name: pair.rules()[name] for name in ("url", "token", "ca_file")}
    async with desk(tmp_path, pair.here.root, remote(**rules)) as here:
        done = await here.staged()
        assert tree_of(here.target) == tree
    assert "all compared with their checksums" in done.words


async def test_a_macaroon_opens_nothing_else(pair: Pair) -> None:
    write_tree(pair.far)
    (pair.there.root / "other").mkdir()
    (pair.there.root / "other" / "x").write_text("another's")
    ca_file = pair.robot.with_name("cert.pem")
    wait = timedelta(seconds=10)
    async with make_client(wait, ca_file) as client, make_client(wait, ca_file, pair.robot) as robot:

        async def nobody() -> None:
            return None

        with pytest.raises(StorageError, match=r"does not allow|answered"):
            await DavClient("there", pair.there.url, nobody, client).small(f"{VISIT}/notes.txt", 100)
        asking = DavClient("there", pair.there.url, nobody, robot)
        narrow = await asking.macaroon(str(VISIT), "DOWNLOAD,LIST", timedelta(minutes=5))

        async def status(method: str, path: str, **more: str) -> int:
            # XRootD 5.5 takes over the name in a macaroon for its whole connection, so each request has one of its own.
            sent = {"Authorization": f"Bearer {narrow.get_secret_value()}", "Connection": "close", **more}
            content = b"x" if method == "PUT" else None
            answer = await client.request(method, f"{pair.there.url}/{path}", headers=sent, content=content)
            return answer.status_code

        assert await status("GET", f"{VISIT}/notes.txt") == 200
        assert await status("GET", "other/x") == 403
        assert await status("GET", f"{VISIT}/../../../../other/x") in {400, 403, 404}
        assert await status("PUT", f"{VISIT}/new") == 403
        assert await status("DELETE", f"{VISIT}/notes.txt") == 403
        assert await status("MOVE", f"{VISIT}/notes.txt", Destination=f"{pair.there.url}/other/stolen") == 403
        assert await status("COPY", f"{VISIT}/new", Source=f"{pair.there.url}/{VISIT}/notes.txt") in {401, 403}
    assert sorted(one.name for one in (pair.there.root / "other").iterdir()) == ["x"]


async def test_the_storage_here_gets_a_macaroon_of_that_directory_and_nothing_else(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(pair.far, files=2)
    sent: list[tuple[str, str, bytes]] = []
    original = DavClient.copy_here

    def copy_here(self: DavClient, path: str, source: str, token: SecretStr | None) -> object:
        assert token is not None
        sent.append((path, source, base64.urlsafe_b64decode(token.get_secret_value() + "==")))
        return original(self, path, source, token)

    monkeypatch.setattr(DavClient, "copy_here", copy_here)
    async with desk(tmp_path, pair.here.root, remote(**pair.rules())) as here:
        await here.staged()
    assert len(sent) == 6
    for path, source, macaroon in sent:
        assert path.startswith(".panosc-staging/")
        assert source.startswith(f"{pair.there.url}/{VISIT}/")
        assert b"activity:DOWNLOAD,LIST" in macaroon and f"path:/{VISIT}".encode() in macaroon


async def test_a_storage_that_hangs_is_waited_for_and_gone_on_with(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.2)
    tree = write_tree(pair.far, files=3, size=32 * 1024 * 1024, manifest=False)
    async with desk(tmp_path, pair.here.root, remote(**pair.rules(timeout="2s", streams=1))) as here:
        job = here.begin()
        async with asyncio.timeout(20):
            while not list(pair.here.root.glob(".panosc-staging/*/data/scan0/*")):
                await asyncio.sleep(0.005)
        os.kill(pair.there.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(40):
                while "It is tried again" not in here.runner.job(job.id).words:  # type: ignore[union-attr]
                    assert not here.runner.job(job.id).state.over  # type: ignore[union-attr]
                    await asyncio.sleep(0.02)
            assert not here.target.exists()
        finally:
            os.kill(pair.there.pid, signal.SIGCONT)
        done = await here.end(job)
        assert done.state is State.DONE, done
        assert tree_of(here.target) == tree


async def test_what_the_person_may_not_read_there_is_told(tmp_path: Path, pair: Pair) -> None:
    write_tree(pair.far, files=2)
    async with desk(tmp_path, pair.here.root, remote(**pair.rules(token={"by": "none"}))) as here:
        failed = await here.end(here.begin())
        assert "does not allow it" in failed.words
        assert not here.target.exists()


async def test_a_copy_that_failed_is_told_as_one(tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.02)
    write_tree(pair.far, files=2, manifest=False)
    (pair.far / "notes.txt").chmod(0o600)  # root's, and the storage is not root
    async with desk(tmp_path, pair.here.root, remote(**pair.rules())) as here:
        failed = await here.end(here.begin())
        assert failed.state is State.FAILED
        assert "notes.txt" in failed.words
        assert "failed on the way" in failed.words or "does not allow it" in failed.words
        assert not here.target.exists()
