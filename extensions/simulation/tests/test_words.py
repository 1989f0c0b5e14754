"""What McStas and compilers say, in words; time left; cores of a container."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from panosc_simulation import cores, messages, parameters
from panosc_simulation.bar import Clock, Text, duration
from panosc_simulation.errors import Cancelled, InstrumentError
from panosc_simulation.monitors import Axis

SOURCE = "one\ntwo\nAT 0, 0, 5 RELATIVE a\n"
UNMATCHED = """
ERROR: Unmatched actual parameter nLL for component l=L_monitor() at line y.instr:5.Please change its name to a valid one:
  Definition parameters:
  Setting parameters: nL filename nowritefile xmin xmax ymin ymax Lmin Lmax restore_neutron
Info:    'nLL' parameter name used in instrument matches
mcstas: 1 Errors encountered during parse of y.instr.
"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "ERROR: Cannot find file containing definition of component 'L_moniter'.",
            "There is no component L_moniter. Did you mean L_monitor?",
        ),
        (
            "ERROR: Cannot find file containing definition of component 'Xyzzy'.",
            "Its .comp file can lie beside the instrument.",
        ),
        (UNMATCHED, "Component l (L_monitor) has no parameter nLL. Did you mean nL?"),
        (
            "ERROR: syntax error at line 3.\nmcstas: 1 Errors",
            "Syntax error in line 3 of the instrument:\n    AT 0, 0, 5 RELATIVE a",
        ),
        ("ERROR: syntax error at line 99.", "Syntax error in line 99 of the instrument."),
        ("ERROR: something new", "something new"),
        ("all quiet", "all quiet"),
        ("", "not understood"),
    ],
)
def test_the_generators_words(output: str, words: str) -> None:
    assert words in messages.translation(output, SOURCE, ["L_monitor", "PSD_monitor"])


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "y.c: In function '_a_setpos':\ny.c:2:32: error: 'lamx' undeclared\n",
            "In component a: 'lamx' undeclared:\n    x = lamx;",
        ),
        ("y.c: In function '_in_put_trace':\ny.c:2:1: error: bad\n", "In component in_put: bad"),
        ("x.instr:3:1: error: expected ';'\n", "Line 3 of the instrument: expected ';':\n    AT 0, 0, 5"),
        ("My.comp:7:1: error: oh\n", "In the component file My.comp, line 7: oh"),
        ("y.c:1:10: fatal error: nope.h: No such file\n", "nope.h: No such file"),
        ("/usr/bin/ld: cannot find -lfoo\n", "The C compiler failed:\n/usr/bin/ld: cannot find -lfoo"),
    ],
)
def test_the_compilers_words(output: str, words: str) -> None:
    assert words in messages.compilation(output, "int y;\n  x = lamx;\n", SOURCE)


@pytest.mark.parametrize(
    ("output", "status", "free", "words"),
    [
        ("PowderN: Could not open file nope.laz - exiting!", 255, None, "The data file nope.laz was not found."),
        ("PowderN: Could not open file water.sqw - exiting!", 255, None, "left out of this image (21 MB)"),
        ("", 1, 1000, "The disk is full"),
        ("", -9, 10**9, "SIGKILL (most often: out of memory"),
        ("trace", -11, None, "SIGSEGV (a fault in a component)"),
        ("Error: unrecognized parameter x", 1, None, "Error: unrecognized parameter x"),
        ("nothing", 4, None, "status 4"),
    ],
)
def test_a_programs_words(
    output: str, status: int, free: int | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "left").write_text("water.sqw 21146383\n")
    monkeypatch.setattr(messages, "LEFT_OUT", tmp_path / "left")
    assert words in messages.run(output, status, free)


def test_errors_show_no_traceback_in_a_notebook() -> None:
    assert InstrumentError("what to do")._render_traceback_() == ["InstrumentError: what to do"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0.0 s"), (0.44, "0.4 s"), (12.4, "12 s"), (185, "3 min 5 s"), (7830, "2 h 10 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_time_left_is_told_when_it_can_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("panosc_simulation.bar.time.monotonic", lambda: now[0])
    clock = Clock()
    assert clock.words(0.5) == "50 %"
    now[0] += 10
    assert clock.words(0.25) == "25 %, 30 s left"
    assert clock.words(0.0) == "0 %"
    assert clock.took() == "10 s"


def test_a_terminal_has_one_line() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    shown = Text("run", stream)
    for fraction in (0.1, 0.11, 0.12):
        shown.update(fraction, f"{fraction:.0%}")
    shown.close("done", True)
    assert stream.getvalue().count("\n") == 1 and stream.getvalue().count("\r") == 4


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "170000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu.max": "nonsense"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({}, 64),
    ],
)
def test_cores_are_the_containers(
    files: dict[str, str], most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores.available(tmp_path) == most


def test_seeds_of_points_differ_and_stay() -> None:
    seeds = {parameters.seed_of(seed, point) for seed in (1, 2, 3) for point in range(1000)}
    assert len(seeds) == 3000 and all(0 < one < 2**31 for one in seeds)
    assert parameters.seed_of(1, 0) == parameters.seed_of(1, 0)


def test_points_of_a_grid() -> None:
    import numpy as np

    scan = (Axis("a", np.array([1.0, 2.0])), Axis("b", np.array([5.0, 6.0, 7.0])))
    assert parameters.points(scan)[:4] == [{"a": 1, "b": 5}, {"a": 1, "b": 6}, {"a": 1, "b": 7}, {"a": 2, "b": 5}]
    with pytest.raises(InstrumentError, match="1000000 points"):
        parameters.axes({"a": range(1000), "b": range(1000)}, {})


def test_numbers_keep_their_digits() -> None:
    assert parameters.arguments({"a": 0.1 + 0.2, "b": 3, "c": "x y"}) == ["a=0.30000000000000004", "b=3", "c=x y"]


def test_the_button_ends_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    from panosc_simulation.bar import Widget

    monkeypatch.setattr("IPython.display.display", lambda *_: None)
    shown = Widget("run", "Cancel", "stopped as asked")
    shown.update(0.25, "25 %")
    shown.check()
    shown._button.click()
    assert shown._button.disabled
    with pytest.raises(Cancelled, match="stopped as asked"):
        shown.check()
    shown.close("cancelled", False)
    assert shown._button.layout.display == "none" and shown._bar.value == 0.25
