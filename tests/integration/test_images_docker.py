"""Images built and proven with a real Docker: that a layer is as its description says, and that faults are found."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from registry_support import registry

from panosc_spawner.errors import ImageError
from panosc_spawner.images import client, debian
from panosc_spawner.images.build import build_images, forget, tag_of
from panosc_spawner.images.folder import Images, read_images
from panosc_spawner.images.verify import Report, files, materials, person, verify_image
from panosc_spawner.images.verify.container import Hardened
from panosc_spawner.images.verify.report import CheckFailed

pytestmark = pytest.mark.docker

ROOT = Path(__file__).resolve().parents[2]
BASE = "panosc/base:2026.11"
NAME = "test-layer"
IMAGE = """
title = "A layer for tests"
description = "What a test looks at."
from = "base"
adds = "5 MB"
licence = "GPL-3.0-or-later"
notebook = "start-here.ipynb"
[apt]
packages = ["bc"]
[env]
A_VARIABLE = 'a "quoted" $HOME \\'
[[software]]
name = "bc"
version-from = "bc"
purpose = "Arithmetic"
licence = "GPL-3.0-or-later"
url = "https://www.gnu.org/software/bc/"
[verify]
imports = ["h5py"]
seconds = 60
"""
PROOF = '''
"""One and one are two."""
import os, subprocess
import matplotlib.pyplot as plt
two = int(subprocess.run(["bc"], input="1 + 1\\n", capture_output=True, text=True, check=True).stdout)
assert two == 2 and os.environ["A_VARIABLE"] == 'a "quoted" $HOME \\\\', os.environ["A_VARIABLE"]
plt.plot([1, two]); plt.savefig(os.environ["PANOSC_PICTURE"])
print(f"result: one and one = {two}")
'''
BAD = "test-bad"
BAD_NOTEBOOKS = {
    "red": ("import warnings; warnings.warn('red')", "cell 1 writes to stderr"),
    "fails": ("1 / 0", "ZeroDivisionError"),
    "dies": ("import os; os._exit(1)", "Kernel died"),
}
NOTEBOOK = "import pathlib\nprint(pathlib.Path('data/x.txt').read_text())"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """The repository's base, and a small layer of this test's on it; built."""
    if client.inspect_image(BASE) is None:
        pytest.skip(f"the image {BASE} is not here: panosc-hub images build base makes it")
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("deploy", "extensions"):
        (checkout / name).symlink_to(ROOT / name)
    (checkout / "images").mkdir()
    for name in ("Dockerfile", "steps", "base"):
        (checkout / "images" / name).symlink_to(ROOT / "images" / name)
    folder = checkout / "images" / NAME
    write(folder / "image.toml", IMAGE)
    write(folder / "verify" / "proof.py", PROOF)
    write(folder / "notebooks" / "data" / "x.txt", "beside the notebook")
    write(folder / "files" / "usr" / "local" / "bin" / "tool", "#!/bin/sh\necho tool\n")
    (folder / "files/usr/local/bin/tool").chmod(0o755)
    write(folder / "setup", "touch /opt/panosc-setup && chmod u+s /usr/bin/bc\n")
    write_notebook(folder, "start-here", NOTEBOOK)
    write(checkout / "images" / BAD / "image.toml", IMAGE)
    write(checkout / "images" / BAD / "verify" / "proof.py", PROOF)
    for name, (source, _) in {**BAD_NOTEBOOKS, "start-here": ("1", "")}.items():
        write_notebook(checkout / "images" / BAD, name, source)
    images = read_images(checkout / "images")
    for name in (NAME, BAD):
        build_images(images, [name], logs=checkout / "logs", say=print, parents=False)
    yield images
    for name in (NAME, BAD):
        forget(images[name])


def write(file: Path, text: str) -> None:
    """A file, and the directories above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def write_notebook(folder: Path, name: str, source: str) -> None:
    """A notebook with one cell."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source, "id": "a"}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    write(folder / "notebooks" / f"{name}.ipynb", json.dumps(notebook))


def verified(images: Images, directory: Path, only: str | None = None) -> Report:
    """The report, with what was said in pytest's output."""
    return verify_image(images[NAME], images, directory / "pictures", print, only)


def test_a_layer_is_what_it_says_and_is_proven(images: Images, tmp_path: Path) -> None:
    report = verified(images, tmp_path)
    assert report.ok, [check for check in report.checks if not check.ok]
    found = {check.what: check.words for check in report.checks}
    assert found["its software is described, with versions"].startswith("bc 1.")
    assert (tmp_path / "pictures" / "proof.png").read_bytes().startswith(b"\x89PNG")
    executed = json.loads((tmp_path / "pictures" / "start-here.ipynb").read_text())
    assert "beside the notebook" in str(executed["cells"][0]["outputs"])


def test_what_has_not_changed_is_not_built_again(images: Images, tmp_path: Path) -> None:
    (again,) = build_images(images, [NAME], logs=tmp_path, say=print, parents=False)
    assert not again.fresh and again.adds < 5_000_000
    found = client.inspect_image(tag_of(images[NAME]))
    assert found and found["Config"]["User"] == "1000:1000"


def derived(images: Images, lines: str) -> str:
    """The layer with something more, under a tag that the caller removes."""
    tag = "panosc/test-derived:x"
    done = subprocess.run(
        [client.builder(), "build", "-q", "-t", tag, "-"], input=f"FROM {tag_of(images[NAME])}\n{lines}", text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tag


@pytest.mark.parametrize(
    ("lines", "check", "words"),
    [
        ("USER 0\nRUN chmod u+s /usr/bin/bc", files.no_setuid, "/usr/bin/bc"),
        ("USER 0\nRUN mkdir /root/.cache", files.no_leftovers, "/root/.cache"),
        ("USER 0\nRUN touch /tmp/x.deb", files.no_leftovers, "/tmp/x.deb"),
        ("ENV API_TOKEN=abcd1234", files.no_secrets, "API_TOKEN=…"),
        ("RUN SOME_PASSWORD=hunter22 true", files.no_secrets, "SOME_PASSWORD=…"),
        ("USER 0\nRUN touch /home/jovyan/.netrc", files.no_secrets, "/home/jovyan/.netrc"),
        ("USER 0\nRUN printf '%s %s' '-----BEGIN' 'PRIVATE KEY-----' >/etc/x",
         files.no_secrets, "/etc/x"),
    ],
)  # fmt: skip
def test_a_fault_in_an_image_is_found(images: Images, lines: str, check: object, words: str) -> None:
    tag = derived(images, lines)
    try:
        assert callable(check)
        with pytest.raises(CheckFailed, match=words):
            check(tag)
    finally:
        client.run("image", "rm", tag)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("USER 0\nRUN rm -r /opt/venv/lib/python3.13/site-packages/silx-*.dist-info", "not installed: silx"),
        ("USER 0\nRUN sed -i 's/CycloneDX/Nothing/' /opt/panosc/sbom.cdx.json", "not CycloneDX"),
    ],
)
def test_a_bill_of_materials_that_is_not_what_is_there(images: Images, lines: str, words: str) -> None:
    tag = derived(images, lines)
    try:
        with pytest.raises(CheckFailed, match=words):
            materials.bill_of_materials(hardened(tag))
    finally:
        client.run("image", "rm", tag)


@pytest.mark.parametrize(
    ("lines", "check", "words"),
    [
        ("USER 0\nRUN rm /var/lib/extrausers", person.stranger_has_a_name, "exit code"),
        ('ENTRYPOINT ["tini", "--"]', person.stranger_has_a_name, "exit code"),
        ("USER 0\nRUN sed -i 's/^passwd:.*/passwd: extrausers files/' /etc/nsswitch.conf", None, ""),
    ],
)
def test_a_stranger_without_a_name_is_noticed(images: Images, lines: str, check: object, words: str) -> None:
    tag = derived(images, lines)
    try:
        if check is None:  # the order in nsswitch.conf does not matter to the hub's own entry: nothing else is written
            assert person.hub_names_the_person(tag) == "whoami says ada"
            return
        assert callable(check)
        with pytest.raises(CheckFailed, match=words):
            check(hardened(tag))
    finally:
        client.run("image", "rm", tag)


def hardened(tag: str) -> Hardened:
    """As verify runs it."""
    from panosc_spawner.images.verify.container import INSIDE

    return Hardened(tag, 2 * 1024**3, {"/inside": INSIDE})


class TestProofsThatFail:
    """Proofs are mounted, not built in: only the notebook has to be built."""

    def test_a_wrong_result(self, images: Images, tmp_path: Path) -> None:
        with changed(images[NAME].path / "verify" / "proof.py", PROOF.replace("two == 2", "two == 3")):
            report = verified(images, tmp_path, "proof")
        assert not report.ok and "AssertionError" in report.checks[0].words

    def test_the_network_is_not_there(self, images: Images, tmp_path: Path) -> None:
        source = '"""Ask."""\nimport urllib.request\nurllib.request.urlopen("http://example.org", timeout=5)\n'
        with changed(images[NAME].path / "verify" / "proof.py", source):
            report = verified(images, tmp_path, "proof")
        assert not report.ok and "URLError" in report.checks[0].words

    def test_nothing_but_its_own_directories_can_be_written(self, images: Images, tmp_path: Path) -> None:
        with changed(images[NAME].path / "verify" / "proof.py", '"""W."""\nopen("/opt/venv/x", "w")\n'):
            report = verified(images, tmp_path, "proof")
        assert not report.ok and "Read-only file system" in report.checks[0].words

    def test_too_much_memory(self, images: Images, tmp_path: Path) -> None:
        with changed(images[NAME].path / "verify" / "proof.py", '"""M."""\nx = b"x" * 3 * 1024**3\n'):
            report = verified(images, tmp_path, "proof")
        assert not report.ok and "memory" in report.checks[0].words

    @pytest.mark.parametrize("name", BAD_NOTEBOOKS)
    def test_a_notebook(self, images: Images, tmp_path: Path, name: str) -> None:
        report = verify_image(images[BAD], images, tmp_path / "pictures", print, name)
        assert not report.ok and BAD_NOTEBOOKS[name][1] in report.checks[0].words


class changed:
    """A file with another text for a while."""

    def __init__(self, file: Path, text: str) -> None:
        self.file, self.text, self.was = file, text, file.read_text()

    def __enter__(self) -> None:
        self.file.write_text(self.text)

    def __exit__(self, *_: object) -> None:
        self.file.write_text(self.was)


def test_a_build_that_fails_says_why(images: Images, tmp_path: Path) -> None:
    folder = images[NAME]
    text = (folder.path / "image.toml").read_text()
    try:
        (folder.path / "image.toml").write_text(text.replace('version-from = "bc"', 'version-from = "nothing"'))
        with pytest.raises(ImageError, match="version-from names nothing, which is not installed"):
            build_images(read_images(images.root), [NAME], logs=tmp_path, say=print, parents=False)
    finally:
        (folder.path / "image.toml").write_text(text)


def test_the_command(images: Images) -> None:
    hub = Path(sys.executable).with_name("panosc-hub")
    done = subprocess.run(
        [str(hub), "images", "--images", str(images.root), "list"], capture_output=True, text=True, check=True
    )
    assert textwrap.dedent(f"{NAME:<14} base") in done.stdout


def test_debian_from_a_registry_by_its_digest() -> None:
    """A registry of one's own, and a pin: the digest is what the label says, and another digest is not taken."""
    docker_client = docker.APIClient(timeout=60)
    try:
        with registry(docker_client, "debian:trixie-slim") as served:
            image = served.image("library/debian")
            try:
                assert debian.ensure(image, {}) == served.digest
                assert debian.digest(image) == served.digest
            finally:
                client.run("image", "rm", image)
            wrong = f"127.0.0.1:{served.port}/library/debian@sha256:{'0' * 64}"
            with pytest.raises(ImageError, match="is not here and cannot be pulled"):
                debian.ensure(wrong, {})
    finally:
        docker_client.close()
