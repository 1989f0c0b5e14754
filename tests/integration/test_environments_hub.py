"""What is not on the machine is shown as such by a real hub, and starts by no way in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_harness import HubUnderTest, entry, proxy_command
from test_audit_hub import api, token_of
from test_pages_hub import Browser

from panosc_spawner.facilities.load import load_facility

pytestmark = pytest.mark.skipif(
    not proxy_command(), reason="the hub's proxy (configurable-http-proxy) is not installed"
)

TEAM = [("ada", "pi"), ("root", "member")]
ABSENT = ["panosc/diffraction:2026.11", "panosc/tomo:2026.11"]
BASE = "panosc/base:2026.11"
SHIPPED = sorted({one.image for one in load_facility("esrf").environments.values()} - {BASE})


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubUnderTest]:
    proposals = entry("esrf", "MA-1001", "Pigments", "ID22", "2026-03-04", "2026-03-08", TEAM)
    with HubUnderTest(tmp_path_factory.mktemp("environments"), proposals) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_but_base(hub: HubUnderTest) -> None:
    tell(hub, absent=ABSENT + SHIPPED, sizes={BASE: 710_000_000})


def tell(hub: HubUnderTest, **found: object) -> None:
    """What Docker would say."""
    file = hub.folder / "site" / "images.json"
    file.with_suffix(".new").write_text(json.dumps(found))
    file.with_suffix(".new").replace(file)


def absent_part(page: str) -> str:
    found = re.search(r'<details class="absent".*?</details>', page, re.S)
    return found[0] if found else ""


def test_it_is_listed_below_and_cannot_be_chosen(hub: HubUnderTest) -> None:
    page = Browser(hub, "ada").get("/hub/open?proposals=esrf/ma1001").text
    assert re.findall(r'<input type="radio"[^>]* name="environment" value="([^"]*)"', page) == [""]
    assert f"Not on this machine ({len(ABSENT + SHIPPED)})" in absent_part(page)
    assert "Diffraction and powder" in absent_part(page) and "radio" not in absent_part(page)
    assert "“Diffraction and powder” is made for this, and is not on this machine." in page
    assert re.search(r"Size:</span> 710 MB", page)
    assert "The people who run this hub can add them." in absent_part(page)
    assert "docker" not in page and "panosc-hub" not in page


def test_an_administrator_is_told_the_command(hub: HubUnderTest) -> None:
    page = absent_part(Browser(hub, "root").get("/hub/open?proposals=esrf/ma1001").text)
    assert "panosc-hub images build --verify diffraction</code>" in page
    assert "it can be started as soon as it is there" in page


def test_the_page_refuses_it_in_words(hub: HubUnderTest) -> None:
    ada = Browser(hub, "ada")
    for answer in (
        ada.get("/hub/open?proposals=esrf/ma1001&environment=esrf/diffraction"),
        ada.post("/hub/open", proposals="esrf/ma1001", environment="esrf/diffraction"),
    ):
        assert answer.status == 503
        assert "“Diffraction and powder” is not on this machine." in answer.text
        assert "Choose one that is: HDF5 and NeXus." in answer.text
    assert ada.servers() == {}


def test_so_does_the_api(hub: HubUnderTest) -> None:
    ada = Browser(hub, "ada")
    token = token_of(ada, "ada")
    body = {"user_options": {"proposals": ["esrf/ma1001"], "environment": "esrf/tomography"}}
    assert api(hub, "POST", "users/ada/servers/p-ma1001", token, body) == 503
    assert "“Tomography” is not on this machine." in ada.get("/hub/home").text
    ada.post("/hub/panosc/dismiss/p-ma1001")


def test_what_is_built_meanwhile_is_suggested(hub: HubUnderTest) -> None:
    ada = Browser(hub, "ada")
    tell(hub, absent=SHIPPED)
    page = ada.get("/hub/open?proposals=esrf/ma1001").text
    assert '<strong id="env-name">Diffraction and powder</strong>' in page
    assert "is made for this" not in page


def test_nothing_at_all_is_here(hub: HubUnderTest) -> None:
    tell(hub, absent=[*ABSENT, *SHIPPED, BASE])
    page = Browser(hub, "ada").get("/hub/open?proposals=esrf/ma1001")
    assert page.status == 503
    assert "“Diffraction and powder” is not on this machine. " in page.text.replace("</p>", " ")
    assert ">none can start</span>" in page.text and 'id="start"' not in page.text


def test_docker_does_not_answer(hub: HubUnderTest) -> None:
    """Nothing is hidden that may be there, and it is said."""
    tell(hub, absent=[], unknown="Docker does not answer")
    page = Browser(hub, "ada").get("/hub/open?proposals=esrf/ma1001")
    assert page.status == 200
    assert "Docker does not answer: which environments are on this machine could not be looked up" in page.text
    assert 'id="start"' in page.text


def test_a_desktop_is_a_button(hub: HubUnderTest, tmp_path: Path) -> None:
    tell(hub, absent=[])
    ada = Browser(hub, "ada")
    page = ada.get("/hub/open?proposals=esrf/ma1001").text
    assert re.search(r'value="esrf/desktop"[^>]* data-desktop', page)
    answer = ada.post("/hub/open", follow=False, proposals="esrf/ma1001", environment="esrf/base", show="desktop")
    assert "next=" not in str(answer.headers["Location"]), "an environment without a desktop opens as ever"
    ada.post("/hub/panosc/stop/p-ma1001")
    answer = ada.post("/hub/open", follow=False, proposals="esrf/ma1001", environment="esrf/desktop", show="desktop")
    location = str(answer.headers["Location"])
    assert location.startswith("/hub/spawn-pending/ada/p-ma1001?next=%2Fuser%2Fada%2Fp-ma1001%2Fdesktop%2F")
    assert ada.get(location).url.endswith("/user/ada/p-ma1001/desktop/")
    assert 'href="/user/ada/p-ma1001/desktop/">Desktop<' in ada.get("/hub/home").text
    assert 'href="/user/ada/p-ma1001/desktop/">Desktop<' in ada.get("/hub/open?proposals=esrf/ma1001").text
    again = ada.post("/hub/open", follow=False, proposals="esrf/ma1001", show="desktop")
    assert again.headers["Location"] == "/user/ada/p-ma1001/desktop/"
    ada.post("/hub/panosc/stop/p-ma1001")
