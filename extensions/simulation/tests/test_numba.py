"""Numba's cache that comes with the image: each person has a copy, whatever their home allows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from panosc_simulation._numba import prepare

NAMES = ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the image brings; the environment is put back after the test."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "shipped" / "threading_1a2b"
    folder.mkdir(parents=True)
    (folder / "push.nbi").write_text("index")
    return folder.parent


def test_the_image_s_functions_are_copied_and_numba_is_told(shipped: Path) -> None:
    cache = prepare(shipped)
    assert cache is not None
    assert (cache / "threading_1a2b" / "push.nbi").read_text() == "index"
    assert os.environ["NUMBA_CACHE_DIR"] == str(cache)
    assert os.environ["NUMBA_CPU_NAME"] == "generic"
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_what_numba_has_written_meanwhile_stays(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = prepare(shipped)
    assert cache is not None
    (cache / "threading_1a2b" / "push.nbi").write_text("newer")
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert prepare(shipped) == cache
    assert (cache / "threading_1a2b" / "push.nbi").read_text() == "newer"
    assert [path.name for path in cache.iterdir()] == ["threading_1a2b"]


def test_a_home_that_takes_no_files_is_no_obstacle(
    shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cache = prepare(shipped)
    assert cache is not None
    assert cache.parent == tmp_path
    assert (cache / "threading_1a2b" / "push.nbi").exists()


def test_a_person_s_own_choices_are_left_alone(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert prepare(shipped) is None
    assert os.environ["NUMBA_CACHE_DIR"] == "/somewhere"
    assert os.environ["OMP_NUM_THREADS"] == "4"
    assert "NUMBA_CPU_NAME" not in os.environ


def test_without_a_shipped_cache_numba_keeps_its_own_at_home(shipped: Path, tmp_path: Path) -> None:
    assert prepare(tmp_path / "none") == tmp_path / "cache" / "panosc-numba"
