"""What is not one question and one answer: eight clients, a refusal, a file that grows, and decoding as a browser does it."""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from benchmarks.hdf5_operations import COMPARISONS, EIGER, Ask, Comparison
from benchmarks.hdf5_servers import ROOT, Server
from benchmarks.report import Row, row

if TYPE_CHECKING:
    from benchmarks.hdf5 import Bench

CLIENTS, EACH = 8, 12
# 50 and 150 frames a second.
RAW_SECONDS, STORED_SECONDS = 1 / 50, 1 / 150
REFUSED_SECONDS, LIVE_SECONDS = 0.010, 0.5
REFUSED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("frame", "/image", {"slice": ":,:", "encoding": "raw"}),
    ("export", "/contiguous", {"slice": "...", "format": "npy"}),
    ("export", "/big_chunks", {"slice": "...", "format": "npy"}),
    ("values", "/chunked", {"slice": "..."}),
)
DECODED_RATIO = 0.7
LIVE_FRAMES, LIVE_RATE = 40, 8.0
DECODER = Path(__file__).with_name("hdf5_decode.mjs")


def clients(bench: Bench) -> Iterator[Row]:
    """Eight clients, each with frames of its own, all at once."""

    def ours(name: str) -> Callable[[int], Ask]:
        def ask(turn: int) -> Ask:
            operation, parameters = COMPARISONS[name].ours(turn)
            return f"/panosc-hdf5/{operation}", {"path": EIGER, **parameters}

        return ask

    def peer(turn: int) -> Ask:
        asked = COMPARISONS["frame"].peer
        assert asked is not None
        route, parameters = asked(turn)
        return f"/h5web/{route}", {"file": EIGER, **parameters}

    seconds: dict[str, list[float]] = {"raw": [], "peer": [], "stored": []}
    for _ in range(3):
        seconds["raw"].append(_together(bench.ours, ours("frame")))
        seconds["peer"].append(_together(bench.peer, peer))
        seconds["stored"].append(_together(bench.ours, ours("stored")))
    best = {name: min(values) for name, values in seconds.items()}
    rates = {name: f"{1 / value:.0f} frames a second" for name, value in best.items()}
    words = f"{rates['raw']}; peer {rates['peer']}"
    yield row("8 clients, raw: time a frame", 1e3 * best["raw"], "ms", target=1e3 * RAW_SECONDS, peer=words)
    yield row(
        "8 clients, as stored: time a frame",
        1e3 * best["stored"],
        "ms",
        target=1e3 * STORED_SECONDS,
        peer=rates["stored"],
    )


def _together(server: Server, ask: Callable[[int], Ask]) -> float:
    """Seconds a frame."""

    def client(number: int) -> None:
        connection = server.connect()
        for index in range(EACH):
            path, query = ask(number * EACH + index)
            got = server.get(path, query, compressed=False, connection=connection)
            if got.status != 200:
                raise SystemExit(f"{path}: {got.status} {got.body[:300]!r}")
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        begin = time.perf_counter()
        list(pool.map(client, range(CLIENTS)))
        return (time.perf_counter() - begin) / (CLIENTS * EACH)


def bare(bench: Bench) -> Iterator[Row]:
    """What any request takes: the least that small answers can be."""
    waits = {
        kind: [server.get("/api/status").seconds for _ in range(40)]
        for kind, server in (("ours", bench.ours), ("peer", bench.peer))
    }
    best = {kind: 1e3 * min(values) for kind, values in waits.items()}
    yield row(
        "a request that asks for nothing", best["ours"], "ms", peer=f"peer {best['peer']:.1f} ms; both the least of 40"
    )


def refused(bench: Bench) -> Iterator[Row]:
    """200 GB at once: a refusal, before anything is read."""
    waits = []
    bench.ours.forget_peak()
    before = bench.ours.peak_mb()
    for turn in range(20):
        operation, path, more = REFUSED[turn % len(REFUSED)]
        got = bench.ours.get(f"/panosc-hdf5/{operation}", {"path": "huge/huge.h5", "h5path": path, **more})
        if got.status != 413 or not json.loads(got.plain).get("remedy"):
            raise SystemExit(f"200 GB: {got.status} {got.body[:300]!r}")
        waits.append(got.seconds)
    grown = bench.ours.peak_mb() - before
    words = f"median {1e3 * statistics.median(waits):.1f} ms; memory grew by {grown:.1f} MB"
    yield row(
        "200 GB: refused within", 1e3 * statistics.median(waits[1:]), "ms", target=1e3 * REFUSED_SECONDS, peer=words
    )


def live(bench: Bench) -> Iterator[Row]:
    """A file that a process writes: from its flush until a client that was told has read the new frame."""
    for kind in ("swmr", "flush"):
        with tempfile.TemporaryDirectory(dir=bench.corpus, prefix="live-") as folder:
            waits = asyncio.run(_follow(bench, Path(folder) / "live.h5", kind))
        words = f"median {1e3 * statistics.median(waits):.0f} ms, {len(waits)} of {LIVE_FRAMES} frames seen on the way"
        yield row(f"live, {kind}: flush to frame, longest", max(waits), "s", target=LIVE_SECONDS, peer=words)


async def _follow(bench: Bench, path: Path, kind: str) -> list[float]:
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    arguments = [kind, path, "--frames", str(LIVE_FRAMES), "--rate", str(LIVE_RATE)]
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "corpus.writers",
        *map(str, arguments),
        cwd=ROOT / "extensions/hdf5/tests",
        stdout=asyncio.subprocess.PIPE,
    )
    assert writer.stdout is not None
    try:
        await writer.stdout.readline()
        query = {"path": str(path.relative_to(bench.corpus)), "h5path": "/entry/data/frames"}
        url = f"ws://127.0.0.1:{bench.ours.port}/panosc-hdf5/live?{urlencode(query)}"
        socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {bench.ours.token}"}))
        seen: dict[int, float] = {}
        last = -1
        while last < LIVE_FRAMES - 1:
            message = await asyncio.wait_for(socket.read_message(), 20)
            if message is None:
                raise SystemExit("live: the connection ended")
            shape = json.loads(message).get("shape") or [0]
            if shape[0] - 1 > last:
                last = shape[0] - 1
                await asyncio.to_thread(_expect, bench, query, last)
                seen[last] = time.time()
        socket.close()
        flushed = dict(line.split() for line in (await writer.stdout.read()).decode().splitlines())
        times = {int(number): float(when) for number, when in flushed.items()}
        return [when - times[number] for number, when in seen.items() if number in times]
    finally:
        if writer.returncode is None:
            writer.kill()
        await writer.wait()


def _expect(bench: Bench, query: dict[str, str], number: int) -> None:
    """The frame of a number is filled with it."""
    from panosc_hdf5.core.wire import read_envelope

    got = bench.ours.get("/panosc-hdf5/frame", query | {"slice": f"{number},:,:", "encoding": "raw"}, compressed=False)
    if got.status != 200:
        raise SystemExit(f"live, frame {number}: {got.status} {got.body[:300]!r}")
    values = next(iter(read_envelope(got.plain)[1].values()))
    if not (values == number).all():
        raise SystemExit(f"live: frame {number} is not what was written")


def decode(bench: Bench) -> Iterator[Row]:
    """A stored frame and its decoding by our WebAssembly, on Node as in a browser, against the floor."""
    item = COMPARISONS["stored"]
    got = bench.ask_ours(item, 1)
    with tempfile.TemporaryDirectory() as folder:
        envelope = Path(folder) / "frame.bin"
        envelope.write_bytes(got.plain)
        done = subprocess.run([_node(), DECODER, envelope], capture_output=True, text=True, check=True)
    decoded = json.loads(done.stdout)
    floor = min(_floor(bench, item, turn) for turn in range(9))
    served = min(bench.ask_ours(item, turn).seconds for turn in range(9))
    words = f"decode {decoded['milliseconds']:.1f} ms, server {1e3 * served:.1f} ms, floor {1e3 * floor:.1f} ms"
    total = served + decoded["milliseconds"] / 1e3
    yield row(
        "4M frame, as stored and decoded: min wall / floor", total / floor, "ratio", target=DECODED_RATIO, peer=words
    )


def _floor(bench: Bench, item: Comparison, turn: int) -> float:
    assert item.floor is not None
    kind, path, selection = item.floor(turn)
    return bench.floor.read(kind, str(bench.corpus / item.file), path, selection).seconds


def _node() -> str:
    found = shutil.which("node") or shutil.which("node", path=str(ROOT / ".venv" / "lib" / "node" / "bin"))
    if found is None:
        raise SystemExit("Node is needed to time the decoder; leave out: --only without decode")
    return found
