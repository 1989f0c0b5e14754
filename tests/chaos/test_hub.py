"""The hub is killed, or has no room to write."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos_world import MakeWorld, World, until
from outcomes import expected, outcome_of

from benchmarks.hubs import Session


def test_a_hub_killed_in_the_middle_of_a_revocation(make_world: MakeWorld) -> None:
    outcome = outcome_of("test_a_hub_killed_in_the_middle_of_a_revocation")
    world = make_world()
    ada = world.stack.session("ada")
    world.start(ada, "ma1001", "ma1002", server="p-both")
    world.write_in_home(ada, "p-both", "mine.txt", "work")
    world.stack.grant({"ma1001": ["bea"], "ma1002": ["ada"]})
    until(lambda: world.audited("grant-removed", proposal="esrf/ma1001"), 90, "the loss being noticed")
    world.stack.kill_hub()
    world.stack.start_hub()
    until(lambda: world.read(ada, "ma1001", "p-both") != 200, 60, "the end of the right")
    until(lambda: not _is_changing(world, ada), 60, "the end of what is under way")
    until(lambda: world.read(ada, "ma1002", "p-both") == 200, 60, "the server's going on with what is left")
    assert world.read(ada, "ma1001", "p-both") != 200
    assert world.read_in_home(ada, "p-both", "mine.txt") == "work"
    until(lambda: all(words in world.home(ada).text for words in outcome.words), 60, "the words on the page")
    expected(world, outcome)


def test_a_hub_killed_between_the_stop_and_the_start_with_what_is_left(make_world: MakeWorld) -> None:
    outcome = outcome_of("test_a_hub_killed_between_the_stop_and_the_start_with_what_is_left")
    world = make_world()
    ada = world.stack.session("ada")
    world.start(ada, "ma1001", "ma1002", server="p-both")
    world.write_in_home(ada, "p-both", "mine.txt", "work")
    world.stack.grant({"ma1001": ["bea"], "ma1002": ["ada"]})
    _kill_when(world, lambda: world.audited("server-stopped"), 60)
    started = sum(line["event"] == "server-started" for line in world.stack.audit())
    assert started == 1, "it was killed before the server ran again"
    world.stack.start_hub()
    until(lambda: world.read(ada, "ma1002", "p-both") == 200, 60, "the server's start with what is left")
    assert world.read(ada, "ma1001", "p-both") != 200
    assert world.read_in_home(ada, "p-both", "mine.txt") == "work"
    until(lambda: all(words in world.home(ada).text for words in outcome.words), 60, "the words on the page")
    expected(world, outcome)
    world.stack.kill_hub()
    world.stack.start_hub()
    assert world.log().count("again, as was meant before the hub ended") == 1, "once"


def _kill_when(world: World, condition: Callable[[], bool], seconds: float) -> None:
    """Kill the hub within milliseconds of something."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    world.stack.kill_hub()


def _is_changing(world: World, session: Session) -> bool:
    return any(server["pending"] or not server["ready"] for server in world.servers(session).values())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB; mounting needs root."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_under_the_hubs_state(make_world: MakeWorld, small_disk: Path) -> None:
    outcome = outcome_of("test_a_full_disk_under_the_hubs_state")
    world = make_world(state=small_disk / "state")
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    assert world.read(ada, "ma1001") == 200  # her browser is known there
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as out, pytest.raises(OSError, match="No space left"):
        while True:
            out.write(bytes(4096))
    for _ in range(5):
        assert world.read(ada, "ma1001") == 200
    world.stack.grant({"ma1001": ["bea"], "ma1002": ["ada"]})
    until(lambda: world.read(ada, "ma1001") != 200, 60, "the end of a right while the disk is full")
    expected(world, outcome)
    assert "[parameters:" not in world.log(), "values of statements that failed are codes and tokens"
    filler.unlink()
    world.stack.grant({"ma1001": ["ada", "bea"], "ma1002": ["ada"]})
    again = world.stack.session("ada")
    world.start(again, "ma1001")
    assert world.read(again, "ma1001") == 200
    assert all(line["event"] for line in world.stack.audit()), "a line of the audit log is not whole"
