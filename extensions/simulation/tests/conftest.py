"""A stand-in for McStas, so that these tests need nothing but a C compiler; the real one is in images/simulation/verify."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from stand_in import SOURCE


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """A file with a line for each time that the generator ran."""
    return tmp_path / "generated"


@pytest.fixture
def instrument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated: Path) -> Path:
    """An instrument file, and a McStas to compile it with."""
    here, bin_ = Path(__file__).parent, tmp_path / "usr" / "bin"
    bin_.mkdir(parents=True)
    program = bin_ / "mcstas"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {here / "generator.py"} "$@"\n')
    program.chmod(0o755)
    resources = tmp_path / "usr" / "share" / "mcstas" / "resources" / "samples"
    resources.mkdir(parents=True)
    (resources / "PowderN.comp").write_text("DEFINE COMPONENT PowderN\n")
    for name, value in {
        "PATH": f"{bin_}:/usr/bin:/bin",
        "FAKE_MCSTAS_LOG": str(generated),
        "PANOSC_SIMULATION_CACHE": str(tmp_path / "cache"),
        "PANOSC_SIMULATIONS": str(tmp_path / "simulations"),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(here.parent),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MCSTAS", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "angles.instr").write_text(SOURCE)
    return folder / "angles.instr"
