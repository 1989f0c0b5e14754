"""Threads for file systems: as many as are needed, in turn, and none that keeps the process from ending."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from panosc_spawner.spawners import daemon_pool
from panosc_spawner.spawners.daemon_pool import DaemonPool

HANGING = """
import asyncio, threading
from panosc_spawner.spawners import daemon_pool, file_threads
from panosc_spawner.spawners.refused import Refused

file_threads.PATIENCE, daemon_pool.LAST_SECONDS = 0.1, 0.1

async def main():
    try:
        await file_threads.in_file_thread(file_threads.HOMES, threading.Event().wait)
    except Refused as refused:
        print(refused)

asyncio.run(main())
"""

UNDER_WAY = """
import pathlib, sys, threading, time
from panosc_spawner.spawners.daemon_pool import DaemonPool

begun = threading.Event()

def work(file):
    begun.set()
    time.sleep(0.5)
    file.write_text("whole")

DaemonPool(1, "test").submit(work, pathlib.Path(sys.argv[1]))
begun.wait()
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_system_that_hangs_does_not_keep_the_process_from_ending() -> None:
    assert "does not answer" in run(HANGING)


def test_what_is_under_way_is_finished_before_the_process_ends(tmp_path: Path) -> None:
    run(UNDER_WAY, str(tmp_path / "home"))
    assert (tmp_path / "home").read_text() == "whole"


def test_as_many_threads_as_are_needed_and_no_more() -> None:
    pool, together = DaemonPool(3, "test"), threading.Barrier(3)
    for _ in range(20):
        assert pool.submit(time.sleep, 0).result(5) is None
        time.sleep(0.005)  # until the thread waits again
    assert pool._threads == 1
    assert {future.result(5) for future in [pool.submit(together.wait, 5) for _ in range(3)]} == {0, 1, 2}
    assert pool._threads == 3
    futures = [pool.submit(pow, number, 2) for number in range(500)]
    assert [future.result(5) for future in futures] == [number**2 for number in range(500)]
    assert pool._threads == 3


def test_what_nobody_waits_for_any_more_is_neither_done_nor_kept() -> None:
    pool, gone, done = DaemonPool(1, "test"), threading.Event(), list[int]()
    hanging = pool.submit(gone.wait)
    try:
        for number in range(1000):
            assert pool.submit(done.append, number).cancel()
        assert len(pool._waiting) <= 2
    finally:
        gone.set()
    assert hanging.result(5)
    assert pool.submit(lambda: "next").result(5) == "next"
    assert not done


def test_an_error_of_the_work_is_its_callers_and_the_thread_goes_on() -> None:
    pool = DaemonPool(1, "test")
    for error in (ValueError, SystemExit):
        with pytest.raises(error):
            pool.submit(_raise, error).result(5)
    assert pool.submit(lambda: "next").result(5) == "next"
    assert pool._threads == 1


def _raise(error: type[BaseException]) -> None:
    raise error


def test_without_a_thread_to_be_had_it_is_said_and_with_one_it_is_done_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread:
        def __init__(self, **_: object) -> None: ...

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    pool, gone = DaemonPool(8, "test"), threading.Event()
    monkeypatch.setattr(daemon_pool.threading, "Thread", NoThread)
    with pytest.raises(RuntimeError, match="can't start"):
        pool.submit(gone.wait)
    assert not pool._waiting
    monkeypatch.undo()
    hanging = pool.submit(gone.wait)
    monkeypatch.setattr(daemon_pool.threading, "Thread", NoThread)
    waiting = pool.submit(lambda: "in turn")
    gone.set()
    assert hanging.result(5) and waiting.result(5) == "in turn"
