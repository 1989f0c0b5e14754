"""Runs and scans: compiled once, the same seed the same result, stopped at once, refused in words."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import panosc_simulation as ps
import pytest
from panosc_simulation import simulate
from panosc_simulation.bar import Silent
from stand_in import SOURCE, times


def programs(folder: Path) -> list[str]:
    """Compiled instruments of this test that run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder / "cache").encode() in command and b"/program\0" in command:
            found.append(entry.name)
    return found


def test_a_second_run_compiles_nothing_and_gives_the_same(instrument: Path, generated: Path) -> None:
    first = ps.run(instrument, {"centre": 3}, ncount=100, seed=7, progress=False)
    again = ps.run(instrument, {"centre": 3}, ncount=100, seed=7, progress=False)
    assert times(generated) == 1
    assert np.array_equal(first["detector"].intensity, again["detector"].intensity)
    assert first["detector"].intensity.argmax() == 2  # the bin from 2 to 3 or from 3 to 4: both are half away
    other = ps.run(instrument, {"centre": 3}, ncount=100, seed=8, progress=False)
    assert not np.array_equal(first["detector"].intensity, other["detector"].intensity)
    assert (first.seed, first.version, first.parameters["centre"]) == (7, "3.5.19", 3.0)


def test_a_changed_source_or_component_is_compiled_anew(instrument: Path, generated: Path) -> None:
    ps.run(instrument, ncount=10, progress=False)
    instrument.write_text(SOURCE.replace("Source()", "Source(flux=2)"))
    ps.run(instrument, ncount=10, progress=False)
    assert times(generated) == 2
    (instrument.parent / "Source.comp").write_text("DEFINE COMPONENT Source\n")
    ps.run(instrument, ncount=10, progress=False)
    assert times(generated) == 3
    (instrument.parent / "Other.comp").write_text("not used\n")
    ps.run(instrument, ncount=10, progress=False)
    assert times(generated) == 3


def test_a_scan_is_a_grid_in_order_whatever_runs_beside_what(instrument: Path) -> None:
    over = {"centre": [2.5, 4.5, 6.5], "slow": [0, 10]}
    one = ps.scan(instrument, over, ncount=500, seed=3, parallel=1, progress=False)
    four = ps.scan(instrument, over, ncount=500, seed=3, parallel=4, progress=False)
    assert one["detector"].intensity.shape == (3, 2, 10)
    assert np.array_equal(one["detector"].intensity, four["detector"].intensity)
    assert one["detector"].intensity[:, 0].argmax(-1).tolist() == [2, 4, 6]
    assert one["detector"].total.shape == (3, 2)
    assert one["detector"].at(1, 0).intensity.argmax() == 4
    assert "slow" not in one.parameters and one.parameters["fault"] == 0


class Impatient(Silent):
    """Presses *Cancel* when something was traced."""

    def __init__(self) -> None:
        self.pressed = 0.0

    def update(self, fraction: float | None, words: str) -> None:
        if fraction and not self.pressed:
            self.pressed = time.monotonic()

    def check(self) -> None:
        if self.pressed:
            raise ps.Cancelled("stop")


def test_cancel_stops_all_programs_and_leaves_nothing(instrument: Path, tmp_path: Path) -> None:
    asked = simulate.plan(instrument, {"centre": np.arange(6)}, {"slow": 40_000}, 1e5, 1, None)
    shown = Impatient()
    with pytest.raises(ps.Cancelled):
        simulate.execute(asked, shown, 3)
    assert time.monotonic() - shown.pressed < 20
    assert not programs(tmp_path)
    assert not list(tmp_path.glob("panosc-run-*"))


def test_an_interrupted_kernel_stops_them_too_and_writes_no_file(instrument: Path, tmp_path: Path) -> None:
    ps.run(instrument, ncount=10, progress=False)
    threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        ps.run(instrument, {"slow": 5000}, ncount=1e6, output=tmp_path / "never.nxs", progress=False)
    assert not programs(tmp_path)
    assert not list(tmp_path.glob("*never*")) + list(tmp_path.glob("panosc-run-*"))


def test_cancel_in_the_middle_of_compiling(instrument: Path, tmp_path: Path) -> None:
    instrument.write_text(SOURCE.replace("TRACE", "/* SLOW */ TRACE"))
    started = time.monotonic()

    class Soon(Silent):
        def check(self) -> None:
            if time.monotonic() - started > 0.5:
                raise ps.Cancelled("stop")

    with pytest.raises(ps.Cancelled):
        simulate.execute(simulate.plan(instrument, None, None, 10, 1, None), Soon(), 1)
    assert time.monotonic() - started < 15
    assert not list((tmp_path / "cache").glob(".*")) and not list((tmp_path / "cache").glob("*/program"))
    instrument.write_text(SOURCE)
    assert ps.run(instrument, ncount=10, progress=False)["detector"].rays.sum() == 10


def test_progress_is_real(instrument: Path) -> None:
    seen: list[float] = []

    class Watching(Silent):
        def update(self, fraction: float | None, words: str) -> None:
            if fraction is not None:
                seen.append(fraction)

    simulate.execute(simulate.plan(instrument, None, {"slow": 1000}, 1e5, 1, None), Watching(), 1)
    between = [one for one in seen if 0.02 < one < 0.98]
    assert len(between) >= 2, seen
    assert between == sorted(between)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"parameters": {"center": 1}}, "no parameter center. Did you mean centre?"),
        ({"parameters": {"centre": "wide"}}, "a number, and “wide” is not"),
        ({"parameters": {"centre": float("nan")}}, "finite"),
        ({"parameters": {"fault": 0.5}}, "whole number"),
        ({"ncount": 0}, "between 1 and"),
        ({"ncount": float("nan")}, "between 1 and"),
        ({"seed": 0}, "seed"),
        ({"seed": 2**31}, "seed"),
    ],
)
def test_nonsense_is_refused_in_words(instrument: Path, given: dict[str, object], words: str) -> None:
    with pytest.raises(ps.InstrumentError, match=words.replace("?", r"\?").replace("(", r"\(")):
        ps.run(instrument, progress=False, **{"ncount": 10, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (1, "data file nope.laz was not found"),
        (2, "SIGABRT"),
        (3, "Unmeaningful definition"),
        (4, "10 rows of 4 numbers"),
    ],
)
def test_a_run_that_fails_says_why(instrument: Path, tmp_path: Path, fault: int, words: str) -> None:
    with pytest.raises(ps.RunError, match=words):
        ps.run(instrument, {"fault": fault}, ncount=10, progress=False)
    assert not list(tmp_path.glob("panosc-run-*"))


def test_an_instrument_that_is_wrong_says_where(instrument: Path, tmp_path: Path) -> None:
    instrument.write_text(SOURCE.replace("Source()", "PowdrN()"))
    with pytest.raises(ps.InstrumentError, match=r"no component PowdrN. Did you mean PowderN\?"):
        ps.run(instrument, progress=False)
    instrument.write_text(SOURCE.replace("TRACE", "/* BROKEN */ TRACE"))
    with pytest.raises(ps.InstrumentError, match=r"In component a: .*undeclared"):
        ps.run(instrument, progress=False)
    with pytest.raises(ps.InstrumentError, match="cannot be read"):
        ps.run(tmp_path / "missing.instr")
    (tmp_path / "text.instr").write_text("hello")
    with pytest.raises(ps.InstrumentError, match="not an instrument"):
        ps.run(tmp_path / "text.instr")
    with pytest.raises(ps.InstrumentError, match="not int"):
        ps.run(3)


@pytest.mark.parametrize(
    "over", [{}, {"centre": []}, {"centre": ["a"]}, {"centre": [[1, 2], [3, 4]]}, {"centre": [np.inf]}]
)
def test_a_scan_over_nothing_is_refused(instrument: Path, over: dict[str, object]) -> None:
    with pytest.raises(ps.InstrumentError):
        ps.scan(instrument, over, progress=False)  # type: ignore[arg-type]


def test_what_a_killed_kernel_left_is_removed(instrument: Path, tmp_path: Path) -> None:
    left = tmp_path / "panosc-run-999999999-abc"
    left.mkdir()
    ps.run(instrument, ncount=10, progress=False)
    assert not left.exists()


def test_text_progress_where_there_is_no_front_end(instrument: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ps.run(instrument, {"slow": 500}, ncount=1e5)
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("angles: done in")
    assert any("%" in line for line in said)
    with pytest.raises(ps.RunError):
        ps.run(instrument, {"fault": 1}, ncount=10)
    assert capsys.readouterr().out.endswith("angles: failed\n")
