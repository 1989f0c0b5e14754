"""SEARCH "folder": components in folders, from the folder of the instrument, and part of what its program is kept by."""

from __future__ import annotations

import os
from pathlib import Path

import panosc_simulation as ps
import pytest
from panosc_simulation.instrument import Instrument
from stand_in import SOURCE, times

FOUND = {
    "parts/OwnSource.comp": 'DEFINE COMPONENT OwnSource\nSHARE %{\n%include "optics"\n%}\n',
    "parts/optics.h": "int optics;\n",
    "deeper/samples/OwnSample.comp": "DEFINE COMPONENT OwnSample\n",
    "more.instr": 'SEARCH "deeper/samples"\n',  # a part may name a folder, too
}
NOT_FOUND = {"parts/OwnOther.comp": "not named\n", "aside/OwnSource.comp": "in a folder that nothing names\n"}
WITH_FOLDERS = SOURCE.replace(
    "COMPONENT a = Source()",
    'SEARCH "parts"\nSEARCH "deeper/samples/"\n%include "more.instr"\nSEARCH "not there"\n'
    "COMPONENT b = OwnSample() AT (0, 0, 0) ABSOLUTE\nCOMPONENT a = OwnSource()",
)


@pytest.fixture
def folders(instrument: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instrument whose components are in folders, and a kernel that works in another place."""
    instrument.write_text(WITH_FOLDERS)
    for name, text in (FOUND | NOT_FOUND).items():
        (instrument.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (instrument.parent / name).write_text(text)
    monkeypatch.chdir("/")
    return instrument


def again(instrument: Path) -> ps.Result:
    """Run it."""
    return ps.run(instrument, ncount=10, seed=1, progress=False)


def test_a_relative_folder_is_one_of_the_instruments_folder(folders: Path, generated: Path) -> None:
    assert again(folders)["detector"].rays.sum() == 10
    again(folders)
    assert times(generated) == 1, "kept, since all that it is made of is known"
    (folders.parent / "parts" / "OwnSource.comp").unlink()
    with pytest.raises(ps.InstrumentError, match="no component OwnSource"):
        again(folders)


def test_what_is_found_there_is_what_it_is_made_of(folders: Path) -> None:
    home = folders.parent
    assert sorted(str(file.relative_to(home)) for file in Instrument.of(folders).local_files()) == sorted(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_an_edit_there_is_compiled(folders: Path, generated: Path, name: str) -> None:
    again(folders)
    (folders.parent / name).write_text(FOUND[name] + "/* edited */\n")
    again(folders)
    assert times(generated) == 2


@pytest.mark.parametrize("name", NOT_FOUND)
def test_an_edit_of_what_is_not_named_is_not(folders: Path, generated: Path, name: str) -> None:
    again(folders)
    (folders.parent / name).write_text("edited\n")
    again(folders)
    assert times(generated) == 1


def test_a_file_that_appears_there_counts(folders: Path) -> None:
    before = Instrument.of(folders).key()
    (folders.parent / "not there").mkdir()
    assert Instrument.of(folders).key() == before
    (folders.parent / "not there" / "OwnSample.comp").write_text("")
    assert Instrument.of(folders).key() != before


def test_a_folder_that_is_named_late_may_hold_what_was_named_before(folders: Path) -> None:
    folders.write_text(WITH_FOLDERS.replace('SEARCH "deeper/samples/"\n', ""))
    assert "OwnSample.comp" in [file.name for file in Instrument.of(folders).local_files()]


def test_a_detached_run_takes_the_folders_along(folders: Path) -> None:
    run = ps.submit(folders, ncount=10)
    taken = run.path / "instrument"
    files = sorted(str(file.relative_to(taken)) for file in taken.rglob("*") if file.is_file())
    assert files == sorted([*FOUND, "angles.instr"])
    result = ps.attach(run, progress=False)
    assert isinstance(result, ps.Result) and result["detector"].rays.sum() == 10


def outside(instrument: Path) -> Path:
    """A folder of components that is not in the instrument's."""
    place = instrument.parent.parent / "outside"
    place.mkdir()
    (place / "OwnSource.comp").write_text("DEFINE COMPONENT OwnSource\n")
    return place


@pytest.mark.parametrize("absolute", [True, False])
def test_a_folder_elsewhere_is_kept_by_what_is_in_it_but_not_left_behind(
    instrument: Path, generated: Path, absolute: bool
) -> None:
    place = outside(instrument)
    named = place if absolute else "../outside"
    instrument.write_text(SOURCE.replace("COMPONENT a = Source", f'SEARCH "{named}"\nCOMPONENT a = OwnSource'))
    again(instrument)
    again(instrument)
    assert times(generated) == 1
    (place / "OwnSource.comp").write_text("DEFINE COMPONENT OwnSource /* edited */\n")
    again(instrument)
    assert times(generated) == 2
    with pytest.raises(ps.SimulationError, match=r'SEARCH ".*outside" leads elsewhere'):
        ps.submit(instrument, ncount=10)
    assert not list(instrument.parent.parent.glob("simulations/*"))


def test_a_folder_that_cannot_be_listed_is_never_kept(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.access
    hidden = folders.parent / "parts"
    monkeypatch.setattr(
        os, "access", lambda path, mode: False if (path, mode) == (hidden, os.R_OK) else real(path, mode)
    )
    made = Instrument.of(folders)
    assert made.key() != made.key()
    assert "parts" in made.elsewhere()


@pytest.mark.parametrize("name", ["", ".", "./", "x" * 5000, "a\0b", "more.instr"])
def test_a_name_that_leads_nowhere_new_adds_nothing(folders: Path, name: str) -> None:
    before = Instrument.of(folders).local_files()
    folders.write_text(WITH_FOLDERS.replace('SEARCH "not there"', f'SEARCH "{name}"'))
    made = Instrument.of(folders)
    assert made.local_files() == before and made.key() == made.key() and not made.elsewhere()


def test_the_program_says_nothing_of_where_it_was_compiled(folders: Path, tmp_path: Path) -> None:
    again(folders)
    (program,) = (tmp_path / "cache").glob("*/program")
    assert b"angles.instr" in program.read_bytes()
    assert str(tmp_path / "cache").encode() not in program.read_bytes()
