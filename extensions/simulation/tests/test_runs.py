"""Runs that outlive the notebook: kept, resumed, cancelled, and told in words."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import panosc_simulation as ps
import pytest
from panosc_simulation import detached as runs


def until(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_over(pid: int) -> bool:
    """Whether a process has ended; it may do so while it is looked at."""
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def finished(run: runs.Run) -> Path:
    """The run's folder, once nobody works on it."""
    until(lambda: not runs.is_held(run.path))
    return run.path


def test_a_run_is_done_by_a_process_that_is_no_child_of_ours(instrument: Path) -> None:
    run = ps.submit(instrument, {"centre": [2.5, 6.5]}, {"slow": 500}, ncount=3e4, seed=5)
    until(lambda: run.state == "running")
    parent = Path(f"/proc/{run.status['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1]
    assert int(parent) != os.getpid()
    assert os.getsid(run.status["pid"]) != os.getsid(0)
    result = ps.attach(run, progress=False)
    assert isinstance(result, ps.Result)
    straight = ps.scan(instrument, {"centre": [2.5, 6.5]}, {"slow": 500}, ncount=3e4, seed=5, progress=False)
    assert np.array_equal(result["detector"].intensity, straight["detector"].intensity)
    assert (finished(run) / "result.nxs").exists() and not list((run.path / "points").iterdir())
    status = json.loads((run.path / "status.json").read_text())
    assert status["state"] == "done" and status["fraction"] == 1 and time.time() - status["heartbeat"] < 60


def test_a_killed_scan_keeps_its_points_and_goes_on(instrument: Path) -> None:
    over = {"centre": np.arange(0.5, 9)}
    run = ps.submit(instrument, over, {"slow": 1000}, ncount=4e4, seed=2)
    points = run.path / "points"
    until(lambda: len(list(points.glob("*.npz"))) >= 2)
    os.kill(run.status["pid"], signal.SIGKILL)
    until(lambda: run.state == "stopped", 30)
    kept = {file.name: file.stat().st_mtime_ns for file in points.glob("*.npz")}
    assert 2 <= len(kept) < 9
    with pytest.raises(ps.SimulationError, match="stopped"):
        ps.attach(run, progress=False)
    assert ps.resume(run.id[:20]).id == run.id
    seen: dict[str, int] = {}
    while run.state in ("waiting", "running"):
        seen |= {file.name: file.stat().st_mtime_ns for file in list(points.glob("*.npz")) if file.exists()}
        time.sleep(0.05)
    assert all(seen.get(name, stamp) == stamp for name, stamp in kept.items()), "a point was done twice"
    result = run.result()
    assert result["detector"].intensity.argmax(-1).tolist() == list(range(9))
    with pytest.raises(ps.SimulationError, match="is done"):
        ps.resume(run)


def test_cancel_keeps_what_is_done(instrument: Path) -> None:
    run = ps.submit(instrument, {"centre": np.arange(500)}, {"slow": 1000}, ncount=1e4, seed=2)
    until(lambda: list((run.path / "points").glob("*.npz")))
    started = time.monotonic()
    ps.cancel(run)
    assert time.monotonic() - started < 9
    assert run.state == "cancelled" and list((run.path / "points").glob("*.npz"))
    ps.cancel(run)
    with pytest.raises(ps.SimulationError, match="was cancelled"):
        ps.attach(run, progress=False)
    with pytest.raises(ps.SimulationError, match="has no result"):
        run.result()


def test_what_is_wrong_with_an_instrument_is_in_the_status(instrument: Path) -> None:
    with pytest.raises(ps.SimulationError, match=r"failed.*nope.laz was not found"):
        ps.attach(ps.submit(instrument, None, {"fault": 1}, ncount=10), progress=False)
    with pytest.raises(ps.SimulationError, match=r"no parameter center. Did you mean centre"):
        ps.attach(ps.submit(instrument, None, {"center": 1}, ncount=10), progress=False)


def test_local_components_go_with_the_run(instrument: Path) -> None:
    (instrument.parent / "Source.comp").write_text("DEFINE COMPONENT Source\n")
    (instrument.parent / "Other.comp").write_text("not used\n")
    run = ps.submit(instrument, ncount=10, name="../../my run: α/β")
    assert run.path.parent == runs.folder() and run.id.startswith("my-run")
    assert sorted(file.name for file in (run.path / "instrument").iterdir()) == ["Source.comp", "angles.instr"]
    ps.attach(run, progress=False)


def test_any_program_can_be_such_a_run(instrument: Path, tmp_path: Path) -> None:
    run = ps.submit_command(["sh", "-c", "echo said; echo made > made.txt"], "pic")
    assert ps.attach(run, progress=False) == run
    assert (run.path / "made.txt").exists() and "said" in (run.path / "output.txt").read_text()
    with pytest.raises(ps.SimulationError, match="status 3: oops"):
        ps.attach(ps.submit_command(["sh", "-c", "echo oops; exit 3"], "pic"), progress=False)
    with pytest.raises(ps.SimulationError, match="is a list"):
        ps.submit_command("rm -rf", "pic")  # type: ignore[arg-type]
    long = ps.submit_command(["sleep", "60"], "sleep")
    until(lambda: long.state == "running")
    ps.cancel(long)
    assert long.state == "cancelled"


def test_a_program_ends_with_the_process_of_its_run(instrument: Path, tmp_path: Path) -> None:
    run = ps.submit_command(["sh", "-c", "echo $$ > pid; sleep 60"], "sleep")
    until(lambda: (run.path / "pid").exists() and (run.path / "pid").read_text().strip())
    child = int((run.path / "pid").read_text())
    os.kill(run.status["pid"], signal.SIGKILL)
    until(lambda: is_over(child), 30)
    until(
        lambda: run.state == "stopped", 30
    )  # its threads end one after the other, and the last one lets go of the lock


def test_runs_are_listed_newest_first_and_shown_safely(instrument: Path) -> None:
    assert "no runs" in repr(ps.runs()) and "no runs" in ps.runs()._repr_html_()
    first = ps.submit_command(["true"], "first")
    ps.attach(first, progress=False)
    finished(first)
    os.utime(first.path / "request.json", (1, 1))
    second = ps.submit_command(["sh", "-c", "echo '<script>'; exit 1"], "second")
    with pytest.raises(ps.SimulationError):
        ps.attach(second, progress=False)
    assert [one.id for one in ps.runs()] == [second.id, first.id]
    assert "<script>" not in ps.runs()._repr_html_() and "&lt;script&gt;" in ps.runs()._repr_html_()
    with pytest.raises(ps.SimulationError, match="No run of that name"):
        runs.get("third")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": "running"}', '{"state": 3}'])
def test_a_damaged_status_is_no_traceback(instrument: Path, text: str) -> None:
    run = ps.submit_command(["true"], "damaged")
    ps.attach(run, progress=False)
    (finished(run) / "status.json").write_text(text)
    assert run.state in ("waiting", "stopped") and repr(run) and ps.runs()._repr_html_()


def test_a_home_that_takes_no_files_is_said(instrument: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PANOSC_SIMULATIONS", str(tmp_path / "file"))
    with pytest.raises(ps.SimulationError, match="cannot be kept"):
        ps.submit(instrument, ncount=10)
