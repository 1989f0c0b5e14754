"""From a name to a file: each step of the way can break, and the one that does is named, with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from panosc_portal.catalogues.model import Availability, Dataset, Instrument
from panosc_portal.context import Portal
from panosc_portal.errors import CatalogueError, HubError, Outcome
from panosc_portal.opening.chain import Chains, Found
from panosc_portal.search.federation import Federation
from search_fakes import QUICK, FakeCatalogue
from support import FakeHub, login, make_portal, make_site

from panosc_spawner.facilities.site import Site


@pytest.fixture
def data(raw: Path) -> Dataset:
    return Dataset(
        "esrf", "ds-1", "Ceria at 500 K", Availability.OPEN, facility="esrf", proposal="MA-1234", doi="10.15151/esrf-1",
        location=str(raw / "ceria"), instrument=Instrument("ID31", "ESRF"), landing="https://data.example.org/ds-1",
    )  # fmt: skip


async def resolved(
    site: Site, hub: FakeHub, catalogue: FakeCatalogue, text: str, who: str = "ada", source: str = ""
) -> Found:
    portal: Portal = make_portal(site, hub)
    chains = Chains(portal, Federation(site, hub, [catalogue], QUICK))
    found = await chains.describe(text, login(who), source)
    return await chains.follow(found, login(who))


def file(folder: Path, name: str, content: bytes = b"x") -> Path:
    made = folder / name
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_bytes(content)
    return made


@pytest.mark.parametrize("text", ["10.15151/ESRF-1", "ds-1"])
async def test_all_steps_hold(
    site: Site, hub: FakeHub, catalogue: FakeCatalogue, data: Dataset, raw: Path, text: str
) -> None:
    file(raw, "ceria/ceria.h5")
    catalogue.datasets = [data]
    found = await resolved(site, hub, catalogue, text)
    assert found.broken is None, found.broken
    assert [step.name for step in found.steps] == ["data set", "facility", "proposal", "your right", "data here"]
    assert found.spot
    assert (found.spot.shown, found.spot.is_hdf5) == ("raw/ceria/ceria.h5", True)
    assert ("data", "ada", "esrf/ma1234", "preview") in hub.asked


@pytest.mark.parametrize(
    ("change", "step", "words", "remedy"),
    [
        ({"facility": ""}, "facility", "does not serve", "Look at its page"),
        ({"facility": "maxiv"}, "facility", "It is at ESRF", "Look at its page"),
        ({"proposal": "", "location": "/elsewhere/x"}, "proposal", "does not say of which proposal", "look for the data there"),
        ({"proposal": "HG-99"}, "proposal", "one of them is wrong", "Tell the facility"),
        ({"proposal": "HG-99", "location": ""}, "your right", "not on proposal hg99", "open"),
        ({"location": "", "proposal": "MA-1234"}, "data here", "no files of it", "archive"),
    ],
)  # fmt: skip
async def test_a_step_that_breaks_is_named(
    site: Site,
    hub: FakeHub,
    catalogue: FakeCatalogue,
    data: Dataset,
    change: dict[str, str],
    step: str,
    words: str,
    remedy: str,
) -> None:
    catalogue.datasets = [replace(data, **change)]
    found = await resolved(site, hub, catalogue, "ds-1")
    assert found.broken
    assert found.broken.name == step
    assert words in found.broken.words
    assert remedy in found.broken.remedy
    assert found.spot is None


async def test_nobody_knows_it_and_who_was_asked(site: Site, hub: FakeHub, catalogue: FakeCatalogue) -> None:
    found = await resolved(site, hub, catalogue, "10.1234/none")
    assert found.broken
    assert found.broken.words.startswith("1 of 1 catalogues answered")
    catalogue.failure = CatalogueError("esrf", Outcome.DOWN, "no connection")
    found = await resolved(site, hub, catalogue, "10.1234/none")
    assert found.broken
    assert "No answer: ESRF data portal" in found.broken.words


async def test_who_is_not_on_the_proposal_learns_why_and_no_path(
    site: Site, hub: FakeHub, catalogue: FakeCatalogue, data: Dataset, raw: Path
) -> None:
    file(raw, "ceria/ceria.h5")
    catalogue.datasets = [replace(data, availability=Availability.EMBARGOED)]
    found = await resolved(site, hub, catalogue, "ds-1", who="noor")
    assert found.broken
    assert found.broken.name == "your right"
    assert "SciCat did not answer." in found.broken.words
    assert found.broken.act
    assert found.broken.act[1].endswith("explain?proposal=esrf/ma1234")
    assert found.data is None
    assert not [asked for asked in hub.asked if asked[0] == "data"]
    by_path = await resolved(site, hub, catalogue, str(raw / "ceria/ceria.h5"), who="noor")
    assert by_path.broken
    assert by_path.broken.name == "your right"


async def test_the_hub_has_the_last_word(site: Site, hub: FakeHub, catalogue: FakeCatalogue, data: Dataset) -> None:
    catalogue.datasets = [data]
    hub.directories.clear()  # listed a minute ago, refused now
    found = await resolved(site, hub, catalogue, "ds-1")
    assert found.broken
    assert found.broken.name == "your right"
    hub.down = True
    with pytest.raises(HubError):
        await resolved(site, hub, catalogue, "ds-1")


ELSEWHERE = """
[[portal.staging.remotes]]
name = "dcache"
title = "dCache"
facility = "esrf"
kind = "webdav"
url = "https://dcache.example.org"
token = { by = "none" }
"""


@pytest.mark.parametrize(
    ("more", "remedy", "act"),
    [
        ("", "ask the facility to bring them back", None),
        (ELSEWHERE, "brought here", ("Bring it here", "/services/portal/stage/esrf/ma1234?pid=ds-1&source=esrf")),
    ],
)
async def test_a_directory_that_is_not_here_can_be_brought_where_it_is_known_from_where(
    tmp_path: Path,
    hub: FakeHub,
    catalogue: FakeCatalogue,
    data: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    more: str,
    remedy: str,
    act: tuple[str, str] | None,
) -> None:
    async def missing(*asked: object) -> None:  # as the hub says it (MISSING_DIRECTORY)
        raise HubError(
            404, "The raw data of ma1234 are not there.", "If it is old, ask the facility to bring them back."
        )

    monkeypatch.setattr(hub, "data", missing)
    catalogue.datasets = [data]
    found = await resolved(make_site(tmp_path / "other", more), hub, catalogue, "ds-1")
    assert [(step.name, step.holds) for step in found.steps[3:]] == [("your right", True), ("data here", False)]
    assert found.broken and found.broken.words == "The raw data of ma1234 are not there."
    assert remedy in found.broken.remedy
    assert found.broken.act == act


@pytest.mark.parametrize(
    "text", ["{raw}/ceria/ceria.h5", "proposals/esrf/ma1234/raw/ceria/ceria.h5", "esrf/ma1234/raw/ceria"]
)
async def test_by_path(site: Site, hub: FakeHub, catalogue: FakeCatalogue, raw: Path, text: str) -> None:
    file(raw, "ceria/ceria.h5")
    found = await resolved(site, hub, catalogue, text.format(raw=raw))
    assert found.broken is None, found.broken
    assert found.spot
    assert found.spot.shown == "raw/ceria/ceria.h5"


@pytest.mark.parametrize(
    ("files", "rest", "expected"),
    [
        (["b.h5", "a.txt"], "", "raw/b.h5"),
        (["scan/other.h5", "scan/scan.h5"], "scan", "raw/scan/scan.h5"),
        (["c/c_1/c_1.h5", "c/z.h5"], "c", "raw/c/z.h5"),
        (["a.tif", "b.tif"], "", "raw"),
        (["x/notes.txt"], "x/notes.txt", "raw/x/notes.txt"),
        (["x.NXS", "x.edf"], "", "raw/x.NXS"),
    ],
)
async def test_the_file_that_says_most(
    site: Site, hub: FakeHub, catalogue: FakeCatalogue, raw: Path, files: list[str], rest: str, expected: str
) -> None:
    for name in files:
        file(raw, name)
    found = await resolved(site, hub, catalogue, f"proposals/esrf/ma1234/raw/{rest}".rstrip("/"))
    assert found.broken is None, found.broken
    assert found.spot
    assert found.spot.shown == expected


async def test_a_link_out_of_the_proposal_is_not_followed(
    site: Site, hub: FakeHub, catalogue: FakeCatalogue, raw: Path, place: Path
) -> None:
    secret = file(place / "other", "secret.h5")
    (raw / "link.h5").symlink_to(secret)
    (raw / "folder").symlink_to(place / "other")
    for name in ("link.h5", "folder", "folder/secret.h5"):
        found = await resolved(site, hub, catalogue, f"esrf/ma1234/raw/{name}")
        assert found.spot is None or not found.spot.is_file, name


async def test_what_the_person_may_not_read_is_said(
    site: Site, hub: FakeHub, catalogue: FakeCatalogue, raw: Path
) -> None:
    (file(raw, "mine.h5")).chmod(0)
    found = await resolved(site, hub, catalogue, "esrf/ma1234/raw/mine.h5")
    assert found.broken
    assert "does not let you read it" in found.broken.words


async def test_of_a_source_only_what_that_source_knows(
    site: Site, hub: FakeHub, catalogue: FakeCatalogue, data: Dataset
) -> None:
    catalogue.datasets = [data]
    found = await resolved(site, hub, catalogue, "ds-1", source="another")
    assert found.broken
    assert found.dataset is None
