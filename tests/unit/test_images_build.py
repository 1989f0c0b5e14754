"""Builds with a Docker of cards: what is built, what has which name after it, and what an image is made of."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from images_support import LAYER, lock_text, small_root

from panosc_spawner.errors import ImageError
from panosc_spawner.images import build, client, debian
from panosc_spawner.images.client import Ended
from panosc_spawner.images.folder import Images

DEBIAN = "debian:trixie-slim"


class FakeDocker:
    """Images by their names; each build and each pull makes a new one."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.builds: list[str] = []
        self.pulls: list[str] = []
        self.reachable = True
        self.output = ""

    def make(self, tag: str, labels: Mapping[str, str] | None = None) -> None:
        """An image of a new id, under a name."""
        number = len(self.builds) + len(self.pulls)
        self.images[tag] = {"Id": f"sha256:{number}-{tag}", "Size": 1000 + number, "Config": {"Labels": labels or {}}}

    def run(self, *words: str, **_: object) -> Ended:
        """``docker pull``, ``tag``, ``image rm``."""
        if words[0] == "pull":
            if not self.reachable:
                return Ended(1, "", "no route to host")
            self.pulls.append(words[-1])
            self.make(words[-1])
        elif words[0] == "tag":
            if words[1] not in self.images:
                return Ended(1, "", "No such image")
            self.images[words[2]] = self.images[words[1]]
        elif words[:2] == ("image", "rm"):
            return Ended(0 if self.images.pop(words[-1], None) else 1, "", "")
        return Ended(0, "", "")

    def build(
        self, arguments: Sequence[str], context: Path, secrets: Mapping[str, str], log: Path, *, again: bool = False
    ) -> str:
        """``docker build``."""
        words = list(arguments)
        tag = words[words.index("--tag") + 1]
        labels = dict(words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--label")
        self.builds.append(tag + " without the cache" * again)
        self.make(tag, labels)
        return self.output


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """No daemon, and no secrets of this machine."""
    fake = FakeDocker()
    monkeypatch.setattr(client, "run", fake.run)
    monkeypatch.setattr(client, "inspect_image", lambda tag: fake.images.get(tag))
    monkeypatch.setattr(client, "build", fake.build)
    for name in ("PIP_CERT", "SSL_CERT_FILE", "BUILD_PIP_CONF", "BUILD_APT_SOURCES", "BUILD_APT_SOURCES_BOOKWORM"):
        monkeypatch.delenv(name, raising=False)
    return fake


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """A base and a layer."""
    return small_root(tmp_path, layer=LAYER)


def built(images: Images, tmp_path: Path, **how: bool) -> list[bool]:
    """Build the layer and its base; whether each had to be built."""
    return [one.fresh for one in build.build_images(images, ["layer"], logs=tmp_path, say=lambda _: None, **how)]


def test_what_has_not_changed_is_not_built_again(docker: FakeDocker, images: Images, tmp_path: Path) -> None:
    assert built(images, tmp_path) == [True, True]
    assert docker.builds == ["panosc/base:2026.11", "panosc/layer:2026.11"] and docker.pulls == [DEBIAN]
    assert built(images, tmp_path) == [False, False]


def test_whether_a_build_was_a_whole_one(docker: FakeDocker, images: Images, tmp_path: Path) -> None:
    cached = "#3 [layer 7/8] RUN --mount=type=bind,source=about,target=/about     sh /steps/about/describe\n#3 CACHED\n"

    def whole(*, again: bool = False) -> bool:
        said: list[str] = []
        (one,) = build.build_images(images, ["base"], logs=tmp_path, say=said.append, again=again)
        assert (said[-1].endswith(", with what Docker's cache had")) is (one.fresh and not one.whole)
        return one.whole

    assert whole()
    assert not whole()  # up to date
    docker.output = cached
    docker.images.clear()
    assert not whole()
    docker.output = cached.replace("CACHED", "DONE 1.1s")
    assert whole(again=True)


def test_again_is_on_todays_debian_and_without_the_cache(docker: FakeDocker, images: Images, tmp_path: Path) -> None:
    built(images, tmp_path)
    docker.builds.clear()
    assert built(images, tmp_path, again=True) == [True, True]
    assert docker.pulls == [DEBIAN, DEBIAN]  # once more, and both stand on the same
    assert docker.builds == ["panosc/base:2026.11 without the cache", "panosc/layer:2026.11 without the cache"]


def test_no_cache_is_said_to_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "docker"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(client, "builder", lambda: str(fake))
    for again in (False, True):
        log = tmp_path / f"{again}.log"
        first, second = (client.build(["--tag", tag], tmp_path, {}, log, again=again) for tag in ("one", "two"))
        assert ("--no-cache" in first) is again
        assert "--tag one" in first and "--tag one" not in second and log.read_text() == first + second


class TestCandidate:
    def test_the_name_stays_with_what_has_it_until_the_candidate_is_kept(
        self, docker: FakeDocker, images: Images, tmp_path: Path
    ) -> None:
        built(images, tmp_path)
        layer = images["layer"]
        before = docker.images[layer.tag]["Id"]
        (layer.path / "notebooks" / "more.ipynb").write_text("{}")
        (one,) = build.build_images(
            images, ["layer"], logs=tmp_path, say=lambda _: None, parents=False, candidates=True
        )
        assert one.fresh and one.tag == "panosc/layer:unproven"
        assert docker.images[layer.tag]["Id"] == before
        candidate = docker.images["panosc/layer:unproven"]["Id"]
        build.keep(layer)
        assert docker.images[layer.tag]["Id"] == candidate != before
        assert "panosc/layer:unproven" not in docker.images

    def test_what_is_up_to_date_is_proven_without_a_build(
        self, docker: FakeDocker, images: Images, tmp_path: Path
    ) -> None:
        built(images, tmp_path)
        docker.builds.clear()
        before = docker.images["panosc/layer:2026.11"]["Id"]
        (one,) = build.build_images(
            images, ["layer"], logs=tmp_path, say=lambda _: None, parents=False, candidates=True
        )
        assert not one.fresh and not docker.builds
        assert docker.images["panosc/layer:unproven"]["Id"] == before
        build.keep(images["layer"])
        assert docker.images["panosc/layer:2026.11"]["Id"] == before

    def test_one_that_failed_is_not_taken_for_the_image(
        self, docker: FakeDocker, images: Images, tmp_path: Path
    ) -> None:
        built(images, tmp_path)
        docker.make("panosc/layer:unproven", {build.MADE_OF: "other"})
        assert built(images, tmp_path) == [False, False]
        assert "panosc/layer:unproven" not in docker.images

    def test_a_candidate_that_is_gone(self, docker: FakeDocker, images: Images) -> None:
        with pytest.raises(ImageError, match=r"panosc/layer:unproven could not be called panosc/layer:2026\.11"):
            build.keep(images["layer"])
        assert build.tag_of(replace(images["layer"], candidate=True)) == "panosc/layer:unproven"


def test_another_snapshot_of_debian_makes_another_image(
    docker: FakeDocker, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(images, tmp_path)
    sources = tmp_path / "debian.sources"
    monkeypatch.setenv("BUILD_APT_SOURCES", str(sources))
    sources.write_text("URIs: http://mirror.example.org/20261101\n")
    assert built(images, tmp_path) == [True, True]
    assert built(images, tmp_path) == [False, False]
    sources.write_text("URIs: http://somebody:password@mirror.example.org/20261101\n")
    assert built(images, tmp_path) == [False, False]  # a password says nothing of the image, and nobody may guess it
    sources.write_text("URIs: http://somebody:password@mirror.example.org/20261125\n")
    assert built(images, tmp_path) == [True, True]


def test_another_snapshot_of_a_further_pythons_debian_does_too(
    docker: FakeDocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = '[kernels.old]\ntitle = "Old"\ndebian = "bookworm"\nrequirements = ["numpy"]\n'
    images = small_root(tmp_path, layer=LAYER + kernel)
    lock = images["layer"].kernel_lock("old")
    lock.parent.mkdir()
    lock.write_text(lock_text(numpy="1.23", ipykernel="7"))
    for name in ("trixie", "bookworm"):
        (tmp_path / name).write_text(f"Suites: {name}\n")
    monkeypatch.setenv("BUILD_APT_SOURCES", str(tmp_path / "trixie"))
    monkeypatch.setenv("BUILD_APT_SOURCES_BOOKWORM", str(tmp_path / "bookworm"))
    assert built(images, tmp_path) == [True, True]
    assert built(images, tmp_path) == [False, False]
    assert docker.builds[1:] == ["panosc/between:layer-old", "panosc/layer:2026.11"]
    assert list(docker.images) == [DEBIAN, "panosc/base:2026.11", "debian:bookworm-slim", "panosc/layer:2026.11"]
    (tmp_path / "bookworm").write_text("Suites: bookworm bookworm-updates\n")
    assert built(images, tmp_path) == [False, True]
    assert built(images, tmp_path, again=True) == [True, True]
    assert docker.pulls[-2:] == [DEBIAN, "debian:bookworm-slim"]


def test_a_requirement_without_a_lock_is_not_built(docker: FakeDocker, tmp_path: Path) -> None:
    images = small_root(tmp_path, layer=LAYER + '[pip]\nrequirements = ["scipp"]\n')
    images["layer"].lock.write_text("")
    with pytest.raises(ImageError, match=r"scipp \(locked: nothing\); panosc-hub images lock layer mends it"):
        built(images, tmp_path)
    assert docker.builds == ["panosc/base:2026.11"]


class TestDebian:
    def test_the_local_one_does_unless_todays_is_wanted(self, docker: FakeDocker) -> None:
        docker.make(DEBIAN)
        debian.ensure(DEBIAN, {})
        assert not docker.pulls
        debian.ensure(DEBIAN, {}, again=True)
        assert docker.pulls == [DEBIAN]

    def test_one_that_is_named_by_its_digest_is_always_the_same(self, docker: FakeDocker) -> None:
        pinned = f"{DEBIAN}@sha256:{'0' * 64}"
        docker.make(pinned)
        debian.ensure(pinned, {}, again=True)
        assert not docker.pulls

    def test_without_a_registry_it_is_made_anew(self, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[str] = []
        monkeypatch.setattr(debian, "_make", lambda image, *_: made.append(image))
        docker.make(DEBIAN)
        docker.reachable = False
        debian.ensure(DEBIAN, {}, again=True)
        assert made == [DEBIAN]

    def test_what_cannot_be_had_anew_is_said(self, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian.shutil, "which", lambda _: None)
        docker.reachable = False
        for image, words in (
            (DEBIAN, "install mmdebstrap"),
            ("registry.example.org/debian:1", "cannot be pulled anew"),
        ):
            docker.make(image)
            with pytest.raises(ImageError, match=rf"(?s){words}.*no route to host"):
                debian.ensure(image, {}, again=True)
            assert image in docker.images


def test_changes_of_a_wheels_folder_are_changes_of_the_image(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for name in ("images", "extensions/thing", "extensions/other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x").write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    wheels = ("extensions/thing",)
    commit = build.revision(tmp_path / "images", wheels)
    assert len(commit) == 40
    (tmp_path / "extensions" / "other" / "x").write_text("2")
    assert build.revision(tmp_path / "images", wheels) == commit
    (tmp_path / "extensions" / "thing" / "x").write_text("2")
    assert build.revision(tmp_path / "images", wheels) == f"{commit}-changed"
    assert build.revision(tmp_path / "images") == commit
