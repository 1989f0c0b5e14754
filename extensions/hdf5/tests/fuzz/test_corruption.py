"""Damaged files against real workers: the server's process lives, a worker may die, and the next request is answered.

``PANOSC_HDF5_CORRUPTIONS`` says how many, 300 by default; the slow run is 10,000. ``2373-2374`` are those numbers alone.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest
from corpus import Made, real_files
from corruption import damaged
from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.wire import MEDIA_TYPE, read_envelope
from panosc_hdf5.server.parts import Part, Question
from panosc_hdf5.server.pool import Patience, Pool
from panosc_hdf5.worker_protocol import WorkerSettings

FIRST, _, LAST = f"-{os.environ.get('PANOSC_HDF5_CORRUPTIONS', '300')}".rpartition("-")
NUMBERS = range(int(FIRST.strip("-") or 0), int(LAST))
BASES = (
    "eiger-small", "layouts", "latest", "nxdata", "compounds", "strings", "references", "virtual", "links", "scan", "cansas",
    "spaces", "numbers", "user-block", "filters",
)  # fmt: skip
# Two that see the file, and some for each of a few of its objects.
OF_OBJECTS = ("entity", "attributes", "values", "view", "stats", "frame", "line")
SECONDS = 3.0  # HDF5 itself can run in circles in a damaged file; then the worker is replaced


@dataclass
class Answer:
    """Takes an answer as the server's handler does."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: HDF5Error | None = None
    body: bytes = b""
    media_type: str = ""

    def part(self, part: Part) -> None:
        self.body += b"".join(bytes(view) for view in part.views)
        self.media_type = part.media_type
        last = part.last
        part.release()
        if last:
            self.done.set()

    def end(self, trailing: bytes) -> None:
        self.body += trailing
        self.done.set()

    def fail(self, error: HDF5Error, _last_words: bytes = b"") -> None:
        self.error = error
        self.done.set()


async def ask(pool: Pool, operation: str, path: Path, seconds: float = SECONDS, **parameters: str) -> Answer:
    """One question to the pool, as the server asks it."""
    stat = path.stat()
    file = (str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size)
    answer = Answer()
    try:
        pool.ask(Question(operation, {"path": str(path), **parameters}, file, seconds=seconds), answer)
        await asyncio.wait_for(answer.done.wait(), seconds + 15)
    except HDF5Error as error:
        answer.error = error
    return answer


def outcome(answer: Answer) -> str:
    """For the count: an answer, or the code of the refusal. Judges both."""
    if answer.error is None:
        if answer.media_type == MEDIA_TYPE:
            read_envelope(answer.body)
        return "answer"
    assert len(answer.error.message) > 11, repr(answer.error)
    assert answer.error.status != 500, f"{answer.error.message} {answer.error.details}"
    return f"{answer.error.status} {answer.error.code}"


def paths_of(path: Path) -> list[str]:
    """The objects of a good file, as many as a few."""
    found: list[str] = []
    with h5py.File(path, locking=False) as file:
        file.visit(lambda name: found.append(f"/{name}"))
    return found or ["/"]


@dataclass(frozen=True)
class Base:
    """A good file."""

    name: str
    raw: bytes
    objects: list[str]


def bases(corpus: Callable[[str], Made]) -> Iterator[Base]:
    paths = [corpus(name).main for name in BASES]
    paths += [path for path in real_files() if path.stat().st_size < 600_000]
    for path in paths:
        yield Base(path.name, path.read_bytes(), paths_of(path))


async def torture(pool: Pool, base: Base, number: int, folder: Path) -> Counter[str]:
    """One damage: everything that somebody would do with such a file."""
    kind, raw = damaged(base.raw, number)
    path = folder / f"{number}-{base.name}"
    path.write_bytes(raw)
    random = np.random.default_rng(number)
    found: Counter[str] = Counter()
    questions: list[tuple[str, dict[str, str]]] = [
        ("open", {"width": "64", "height": "64"}),
        ("children", {"h5path": "/"}),
        ("search", {"q": "data"}),
    ]
    for at in random.integers(0, len(base.objects), 3):
        questions += [(operation, {"h5path": base.objects[at]}) for operation in OF_OBJECTS]
    for operation, parameters in questions:
        answer = await ask(pool, operation, path, **parameters)
        try:
            word = outcome(answer)
        except Exception as error:
            pytest.fail(f"damage {number} ({kind}) of {base.name}, {operation} {parameters}: {error!r}")
        found[word] += 1
    path.unlink()
    return found


async def test_the_server_outlives_every_damage(
    corpus: Callable[[str], Made], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = corpus("nxdata").main
    settings = WorkerSettings(roots=(str(tmp_path.resolve()), str(good.parent.resolve())))
    pool = Pool(lambda: settings, workers=2, patience=Patience(grace=1.0))
    found: Counter[str] = Counter()
    try:
        known = list(bases(corpus))
        for number in NUMBERS:
            found += await torture(pool, known[number % len(known)], number, tmp_path.resolve())
            healthy = await ask(pool, "children", good.resolve(), h5path="/entry")
            assert healthy.error is None, f"after damage {number}: {healthy.error!r}"
    finally:
        await pool.close()
        with capsys.disabled():
            print(
                f"\n{NUMBERS}: {found.total()} questions, {pool.restarts} workers crashed: {dict(found.most_common())}"
            )
    assert found["answer"] > len(NUMBERS)
