"""Where Debian's packages come from: mirrors, releases of their own, and nothing of them in an image."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from images_support import REPOSITORY

from panosc_spawner.errors import ImageError
from panosc_spawner.images import client, debian
from panosc_spawner.images.client import Ended

STEPS = REPOSITORY / "images" / "steps"
BOTTOM = "registry.example.org/library/debian:trixie-slim@sha256:" + "0" * 64


class TestASecondRelease:
    def test_nothing_is_given(self) -> None:
        assert debian.sources_of("bookworm", BOTTOM, {}) is None

    def test_the_images_own_release_has_the_images_sources(self) -> None:
        assert debian.sources_of("trixie", BOTTOM, {"apt": "/mirror"}) == "/mirror"

    def test_another_release_is_refused_in_words(self) -> None:
        with pytest.raises(
            ImageError, match=r"Python of Debian bookworm.* name those of bookworm in BUILD_APT_SOURCES_BOOKWORM"
        ):
            debian.sources_of("bookworm", BOTTOM, {"apt": "/mirror"})

    def test_its_own_are_taken(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        own = tmp_path / "bookworm.sources"
        monkeypatch.setenv("BUILD_APT_SOURCES_BOOKWORM", str(own))
        with pytest.raises(ImageError, match=r"BUILD_APT_SOURCES_BOOKWORM names .*, which is not a file"):
            debian.sources_of("bookworm", BOTTOM, {"apt": "/mirror"})
        own.touch()
        monkeypatch.setattr(client, "inspect_image", lambda image: {"RepoDigests": []})
        image, secrets = debian.for_kernel("bookworm", BOTTOM, {"apt": "/mirror", "ca": "/ca"})
        assert (image, secrets) == ("debian:bookworm-slim", {"apt": "/mirror", "ca": "/ca", "apt-kernel": str(own)})

    def test_its_image_is_made_from_its_own(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        own = tmp_path / "bookworm.sources"
        own.touch()
        monkeypatch.setenv("BUILD_APT_SOURCES_BOOKWORM", str(own))
        monkeypatch.setattr(client, "inspect_image", lambda image: None)
        monkeypatch.setattr(client, "run", lambda *words, seconds=60: Ended(1, "", "no registry"))
        made: list[object] = []
        monkeypatch.setattr(debian, "_make", lambda *words: made.extend(words))
        debian.for_kernel("bookworm", BOTTOM, {"apt": "/mirror"})
        assert made == ["debian:bookworm-slim", "no registry", {"apt": str(own)}]


def test_an_image_made_here_keeps_its_sources_without_passwords(tmp_path: Path) -> None:
    apt = tmp_path / "a root" / "etc/apt"
    (apt / "sources.list.d").mkdir(parents=True)
    given = "URIs: https://me:pw@mirror.example.org:8443/debian https://token@other.example.org/debian\n# a@b: ask\n"
    (apt / "sources.list.d" / "0000mirror.sources").write_text(given)
    (apt / "sources.list").write_text("deb http://me:p@w@mirror.example.org/debian trixie main\n")
    subprocess.run(["sh", "-c", debian._WITHOUT_PASSWORDS, "exec", str(tmp_path / "a root")], check=True)
    assert (apt / "sources.list").read_text() == "deb http://mirror.example.org/debian trixie main\n"
    left = "URIs: https://mirror.example.org:8443/debian https://other.example.org/debian\n# a@b: ask\n"
    assert (apt / "sources.list.d" / "0000mirror.sources").read_text() == left


class TestSteps:
    @staticmethod
    def configuration(tmp_path: Path) -> str:
        """What a step's shell has for apt's configuration, its secrets in a directory of ours."""
        script = (STEPS / "common" / "network-secrets").read_text().replace("/run/secrets", str(tmp_path))
        script += '\necho "${APT_CONFIG:-none}"'
        done = subprocess.run(
            ["sh", "-euc", script], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
        )
        return done.stdout.strip()

    def test_apt_uses_the_secret_by_itself(self, tmp_path: Path) -> None:
        assert self.configuration(tmp_path) == "none"
        (tmp_path / "apt.sources").touch()
        assert self.configuration(tmp_path) == "none"
        (tmp_path / "apt.sources").write_text("Types: deb\n")
        named = self.configuration(tmp_path)
        assert named == "/steps/common/apt.conf"
        set_to = dict(
            re.findall(r'^([A-Za-z:]+) "(.*)";$', (STEPS.parent / named.lstrip("/")).read_text(), re.MULTILINE)
        )
        assert set_to == {
            "Dir::Etc::SourceList": "/run/secrets/apt.sources", "Dir::Etc::SourceParts": "/dev/null",
        }  # fmt: skip

    def test_whoever_calls_apt_has_read_the_secrets(self) -> None:
        scripts = [path for path in STEPS.rglob("*") if path.is_file()]
        callers = [
            path for path in scripts if re.search(r"\bapt-get\b.* (update|install|download)\b", path.read_text())
        ]
        assert [path.name for path in callers] == ["apt-install"]
        for path in (*callers, STEPS / "setup" / "run-setup"):
            assert re.search(r"^\. /steps/common/network-secrets$", path.read_text(), re.MULTILINE)

    def test_a_second_python_has_sources_of_its_own(self) -> None:
        stage = re.split(r"^FROM ", (STEPS.parent / "Dockerfile").read_text(), flags=re.MULTILINE)
        (own,) = [text for text in stage if "AS kernel-python" in text]
        assert "id=apt-kernel,target=/run/secrets/apt.sources" in own and "id=apt," not in own
