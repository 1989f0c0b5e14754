"""What the catalogue knows of an image comes from the image, and a hostile image can make it say nothing worse than less."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from software.conftest import ABOUT, BILL, DIGEST, FakeDocker
from support import make_site

from panosc_spawner.facilities.site import Site
from panosc_spawner.software.collect import SoftwareCatalogue, site_entries
from panosc_spawner.software.inside import parsed

BASE = "panosc/base:2026.11"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_site(tmp_path)
    return replace(
        made, config=made.config.model_copy(update={"hub": made.config.hub.model_copy(update={"spawner": "docker"})})
    )


def test_each_image_is_there_once(site: Site) -> None:
    entries = site_entries(site)
    assert len({entry.environment.image for entry in entries}) == len(entries)
    base = next(entry for entry in entries if entry.environment.image == BASE)
    assert base.facilities == ("esrf", "ill")
    assert set(base.offered_by) >= {("esrf", "base"), ("ill", "base")}


def test_an_image_that_is_here_says_what_is_in_it(site: Site, docker: FakeDocker) -> None:
    docker.have(BASE)
    entries = SoftwareCatalogue(site, lambda: docker).look()
    base = next(entry for entry in entries if entry.environment.image == BASE)
    assert base.content
    assert base.digest == DIGEST
    assert [program.version for program in base.programs] == ["2026.9.0"]
    assert [package.name for package in base.content.packages] == ["libc6", "numpy"]
    assert json.loads(base.content.bill) == BILL
    assert "libc6 2.41" in base.words
    others = [entry for entry in entries if entry is not base]
    assert all(entry.absent == "Its image is not on this machine." for entry in others)
    assert not docker.left


async def test_an_image_is_looked_into_once(site: Site, docker: FakeDocker) -> None:
    docker.have(BASE)
    time = [0.0]
    catalogue = SoftwareCatalogue(site, lambda: docker, clock=lambda: time[0])
    await catalogue.entries()
    time[0] = 1000.0
    await catalogue.entries()
    assert docker.made == [DIGEST]
    docker.have(BASE, digest="sha256:" + "ef" * 32)
    time[0] = 2000.0
    entries = await catalogue.entries()
    assert next(entry for entry in entries if entry.content).digest == "sha256:" + "ef" * 32


async def test_without_docker_it_says_so_and_keeps_what_it_knew(site: Site, docker: FakeDocker) -> None:
    time = [0.0]
    catalogue = SoftwareCatalogue(site, lambda: docker, clock=lambda: time[0])
    docker.have(BASE)
    await catalogue.entries()
    docker.down = True
    time[0] = 1000.0
    entries = await catalogue.entries()
    assert next(entry for entry in entries if entry.environment.image == BASE).content
    assert "Docker does not answer" in next(entry for entry in entries if entry.environment.image != BASE).absent
    docker.down = False
    time[0] = 1030.0
    assert "not on this machine" in next(e for e in await catalogue.entries() if e.environment.image != BASE).absent


@pytest.mark.parametrize(
    "file",
    [b"", b"\xff\xfe", b"[" * 100_000, b"null", b'{"software": 7, "components": {"a": 1}, "bomFormat": []}',
     json.dumps({"software": [{"name": ["x"]}, {"name": "a\n<b>", "url": "javascript:alert(1)"}], "components": [1, {}]}).encode()],
)  # fmt: skip
def test_a_hostile_image_says_less_and_breaks_nothing(file: bytes) -> None:
    found = parsed({"Id": DIGEST, "Created": "yesterday", "Config": None, "RepoDigests": None}, file, file)
    assert found.digest == DIGEST
    assert not found.packages
    assert found.created is None
    assert all(not program.url for program in found.programs)
    assert found.bill == ""


@given(st.binary(max_size=300) | st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(lambda x: json.dumps(x).encode()))  # fmt: skip
def test_any_file_of_an_image_is_parsed_or_left_out(file: bytes) -> None:
    parsed({"Id": DIGEST}, file, file)


def test_programs_of_a_facilitys_words(site: Site) -> None:
    esrf = next(entry for entry in site_entries(site) if entry.id == "esrf/esrf")
    names = {program.name: program.version for program in esrf.programs}
    assert names["pyFAI"][:4] == "2026"
    assert all((name and not name[-1].isdigit()) or "4" in name for name in names)


def test_what_an_image_has_wins_over_what_a_file_says(site: Site, docker: FakeDocker) -> None:
    docker.have("panosc/esrf:2026.11", about=ABOUT)
    entries = SoftwareCatalogue(site, lambda: docker).look()
    esrf = next(entry for entry in entries if entry.id == "esrf/esrf")
    assert [program.name for program in esrf.programs] == ["pyFAI"]
