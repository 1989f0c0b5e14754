"""EPOCH's decks: what is right passes, and each thing that is wrong is told in words."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from panosc_simulation import InstallationError
from panosc_simulation.epoch import DeckError, check, debye_length, find, read, require, run, skin_depth

GOOD = """
begin:constant
  lambda0 = 0.8 * micron   # the laser's
  omega = 2 * pi * c / lambda0
  den = 0.01 * critical(omega)
end:constant

begin:control
  nx = 2000
  t_end = 200 * femto
  x_min = 0
  x_max = 40 * micron
  stdout_frequency = 100
end:control

begin:boundaries
  bc_x_min = simple_laser
  bc_x_max = open
end:boundaries

begin:laser
  boundary = x_min
  intensity_w_cm2 = 1.0e18
  lambda = lambda0
  t_profile = gauss(time, 30*femto, 15*femto)
end:laser

begin:laser
  boundary = x_max
  intensity_w_cm2 = 1.0e17
  lambda = 2 * lambda0
end:laser

begin:species
  name = electron
  charge = -1.0
  mass = 1.0
  nparticles_per_cell = 16
  number_density = if(x gt 10*micron, den, 0)
  number_density = den
  temperature_ev = 100
end:species

begin:species
  name = proton
  charge = 1.0
  mass = 1836.2
  number_density = number_density(electron)
end:species

begin:output
  name = normal
  dt_snapshot = 20 * femto
  ex = always
end:output
"""


def wrong(old: str, new: str) -> str:
    """The errors' words of the good deck with one change."""
    assert old in GOOD
    with pytest.raises(DeckError) as caught:
        require(GOOD.replace(old, new, 1))
    return str(caught.value)


def test_a_good_deck_has_no_problems_and_its_numbers_are_evaluated() -> None:
    assert require(GOOD) == []
    blocks = read(GOOD)
    lasers = [block for block in blocks if block.kind == "laser"]
    assert [round(laser.values["lambda"] * 1e9) for laser in lasers] == [800, 1600]
    constants = blocks[0].values
    assert constants["den"] == pytest.approx(0.01 * 1.742e27, rel=1e-3)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("begin:laser", "begin:lazer", "end:laser ends the block lazer"),
        ("stdout_frequency", "stdout_frequncy", "did you mean stdout_frequency?"),
        ("nparticles_per_cell", "npart_per_cel", "did you mean npart_per_cell?"),
        ("  mass = 1.0\n", "", "mass is missing (in electron masses)"),
        ("  charge = 1.0\n", "", "charge is missing"),
        ("  t_end = 200 * femto\n", "", "t_end or nsteps"),
        ("  x_max = 40 * micron\n", "", "missing: x_max"),
        ("simple_laser", "simple_lazer", "did you mean simple_laser?"),
        ("  lambda = lambda0\n", "", "lambda is missing"),
        ("t_end = 200 * femto", "t_end = 10 * t_laser", "t_laser is not defined in a block constant"),
        ("x_min = 0", "x_min = 50 * micron", "is not smaller than x_max"),
        ("nx = 2000", "nx = 2000.5", "whole number of cells"),
        ("nx = 2000", "nx = 300", "cells of 1.33e-07 m (x) in the laser's 8e-07 m"),
        ("0.01 * critical", "60 * critical", "does not resolve the skin depth"),
        ("  ex = always\n", "  ex always\n", "a line is not `key = value`"),
        ("end:output", "", "has no end:output"),
        ("begin:control", "nonsense\nbegin:control", "outside of a block"),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, words: str) -> None:
    assert words in wrong(old, new)


def test_all_errors_are_told_at_once() -> None:
    deck = GOOD.replace("stdout_frequency", "stdout_freq_").replace("  mass = 1.0\n", "", 1)
    assert [one.severity for one in check(deck)].count("error") == 2


def test_an_unknown_block_is_an_error_because_epoch_leaves_it_out() -> None:
    deck = GOOD + "\nbegin:colisions\n  use_collisions = T\nend:colisions\n"
    assert any("did you mean collisions?" in one.words for one in check(deck))


def test_a_grid_that_heats_the_plasma_is_a_warning_with_the_number_of_cells_that_would_not() -> None:
    (problem,) = require(GOOD.replace("temperature_ev = 100", "temperature_ev = 0.1"))
    assert problem.severity == "warning"
    assert "Debye lengths" in problem.words
    cells = int(problem.words.split("nx = ")[1].split()[0])
    assert (
        require(GOOD.replace("temperature_ev = 100", "temperature_ev = 0.1").replace("nx = 2000", f"nx = {cells}"))
        == []
    )


def test_no_output_is_a_warning() -> None:
    start, end = GOOD.index("begin:output"), GOOD.index("end:output") + len("end:output")
    assert [one.where for one in require(GOOD[:start] + GOOD[end:])] == ["deck"]


def test_lengths_are_those_of_the_plasma_formulary() -> None:
    # NRL Plasma Formulary: c/omega_p = 5.31e5 n^-1/2 cm, Debye length = 7.43e2 (T/n)^1/2 cm, n in cm^-3, T in eV.
    assert skin_depth(1e24) == pytest.approx(5.31e5 / 1e9 * 1e-2, rel=1e-3)
    assert debye_length(1e24, 100 * 11604.5) == pytest.approx(7.43e2 * (100 / 1e18) ** 0.5 * 1e-2, rel=1e-3)


def test_hostile_text_ends_soon_and_in_words() -> None:
    begun = time.monotonic()
    towers = GOOD.replace("nx = 2000", "nx = 9^9^9^9^9^9")
    with pytest.raises(DeckError, match=r"nx = .* gives no number"):
        require(towers)
    for text in ("\0", "x" * 2_000_000, "begin:control\n" * 3, "end:control"):
        with pytest.raises(DeckError):
            require(text)
    require(GOOD + "\n" * 50_000)
    assert time.monotonic() - begun < 20


def test_without_epoch_a_run_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallationError, match="--with epoch="):
        find(1)
    with pytest.raises(InstallationError, match="epoch1d"):
        run(GOOD)
    with pytest.raises(InstallationError, match="epoch2d"):
        run(GOOD.replace("nx = 2000", "nx = 2000\n ny = 200\n y_min = 0\n y_max = 4*micron"))


def test_a_wrong_deck_is_refused_before_epoch_is_looked_for() -> None:
    with pytest.raises(DeckError, match="mass is missing"):
        run(GOOD.replace("  mass = 1.0\n", "", 1))


EPOCH = """#!/bin/sh
read folder
printf '%s %s\\n' "$$" "$folder" > told.part && mv told.part told
exec sleep 60
"""


def is_over(pid: str) -> bool:
    """Whether a process has ended; it may do so while it is looked at."""
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_epoch_finds_its_deck_and_ends_with_the_process_of_its_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "epoch1d"
    program.write_text(EPOCH)
    program.chmod(0o755)
    monkeypatch.setenv("PANOSC_EPOCH1D", str(program))
    monkeypatch.setenv("PANOSC_SIMULATIONS", str(tmp_path / "simulations"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    started = run(GOOD)
    until = time.monotonic() + 30
    while not (started.path / "told").exists():
        assert time.monotonic() < until, started.log()
        time.sleep(0.02)
    pid, folder = (started.path / "told").read_text().split()
    assert folder == "." and (started.path / "input.deck").read_text().strip() == GOOD.strip()
    os.kill(started.status["pid"], signal.SIGKILL)
    while not is_over(pid):
        assert time.monotonic() < until, "EPOCH goes on without its run"
        time.sleep(0.02)
    while started.state != "stopped":  # its threads end one after the other, and the last one lets go of the lock
        assert time.monotonic() < until, started.state
        time.sleep(0.02)
