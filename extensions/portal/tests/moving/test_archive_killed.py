"""A portal that is killed in the middle of an archive, at any step: it goes on with the next file, and nothing is half there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bagit
import pytest
from archive_support import archive, end
from dav_peer import DavPeer, dav_peer
from moving_places import open_dir
from panosc_portal.moving.jobs import State
from panosc_portal.moving.runner import runner_of

TOKENS = {"token-for-stfc": ("/esrf/ma1234", True)}
FILES = {f"scan{n % 3}/f{n:02d}.h5": hashlib.sha256(b"%d" % n).digest() * 20_000 for n in range(12)}
_PORTAL = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], str(Path(sys.argv[1]).parent)]
from archive_support import archive, begin

async def main():
    async with archive(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]) as at:
        await begin(at)
        print("begun", flush=True)
        await asyncio.sleep(120)

asyncio.run(main())
"""


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


def _killed(folder: Path, area: Path, peer: DavPeer, method: str, count: int) -> None:
    """Start a portal that archives, and kill it (-9) at the ``count``-th request of a kind."""
    reached = [False]

    def hook(asked: str, *_: object) -> None:
        if asked == method and peer.count(method) >= count - 1:
            reached[0] = True
            time.sleep(0.3)

    peer.guard.hook = hook
    portal = subprocess.Popen(
        [sys.executable, "-c", _PORTAL, str(Path(__file__).parent), str(folder), str(area), peer.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert portal.stdout is not None
        assert portal.stdout.readline() == "begun\n"
        until = time.monotonic() + 30
        while not reached[0]:
            assert time.monotonic() < until and portal.poll() is None, peer.guard.log
            time.sleep(0.01)
    finally:
        os.kill(portal.pid, signal.SIGKILL)
        portal.communicate()
        time.sleep(0.4)  # what was asked is answered, to nobody
        peer.guard.hook = None


@pytest.mark.parametrize(("method", "count"), [("PUT", 5), ("MOVE", 14)])
async def test_killed_it_goes_on(
    tmp_path: Path, area: Path, there: Path, peer: DavPeer, method: str, count: int
) -> None:
    await asyncio.to_thread(_killed, tmp_path, area, peer, method, count)
    base = there / "esrf" / "ma1234" / "data" / "raw"
    for file in base.rglob("*.h5") if base.exists() else ():
        assert file.read_bytes() == FILES[str(file.relative_to(base))]  # what has its place is whole
    moved = [path for kind, path, status in peer.guard.log if kind == "MOVE" and status.startswith("201")]
    async with archive(tmp_path, area, peer.url) as at:
        (job,) = runner_of(at.portal).jobs("ada")
        done = await end(at, job)
        assert done.state is State.DONE, done
        assert (await at.client.get(f"archive/receipts/{job.id}")).status_code == 200
    assert {str(f.relative_to(base)): f.read_bytes() for f in base.rglob("*") if f.is_file()} == FILES
    assert bagit.Bag(str(there / "esrf" / "ma1234")).validate()
    sent = Counter(path for kind, path, status in peer.guard.log if kind == "PUT" and "list" not in path)
    assert sum(sent.values()) <= len(FILES) + 2, sent  # the file at hand once more, and no other
    assert len(moved) <= len(FILES) + 5
