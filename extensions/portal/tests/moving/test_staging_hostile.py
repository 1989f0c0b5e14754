"""What a person makes of the hidden directory, which is theirs while data come; and what tidying outlives."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dav_peer import DavPeer
from moving_places import PERSON
from panosc_portal.moving import staging_pages
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.place import HIDDEN, Ownership, Place, PlaceError, Writer, tidy
from panosc_portal.moving.rclone import RcloneBackend
from panosc_portal.moving.settle import settle
from staging_support import VISIT, desk, remote, tree_of, write_tree

DEEP = 3000  # far more than Python's recursion or a process's open files allow


def _place(root: Path, name: str, deep: int) -> Place:
    """Where data come, with directories in it that its owner made in each other, and files, and a link out of it."""
    place = Place(root, root / name)
    place.prepare(Writer(PERSON, PERSON))
    here = os.open(place.partial, os.O_RDONLY)
    for _ in range(deep):
        os.mkdir("d", dir_fd=here)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.symlink(root, "out", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        if os.geteuid() == 0:
            os.fchown(below, PERSON, PERSON)
        os.fchmod(here, 0o500)
        os.close(here)
        here = below
    os.close(here)
    return place


def test_what_is_half_done_is_removed_however_deep_somebody_dug(root: Path) -> None:
    kept = root / "kept"
    kept.write_text("not to be removed")
    _place(root, "ma1234", DEEP).discard()
    assert list((root / HIDDEN).iterdir()) == []
    assert kept.exists()


def test_tidying_is_not_kept_by_one_that_cannot_be_removed(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    _place(root, "ma1234", DEEP)
    _place(root, "hc4711", 2)
    (root / HIDDEN / "no directory").write_text("")
    assert tidy(root, (), time.time() + 99) == 2
    assert [one.name for one in (root / HIDDEN).iterdir()] == ["no directory"]
    assert "no directory cannot be tidied: Not a directory" in caplog.text


def test_a_root_that_is_away_has_nothing_to_tidy(root: Path) -> None:
    assert tidy(root / "away", (), time.time() + 99) == 0


async def test_the_tidying_task_goes_on_after_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(staging_pages, "_TIDY_EVERY", 0.01)
    tidied = asyncio.Event()
    errors = [RuntimeError("the disk is away"), RuntimeError("still")]
    loop = asyncio.get_running_loop()

    def once() -> int:
        if errors:
            raise errors.pop()
        loop.call_soon_threadsafe(tidied.set)
        return 0

    task = asyncio.create_task(staging_pages._tidy(SimpleNamespace(tidy=once)))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(10):
            await tidied.wait()
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert caplog.text.count("What staging left could not be removed") == 2


async def test_the_sites_own_token_is_not_within_reach_of_the_person(
    as_root: None, tmp_path: Path, root: Path, peer: DavPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rclone runs as an account of its own, and what it wrote is the person's in the end."""
    token = tmp_path / "token"
    token.write_text("token-for-elsewhere\n")
    token.chmod(0o600)
    rules = {"token": {"by": "file", "file": str(token)}, "writer": "nobody"}
    tree = write_tree(tmp_path / "elsewhere" / VISIT, files=3)
    started: list[tuple[int, int]] = []  # as whom, and what a process of the person's sees of it
    follow = RcloneBackend._follow

    async def followed(self: RcloneBackend, child: asyncio.subprocess.Process, *more: Any) -> None:
        look = ["ls", f"/proc/{child.pid}/fd"]
        seen = subprocess.run(look, user=PERSON, group=PERSON, extra_groups=[], capture_output=True, timeout=10)
        started.append((Path(f"/proc/{child.pid}/mem").stat().st_uid, seen.returncode))
        await follow(self, child, *more)

    monkeypatch.setattr(RcloneBackend, "_follow", followed)
    async with desk(tmp_path, root, remote(peer.url, **rules)) as here:
        await here.staged()
    assert started == [(pwd.getpwnam("nobody").pw_uid, 2)]
    assert tree_of(root / VISIT) == tree
    assert {file.stat().st_uid for file in (root / VISIT).rglob("*")} == {PERSON}


def test_what_is_too_deep_is_not_taken_over(root: Path) -> None:
    place = _place(root, "ma1234", 300)
    with place.opened() as data, pytest.raises(PlaceError, match="made directories among the data while they came"):
        settle(data, Journal(None), Ownership(PERSON, PERSON))
