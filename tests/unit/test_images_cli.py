"""``panosc-hub images``: what it prints, and its exit codes."""

from __future__ import annotations

import fcntl
import json
import threading
from pathlib import Path

import pytest
from images_support import LAYER, lock_text, small_root

from panosc_spawner.cli import main
from panosc_spawner.images import build, client, record
from panosc_spawner.images.build import Built
from panosc_spawner.images.client import Ended
from panosc_spawner.images.folder import Folder, Images
from panosc_spawner.images.verify import Report


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Images:
    """A base and two layers, one on the other, and no Docker."""
    monkeypatch.chdir(tmp_path)
    images = small_root(tmp_path, a=LAYER, b=LAYER.replace('"base"', '"a"'))
    images["base"].lock.write_text(lock_text(numpy="2"))
    monkeypatch.setattr(client, "run", lambda *words, **_: Ended(1, "", f"Error: No such image: {words[-1]}"))
    return images


def test_list(images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["base", "a", "b"]
    assert all("not built" in line for line in lines)


def test_without_docker_it_says_so(
    images: Images, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "run", lambda *words, **_: Ended(1, "", "Cannot connect to the Docker daemon"))
    assert main(["images", "list"]) == 1
    assert "Docker does not answer: Cannot connect" in capsys.readouterr().err


def test_outside_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["images", "list"]) == 1
    assert "--images DIR" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["build", "verify", "lock", "environment", "scan"])
def test_a_name_that_is_not_there(command: str, images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", command, "c"]) == 1
    assert "There is no image 'c'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["images", command])


def test_environment_of_several(images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "environment", "b", "base"]) == 0
    out = capsys.readouterr().out
    assert out.index("[environments.base]") < out.index("[environments.b]")


def test_docs(images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "docs"]) == 0
    assert sorted(path.name for path in (images.root.parent / "docs/environments").iterdir()) == [
        "README.md", "a.md", "b.md", "base.md",
    ]  # fmt: skip


def test_verify_for_programs(images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "verify", "a", "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert report["image"] == "panosc/a:2026.11" and not report["ok"]


class TestBuildWithProofs:
    @pytest.fixture
    def steps(self, images: Images, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What is done, in order; the image ``a`` can be made not to prove itself."""
        done: list[str] = []

        def build_images(_: Images, names: list[str], *, candidates: bool, **__: object) -> list[Built]:
            done.append(f"build {names[0]}" + " as a candidate" * candidates)
            return [Built(names[0], "t", 7 * 10**6, 10**6, 5, True, True)]

        def verify(folder: Folder, *_: object) -> Report:
            name = folder.name
            done.append(f"verify {build.tag_of(folder)}")
            report = Report(build.tag_of(folder), lambda _: None)
            report.check("x", lambda: "" if name not in self.failing else failing_check())
            return report

        monkeypatch.setattr(build, "build_images", build_images)
        monkeypatch.setattr("panosc_spawner.images.verify.verify_image", verify)
        monkeypatch.setattr(build, "keep", lambda folder: done.append(f"keep {folder.name}"))
        self.failing: set[str] = set()
        return done

    def test_each_is_proven_before_the_next_stands_on_it(self, steps: list[str], images: Images) -> None:
        assert main(["images", "build", "b", "--verify", "--record"]) == 0
        assert steps == [
            "build base as a candidate", "verify panosc/base:unproven", "keep base",
            "build a as a candidate", "verify panosc/a:unproven", "keep a",
            "build b as a candidate", "verify panosc/b:unproven", "keep b",
        ]  # fmt: skip
        assert record.read(images.root)["b"].size == 7

    def test_what_is_not_proven_does_not_get_its_name(
        self, steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.failing.add("a")
        assert main(["images", "build", "b", "--verify"]) == 1
        assert steps[3:] == ["build a as a candidate", "verify panosc/a:unproven"]
        said = "a: not proven, so it stays panosc/a:unproven, to be looked at; "
        assert said + "there is no panosc/a:2026.11" in capsys.readouterr().out
        monkeypatch.setattr(client, "inspect_image", lambda _: {"Id": "sha256:1"})
        assert main(["images", "build", "b", "--verify"]) == 1
        assert said + "panosc/a:2026.11 is still the one before it" in capsys.readouterr().out

    def test_without_verify_nothing_is_proven(self, steps: list[str]) -> None:
        assert main(["images", "build", "a"]) == 0
        assert steps == ["build base", "build a"]


def failing_check() -> str:
    """A check that fails."""
    from panosc_spawner.images.verify.report import CheckFailed

    raise CheckFailed("no")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["images", "--help"])
    out = capsys.readouterr().out
    for word in ("list", "build", "verify", "lock", "docs", "environment", "scan"):
        assert word in out


def test_one_build_or_proof_at_a_time(images: Images, capsys: pytest.CaptureFixture[str]) -> None:
    lock = images.root.parent / ".test" / "images" / "lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        other = threading.Thread(target=main, args=(["images", "verify", "a"],))
        other.start()
        other.join(0.5)
        assert other.is_alive(), "it did not wait"
    other.join(10)
    assert not other.is_alive()
    assert "under way; waiting" in capsys.readouterr().err
