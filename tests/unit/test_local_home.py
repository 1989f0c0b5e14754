"""The home on this machine: what is in it, or in its place, never ends a start without words."""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from launch_support import decide, grant

from panosc_spawner.launch.model import HomeMount, LaunchPlan
from panosc_spawner.spawners.local import PanoscLocalSpawner
from panosc_spawner.spawners.local_home import prepare_home
from panosc_spawner.spawners.refused import Refused


@pytest.fixture
def plan(tmp_path: Path) -> LaunchPlan:
    decided = decide(grant())
    assert isinstance(decided, LaunchPlan)
    home: HomeMount = replace(decided.home, kind="path", source=str(tmp_path / "homes" / "ada"), create=True)
    return replace(decided, home=home)


def test_a_home_is_made_and_a_link_to_one_is_followed(plan: LaunchPlan, tmp_path: Path):
    assert prepare_home(plan) == tmp_path / "homes" / "ada"
    (tmp_path / "homes" / "ada").rename(tmp_path / "moved")
    (tmp_path / "homes" / "ada").symlink_to(tmp_path / "moved")
    assert prepare_home(plan) == tmp_path / "moved"


def test_a_file_of_the_person_named_proposals_stays_and_is_named(plan: LaunchPlan, tmp_path: Path):
    prepare_home(plan)
    (tmp_path / "homes/ada/proposals").rmdir()
    (tmp_path / "homes/ada/proposals").write_text("mine")
    with pytest.raises(Refused, match="a file named 'proposals'"):
        prepare_home(plan)
    assert (tmp_path / "homes/ada/proposals").read_text() == "mine"


@pytest.mark.parametrize("what", ["a file", "a link to nothing"])
def test_what_is_no_directory_is_not_blamed_on_proposals(plan: LaunchPlan, tmp_path: Path, what: str):
    home = tmp_path / "homes" / "ada"
    home.parent.mkdir()
    home.write_text("x") if what == "a file" else home.symlink_to(tmp_path / "gone")
    with pytest.raises(Refused, match="something else than a directory in its place"):
        prepare_home(plan)
    assert os.path.lexists(home)
    assert not (tmp_path / "gone").exists()


def test_what_a_person_keeps_in_the_home_does_not_keep_the_server_from_starting(tmp_path: Path):
    (tmp_path / "random.py").write_text("raise SystemExit('taken for Python')")
    done = subprocess.run(
        [*PanoscLocalSpawner().cmd, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_home_without_room_for_an_empty_directory_is_full_in_words(plan: LaunchPlan, monkeypatch: pytest.MonkeyPatch):
    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", no_space)
    with pytest.raises(Refused, match="it is full"):
        prepare_home(plan)
