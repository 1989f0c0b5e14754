"""A portal that is killed in the middle of a staging, at any step: it goes on where it was, and nothing half-done is seen."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dav_peer import DavPeer
from panosc_portal.moving import rclone
from panosc_portal.moving.jobs import State
from panosc_portal.moving.place import Place
from panosc_portal.moving.staged import Receipts
from staging_support import VISIT, desk, remote, tree_of, write_tree

_PORTAL = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
from staging_support import desk, remote

async def main():
    async with desk(Path(sys.argv[2]), Path(sys.argv[3]), remote(sys.argv[4], streams=2), kept=True) as here:
        here.begin()
        print("begun", flush=True)
        await asyncio.sleep(120)

asyncio.run(main())
"""


def _killed(tmp_path: Path, root: Path, peer: DavPeer, enough: Callable[[], bool]) -> None:
    """Start a portal of its own process that stages, and kill it (-9) as soon as ``enough`` says so."""
    portal = subprocess.Popen(
        [sys.executable, "-c", _PORTAL, str(Path(__file__).parent), str(tmp_path), str(root), peer.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert portal.stdout is not None
        assert portal.stdout.readline() == "begun\n"
        until = time.monotonic() + 30
        while not enough():
            assert time.monotonic() < until, peer.guard.log
            assert portal.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(portal.pid, signal.SIGKILL)
        portal.communicate()


def _copies_of(root: Path) -> list[int]:
    """Processes of rclone that write beneath a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"rclone\0copy" in line and str(root).encode() in line:
            found.append(int(process.name))
    return found


async def test_killed_while_files_come_it_goes_on_with_the_next(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path
) -> None:
    tree = write_tree(there, files=40)
    peer.guard.slow = 0.15
    _killed(tmp_path, root, peer, lambda: peer.count("GET") >= 24)
    for _ in range(50):
        if not _copies_of(root):
            break
        await asyncio.sleep(0.02)
    assert _copies_of(root) == []  # the copy died with its portal, or two would write the same files
    assert not (root / VISIT).exists()
    peer.guard.slow = 0.0
    before = peer.count("PROPFIND")
    async with desk(tmp_path, root, remote(peer.url, streams=2), kept=True) as here:
        (job,) = here.runner.jobs("ada")
        done = await here.end(job)
        assert done.state is State.DONE, done
        assert tree_of(root / VISIT) == tree
    assert len(here.hub.asked) > 0  # asked again whether they may
    asked_twice = [path for (method, path, _), n in Counter(peer.guard.log).items() if method == "GET" and n > 1]
    assert len(asked_twice) <= 10  # those of the last second, which nobody had written down
    listed_again = [one for one in peer.guard.log if one[0] == "PROPFIND"][before:]
    assert not any(path.endswith("/scan0/") for _, path, _ in listed_again)  # the listing was kept, too


async def test_killed_in_the_middle_of_a_big_file_it_goes_on_in_its_middle(
    tmp_path: Path, there: Path, peer: DavPeer, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(there, files=1, size=64 * 1024 * 1024)
    ranges: list[str] = []

    def slowly(method: str, path: str, environ: dict[str, Any], start: Callable[..., object]) -> Any:
        if method != "GET" or not path.endswith(".h5"):
            return None
        ranges.append(environ.get("HTTP_RANGE", ""))
        if environ.get("HTTP_RANGE"):
            return None
        content = tree["scan0/frame 0000.h5"]
        start("200 OK", [("Content-Length", str(len(content)))])
        return _Slow(content)

    peer.guard.hook = slowly

    def half_here() -> bool:
        return any(file.stat().st_size > 24 * 1024**2 for file in root.glob(".panosc-staging/*/data/scan0/*"))

    _killed(tmp_path, root, peer, half_here)
    async with desk(tmp_path, root, remote(peer.url), kept=True) as here:
        (job,) = here.runner.jobs("ada")
        done = await here.end(job)
        assert done.state is State.DONE, done
        assert tree_of(root / VISIT) == tree
    first, second = ranges
    assert first == ""
    assert int(second.removeprefix("bytes=").rstrip("-")) >= rclone.GO_ON_FROM


class _Slow:
    """A body that comes slowly. (Not a list: the guard would take it whole.)"""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._content), 1024 * 1024):
            time.sleep(0.05)
            yield self._content[at : at + 1024 * 1024]


class Killed(BaseException):
    """The process is gone at this point."""


def _before(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, call: int) -> None:
    """The ``call``-th call of a method never happens."""
    original, calls = getattr(kind, name), Counter[str]()

    def killed(self: Any, *args: Any, **values: Any) -> Any:
        calls[name] += 1
        if calls[name] == call:
            raise Killed
        return original(self, *args, **values)

    monkeypatch.setattr(kind, name, killed)


def _after(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, call: int) -> None:
    """The ``call``-th call of a method is the last thing that happens."""
    original, calls = getattr(kind, name), Counter[str]()

    def killed(self: Any, *args: Any, **values: Any) -> Any:
        calls[name] += 1
        found = original(self, *args, **values)
        if calls[name] == call:
            raise Killed
        return found

    monkeypatch.setattr(kind, name, killed)


STEPS = [
    (_before, Receipts, "write"),
    (_after, Receipts, "write"),
    (_before, Place, "publish"),
    (_after, Place, "publish"),
    (_before, Place, "retire"),
    (_after, Place, "retire"),
]


@pytest.mark.parametrize(("how", "kind", "name"), STEPS[:4])
async def test_killed_in_the_last_step(
    tmp_path: Path,
    there: Path,
    peer: DavPeer,
    root: Path,
    how: Callable[..., None],
    kind: type,
    name: str,
) -> None:
    tree = write_tree(there)
    with pytest.MonkeyPatch.context() as patch:
        how(patch, kind, name, 1)
        await _begin_and_die(tmp_path, root, peer, refresh=False)
    assert not (root / VISIT).exists() or tree_of(root / VISIT) == tree
    async with desk(tmp_path, root, remote(peer.url), kept=True) as here:
        (job,) = here.runner.jobs("ada")
        done = await here.end(job)
        assert done.state is State.DONE, done
        assert tree_of(root / VISIT) == tree
        assert list((root / ".panosc-staging").iterdir()) == []
    assert Counter(peer.guard.log).most_common(1)[0][1] <= 4  # nothing was copied twice


@pytest.mark.parametrize(("how", "kind", "name"), STEPS)
async def test_killed_while_it_takes_the_place_of_earlier_data(
    tmp_path: Path,
    there: Path,
    peer: DavPeer,
    root: Path,
    how: Callable[..., None],
    kind: type,
    name: str,
) -> None:
    old = write_tree(there, files=3)
    async with desk(tmp_path, root, remote(peer.url), kept=True) as here:
        first = await here.staged()
    new = write_tree(there, files=9)
    with pytest.MonkeyPatch.context() as patch:
        how(patch, kind, name, 1)
        await _begin_and_die(tmp_path, root, peer, refresh=True)
    assert tree_of(root / VISIT) in (old, new)
    async with desk(tmp_path, root, remote(peer.url), kept=True) as here:
        (job,) = (one for one in here.runner.jobs("ada") if one.id != first.id)
        done = await here.end(job)
        assert done.state is State.DONE, done
        assert tree_of(root / VISIT) == new
        (place,) = (root / ".panosc-staging").iterdir()
        assert tree_of(place / "replaced") == old
        assert [one.name for one in place.iterdir()] == ["replaced"]


async def _begin_and_die(tmp_path: Path, root: Path, peer: DavPeer, *, refresh: bool) -> None:
    """Stage until :class:`Killed`: the job stays as it was left, as after a kill."""
    async with desk(tmp_path, root, remote(peer.url), kept=True) as here:
        job = here.begin(refresh=refresh)
        async with asyncio.timeout(30):
            while job.id not in here.runner._running:
                await asyncio.sleep(0.01)
            task = here.runner._running[job.id]
            await asyncio.wait([task])
        assert isinstance(task.exception(), Killed)
        left = here.runner.store.get(job.id)
        assert left is not None and left.state.active
