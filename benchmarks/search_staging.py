"""Staging through us against plain ``rclone copy`` of the same tree, in one run: as root, with Debian's rclone, on loopback.

The storage is ``rclone serve webdav``. Ours lists, looks at every name, copies out of sight, reads all of it again (SHA-256), gives it
its owner, flushes it to disk and renames; the peer copies, and a second peer copies and then compares (``rclone check --download``),
which is what one would have to do by hand. They take turns, each into an empty directory. Part of ``benchmarks.search``; alone::

    .venv/bin/python -m benchmarks.search_staging [--json] [--turns 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import Row, ratio, report, row

TESTS = Path(__file__).resolve().parents[1] / "extensions" / "portal" / "tests"
sys.path[:0] = [str(TESTS / "moving"), str(TESTS), str(TESTS.parent)]

from staging_support import VISIT, desk, remote  # noqa: E402 - beneath extensions, put on the path above

TARGET = 2.0
"""At most twice as long as copying and comparing by hand."""
TREES = {"1 GB in 10 files": (10, 100 * 1024**2), "1,000 files of 16 kB": (1000, 16 * 1024)}


def measure(turns: int = 3) -> list[Row]:
    """Both trees."""
    rows = []
    for name, (files, size) in TREES.items():
        folder = Path(tempfile.mkdtemp(prefix="panosc-bench-")).resolve()
        folder.chmod(0o755)
        try:
            _write(folder / "elsewhere" / VISIT, files, size)
            with _storage(folder / "elsewhere") as url:
                rows += _compare(name, folder, url, turns)
        finally:
            shutil.rmtree(folder)
    return rows


def _compare(name: str, folder: Path, url: str, turns: int) -> list[Row]:
    ours: list[float] = []
    copies: list[float] = []
    checked: list[float] = []
    for _ in range(turns):
        ours.append(_timed(folder, lambda root: asyncio.run(_staged(folder, root, url))))
        copies.append(_timed(folder, lambda root: _rclone("copy", url, root)))

        def copied_and_compared(root: Path) -> None:
            _rclone("copy", url, root)
            _rclone("check", url, root, "--download")

        checked.append(_timed(folder, copied_and_compared))
    peer = f"rclone copy: {statistics.median(copies):.2f} s, and rclone check --download: {statistics.median(checked):.2f} s"
    return [
        row(f"staging {name}", statistics.median(ours), "s", peer=peer),
        ratio(f"staging {name} against copy and check", ours, checked, "rclone copy, then check", target=TARGET),
        ratio(f"staging {name} against a copy alone", ours, copies, "rclone copy", target=TARGET * 1.5),
    ]


def _timed(folder: Path, work: Callable[[Path], None]) -> float:
    root = folder / "here"
    root.mkdir(mode=0o755)
    os.sync()  # what the one before left to be written is not this one's
    try:
        start = time.perf_counter()
        work(root)
        return time.perf_counter() - start
    finally:
        shutil.rmtree(root)


async def _staged(folder: Path, root: Path, url: str) -> None:
    async with desk(folder, root, remote(url, token={"by": "none"})) as here:
        await here.staged()
    assert (root / VISIT).is_dir()


def _rclone(command: str, url: str, root: Path, *more: str) -> None:
    environment = {"PATH": os.environ["PATH"], "RCLONE_WEBDAV_URL": url, "RCLONE_WEBDAV_VENDOR": "other"}
    line = [
        "rclone",
        command,
        "--config",
        "",
        f":webdav:{VISIT}",
        str(root),
        "--transfers",
        "4",
        "--checkers",
        "8",
        *more,
    ]
    subprocess.run(line, check=True, env=environment, stderr=subprocess.DEVNULL)


def _write(directory: Path, files: int, size: int) -> None:
    for number in range(files):
        place = directory / f"scan{number // 100:03d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"frame{number:05d}.h5").write_bytes(os.urandom(size))


@contextmanager
def _storage(root: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["rclone", "serve", "webdav", "--config", "", "--read-only", "--addr", f"127.0.0.1:{port}", str(root)],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    report(measure(arguments.turns), as_json=arguments.json)


if __name__ == "__main__":
    main()
