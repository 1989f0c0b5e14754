"""The cache of programs: never a half one, one builder at a time, bounded, and only where programs may run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import panosc_simulation as ps
import pytest
from panosc_simulation import cache
from stand_in import SOURCE, times

KEY = "ab" * 20
SPAWN = multiprocessing.get_context("spawn")


def making(text: bytes = b"#!/bin/sh\n"):  # type: ignore[no-untyped-def]
    """A builder."""

    def make(work: Path) -> Path:
        (work / "made").write_bytes(text)
        return work / "made"

    return make


def test_a_program_is_made_once_and_is_only_the_persons(tmp_path: Path) -> None:
    program = cache.build(tmp_path, KEY, making())
    assert os.access(program, os.X_OK) and program.stat().st_mode & 0o077 == 0

    def again(work: Path) -> Path:
        raise AssertionError("made twice")

    assert cache.build(tmp_path, KEY, again) == program


@pytest.mark.parametrize("damage", ["cut", "empty", "no about", "bad about", "about of another"])
def test_what_is_not_whole_is_made_anew(tmp_path: Path, damage: str) -> None:
    program = cache.build(tmp_path, KEY, making(b"#!/bin/sh\nexit 0\n"))
    about = program.with_name("about.json")
    if damage in ("cut", "empty"):
        program.write_bytes(program.read_bytes()[:5] if damage == "cut" else b"")
    elif damage == "no about":
        about.unlink()
    else:
        about.write_text("{" if damage == "bad about" else json.dumps({"sha256": "0" * 64}))
    assert cache.lookup(tmp_path, KEY) is None
    assert cache.build(tmp_path, KEY, making(b"new")).read_bytes() == b"new"


def test_a_builder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails(work: Path) -> Path:
        (work / "half").write_text("x")
        raise ps.InstrumentError("no")

    with pytest.raises(ps.InstrumentError):
        cache.build(tmp_path, KEY, fails)
    assert [entry.name for entry in tmp_path.iterdir()] == ["locks"]


def _run(instrument: str) -> None:
    ps.run(instrument, ncount=10, seed=1, progress=False)


def test_two_kernels_at_once_compile_it_once(instrument: Path, generated: Path) -> None:
    instrument.write_text(SOURCE.replace("TRACE", "/* SLEEPY */ TRACE"))
    both = [SPAWN.Process(target=_run, args=(str(instrument),)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert [one.exitcode for one in both] == [0, 0]
    assert times(generated) == 1


def test_a_killed_builder_blocks_nobody(instrument: Path, generated: Path, tmp_path: Path) -> None:
    instrument.write_text(SOURCE.replace("TRACE", "/* SLOW */ TRACE"))
    builder = SPAWN.Process(target=_run, args=(str(instrument),))
    builder.start()
    end = time.monotonic() + 30
    while not times(generated):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert builder.pid
    os.kill(builder.pid, signal.SIGKILL)
    builder.join(10)
    os.kill(int(generated.read_text()), signal.SIGKILL)  # the generator, which no one waits for any more
    instrument.write_text(SOURCE)
    _run(str(instrument))
    left = list((tmp_path / "cache").glob(".build-*"))
    assert len(left) == 1  # it may still be in use, as far as one can know
    os.utime(left[0], (0, 0))
    cache._tidy(tmp_path / "cache", keep="")
    assert not left[0].exists()


def test_the_cache_forgets_what_was_not_used_for_longest(tmp_path: Path) -> None:
    keys = [f"{number:02}" * 20 for number in range(4)]
    for number, key in enumerate(keys):
        about = cache.build(tmp_path, key, making(bytes(1000))).with_name("about.json")
        os.utime(about, (number, number))
    assert cache.lookup(tmp_path, keys[0])  # used now
    cache._tidy(tmp_path, keep=keys[3], limit=2500)
    assert [cache.lookup(tmp_path, key) is not None for key in keys] == [True, False, False, True]


def test_where_programs_may_not_run_the_next_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PANOSC_SIMULATION_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    assert cache.folder() == tmp_path / "home" / "panosc-simulation"
    real = os.statvfs

    class NoExec:
        f_flag = os.ST_NOEXEC

    monkeypatch.setattr(os, "statvfs", lambda path: NoExec() if "home" in str(path) else real(path))
    assert cache.folder().parent == tmp_path / "scratch"
    monkeypatch.setenv("PANOSC_SIMULATION_CACHE", str(tmp_path / "home"))
    with pytest.raises(ps.InstallationError, match="noexec"):
        cache.folder()


def test_a_place_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOSC_SIMULATION_CACHE", str(tmp_path))
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(ps.InstallationError, match="not yours"):
        cache.folder()


def test_without_mcstas_or_compiler_it_says_what_to_install(instrument: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from panosc_simulation import mccode

    empty = instrument.parent / "empty"
    empty.mkdir()
    path = os.environ["PATH"].split(":")[0]
    monkeypatch.setenv("PATH", path)
    with pytest.raises(ps.InstallationError, match="C compiler"):
        mccode.find()
    monkeypatch.setenv("PATH", str(empty))
    with pytest.raises(ps.InstallationError, match="McStas is not in this environment"):
        mccode.find()
    with pytest.raises(ps.InstallationError, match="McXtrace"):
        mccode.find("mcxtrace")
