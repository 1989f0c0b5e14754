"""What an instrument is made of: every file that its program depends on is known, or nothing is kept of it."""

from __future__ import annotations

from pathlib import Path

import panosc_simulation as ps
import pytest
from panosc_simulation.instrument import Instrument
from stand_in import SOURCE, times

PARTS = {
    "Source.comp": "DEFINE COMPONENT Source COPY Base\n",
    "Base.comp": 'DEFINE COMPONENT Base\nSHARE %{\n%include "optics"\n%}\n',
    "optics.h": '#include "deeper.hpp"\n',
    "optics.c": "int optics;\n",
    "deeper.hpp": "#define DEEPER 1\n",
    "part.instr": "COMPONENT b = InPart() AT (0, 0, 0) ABSOLUTE\n",
    "InPart.comp": "DEFINE COMPONENT InPart\n",
    "read_table-lib.h": "/* in place of McStas' own, which McStas' own components include */\n",
}
NOT_PARTS = {"Other.comp": "DEFINE COMPONENT Other\n", "other.instr": "a part of nothing\n", "angles.c": "written\n"}


@pytest.fixture
def parts(instrument: Path) -> Path:
    """An instrument that is made of many files."""
    instrument.write_text(SOURCE.replace("COMPONENT a", '%include "part.instr"\nCOMPONENT a'))
    for name, text in (PARTS | NOT_PARTS).items():
        (instrument.parent / name).write_text(text)
    return instrument


def again(instrument: Path) -> ps.Result:
    """Run it."""
    return ps.run(instrument, ncount=10, seed=1, progress=False)


def test_files_are_followed_until_nothing_new_is_named(parts: Path) -> None:
    assert [file.name for file in Instrument.of(parts).local_files()] == sorted(PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_an_edit_of_any_of_them_makes_another_program(parts: Path, name: str) -> None:
    before = Instrument.of(parts).key()
    assert Instrument.of(parts).key() == before
    (parts.parent / name).write_text(PARTS[name] + "/* edited */\n")
    assert Instrument.of(parts).key() != before


@pytest.mark.parametrize("name", NOT_PARTS)
def test_an_edit_beside_it_makes_none(parts: Path, name: str) -> None:
    before = Instrument.of(parts).key()
    (parts.parent / name).write_text("edited\n")
    assert Instrument.of(parts).key() == before


def test_a_detached_run_takes_them_all(parts: Path) -> None:
    run = ps.submit(parts, ncount=10)
    assert sorted(file.name for file in (run.path / "instrument").iterdir()) == sorted([*PARTS, "angles.instr"])
    ps.attach(run, progress=False)


@pytest.mark.parametrize(
    "statement",
    [
        'SEARCH SHELL "where-is components"',
        '%include "sub/part.instr"',
        '%include "sub/lib"',
    ],
)
def test_what_is_elsewhere_is_never_kept_nor_left_behind(instrument: Path, generated: Path, statement: str) -> None:
    (instrument.parent / "sub").mkdir()
    for name in ("part.instr", "lib.h"):
        (instrument.parent / "sub" / name).write_text("")
    instrument.write_text(SOURCE.replace("TRACE", f"{statement}\nTRACE"))
    again(instrument)
    again(instrument)
    assert times(generated) == 2
    with pytest.raises(ps.SimulationError, match=rf"{statement.split()[0].strip('%')}.* leads elsewhere"):
        ps.submit(instrument, ncount=10)
    assert not list(instrument.parent.parent.glob("simulations/*"))


def test_a_command_before_the_compilation_may_change_anything(instrument: Path, generated: Path) -> None:
    instrument.write_text(SOURCE.replace("TRACE", 'SHELL "make-a-header"\nTRACE'))
    again(instrument)
    again(instrument)
    assert times(generated) == 2
    ps.attach(ps.submit(instrument, ncount=10), progress=False)


@pytest.mark.parametrize(
    "text",
    [
        '/* SEARCH "a" */',
        '// SEARCH "a"',
        '%{\n#include <sys/stat.h>\nprintf("search ", "x");\n%}',
        '#include "gsl/no.h"',
    ],
)
def test_what_only_looks_like_it_is_kept(instrument: Path, text: str) -> None:
    instrument.write_text(SOURCE.replace("TRACE", f"{text}\nTRACE"))
    made = Instrument.of(instrument)
    assert not made.elsewhere() and made.key() == made.key()


def test_with_a_components_folder_of_ones_own_it_is_always_compiled(
    instrument: Path, generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    again(instrument)
    monkeypatch.setenv("MCSTAS", str(tmp_path / "mine"))
    again(instrument)
    again(instrument)
    assert times(generated) == 3
    monkeypatch.setenv("MCSTAS", str(tmp_path / "usr" / "share" / "mcstas" / "resources"))
    again(instrument)
    again(instrument)
    assert times(generated) == 3, "McStas' own components, named by the variable, are no other ones"


def test_a_component_that_cannot_be_read_is_said(instrument: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (instrument.parent / "Source.comp").write_text("")

    def unreadable(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", unreadable)
    with pytest.raises(ps.InstrumentError, match=r"Source\.comp.* cannot be read: Permission denied"):
        Instrument.of(instrument).key()
