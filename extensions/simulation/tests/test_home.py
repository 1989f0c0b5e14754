"""Runs in homes of all kinds: without locks, and with what NumPy and people give."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

import numpy as np
import panosc_simulation as ps
import pytest
from panosc_simulation import cache, detached

NO_LOCKS = """
import errno, fcntl
def flock(file, how):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""


@pytest.fixture
def no_locks(instrument: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home as on some network file systems, for this process and those that it starts."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_LOCKS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{os.environ['PYTHONPATH']}")

    def flock(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("no_locks")
def test_a_home_without_locks_compiles_and_runs(instrument: Path) -> None:
    result = ps.attach(ps.submit(instrument, {"centre": [2.5, 6.5]}, ncount=10), progress=False)
    assert isinstance(result, ps.Result) and result["detector"].intensity.argmax(-1).tolist() == [2, 6]


@pytest.mark.usefixtures("no_locks")
def test_without_locks_who_said_lately_that_it_runs_has_the_run(tmp_path: Path) -> None:
    for state, ago, held in (("running", 1, True), ("running", 100, False), ("waiting", 1, False), ("done", 1, False)):
        (tmp_path / "status.json").write_text(json.dumps({"state": state, "heartbeat": time.time() - ago}))
        assert detached.is_held(tmp_path) is held, (state, ago)
    (tmp_path / "status.json").write_text("[]")
    assert not detached.is_held(tmp_path)


def test_who_is_second_without_locks_takes_what_the_first_made(tmp_path: Path) -> None:
    key = "ab" * 20

    def make(work: Path) -> Path:
        (work / "made").write_text("#!/bin/sh\n")
        return work / "made"

    program = cache.build(tmp_path, key, make)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "exists", lambda path: False)  # it came after this one looked
        (tmp_path / "work").mkdir()
        cache._publish(make(tmp_path / "work"), tmp_path, key)
    assert cache.lookup(tmp_path, key) == program
    assert not list(tmp_path.glob(".ready-*"))


def test_numbers_of_numpy_are_numbers(instrument: Path) -> None:
    given = {"fault": np.arange(3)[0], "slow": np.float32(0), "centre": np.array(4.5), "file": np.str_("b.laz")}
    run = ps.submit(instrument, None, given, ncount=np.int64(10), seed=np.int32(3), gravity=bool(np.True_))
    result = ps.attach(run, progress=False)
    assert isinstance(result, ps.Result)
    assert result.parameters == {"centre": 4.5, "fault": 0, "slow": 0.0, "file": "b.laz"}
    straight = ps.run(instrument, given, ncount=10, seed=3, progress=False)
    assert straight.parameters == result.parameters


@pytest.mark.parametrize("value", [[1, 2], np.arange(2), None, 1j, object()])
def test_what_is_neither_number_nor_text_is_refused_and_leaves_nothing(instrument: Path, value: object) -> None:
    for begin in (ps.submit, ps.run):
        with pytest.raises(ps.InstrumentError, match="centre is one number or one text"):
            begin(instrument, parameters={"centre": value}, ncount=10)  # type: ignore[dict-item]
    assert not list(detached.folder().glob("*"))


def test_a_run_that_cannot_be_written_down_leaves_nothing(instrument: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(detached.json, "dumps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ps.submit(instrument, ncount=10)
    assert not list(detached.folder().glob("*"))


def test_a_command_that_is_done_is_not_done_again(instrument: Path) -> None:
    run = ps.submit_command(["sh", "-c", "echo once >> times"], "once")
    ps.attach(run, progress=False)
    end = time.monotonic() + 20
    while detached.is_held(run.path):
        assert time.monotonic() < end
        time.sleep(0.02)
    with pytest.raises(ps.SimulationError, match=f"is done: its result is in {run.path}"):
        ps.resume(run)
    assert (run.path / "times").read_text() == "once\n"
