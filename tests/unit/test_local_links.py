"""Links in the home: only links are ever removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from panosc_spawner.spawners.local_links import remove_links
from panosc_spawner.spawners.local_process import Process, descendants, open_log, tail


@pytest.fixture
def top(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "frame.txt").write_text("raw")
    top = tmp_path / "home" / "proposals"
    for proposal in ("esrf/ma1234", "esrf/hg999"):
        (top / proposal).mkdir(parents=True)
        (top / proposal / "raw").symlink_to(data)
    return top


def test_links_and_empty_directories_go_and_the_data_stay(top: Path):
    remove_links(top)
    assert not top.exists()
    assert (top.parent.parent / "data" / "frame.txt").read_text() == "raw"


def test_what_a_person_put_there_stays(top: Path):
    (top / "esrf" / "ma1234" / "notes.txt").write_text("mine")
    (top / "own").mkdir()
    (top / "own" / "work.ipynb").write_text("mine")
    remove_links(top)
    assert sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()) == [
        "esrf/ma1234/notes.txt",
        "own/work.ipynb",
    ]


def test_links_of_other_servers_stay(top: Path):
    remove_links(top, keep={"esrf/hg999"})
    assert (top / "esrf" / "hg999" / "raw" / "frame.txt").exists()
    assert not (top / "esrf" / "ma1234").exists()


def test_a_link_in_place_of_the_tree_is_removed_and_not_followed(top: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.symlink_to(top)
    remove_links(other)
    assert not other.is_symlink()
    assert (top / "esrf" / "ma1234" / "raw").is_symlink()


def test_a_process_is_told_apart_by_its_birth():

    me = Process.now(os.getpid())
    assert me and me.alive()
    assert not Process(me.pid, "another:1").alive()
    assert Process.now(2**22 + 1) is None
    assert me in descendants(os.getppid())


def test_a_long_log_is_put_aside_once(tmp_path: Path):

    log = tmp_path / "logs" / "server.log"
    os.close(open_log(log))
    assert log.stat().st_mode & 0o777 == 0o600
    log.write_text("x" * 1024**2 + "y")
    os.close(open_log(log))
    assert log.stat().st_size == 0 and log.with_suffix(".log.1").exists()
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert tail(log, lines=2) == "line 98\nline 99"
    assert tail(log, offset=log.stat().st_size) == ""
    assert tail(tmp_path / "none") == ""
