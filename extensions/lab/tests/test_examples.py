"""The image's notebooks in the home: new ones come, outdated ones are replaced, and nobody's work is lost."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from panosc_lab import examples
from panosc_lab.examples import copy_examples

SHIPPED = "notebooks"


@pytest.fixture
def shipped(image: Path) -> Path:
    return image / SHIPPED


def read(home: Path, name: str) -> str:
    return (home / "examples" / name).read_text()


def test_they_are_copied_with_their_data(shipped: Path, home: Path) -> None:
    done = copy_examples(shipped, home)
    assert sorted(done.new) == ["base/start-here.ipynb", "sans/data/water.txt", "sans/start-here.ipynb"]
    assert done.as_shipped == set(done.new) and not done.problem
    assert read(home, "sans/data/water.txt") == "sans/data/water.txt, first edition"
    again = copy_examples(shipped, home)
    assert (again.new, again.kept, again.as_shipped) == ([], [], done.as_shipped)


def test_a_newer_one_replaces_what_nobody_changed(shipped: Path, home: Path) -> None:
    copy_examples(shipped, home)
    (shipped / "sans/start-here.ipynb").write_text("second edition")
    assert copy_examples(shipped, home).new == ["sans/start-here.ipynb"]
    assert read(home, "sans/start-here.ipynb") == "second edition"


def test_what_somebody_changed_stays(shipped: Path, home: Path) -> None:
    copy_examples(shipped, home)
    mine = home / "examples/sans/start-here.ipynb"
    mine.write_text("my fit")
    (shipped / "sans/start-here.ipynb").write_text("second edition")
    for _ in range(2):
        done = copy_examples(shipped, home)
        assert (done.kept, mine.read_text()) == (["sans/start-here.ipynb"], "my fit")
        assert "sans/start-here.ipynb" not in done.as_shipped


def test_without_its_notes_everything_counts_as_changed(shipped: Path, home: Path) -> None:
    copy_examples(shipped, home)
    for rubbish in ("", "[]", "{", '{"sans/start-here.ipynb": 7}', "\0" * 100):
        (home / "examples/.panosc.json").write_text(rubbish)
        (shipped / "sans/start-here.ipynb").write_text(f"edition {rubbish!r}")
        assert copy_examples(shipped, home).kept == ["sans/start-here.ipynb"]
    assert read(home, "sans/start-here.ipynb").endswith("first edition")


@pytest.mark.parametrize("what", ["link", "file", "dangling"])
@pytest.mark.parametrize("where", ["examples", "examples/sans", "examples/sans/data"])
def test_where_it_leads_elsewhere_nothing_is_written(
    shipped: Path, home: Path, tmp_path: Path, where: str, what: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / where).parent.mkdir(parents=True, exist_ok=True)
    if what == "file":
        (home / where).write_text("mine")
    else:
        (home / where).symlink_to(elsewhere if what == "link" else tmp_path / "nothing")
    done = copy_examples(shipped, home)
    assert where in done.problem and "is not a directory of its own" in done.problem
    assert list(elsewhere.iterdir()) == [] and not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("what", ["directory", "fifo", "link", "circle"])
def test_something_else_with_a_notebooks_name_stays(shipped: Path, home: Path, what: str) -> None:
    file = home / "examples/sans/start-here.ipynb"
    file.parent.mkdir(parents=True)
    target = home / "precious"
    target.write_text("precious")
    {
        "directory": lambda: file.mkdir(),
        "fifo": lambda: os.mkfifo(file),
        "link": lambda: file.symlink_to(target),
        "circle": lambda: file.symlink_to(file),
    }[what]()
    done = copy_examples(shipped, home)
    assert done.kept == ["sans/start-here.ipynb"] and not done.problem
    assert target.read_text() == "precious"
    assert "base/start-here.ipynb" in done.new, "one that cannot be copied does not keep the others away"


def test_a_full_home(shipped: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(examples.os, "fsync", full)
    done = copy_examples(shipped, home)
    assert done.problem == "Your home is full, so the example notebooks could not be put into it."
    left = [path for path in (home / "examples").rglob("*") if path.is_file()]
    assert left == [], "half a notebook would be worse than none"


def test_a_home_that_cannot_be_written(shipped: Path, tmp_path: Path) -> None:
    assert "could not be put into your home" in copy_examples(shipped, tmp_path / "not-there").problem


def test_only_regular_files_are_shipped_and_not_without_end(
    shipped: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shipped / "sans/secret.txt").symlink_to("/etc/passwd")
    (shipped / "sans/.ipynb_checkpoints").mkdir()
    (shipped / "sans/.ipynb_checkpoints/a.ipynb").write_text("x")
    (shipped / "loose.ipynb").write_text("of no image")
    monkeypatch.setattr(examples, "MOST_FILES", 2)
    assert len(copy_examples(shipped, home).new) == 2
    assert not list((home / "examples").rglob("secret.txt"))


def test_two_servers_of_one_person(shipped: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers both have the same process number; each copies its own image's, and neither forgets the other's."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    other = home.parent / "other-image"
    (other / "neutrons").mkdir(parents=True)
    (other / "neutrons/start-here.ipynb").write_text("first edition")
    replace = Path.replace
    names: list[str] = []

    def meanwhile(self: Path, target: Path) -> Path:
        names.append(self.name)
        if target.name == "start-here.ipynb" and len(names) == 1:
            assert not copy_examples(shipped, home).problem  # the same file, while this one is being written
            assert not copy_examples(other, home).problem
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    assert not copy_examples(shipped, home).problem
    assert len(set(names)) == len(names)
    noted = json.loads((home / "examples/.panosc.json").read_text())
    assert {"neutrons/start-here.ipynb", "sans/start-here.ipynb"} <= set(noted)
