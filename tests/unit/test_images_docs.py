"""The docs' pages and the facility's table say what the descriptions say, and the committed ones are today's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from images_support import LAYER, REPOSITORY, lock_text, small_root

from panosc_spawner.errors import ImageError
from panosc_spawner.facilities.model import Environment
from panosc_spawner.images import docs, record
from panosc_spawner.images.environment import as_toml, environment
from panosc_spawner.images.folder import Images, read_images

OURS = read_images(REPOSITORY / "images")
SOFTWARE = """
[pip]
requirements = ["scipp"]
[kernels.old]
title = "Old | older"
debian = "bookworm"
requirements = ["numpy"]
[[software]]
name = "Scipp"
version-from = "SCIPP"
purpose = "Arrays | units"
licence = "BSD-3-Clause"
url = "https://scipp.github.io"
cite = "https://doi.org/10.1000/1"
[[software]]
name = "McStas"
version-from = "mcstas"
purpose = "Neutrons"
licence = "GPL-2.0-only"
url = "https://www.mcstas.org"
"""


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """A base and one layer with software."""
    text = LAYER.replace('"MIT"', '"MIT AND BSD-3-Clause AND GPL-2.0-only"')
    images = small_root(
        tmp_path, layer=text.replace("notebook =", 'desktop = true\nmemory = "1.5 GB"\nnotebook =') + SOFTWARE
    )
    images["layer"].lock.write_text(lock_text(scipp="26.9.0"))
    (images["layer"].path / "kernels").mkdir()
    images["layer"].kernel_lock("old").write_text(lock_text(numpy="1.23", scipp="1"))
    return images


def test_committed_pages_are_those_of_today() -> None:
    written = {path.name: path.read_text("utf-8") for path in (REPOSITORY / "docs" / "environments").glob("*.md")}
    wanted = docs.pages(OURS)
    assert sorted(written) == sorted(wanted), "panosc-hub images docs writes them"
    for name, text in wanted.items():
        assert written[name] == text, f"docs/environments/{name}: panosc-hub images docs writes it anew"


def test_what_was_measured_is_within_what_is_allowed() -> None:
    measured = record.read(OURS.root)
    assert {"base"} <= measured.keys() <= OURS.folders.keys(), "make test-images measures them"
    for name, one in measured.items():
        image = OURS[name].image
        assert image.size is None or one.size * 1e6 <= image.size + 1e6, name
        assert image.adds is None or one.adds * 1e6 <= image.adds + 1e6, name


def test_a_page(images: Images) -> None:
    page = docs.page(images["layer"], images)
    assert page.startswith("# A layer\n\nWhat some have.\n")
    assert (
        r"| [Scipp](https://scipp.github.io) | 26.9.0 | Arrays \| units | BSD-3-Clause | [10.1000/1](https://doi.org/10.1000/1) |"
        in page
    )
    assert "| [McStas](https://www.mcstas.org) | Debian trixie's | Neutrons | GPL-2.0-only |  |" in page
    assert r"| kernels | Python 3 (3.13), Old \| older |" in page
    assert "| desktop | yes" in page and "| memory | at least 1.5 GB |" in page
    assert "- `start-here.ipynb`: Begin here" in page and "- `verify/proof.py`: It is so." in page


def test_a_package_of_this_repository_has_its_own_version(tmp_path: Path) -> None:
    program = '[[software]]\nname = "Thing"\nversion-from = "panosc_thing"\npurpose = "x"\nlicence = "MIT"\nurl = "https://x.org"\n'
    images = small_root(tmp_path, layer=LAYER + '[pip]\nwheels = ["extensions/thing"]\n' + program)
    assert "| Debian trixie's |" in docs.page(images["layer"], images)
    folder = tmp_path / "extensions" / "thing"
    (folder / "thing").mkdir(parents=True)
    (folder / "thing" / "__init__.py").write_text('"""A thing."""\n\n__version__ = "0.3.1"\n')
    project = (
        '[project]\nname = "panosc-thing"\ndynamic = ["version"]\n[tool.hatch.version]\npath = "thing/__init__.py"\n'
    )
    (folder / "pyproject.toml").write_text(project)
    assert "| [Thing](https://x.org) | 0.3.1 |" in docs.page(images["layer"], images)
    assert environment(images["layer"], images)["packages"] == ["Thing 0.3.1"]
    (folder / "pyproject.toml").write_text('[project]\nname = "panosc-thing"\nversion = "4"\n')
    assert environment(images["layer"], images)["packages"] == ["Thing 4"]


def test_a_notebook_without_a_heading_and_a_proof_that_says_nothing(images: Images) -> None:
    notebook = images["layer"].path / "notebooks" / "start-here.ipynb"
    text = notebook.read_text()
    notebook.write_text(text.replace("# Begin", "Begin"))
    with pytest.raises(ImageError, match="has no heading"):
        docs.page(images["layer"], images)
    notebook.write_text("[]")
    with pytest.raises(ImageError, match="is not a notebook"):
        docs.page(images["layer"], images)
    notebook.write_text(text)
    (images["layer"].path / "verify" / "proof.py").write_text("assert True\n")
    with pytest.raises(ImageError, match="does not say what it proves"):
        docs.page(images["layer"], images)


def test_pages_of_images_that_are_gone_go(images: Images, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.md").write_text("x")
    assert {path.name for path in docs.write(images, tmp_path / "docs")} == {"base.md", "layer.md", "README.md"}
    assert not (tmp_path / "docs" / "old.md").exists()


def test_the_facilitys_table_is_an_environment(images: Images) -> None:
    table = environment(images["layer"], images)
    assert table["packages"] == ["Scipp 26.9.0", "McStas"]
    assert table["kernels"] == ["Python 3", "Old | older"]
    assert table["minimum_memory"] == "1536M" and table["desktop"] is True
    assert "desktop" not in environment(images["base"], images)
    written = tomllib.loads(as_toml("layer", table))["environments"]["layer"]
    assert written == table
    assert Environment.model_validate(written).image == "panosc/layer:2026.11"


@pytest.mark.parametrize("name", OURS.folders)
def test_ours_are_environments(name: str) -> None:
    table = environment(OURS[name], OURS)
    assert tomllib.loads(as_toml(name, table))["environments"][name] == table
    Environment.model_validate(table)
