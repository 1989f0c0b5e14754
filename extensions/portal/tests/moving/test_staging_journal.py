"""The journal's counters are what its table adds up to, whatever is written; and nothing is added up while files come."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from panosc_portal.moving.backend import Copying
from panosc_portal.moving.jobs import Progress
from panosc_portal.moving.journal import Journal
from panosc_portal.moving.place import Place, Writer
from panosc_portal.moving.quota import Room
from panosc_portal.moving.remote_files import ListingError, RemoteFile
from panosc_portal.moving.verify import _Told

_NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "f", "nobody listed it"])
_PATHS = st.lists(_NAMES, max_size=6)
_STEPS = st.one_of(
    st.tuples(st.just("add"), st.lists(st.tuples(_NAMES, st.integers(0, 2**40)), max_size=4)),
    st.tuples(st.just("here"), _PATHS, st.booleans()),
    st.tuples(st.just("compared"), _NAMES, st.sampled_from(["", "0" * 64, "f" * 64]), st.booleans()),
    st.tuples(st.just("expect"), _NAMES),
    st.tuples(st.just("broken"), _PATHS),
    st.tuples(st.just("empty")),
    st.tuples(st.just("reopen")),
)


def _added_up(journal: Journal) -> list[tuple[int, int]]:
    return [journal._sums(condition) for condition in ("", "WHERE copied = 1", "WHERE sha256 <> ''")]


def _do(journal: Journal, step: tuple, file: Path) -> Journal:  # type: ignore[type-arg]
    match step:
        case ("add", files):
            with suppress(ListingError):  # twice: none of them is in
                journal.add_all([RemoteFile(path, size) for path, size in files])
        case ("here", paths, value):
            journal.here(paths, value)
        case ("compared", path, sha256, told):
            journal.compared(path, sha256, told)
        case ("expect", path):
            journal.expect(path, ["md5:" + "a" * 32])
        case ("broken", paths):
            with pytest.raises(RuntimeError):
                journal.here(_breaking_off(paths))
        case ("empty",):
            journal.empty()
        case ("reopen",):
            journal.close()
            return Journal(file)
    return journal


def _breaking_off(paths: Iterable[str]) -> Iterable[str]:
    yield from paths
    raise RuntimeError


@settings(max_examples=150, deadline=None)
@given(st.lists(_STEPS, max_size=25))
@example([("here", ["a", "b"], True), ("compared", "a", "0" * 64, True), ("here", ["a", "a"], False), ("reopen",)])
@example([("compared", "b", "0" * 64, True), ("broken", ["b"]), ("compared", "b", "", False)])
def test_counters_are_what_the_table_adds_up_to(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal.sqlite"
        journal = Journal(file)
        journal.add_all([RemoteFile("a", 3), RemoteFile("b", 50), RemoteFile("c/d", 700)])
        for step in steps:
            journal = _do(journal, step, file)
            assert [journal.totals(), journal.copied(), journal.verified()] == _added_up(journal), step
        journal.close()


async def test_how_far_it_is_does_not_ask_the_table(tmp_path: Path) -> None:
    journal = Journal(None)
    journal.add_all(RemoteFile(f"{n:05d}", 10) for n in range(5000))
    journal.here(f"{n:05d}" for n in range(2000))
    journal.compared("00000", "0" * 64, told=True)
    said: list[Progress] = []
    place = Place(tmp_path, PurePosixPath(tmp_path) / "visit")
    copying = Copying("", place, journal, Writer(0, 0), Room(tmp_path, 2**40, 0, 0, "there"), said.append)
    asked: list[str] = []
    journal._db.set_trace_callback(asked.append)
    copying.live["02000"] = 5
    copying.told()
    await copying.check_room()
    _Told(copying).show()
    assert asked == []
    journal._db.set_trace_callback(None)
    assert said == [Progress(20_005, 50_000, 2000, 5000), Progress(10, 50_000, 1, 5000)]
    journal.close()


def test_what_is_verified_is_walked_over_once() -> None:
    journal = Journal(None)
    journal.add_all(RemoteFile(f"{n:04d}", 1) for n in range(3500))
    journal.here(f"{n:04d}" for n in range(3500))
    seen = []
    for file in journal.to_verify():
        journal.compared(file.path, "0" * 64, told=False)
        seen.append(file.path)
    assert seen == [f"{n:04d}" for n in range(3500)]
    assert (journal.verified(), journal.untold()) == ((3500, 3500), 3500)
    journal.close()
