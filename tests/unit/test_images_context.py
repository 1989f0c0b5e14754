"""What a build is given: the same from the same files, and never more than the image's folder says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from images_support import REPOSITORY, lock_text, small_root

from panosc_spawner.errors import ImageError
from panosc_spawner.images import build, client, context
from panosc_spawner.images.folder import Images
from panosc_spawner.images.model import Image

FULL = """
title = "A layer"
description = "What some have."
from = "base"
adds = "10 MB"
licence = "BSD-3-Clause"
notebook = "start-here.ipynb"
compiler = true
[apt]
packages = ["less", "git"]
without = ["perl"]
[pip]
requirements = ["scipp>=26", "fisx"]
build = ["fisx"]
build-apt = ["g++"]
keep = ["scipp"]
remove = ["scipp/include"]
[env]
A = "1"
[kernels.old]
title = "Old"
debian = "bookworm"
requirements = ["numpy"]
[[software]]
name = "scipp"
version-from = "scipp"
purpose = "Arrays with units"
licence = "BSD-3-Clause"
url = "https://scipp.github.io"
"""


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """A base and one layer that uses every key."""
    images = small_root(tmp_path, layer=FULL)
    images["layer"].lock.write_text(lock_text(scipp="26", fisx="1.3"))
    (images["layer"].path / "kernels").mkdir()
    images["layer"].kernel_lock("old").write_text(lock_text(numpy="1.23", ipykernel="7"))
    return images


def layer(images: Images, target: Path, wheels: tuple[Path, ...] = ()) -> Path:
    """The layer's context."""
    target.mkdir()
    context.write_layer(target, images["layer"], images, wheels)
    return target


def test_each_small_file(images: Images, tmp_path: Path) -> None:
    wheel = tmp_path / "thing-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    made = layer(images, tmp_path / "context", (wheel,))
    read = {path.name: path.read_text() for path in (made / "build").iterdir()}
    assert read.pop("locked.txt") == lock_text(scipp="26")
    assert read.pop("build.txt") == lock_text(fisx="1.3")
    assert read == {
        "apt.txt": "less\ngit\n", "apt-without.txt": "perl\n", "build-apt.txt": "g++\n", "keep.txt": "scipp\n",
        "remove.txt": "scipp/include\n", "compiler": "",
    }  # fmt: skip
    assert (made / "own" / wheel.name).read_bytes() == b"wheel"
    assert (made / "notebooks" / "layer" / "start-here.ipynb").is_file()
    about = json.loads((made / "about" / "image.json").read_text())
    assert (about["name"], about["title"], about["notebook"]) == ("layer", "A layer", "start-here.ipynb")
    assert about["kernels"] == {"old": "Old"}
    assert (made / "Dockerfile").read_text().endswith('USER 1000:1000\nENV A="1"\n')


def test_a_second_pythons_files(images: Images, tmp_path: Path) -> None:
    made = tmp_path / "context"
    made.mkdir()
    context.write_kernel(made, images["layer"], images, "old")
    assert (made / "build" / "locked.txt").read_text() == lock_text(numpy="1.23", ipykernel="7")
    assert (made / "build" / "kernel-name.txt").read_text() == "old"
    specification = json.loads((made / "build" / "kernel.json").read_text())
    assert specification["argv"][0] == "/opt/kernels/old/bin/python"
    assert specification["display_name"] == "Old"


def test_the_same_files_make_the_same_digest_whoever_checked_them_out(images: Images, tmp_path: Path) -> None:
    first = layer(images, tmp_path / "one")
    for path in images["layer"].path.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    second = layer(images, tmp_path / "two")
    assert build._digest([first], ["a"]) == build._digest([second], ["a"])
    assert {path.stat().st_mode & 0o777 for path in second.rglob("*") if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in second.rglob("*") if path.is_file()} <= {0o644, 0o755}
    assert build._digest([first], ["b"]) != build._digest([first], ["a"])
    notebook = second / "notebooks" / "layer" / "start-here.ipynb"
    notebook.write_text(notebook.read_text() + "\n")
    assert build._digest([first], ["a"]) != build._digest([second], ["a"])


def test_a_program_that_becomes_executable_is_another_image(images: Images, tmp_path: Path) -> None:
    tool = images["layer"].path / "files" / "usr" / "local" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    first = layer(images, tmp_path / "one")
    tool.chmod(0o755)
    second = layer(images, tmp_path / "two")
    assert build._digest([first], []) != build._digest([second], [])
    assert (second / "files/usr/local/bin/tool").stat().st_mode & 0o777 == 0o755


def test_a_link_out_of_the_folder_is_refused(images: Images, tmp_path: Path) -> None:
    (images["layer"].path / "files").mkdir()
    (images["layer"].path / "files" / "shadow").symlink_to("/etc/shadow")
    with pytest.raises(ImageError, match=r"shadow is a link; only files go into an image"):
        layer(images, tmp_path / "context")


def test_left_overs_of_working_on_a_notebook_stay_out(images: Images, tmp_path: Path) -> None:
    for name in (".ipynb_checkpoints", "__pycache__"):
        (images["layer"].path / "notebooks" / name).mkdir()
        (images["layer"].path / "notebooks" / name / "x.ipynb").write_text("{}")
    made = layer(images, tmp_path / "context")
    assert [path.name for path in (made / "notebooks" / "layer").iterdir()] == ["start-here.ipynb"]


def test_the_first_notebook_must_be_there(images: Images, tmp_path: Path) -> None:
    notebooks = images["layer"].path / "notebooks"
    (notebooks / "start-here.ipynb").rename(notebooks / "other.ipynb")
    with pytest.raises(ImageError, match=r"notebook: there is no notebooks/start-here.ipynb"):
        layer(images, tmp_path / "context")


def test_an_image_without_proofs_has_no_version(images: Images, tmp_path: Path) -> None:
    folder = images["layer"]
    assert build.tag_of(folder) == "panosc/layer:2026.11"
    (folder.path / "verify" / "proof.py").unlink()
    assert build.tag_of(folder) == "panosc/layer:unproven"
    with pytest.raises(ImageError, match=r"layer has no verify/\*\.py: an image is only made with what proves"):
        build.build_images(images, ["layer"], logs=tmp_path, say=print, parents=False)


def docker_value(quoted: str) -> str:
    """What Docker makes of a double-quoted value of ENV, without expanding variables (Dockerfile reference, ENV)."""
    assert quoted[0] == quoted[-1] == '"' and "\n" not in quoted
    assert not re.search(r'(?<!\\)(?:\\\\)*["$]', quoted[1:-1]), quoted
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


@given(st.text(max_size=40))
def test_a_variables_value_is_only_ever_the_value(text: str) -> None:
    try:
        taken = Image.model_validate({**MINIMAL, "env": {"A": text}})
    except ValueError:
        assert not text.isprintable()
        return
    (line,) = context.environment_lines(taken.env).splitlines()
    name, _, value = line.partition("=")
    assert name == "ENV A" and docker_value(value) == text


MINIMAL = {
    "title": "x", "description": "x", "from": "base", "adds": "1 MB", "licence": "MIT", "notebook": "a.ipynb",
}  # fmt: skip


class TestDockerfile:
    text = (REPOSITORY / "images" / "Dockerfile").read_text()
    steps = tuple(path for path in sorted((REPOSITORY / "images" / "steps").rglob("*")) if path.is_file())

    def test_nothing_that_debians_docker_cannot(self) -> None:
        assert not re.search(r"^#\s*syntax\s*=", self.text, re.MULTILINE)
        instructions = re.sub(r"^#.*$", "", self.text, flags=re.MULTILINE)
        assert not re.search(r"<<|--link|--network|--exclude|--parents", instructions)

    def test_secrets_are_optional_and_only_mounted(self) -> None:
        assert "required=true" not in self.text
        for mount in re.findall(r"--mount=type=secret\S+", self.text):
            assert re.fullmatch(r"--mount=type=secret,id=(ca|pip|apt|apt-kernel),target=/run/secrets/\S+", mount)
        assert not re.search(r"^(ARG|ENV) .*(TOKEN|PASSWORD|SECRET)", self.text, re.MULTILINE)

    def test_it_ends_as_nobody_special(self) -> None:
        assert self.text.rstrip().endswith("USER 1000:1000")

    def test_every_step_is_used(self) -> None:
        everything = self.text + "".join(path.read_text() for path in self.steps)
        for path in self.steps:
            if path.suffix != ".in":  # what a lock is made from
                assert f"/{path.parent.name}/{path.name}" in everything, path

    @pytest.mark.parametrize("path", [p for p in steps if p.read_text().startswith("#!/bin/sh")], ids=lambda p: p.name)
    def test_steps_are_sh_that_stops_at_an_error(self, path: Path) -> None:
        if path.name != "panosc-start":  # it starts a person's server: better without a name than not at all
            assert re.search(r"^set -eu$", path.read_text(), re.MULTILINE)


class TestSecrets:
    def test_only_what_the_environment_names(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("PIP_CERT", "SSL_CERT_FILE", "BUILD_PIP_CONF", "BUILD_APT_SOURCES"):
            monkeypatch.delenv(name, raising=False)
        assert build.secrets() == {}
        file = tmp_path / "ca.crt"
        file.write_text("x")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert build.secrets() == {"ca": str(file)}
        monkeypatch.setenv("BUILD_PIP_CONF", str(tmp_path / "none"))
        with pytest.raises(ImageError, match=r"names .*none, which is not a file"):
            build.secrets()


def test_the_last_lines_of_a_failed_build_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "docker"
    fake.write_text('#!/bin/sh\necho "$@"\necho "E: Unable to locate package nonsense" >&2\nexit 100\n')
    fake.chmod(0o755)
    monkeypatch.setattr(client, "builder", lambda: str(fake))
    with pytest.raises(ImageError, match=r"(?s)all of it is in .*build\.log.*--secret id=ca,src=/x.*Unable to locate"):
        client.build(["--tag", "t"], tmp_path, {"ca": "/x"}, tmp_path / "build.log")


def test_without_a_docker_that_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    client.builder.cache_clear()
    monkeypatch.setattr(client, "_CLIENTS", ("no-such-docker",))
    with pytest.raises(ImageError, match=r"install docker-buildx, or Debian's docker\.io"):
        client.builder()
    client.builder.cache_clear()
