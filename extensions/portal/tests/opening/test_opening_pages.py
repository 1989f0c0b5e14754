"""The pages from a data set to JupyterLab, as a browser goes through them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from panosc_portal.catalogues.model import (
    Availability,
    Capabilities,
    Dataset,
    Document,
    File,
    Instrument,
    Member,
    Parameter,
    Technique,
)
from panosc_portal.search.federation import Federation
from search_fakes import QUICK, FakeCatalogue
from support import FakeHub, PortalUnderTest, make_portal, serve

from panosc_spawner.facilities.site import Site

SANS = "1d_data/33837rear_1D_1.75_16.5_NXcanSAS.h5"
MARK = "<b>&"


@pytest.fixture
async def browser(site: Site, hub: FakeHub, catalogue: FakeCatalogue, raw: Path) -> AsyncIterator[PortalUnderTest]:
    import sasdata

    (raw / "ceria").mkdir()
    file = raw / "ceria/ceria.h5"
    file.write_bytes((Path(sasdata.__file__).parent / "example_data" / SANS).read_bytes())
    file.chmod(0o644)
    catalogue.datasets = [
        Dataset(
            "esrf", "ds/1", f"Ceria {MARK}", Availability.OPEN, facility="esrf", proposal="MA-1234", doi="10.15151/esrf-1",
            location=str(raw / "ceria"), instrument=Instrument("ID31", "ESRF"), landing="https://data.example.org/ds-1",
            techniques=(Technique("x-ray powder diffraction"),), parameters=(Parameter("incident_wavelength", 0.2, "nm"),),
            documents=(Document("p1", f"On ceria {MARK}", "proposal", f"Why {MARK}", members=(Member("Ada Lovelace"),)),),
        ),
        Dataset("esrf", "bare", ""),
    ]  # fmt: skip
    portal = make_portal(site, hub)
    portal.add(Federation(site, hub, [catalogue], QUICK))
    async with serve(portal, hub, ("opening.pages", "software.pages")) as running:
        yield running


async def press(browser: PortalUnderTest, page: str, **fields: str) -> tuple[int, str]:
    """Press the page's button: its form, with its own token."""
    text = (await browser.client.get(page)).text
    form = re.search(r'<form method="post".*?</form>', text, re.DOTALL)
    assert form, text
    given = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0])) | fields
    answer = await browser.client.post("open", data=given)
    return answer.status_code, answer.headers.get("location", "")


async def test_the_page_tells_what_is_known(browser: PortalUnderTest) -> None:
    browser.log_in("ada")
    text = (await browser.client.get("data", params={"source": "esrf", "pid": "ds/1"})).text
    for words in (
        "Ceria &lt;b&gt;&amp;", "ID31", "x-ray powder diffraction", "incident_wavelength", "Ada Lovelace", "10.15151/esrf-1",
        "Open in JupyterLab", "BibTeX", "badge.svg", "Why &lt;b&gt;&amp;",
    ):  # fmt: skip
        assert words in text, words
    assert MARK not in text


async def test_its_files_as_the_catalogue_lists_them(browser: PortalUnderTest, catalogue: FakeCatalogue) -> None:
    listed = [File(f"ceria/{number}.h5", 1024, "sha256:ab") for number in range(250)]

    async def files(dataset: Dataset, credentials: object) -> AsyncIterator[File]:
        for one in listed:
            yield one

    catalogue.capabilities = Capabilities(files=True)
    catalogue.files = files  # type: ignore[method-assign]
    browser.log_in("ada")
    text = (await browser.client.get("data", params={"source": "esrf", "pid": "ds/1"})).text
    assert "ceria/199.h5" in text
    assert "ceria/200.h5" not in text
    assert "Only the first 200 are shown" in text

    async def hangs(dataset: Dataset, credentials: object) -> AsyncIterator[File]:
        await asyncio.Event().wait()
        yield listed[0]

    catalogue.files = hangs  # type: ignore[method-assign]
    text = (await browser.client.get("data", params={"source": "esrf", "pid": "ds/1"})).text
    assert "Its files could not be listed: no answer in time." in text


async def test_a_data_set_of_which_nothing_is_known_has_a_page(browser: PortalUnderTest) -> None:
    browser.log_in("ada")
    answer = await browser.client.get("data", params={"source": "esrf", "pid": "bare"})
    assert answer.status_code == 200
    assert "bare" in answer.text


async def test_where_it_is_and_what_can_be_done(browser: PortalUnderTest) -> None:
    browser.log_in("ada")
    page = await browser.client.get("data/mine", params={"source": "esrf", "pid": "ds/1"})
    assert "~/proposals/esrf/ma1234/raw/ceria/ceria.h5" in page.text
    assert "download/esrf/ma1234?path=raw/ceria" in page.text
    assert 'href="/services/portal/proposal/esrf/ma1234"' in page.text
    assert "<html" in page.text
    part = await browser.client.get("data/mine", params={"pid": "10.15151/esrf-1"}, headers={"Sec-Fetch-Dest": "empty"})
    assert "<html" not in part.text
    browser.log_in("noor")
    refused = await browser.client.get("data/mine", params={"source": "esrf", "pid": "ds/1"})
    assert "You are not on proposal ma1234" in refused.text
    assert "~/proposals" not in refused.text


async def test_its_picture_is_for_those_who_may_read_it(browser: PortalUnderTest) -> None:
    address = {"source": "esrf", "pid": "ds/1"}
    browser.log_in("ada")
    picture = await browser.client.get("data/picture", params=address)
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.headers["cache-control"] == "no-store"  # the next person at this browser may not
    assert b"<path" in picture.content
    browser.log_in("noor")
    assert (await browser.client.get("data/picture", params=address)).status_code == 404


@pytest.mark.parametrize(
    "page", ["open?pid=10.15151/esrf-1", "data?source=esrf&pid=ds/1", "open?pid=esrf/ma1234/raw/ceria"]
)
async def test_one_press_starts_and_comes_back_to_a_notebook(browser: PortalUnderTest, page: str) -> None:
    browser.log_in("ada")
    status, where = await press(browser, page)
    assert status == 303
    started = next(asked for asked in browser.hub.asked if asked[0] == "start")
    assert started[1:3] == ("ada", "esrf/ma1234")
    ticket = re.search(r"open/go\?ticket=([\w-]+)", started[-1])
    assert ticket, (where, started)
    answer = await browser.client.get("open/go", params={"ticket": ticket[1]})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/user/ada/p-ma1234/lab/tree/opened/ceria.ipynb"
    who, server, path, content = browser.hub.written[0]
    assert (who, server, path) == ("ada", "p-ma1234", "opened/ceria.ipynb")
    assert "proposals/esrf/ma1234/raw/ceria/ceria.h5" in json.dumps(json.loads(content))


async def test_a_ticket_is_for_once_and_for_its_owner(browser: PortalUnderTest) -> None:
    browser.log_in("ada")
    await press(browser, "open?pid=10.15151/esrf-1")
    started = next(asked for asked in browser.hub.asked if asked[0] == "start")
    ticket = started[-1].partition("ticket=")[2]
    browser.log_in("noor")
    assert (await browser.client.get("open/go", params={"ticket": ticket})).status_code == 409
    browser.log_in("ada")
    assert (await browser.client.get("open/go", params={"ticket": ticket})).status_code == 303
    assert (await browser.client.get("open/go", params={"ticket": ticket})).status_code == 409
    assert len(browser.hub.written) == 1


async def test_a_link_starts_nothing(browser: PortalUnderTest) -> None:
    browser.log_in("ada")
    await browser.client.get("open", params={"pid": "10.15151/esrf-1"})
    answer = await browser.client.post("open", data={"pid": "10.15151/esrf-1"})
    assert answer.status_code == 403
    assert not [asked for asked in browser.hub.asked if asked[0] == "start"]


async def test_a_right_that_is_gone_when_the_server_runs(browser: PortalUnderTest) -> None:
    browser.log_in("ada")
    await press(browser, "open?pid=10.15151/esrf-1")
    ticket = next(asked for asked in browser.hub.asked if asked[0] == "start")[-1].partition("ticket=")[2]
    browser.hub.directories.clear()
    answer = await browser.client.get("open/go", params={"ticket": ticket})
    assert answer.status_code == 200
    assert "You are not on proposal" in answer.text
    assert not browser.hub.written


@pytest.mark.parametrize(
    ("pid", "status", "words"),
    [
        ("10.1234/none", 404, "none of them knows it"),
        ("/etc/passwd", 400, "belongs to no proposal"),
        ("esrf/ma1234/raw/gone.h5", 200, "is not on this hub’s storage"),
        ("", 200, "DOI, PID, or path"),
    ],
)
async def test_what_cannot_be_opened_says_why(browser: PortalUnderTest, pid: str, status: int, words: str) -> None:
    browser.log_in("ada")
    answer = await browser.client.get("open", params={"pid": pid})
    assert answer.status_code == status
    assert words in answer.text


async def test_the_badge_is_for_everybody(browser: PortalUnderTest) -> None:
    answer = await browser.client.get("badge.svg")
    assert answer.status_code == 200
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers


async def test_who_is_not_logged_in_is_sent_to(browser: PortalUnderTest) -> None:
    for path in ("open?pid=10.15151/esrf-1", "data?pid=x", "data/mine?pid=x", "data/picture?pid=x"):
        answer = await browser.client.get(path, headers={"Accept": "application/json"})
        assert answer.status_code == 401, path
