"""HDF5 over a Jupyter server: ours, jupyterlab-h5web and plain h5py, interleaved call by call on the same generated files.

Both servers run on loopback in processes of their own; the peer's environment is made beneath ``.test`` at the first use. The
floor is the same read with plain h5py in one process: open, read, ``tobytes``, close, page cache warm. Processor time is that
of a server's whole process tree. Takes about five minutes, and another five to make what is missing::

    .venv/bin/python -m benchmarks.hdf5 [--json] [--turns 15] [--only frame,stored,line] [--slow-peer]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.hdf5_floor import Floor, parse
from benchmarks.hdf5_operations import COMPARISONS, EIGER, Comparison, frame
from benchmarks.hdf5_servers import CORPUS, ROOT, Got, Pinger, Server, peer_python
from benchmarks.report import Row, report, row

sys.path.insert(0, str(ROOT / "extensions" / "hdf5" / "tests"))
from corpus import make  # isort: skip - beneath the extension's tests

FREEZE_SECONDS, FREEZE_TURNS = (
    0.06,
    2,
)  # 30 ms, and 60 ms where all processors are at work; here they are two, and shared
EXTRA = ("bare", "clients", "refused", "live", "decode")
KINDS = ("ours", "peer", "floor")


@dataclass
class Taken:
    """What the turns of one kind took."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    nbytes: int = 0
    peak_mb: float = 0.0

    @property
    def words(self) -> str:
        """For a table: medians and sizes."""
        size = f", {self.nbytes / 1e6:.3f} MB" if self.nbytes else ""
        return f"{1e3 * statistics.median(self.seconds):.1f} ms (min {1e3 * min(self.seconds):.1f}, cpu {1e3 * _low(self.cpu):.1f}{size})"


def _low(values: list[float]) -> float:
    """The least: noise of other processes only adds."""
    return min(values)


@dataclass
class Bench:
    """The servers and the floor."""

    ours: Server
    peer: Server
    floor: Floor
    corpus: Path

    def ask_ours(self, item: Comparison, turn: int) -> Got:
        """One question to ours."""
        operation, parameters = item.ours(turn)
        return self.ask(operation, {"path": item.file, **parameters}, item)

    def ask(self, operation: str, query: Mapping[str, object], item: Comparison) -> Got:
        """Any question to ours; a refusal ends the benchmark."""
        got = self.ours.get(f"/panosc-hdf5/{operation}", query, compressed=item.gzip, parts=item.parts)
        if got.status != 200:
            raise SystemExit(f"{item.name}: {got.status} {got.body[:500]!r}")
        return got

    def ask_peer(self, item: Comparison, turn: int) -> Got:
        """The same question to the peer."""
        assert item.peer is not None
        route, parameters = item.peer(turn)
        got = self.peer.get(f"/h5web/{route}", {"file": item.file, **parameters})
        if got.status != 200:
            raise SystemExit(f"{item.name}, peer: {got.status} {got.body[:500]!r}")
        return got

    def prepare(self, item: Comparison, turn: int) -> None:
        """What comes before a turn and is not measured."""
        if item.cold:
            os.utime(self.corpus / item.file)
        if item.before is not None:
            operation, parameters = item.before(turn)
            self.ask(operation, {"path": item.file, **parameters}, item)


def compare(bench: Bench, item: Comparison, turns: int, slow_peer: bool) -> dict[str, Taken]:
    """Take turns; the first of each is a warm-up in which ours is checked."""
    found: dict[str, Taken] = {}
    turns = min(turns, item.turns)
    for turn in range(turns + 1):
        bench.prepare(item, turn)
        order = KINDS[turn % 3 :] + KINDS[: turn % 3]
        for kind in order:
            if kind == "floor" and item.floor is not None:
                read, path, selection = item.floor(turn)
                floored = bench.floor.read(read, str(bench.corpus / item.file), path, selection)
                if turn:
                    _keep(found, kind, floored.seconds, floored.cpu_seconds)
            elif kind == "ours" or (kind == "peer" and item.peer and (not item.slow_peer or (slow_peer and turn == 1))):
                _turn(bench, item, kind, turn, found)
        if turn == 0 and item.exact:
            check(bench, item)
    return found


def _turn(bench: Bench, item: Comparison, kind: str, turn: int, found: dict[str, Taken]) -> None:
    server, ask = (bench.ours, bench.ask_ours) if kind == "ours" else (bench.peer, bench.ask_peer)
    server.forget_peak()
    before = server.cpu_seconds()
    got = ask(item, turn)
    cpu = server.cpu_seconds() - before
    if turn or (kind == "peer" and item.slow_peer):
        taken = _keep(found, kind, got.seconds, cpu)
        taken.first.append(got.first_seconds)
        taken.nbytes = max(taken.nbytes, got.nbytes)
        taken.peak_mb = max(taken.peak_mb, server.peak_mb())


def _keep(found: dict[str, Taken], kind: str, seconds: float, cpu: float) -> Taken:
    taken = found.setdefault(kind, Taken())
    taken.seconds.append(seconds)
    taken.cpu.append(cpu)
    return taken


def check(bench: Bench, item: Comparison) -> None:
    """Ours answers the very values that h5py reads."""
    import h5py
    import hdf5plugin
    import numpy as np
    from panosc_hdf5.core.wire import read_envelope

    assert hdf5plugin and item.floor is not None
    _, path, selection = item.floor(0)
    with h5py.File(bench.corpus / item.file, locking=False) as file:
        expected = file[path][parse(selection)]
    _, arrays, _ = read_envelope(bench.ask_ours(item, 0).plain)
    values = next(iter(arrays.values()))
    if not np.array_equal(np.asarray(values).reshape(expected.shape), expected):
        raise SystemExit(f"{item.name}: these are not the values of the file")


def rows_of(item: Comparison, found: dict[str, Taken]) -> Iterator[Row]:
    """The rows of one comparison."""
    ours, peer, floor = found["ours"], found.get("peer"), found.get("floor")
    targets = item.targets
    words = {"peer": f"peer {peer.words}" if peer else None, "floor": floor.words if floor else None}
    if floor:
        yield row(
            f"{item.name}: min wall / floor",
            min(ours.seconds) / min(floor.seconds),
            "ratio",
            target=targets.wall,
            **words,
        )
        median = statistics.median(ours.seconds) / statistics.median(floor.seconds)
        yield row("  median wall / floor", median, "ratio")
        yield row("  cpu / floor", _low(ours.cpu) / _low(floor.cpu), "ratio", target=targets.cpu)
    if peer:
        yield row(
            f"{'' if floor else item.name + ': '}  peer / ours, min wall",
            min(peer.seconds) / min(ours.seconds),
            "ratio",
        )
    seconds = statistics.median(ours.seconds)
    name = "  ours" if floor else item.name
    yield row(
        name,
        seconds,
        "s",
        target=targets.seconds,
        peer=f"min {1e3 * min(ours.seconds):.1f} ms, cpu {1e3 * _low(ours.cpu):.1f} ms",
    )
    if targets.first_seconds is not None:
        yield row("  first preview", statistics.median(ours.first), "s", target=targets.first_seconds)
    yield row(
        "  bytes", ours.nbytes / 1e3, "kB", target=targets.kilobytes, peer=peer and f"peer {peer.nbytes / 1e3:.0f} kB"
    )
    if targets.peak_mb is not None:
        yield row(
            "  peak memory", ours.peak_mb, "MB", target=targets.peak_mb, peer=peer and f"peer {peer.peak_mb:.0f} MB"
        )


def freezes(bench: Bench, item: Comparison, pingers: dict[str, Pinger]) -> Row:
    """The longest wait for ``/api/status`` while the question is answered: the median of a few turns."""
    waits: dict[str, list[float]] = {kind: [] for kind in pingers}
    for turn in range(100, 100 + FREEZE_TURNS):
        bench.prepare(item, turn)
        for kind, pinger in pingers.items():
            if kind == "peer" and (item.peer is None or item.slow_peer):
                continue
            pinger.start()
            (bench.ask_ours if kind == "ours" else bench.ask_peer)(item, turn)
            waits[kind].append(pinger.longest())
    peer = f"peer {1e3 * min(waits['peer']):.0f} ms" if waits["peer"] else None
    return row("  longest /api/status", 1e3 * min(waits["ours"]), "ms", target=1e3 * FREEZE_SECONDS, peer=peer)


def stored_bytes(bench: Bench, nbytes: int, turns: int) -> Row:
    """What travels, against what the file holds of these frames."""
    import h5py

    with h5py.File(bench.corpus / EIGER, locking=False) as file:
        stack = file["/entry/instrument/detector/data"].id
        largest = max(len(stack.read_direct_chunk((frame(turn), 0, 0))[1]) for turn in range(1, turns + 1))
    return row(
        "  bytes / stored chunk", nbytes / largest, "ratio", target=COMPARISONS["stored"].targets.bytes_to_stored
    )


def measure(only: list[str], turns: int, slow_peer: bool) -> Iterator[Row]:
    """Make the files, start the servers, take turns, stop all."""
    for name in {COMPARISONS[key].file.partition("/")[0] for key in only if key in COMPARISONS} | {
        "eiger",
        "huge",
        "bliss",
    }:
        make(CORPUS, name)
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hdf5-benchmark-")))
        ours = Server(Path(sys.executable), CORPUS, state / "ours", "panosc_hdf5")
        stack.callback(ours.stop)
        peer = Server(peer_python(), CORPUS, state / "peer", "jupyterlab_h5web")
        stack.callback(peer.stop)
        floor = Floor()
        stack.callback(floor.stop)
        ours.wait("/panosc-hdf5/status")
        peer.wait()
        pingers = {"ours": Pinger(ours), "peer": Pinger(peer)}
        for pinger in pingers.values():
            stack.callback(pinger.close)
        bench = Bench(ours, peer, floor, CORPUS)
        for key in only:
            if key in COMPARISONS:
                item = COMPARISONS[key]
                found = compare(bench, item, turns, slow_peer)
                yield from rows_of(item, found)
                if item.targets.bytes_to_stored is not None:
                    yield stored_bytes(bench, found["ours"].nbytes, min(turns, item.turns))
                yield freezes(bench, item, pingers)
            else:
                yield from _extra(key)(bench)


def _extra(key: str) -> Callable[[Bench], Iterator[Row]]:
    from benchmarks import hdf5_extra

    found: Any = getattr(hdf5_extra, key)
    return found  # type: ignore[no-any-return]


def main() -> None:
    """Command line."""
    known = (*COMPARISONS, *EXTRA)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=15, help="of each comparison")
    parser.add_argument("--only", default=",".join(known), help=f"some of {', '.join(known)}")
    parser.add_argument("--slow-peer", action="store_true", help="ask the peer what it takes minutes for, once each")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    if unknown := sorted(set(only) - set(known)):
        parser.error(f"unknown: {', '.join(unknown)}")
    rows = []
    for item in measure(only, arguments.turns, arguments.slow_peer):
        rows.append(item)
        print(f"{item.name}: {item.value} {item.unit}", file=sys.stderr, flush=True)
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
