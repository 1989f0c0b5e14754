"""``image.toml``: what is right is taken, and whatever else stands there is refused in words."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hostile_support import text as hostile
from hypothesis import given
from hypothesis import strategies as st
from images_support import LAYER, write_image
from pydantic import ValidationError

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.images.folder import read_folder
from panosc_spawner.images.model import Image, parse_disk_size


def image(**changes: Any) -> Image:
    """A layer with other keys."""
    return Image.model_validate(tomllib.loads(LAYER) | changes)


@pytest.mark.parametrize(
    ("text", "size"),
    [("720 MB", 720_000_000), ("1.1 GB", 1_100_000_000), ("10MB", 10_000_000), ("0.5 GB", 500_000_000)],
)
def test_sizes_count_as_docker_images_prints_them(text: str, size: int) -> None:
    assert parse_disk_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "720", "MB", "-1 MB", "1 TB", "1,5 GB", "7e9 MB", "720 MB\n720", 0, -5, True, None, [1]]
)
def test_what_is_not_a_size(text: object) -> None:
    with pytest.raises(ValueError, match="not an image's size"):
        parse_disk_size(text)


WRONG = [
    ({"title": "two\nlines"}, "one line"),
    ({"title": ""}, "one line"),
    ({"from": "../base"}, "pattern"),
    ({"from": None}, "stands on another"),
    ({"debian": "debian:trixie-slim"}, "stands on another"),
    ({"adds": None}, "budget"),
    ({"licence": "free"}, "SPDX"),
    ({"notebook": "../start.ipynb"}, "pattern"),
    ({"notebook": "start.py"}, "pattern"),
    ({"apt": {"packages": ["-o=Dir::Etc=/tmp"]}}, "pattern"),
    ({"apt": {"packages": ["less; rm -rf /"]}}, "pattern"),
    ({"apt": {"packages": ["$(id)"]}}, "pattern"),
    ({"pip": {"requirements": ["scipp @ https://example.org/scipp.whl"]}}, "address"),
    ({"pip": {"requirements": ["--index-url=https://example.org"]}}, "not a requirement"),
    ({"pip": {"requirements": ["scipp\n--extra-index-url https://example.org"]}}, "not a requirement"),
    ({"pip": {"wheels": ["../other"]}}, "beneath the repository"),
    ({"pip": {"wheels": ["/etc"]}}, "beneath the repository"),
    ({"pip": {"remove": ["../../../usr"]}}, "beneath the repository"),
    ({"pip": {"remove": ["a /etc"]}}, "without spaces"),
    ({"software": [{"name": "x", "version": "1", "purpose": "y", "licence": "MIT OR Zlib", "url": "https://x.org"}]},
     "x is under Zlib, which is not named here"),
    ({"pip": {"build-apt": ["g++"]}}, "without build"),
    ({"pip": {"build": ["fisx"], "without": ["FiSX"]}}, "also under without"),
    ({"env": {"path": "x"}}, "pattern"),
    ({"env": {"A": "x\nRUN id"}}, "one line"),
    ({"env": {"A=B": "x"}}, "pattern"),
    ({"kernels": {"../x": {"title": "X", "requirements": []}}}, "pattern"),
    ({"kernels": {"x": {"title": "X", "debian": "buster", "requirements": []}}}, "'bookworm' or 'trixie'"),
    ({"software": [{"name": "x", "purpose": "y", "licence": "MIT", "url": "https://x.org"}]}, "whose version"),
    ({"software": [{"name": "x", "version": "1", "purpose": "y", "licence": "MIT", "url": "javascript:x"}]}, "pattern"),
    ({"verify": {"imports": ["os;os.system('id')"]}}, "pattern"),
    ({"verify": {"seconds": 0}}, "greater than or equal to 10"),
    ({"techniqes": []}, "Extra inputs"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words.replace("(", r"\(")):
        image(**changes)


def test_an_unknown_key_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    folder = write_image(tmp_path, "layer", LAYER + '[pip]\nbuild_apt = ["g++"]\n')
    with pytest.raises(ConfigurationError, match=r"pip.build_apt: unknown key \(did you mean 'build-apt'\?\)"):
        read_folder(folder)


def test_an_image_names_the_licences_of_its_software() -> None:
    program = {"name": "x", "version": "1", "purpose": "y", "url": "https://x.org"}
    exception = "GPL-2.0-or-later WITH Classpath-exception-2.0"
    software = [{**program, "licence": licence} for licence in ("(MIT OR Zlib) AND LicenseRef-SRW", exception)]
    assert image(licence=f"MIT AND Zlib AND LicenseRef-SRW AND {exception}", software=software).software
    with pytest.raises(ValidationError, match=r"x is under Classpath-exception-2\.0 and LicenseRef-SRW and Zlib"):
        image(
            licence="MIT AND GPL-2.0-or-later",
            software=[{**program, "licence": f"Zlib AND LicenseRef-SRW AND {exception}"}],
        )


def test_licences_are_written_as_spdx_writes_them() -> None:
    assert image(licence="mit and gpl-3.0-OR-LATER").licence == "MIT AND GPL-3.0-or-later"


@given(hostile)
def test_whatever_is_taken_for_a_package_is_one_word_and_no_option(text: str) -> None:
    try:
        taken = image(apt={"packages": [text], "without": [text]}, pip={"build": [text]})
    except ValidationError:
        return
    for word in (*taken.apt.packages, *taken.apt.without, *taken.pip.build):
        assert word == text
        assert word.isascii() and word[0].isalnum() and not set(word) & set(" \t\n\r'\"$`;&|<>(){}\\*?[]~#!")


@given(hostile)
def test_whatever_is_taken_for_a_path_stays_beneath_its_folder(text: str) -> None:
    try:
        taken = image(pip={"wheels": [text], "remove": [text]})
    except ValidationError:
        return
    for path in (*taken.pip.wheels, *taken.pip.remove):
        assert (
            not path.startswith("/") and ".." not in path.split("/") and path.isprintable() and path.split() == [path]
        )


@given(st.dictionaries(st.sampled_from(["title", "from", "adds", "env", "pip", "apt", "kernels", "software", "verify"]),
                       st.recursive(hostile | st.none() | st.integers() | st.booleans(),
                                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile, inner, max_size=3))))  # fmt: skip
def test_anything_else_is_refused_and_never_an_error_of_another_kind(changes: dict[str, Any]) -> None:
    with contextlib.suppress(ValidationError):
        image(**changes)
