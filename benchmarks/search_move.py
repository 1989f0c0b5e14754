"""Downloads: a zip's throughput against ``cat`` in the same run, and the memory that 100 GB take.

A portal of its own process serves a zip to curl on loopback. The peer is ``cat`` of the same files through a pipe; the floor is
``cat`` to nowhere. All read files that are in the page cache, taking turns. Part of ``benchmarks.search``; alone::

    .venv/bin/python -m benchmarks.search_move [--json] [--sparse 100] [--turns 5]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Row, report, row

TESTS = Path(__file__).resolve().parents[1] / "extensions" / "portal" / "tests"
GB = 1024**3
DATA_GB = 2
FILES = 8
TARGET_RATIO, TARGET_MEMORY_MB = 4.0, 64.0
RULES = '\n[portal.downloads]\nzip_limit = "2T"\n'


@dataclass
class Served:
    """A portal process, and where its zips are."""

    pid: int
    address: str
    header: Path

    def zip(self, path: str) -> list[str]:
        """The command that takes one."""
        url = f"{self.address}download/esrf/ma1234/zip?path={path}"
        return ["curl", "-sS", "--fail", "-H", f"@{self.header}", "-o", "/dev/null", url]


def measure(turns: int = 5, sparse: int = 100) -> list[Row]:
    """All figures: throughput of real bytes, then the memory for ``sparse`` GB."""
    folder = Path(tempfile.mkdtemp(prefix="panosc-bench-", dir="/dev/shm" if _room() else None))
    folder.chmod(0o755)
    try:
        files = _write(folder / "raw")
        with (folder / "raw" / "sparse").open("wb") as out:
            out.truncate(sparse * GB)
        _open(folder / "raw")
        with _portal(folder) as served:
            return [*_throughput(served, files, turns), *_memory(served, sparse)]
    finally:
        shutil.rmtree(folder)


def _throughput(served: Served, files: list[Path], turns: int) -> list[Row]:
    ways = {
        "zip": served.zip("raw/data"),
        "cat": ["sh", "-c", 'cat "$@" | cat >/dev/null', "cat", *map(str, files)],
        "floor": ["sh", "-c", 'cat "$@" >/dev/null', "cat", *map(str, files)],
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):  # the first is a warm-up
        for name, command in ways.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True)
            if turn:
                taken[name].append(time.perf_counter() - begun)
    size = sum(file.stat().st_size for file in files) / 1e6
    middle = {name: statistics.median(values) for name, values in taken.items()}
    speeds = {name: size / value for name, value in middle.items()}
    told = f"cat through a pipe: {speeds['cat']:.0f} MB/s, ours {speeds['zip']:.0f} MB/s, n = {turns}"
    return [
        row(
            "zip stream",
            middle["zip"] / middle["cat"],
            "ratio",
            peer=told,
            floor=f"cat to nowhere: {speeds['floor']:.0f} MB/s",
            target=TARGET_RATIO,
        ),
        row("zip stream, throughput", speeds["zip"], "MB/s"),
    ]


def _memory(served: Served, sparse: int) -> list[Row]:
    Path(f"/proc/{served.pid}/clear_refs").write_text("5")  # forget the peak so far
    before, begun = _peak(served.pid), time.perf_counter()
    command = subprocess.Popen(served.zip("raw/sparse"))
    readers = 0.0
    while command.poll() is None:
        readers = max(readers, sum(_peak(int(pid)) for pid in _children(served.pid)))
        time.sleep(0.05)
    if command.returncode:
        raise RuntimeError(f"curl ended with {command.returncode}")
    took = time.perf_counter() - begun
    return [
        row(f"zip of {sparse} GB, more memory than before", _peak(served.pid) - before, "MB", target=TARGET_MEMORY_MB),
        row(f"zip of {sparse} GB, memory of its reader", readers, "MB", target=TARGET_MEMORY_MB),
        row(f"zip of {sparse} GB, throughput", sparse * GB / 1e6 / took, "MB/s"),
    ]


def _peak(pid: int) -> float:
    """The most memory that a process had, in MB; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def _room() -> bool:
    return shutil.disk_usage("/dev/shm").free > (DATA_GB + 1) * GB


def _write(raw: Path) -> list[Path]:
    (raw / "data").mkdir(parents=True)
    block = os.urandom(16 * 1024**2)
    files = [raw / "data" / f"scan{number}.h5" for number in range(FILES)]
    for file in files:
        with file.open("wb") as out:
            for _ in range(DATA_GB * GB // FILES // len(block)):
                out.write(block)
    return files


def _open(raw: Path) -> None:
    for one in (raw, *raw.rglob("*")):
        one.chmod(0o755 if one.is_dir() else 0o644)


@contextmanager
def _portal(folder: Path) -> Iterator[Served]:
    """The portal, in a process of its own: its memory is measured."""
    paths = [str(TESTS.parents[2]), str(TESTS.parent), str(TESTS), str(TESTS / "moving")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.search_move", "--serve", str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address, header = process.stdout.readline().split()
        yield Served(process.pid, address, Path(header))
    finally:
        process.terminate()
        process.wait(timeout=20)


async def _serve(folder: Path) -> None:
    from datetime import timedelta

    from moving_places import person_data
    from panosc_portal.hub import PersonReport
    from panosc_portal.moving.download import Downloads
    from running import make_portal, make_site, running
    from support import FakeHub, login

    hub = FakeHub({"ada": PersonReport()})
    hub.directories[("ada", "esrf/ma1234")] = person_data(folder / "raw")
    private = folder / "portal"
    private.mkdir(mode=0o700)
    async with running(make_portal(make_site(private, RULES), hub), hub, ("moving.download_pages",)) as at:
        tokens = at.portal.part(Downloads).tokens
        token = tokens.make(login("ada"), "esrf/ma1234", (), timedelta(hours=1)).get_secret_value()
        (private / "token").write_text(f"Authorization: Bearer {token}\n")
        print(at.address, private / "token", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--sparse", type=int, default=100, help="GB of the sparse file")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(_serve(arguments.serve))
        return
    report(measure(arguments.turns, arguments.sparse), as_json=arguments.json)


if __name__ == "__main__":
    main()
