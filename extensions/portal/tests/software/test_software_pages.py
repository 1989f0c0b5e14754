"""The catalogue's pages and documents, as browsers and programs read them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from panosc_portal.context import Portal
from panosc_portal.software import pages
from software.conftest import BILL, DIGEST, FakeDocker
from support import FakeHub, PortalUnderTest, make_portal, make_site, serve

from panosc_spawner.facilities.site import Site
from panosc_spawner.software.collect import SoftwareCatalogue

WITHDRAWN = """
[environments.old]
title = "Powder of last year"
image = "example/old:2025"
status = "withdrawn"
status_note = "A bug in its absorption correction; use “Powder diffraction”."
packages = ["pyFAI 2023.1.0", "<script>alert(1)</script> 7"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    make_site(tmp_path)
    file = tmp_path / "site" / "facilities" / "esrf.toml"
    kept = file.read_text()

    from panosc_spawner.facilities.load import load_site

    file.write_text(kept + WITHDRAWN)
    made = load_site(tmp_path / "site")
    return replace(
        made, config=made.config.model_copy(update={"hub": made.config.hub.model_copy(update={"spawner": "docker"})})
    )


@pytest.fixture
async def browser(
    site: Site, hub: FakeHub, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PortalUnderTest]:
    docker.have("panosc/base:2026.11")
    portal = make_portal(site, hub)
    made = pages.Software

    def with_fake(of: Portal) -> pages.Software:
        return made(of, SoftwareCatalogue(of.site, lambda: docker))

    monkeypatch.setattr(pages, "Software", with_fake)
    async with serve(portal, hub, ("software.pages",)) as running:
        yield running


async def test_everybody_may_read_it(browser: PortalUnderTest) -> None:
    answer = await browser.client.get("software")
    assert answer.status_code == 200
    assert "Powder" in answer.text
    assert "Log in" in answer.text


@pytest.mark.parametrize(
    ("query", "there", "not_there"),
    [
        ({"q": "libc6"}, "Notebooks, HDF5 and NeXus", "Simulation"),
        ({"q": "PYFAI"}, "X-ray diffraction", "Laser and plasma"),
        ({"technique": "small angle scattering"}, "Small-angle", "Simulation"),
        ({"facility": "ill"}, "Desktop for neutrons", "Powder of last year"),
        ({"format": "orso"}, "reflectometry", "Simulation"),
        ({"q": "nothing has this"}, "Nothing here has all of this", "Simulation"),
    ],
)
async def test_the_list_is_narrowed(
    browser: PortalUnderTest, query: dict[str, str], there: str, not_there: str
) -> None:
    text = (await browser.client.get("software", params=query)).text
    main = text.partition('<p role="status"')[2]
    assert there in main
    assert not_there not in main


async def test_an_entry_names_what_is_installed(browser: PortalUnderTest) -> None:
    text = (await browser.client.get("software/esrf/base")).text
    for words in ("pyFAI", "2026.9.0", DIGEST, "libc6", "10.1107/S1600576724011038", "bill of materials"):
        assert words in text


async def test_a_withdrawn_one_says_why_and_offers_no_start(browser: PortalUnderTest) -> None:
    text = (await browser.client.get("software/esrf/old")).text
    assert "Withdrawn." in text
    assert "absorption correction" in text
    assert "Open one of my proposals" not in text
    assert "<script>alert" not in text


async def test_linked_data_by_name_and_by_what_is_asked_for(browser: PortalUnderTest) -> None:
    for address, headers in (
        ("software/esrf/base.jsonld", {}),
        ("software/esrf/base", {"Accept": "application/ld+json"}),
    ):
        answer = await browser.client.get(address, headers=headers)
        assert answer.headers["content-type"].startswith("application/ld+json")
        found = answer.json()
        assert found["@context"][0] == "https://w3id.org/codemeta/3.0"
        assert {"@type": "PropertyValue", "propertyID": "digest", "value": DIGEST} in found["identifier"]
        assert found["hasPart"][1]["identifier"] == "pkg:pypi/numpy@2.4.0"
        assert found["softwareRequirements"][0]["citation"] == "https://doi.org/10.1107/S1600576724011038"
    everything = (await browser.client.get("software.jsonld")).json()
    assert everything["numberOfItems"] == len(everything["itemListElement"]) > 5
    esrf = next(one for one in everything["itemListElement"] if one["@id"].endswith("software/esrf/esrf"))
    technique = esrf["applicationSubCategory"][0]
    assert technique["@id"].startswith("http://purl.org/pan-science/PaNET/PaNET01")


async def test_the_bill_of_materials_is_the_images_own(browser: PortalUnderTest) -> None:
    answer = await browser.client.get("software/ill/base/sbom.cdx.json")
    assert json.loads(answer.content) == BILL
    missing = await browser.client.get("software/esrf/esrf/sbom.cdx.json", headers={"Accept": "application/json"})
    assert missing.status_code == 404
    assert "not on this machine" in missing.text


@pytest.mark.parametrize("digest", [DIGEST, "sha256:" + "cd" * 32])
async def test_a_digest_leads_to_the_environment(browser: PortalUnderTest, digest: str) -> None:
    answer = await browser.client.get(f"software/by-digest/{digest}")
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("software/esrf/base")
    for wrong in ("sha256:" + "00" * 32, "", "None"):
        assert (await browser.client.get(f"software/by-digest/{wrong}")).status_code == 404


async def test_what_is_not_there(browser: PortalUnderTest) -> None:
    for path in ("software/esrf/nothing", "software/none/base", "software/esrf/base.jsonld.jsonld/sbom.cdx.json"):
        assert (await browser.client.get(path)).status_code == 404


async def test_where_it_is_not_public_programs_are_told_to_log_in(
    site: Site, hub: FakeHub, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = site.config.portal.model_copy(
        update={"software": site.config.portal.software.model_copy(update={"public": False})}
    )
    private = replace(site, config=site.config.model_copy(update={"portal": rules}))
    monkeypatch.setattr("panosc_spawner.software.collect.environment_client", lambda timeout: docker)
    async with serve(make_portal(private, hub), hub, ("software.pages",)) as running:
        for path in ("software", "software.jsonld", "software/esrf/base", "software/esrf/base/sbom.cdx.json", "oai"):
            answer = await running.client.get(path, headers={"Accept": "application/json"})
            assert answer.status_code == 401, path
        running.log_in("ada")
        assert (await running.client.get("software.jsonld")).status_code == 200
