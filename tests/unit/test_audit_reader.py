"""The audit log is read from both ends, over rotations, whatever stands in it, and in bounded time."""

from __future__ import annotations

import json
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panosc_spawner.audit import AuditLog, Entry, Event, Filter, follow, newest, oldest
from panosc_spawner.audit.reader import parse

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def written(file: Path, count: int, **more: object) -> None:
    with file.open("a") as handle:
        for number in range(count):
            moment = (NOW + timedelta(seconds=number)).isoformat()
            handle.write(json.dumps({"time": moment, "event": "login", "person": f"p-{number}"} | more) + "\n")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b'{"event": "login"}',
        b'{"time": "yesterday", "event": "x"}',
        b'{"time": 5, "event": "x"}',
        b'{"time": "2026-11-25T10:00:00+00:00", "event": 3}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_line_of_ours_is_left_out(line: bytes) -> None:
    assert parse(line) is None


def test_torn_and_foreign_lines_do_not_hide_the_others(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    written(file, 2)
    with file.open("ab") as handle:
        handle.write(b"\x00\x00 not json\n\n" + b"x" * 3_000_000 + b"\n")
    written(file, 1, person="p-last")
    with file.open("ab") as handle:
        handle.write(b'{"time": "2026-11-25T10:00:0')
    assert [entry.get("person") for entry in oldest(file)] == ["p-0", "p-1", "p-last"]
    assert [entry.get("person") for entry in newest(file).entries] == ["p-last", "p-1", "p-0"]


def test_there_is_no_file_yet(tmp_path: Path) -> None:
    assert list(oldest(tmp_path / "audit.jsonl")) == []
    tail = newest(tmp_path / "audit.jsonl")
    assert list(tail.entries) == []
    assert tail.complete
    assert tail.reached is None


def test_a_link_is_not_read(tmp_path: Path) -> None:
    written(tmp_path / "other", 1)
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic"):
        list(oldest(tmp_path / "audit.jsonl"))


def test_backwards_over_blocks_and_files(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit = AuditLog(file, max_bytes=400_000, sync="never")
    for number in range(6000):
        audit.record(Event.LOGIN, person=f"p-{number}", reason="é" * (number % 60))
    people = [entry.get("person") for entry in newest(file).entries]
    assert people == [f"p-{number}" for number in reversed(range(6000))]
    assert (tmp_path / "audit.jsonl.2").exists()


def test_filters() -> None:
    entry = Entry(
        NOW,
        "mount",
        {"person": "p-a", "by": "p-admin", "identity": "s@x.example (https://i.example)", "proposal": "esrf/ma1"},
    )
    assert Filter().accepts(entry)
    for people in ("p-a", "p-admin", "s@x.example", "s@x.example (https://i.example)"):
        assert Filter(people=frozenset({people})).accepts(entry)
    assert not Filter(people=frozenset({"p-"})).accepts(entry)
    assert Filter(proposals=frozenset({"esrf/ma1"})).accepts(entry)
    assert not Filter(proposals=frozenset({"esrf/ma12"})).accepts(entry)
    assert Filter(events=frozenset({"mount"})).accepts(entry)
    assert not Filter(events=frozenset({"login"})).accepts(entry)
    assert Filter(since=NOW).accepts(entry)
    assert not Filter(since=NOW + timedelta(seconds=1)).accepts(entry)


def test_the_tail_is_bounded_and_says_how_far_back_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    written(file, 1000)
    tail = newest(file, max_bytes=file.stat().st_size // 10)
    found = list(tail.entries)
    assert 90 <= len(found) <= 100
    assert not tail.complete
    assert tail.reached == found[-1].time
    everything = newest(file, max_bytes=file.stat().st_size + 1)
    assert len(list(everything.entries)) == 1000
    assert everything.complete
    assert everything.reached == NOW


def test_a_bound_that_finds_nothing_still_says_how_far_it_looked(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    written(file, 1000)
    tail = newest(file, Filter(people=frozenset({"nobody"})), max_bytes=5000, candidate=lambda line: False)
    assert list(tail.entries) == []
    assert tail.reached is not None
    assert tail.reached > NOW


def test_backwards_stops_at_the_time_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    written(file, 1000)
    looked = 0

    def candidate(line: bytes) -> bool:
        nonlocal looked
        looked += 1
        return True

    tail = newest(file, Filter(since=NOW + timedelta(seconds=990)), candidate=candidate)
    assert len(list(tail.entries)) == 10
    assert looked == 11


def test_a_gigabyte_takes_as_long_as_its_tail(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    with file.open("wb") as handle:
        handle.truncate(1024**3)  # a hole: a line of 1 GB of zeros
    with file.open("ab") as handle:
        handle.write(b"\n")
    written(file, 100)
    begin = time.monotonic()
    tail = newest(file, max_bytes=8 * 1024**2)
    assert len(list(tail.entries)) == 100
    assert time.monotonic() - begin < 2
    assert not tail.complete


def test_following_sees_each_line_once_over_rotations(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit = AuditLog(file, max_bytes=3000, keep=1000, sync="never")
    audit.record(Event.LOGIN, person="before")
    done, follows = threading.Event(), threading.Event()
    seen: list[str] = []

    def read() -> None:
        for entry in follow(file, wait=0.01, stop=done.is_set):
            follows.set()
            if entry.get("person") != "ready":
                seen.append(entry.get("person"))

    def until(count: int) -> None:
        for _ in range(3000):
            if len(seen) >= count:
                return
            time.sleep(0.01)
        raise AssertionError(f"{len(seen)} of {count} lines after half a minute")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(3000):
            if follows.is_set():
                break
            audit.record(Event.LOGIN, person="ready")
            time.sleep(0.01)
        for number in range(200):
            audit.record(Event.LOGIN, person=f"p-{number}")
            until(number - 8)  # a file that was rotated away twice while it slept would not be read
        until(200)
        time.sleep(0.1)  # nothing comes again
    finally:
        done.set()
        reader.join(10)
    assert seen == [f"p-{number}" for number in range(200)]


@pytest.mark.parametrize("seed", range(3))
def test_blocks_that_are_not_worth_it_hide_nothing_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever the borders of the blocks cut: the same lines as without the short cut, and the same honest bound."""
    file, chance = tmp_path / "audit.jsonl", random.Random(seed)
    people = [f"p-{chance.choice('abc') if chance.random() < 0.02 else 'x'}" for _ in range(2000)]
    with file.open("w") as handle:
        for number, person in enumerate(people):
            moment = (NOW + timedelta(seconds=number)).isoformat()
            line = {"time": moment, "event": "login", "person": person, "reason": "y" * chance.randrange(200)}
            handle.write(json.dumps(line) + "\n")
    wanted = Filter(people=frozenset({"p-a"}))
    for block in (97, 1000, 4096, 10**6):
        monkeypatch.setattr("panosc_spawner.audit.reader._BLOCK", block)
        for most in (None, 50_000):
            plain = newest(file, wanted, max_bytes=most)
            quick = newest(file, wanted, max_bytes=most, worth=lambda data: b'"person": "p-a"' in data)
            assert list(quick.entries) == list(plain.entries)
            assert quick.complete is plain.complete
            assert quick.reached == plain.reached
