"""The search's pages: by address, as a stream, without scripts, and for whom."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import AsyncIterator

import pytest
from panosc_portal.errors import CatalogueError, Outcome
from panosc_portal.search.federation import Federation
from search_fakes import QUICK, FakeCatalogue, dataset, rich
from support import ORIGIN, FakeHub, PortalUnderTest, make_portal, serve

from panosc_spawner.facilities.site import Site


@pytest.fixture
def catalogues() -> list[FakeCatalogue]:
    return [
        FakeCatalogue("esrf", [rich("esrf", n) for n in range(24)], frozenset({"esrf"}), title="ESRF"),
        FakeCatalogue("ill", failure=CatalogueError("ill", Outcome.DOWN, "no connection (it is down)"), title="ILL"),
        FakeCatalogue("hung", delay=float("inf"), title="Hung"),
    ]


@pytest.fixture
async def at(site: Site, hub: FakeHub, catalogues: list[FakeCatalogue]) -> AsyncIterator[PortalUnderTest]:
    """A portal with the search alone, and Ada at the browser."""
    portal = make_portal(site, hub)
    portal.add(Federation(site, hub, catalogues, QUICK))
    async with serve(portal, hub, ("search.pages",)) as running:
        running.log_in("ada")
        yield running


async def events(at: PortalUnderTest, address: str) -> list[tuple[str, dict[str, object]]]:
    answer = await at.client.get(address)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.text)
    return [(name, json.loads(data)) for name, data in found]


async def test_the_page_waits_for_nobody_and_says_where_results_come_from(
    at: PortalUnderTest, catalogues: list[FakeCatalogue]
) -> None:
    page = (await at.client.get("search?q=ferrofluid")).text
    assert not any(one.asked for one in catalogues)
    assert 'data-events="/services/portal/search/events?q=ferrofluid"' in page
    assert (
        '<noscript><meta http-equiv="refresh" content="0; url=/services/portal/search?q=ferrofluid&amp;all=1"></noscript>'
        in page
    )
    assert "Asking 3 catalogues" in page and page.count("asking …") == 3


async def test_the_stream_tells_each_catalogue_and_then_the_whole(at: PortalUnderTest) -> None:
    told = await events(at, "search/events?q=ferrofluid")
    assert [(name, data.get("source")) for name, data in told][:2] == [("answer", "esrf"), ("answer", "ill")] or [
        (name, data.get("source")) for name, data in told
    ][:2] == [("answer", "ill"), ("answer", "esrf")]
    by_source = {str(data["source"]): data for name, data in told if name == "answer"}
    assert len(by_source["esrf"]["rows"]) == 6  # type: ignore[arg-type]
    assert "no connection (it is down)" in str(by_source["ill"]["outcome"]) and "Retry" in str(
        by_source["ill"]["outcome"]
    )
    assert "no answer within" in str(by_source["hung"]["outcome"])
    name, end = told[-1]
    assert name == "end" and end["more"] and "1 of 3 catalogues answered" in str(end["status"])
    assert "results may be missing from ILL, Hung" in str(end["status"])
    assert "Facility" in str(end["facets"])
    again = await events(at, f"search/events?q=ferrofluid&cursor={end['cursor']}&only=ill")
    assert [data.get("source") for _, data in again] == ["ill", None]


async def test_without_scripts_the_same_is_shown_after_a_bounded_wait(at: PortalUnderTest) -> None:
    begun = time.monotonic()
    page = (await at.client.get("search?q=ferrofluid&all=1")).text
    assert time.monotonic() - begun < 20, "it waits for the hung one as long as the settings say: 0.2 s"
    assert page.count('<li class="hit"') == 6 and "no connection (it is down)" in page and "search.js" not in page
    following = html.unescape(re.search(r'rel="next" href="([^"]+)"', page).group(1))  # type: ignore[union-attr]
    second = (await at.client.get(ORIGIN + following)).text
    first_ids, second_ids = (set(re.findall(r'id="hit-(\w+)"', one)) for one in (page, second))
    assert second_ids and not first_ids & second_ids and "on page 2" in second


async def test_an_address_holds_the_whole_search_and_nothing_empty(at: PortalUnderTest) -> None:
    typed = (
        "search?q=&technique=saxs&technique=&facility=esrf&from=2020&to=&incident_wavelength.low=4&incident_wavelength.high=6"
        "&incident_wavelength.unit=%C3%85&sample_temperature.low=&sample_temperature.high=&sample_temperature.unit=K"
    )
    answer = await at.client.get(typed)
    assert answer.status_code == 303
    kept = answer.headers["location"]
    assert kept == (
        "/services/portal/search?technique=PaNET01188&facility=esrf&from=2020&incident_wavelength.low=4"
        "&incident_wavelength.high=6&incident_wavelength.unit=%C3%85"
    )
    page = (await at.client.get(ORIGIN + kept)).text
    assert "small angle x-ray scattering" in page and "Wavelength: 4 to 6 Å" in page and "from 2020" in page
    told = await events(at, ORIGIN + kept.replace("/search?", "/search/events?"))
    rows = next(data["rows"] for name, data in told if name == "answer" and data["source"] == "esrf")
    assert rows and all("small angle" in row["html"] for row in rows)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("from=soon", "is not a year"),
        ("technique=knitting", "No technique is called"),
        ("facility=moon", "No facility here is called"),
        ("incident_wavelength.low=5&incident_wavelength.unit=bananas", "is not a unit of this"),
        ("incident_wavelength.low=5&incident_wavelength.unit=m**9**9**9", "is not a unit of this"),
        ("sample_temperature.low=1e999", "is not a number"),
        ("sample_temperature.low=nan", "is not a number"),
        ("q=" + "a" * 500, "longer than 400 characters"),
    ],
)
async def test_what_is_not_understood_is_said_beside_its_field(at: PortalUnderTest, typed: str, said: str) -> None:
    answer = await at.client.get(f"search?{typed}", follow_redirects=True)
    assert answer.status_code == 200 and said in answer.text


async def test_what_catalogues_write_is_text_and_never_markup(
    at: PortalUnderTest, catalogues: list[FakeCatalogue]
) -> None:
    bad = "<script>alert(1)</script>\"'"
    catalogues[0].datasets = [
        dataset("esrf", 1, title=bad, pid=f"{bad}/../x", proposal=bad, instrument=None),
        dataset("esrf", 2, pid="20.500/a b&c=d#e"),
    ]
    page = (await at.client.get(f"search?q={bad}&all=1", follow_redirects=True)).text
    assert "<script>alert" not in page
    stream = (await at.client.get("search/events?q=data")).text
    assert "<script>alert" not in stream
    page = (await at.client.get("search?q=data&all=1")).text
    assert 'href="/services/portal/data?source=esrf&amp;pid=20.500%2Fa%20b%26c%3Dd%23e"' in page


async def test_a_forged_or_foreign_cursor_is_refused_in_words(at: PortalUnderTest) -> None:
    _, end = (await events(at, "search/events?q=ferrofluid"))[-1]
    cursor = str(end["cursor"])
    assert (await at.client.get(f"search?q=ferrofluid&cursor={cursor}")).status_code == 200
    at.log_in("ben")
    for address in (
        f"search?q=ferrofluid&cursor={cursor}",
        f"search?q=ferrofluid&cursor={cursor}&all=1",
        "search?q=ferrofluid&cursor=AAAA",
    ):
        answer = await at.client.get(address)
        assert answer.status_code == 400 and "made for another search, for somebody else" in answer.text
        assert "Search again from the beginning" in answer.text
    assert await events(at, f"search/events?q=ferrofluid&cursor={cursor}") == [
        (
            "refused",
            {
                "message": "This address of a further page was made for another search, for somebody else, or is incomplete."
            },
        )
    ]


async def test_nobody_searches_who_is_not_logged_in_unless_the_site_says_so(
    at: PortalUnderTest, site: Site, hub: FakeHub, catalogues: list[FakeCatalogue]
) -> None:
    at.log_out()
    answer = await at.client.get("search?q=a", headers={"Sec-Fetch-Mode": "navigate"})
    assert answer.status_code in (302, 303) and "oauth" in answer.headers["location"]
    assert (await at.client.get("search/events?q=a", headers={"Sec-Fetch-Mode": "cors"})).status_code == 401
    assert not catalogues[0].asked
    portal = make_portal(site, hub)
    portal.add(Federation(site, hub, catalogues, QUICK.model_copy(update={"public": True})))
    async with serve(portal, hub, ("search.pages",)) as public:
        page = await public.client.get("search?q=ferrofluid&all=1")
        assert page.status_code == 200 and 'class="hit"' in page.text and "Log in" in page.text


async def test_techniques_are_chosen_from_a_tree_that_keeps_the_rest(at: PortalUnderTest) -> None:
    page = (await at.client.get("search/techniques?q=bone&technique=SAXS&facility=esrf")).text
    assert 'name="technique" value="PaNET01188" checked' in page
    assert (
        '<input type="hidden" name="q" value="bone">' in page
        and '<input type="hidden" name="facility" value="esrf">' in page
    )
    assert page.count('name="technique"') == 373  # all but the four ways in which techniques are ordered


async def test_a_doi_is_looked_for_as_one(at: PortalUnderTest, catalogues: list[FakeCatalogue]) -> None:
    catalogues[0].datasets = [*catalogues[0].datasets, dataset("esrf", 77, doi="10.15151/esrf-dc-77", title="The one")]
    page = (await at.client.get("search?q=https%3A%2F%2Fdoi.org%2F10.15151%2FESRF-DC-77&all=1")).text
    assert page.count('<li class="hit"') == 1 and "The one" in page
    assert catalogues[0].asked[-1][0].pid == "10.15151/esrf-dc-77"


async def test_what_was_not_understood_is_no_search_for_everything(
    at: PortalUnderTest, catalogues: list[FakeCatalogue]
) -> None:
    page = (await at.client.get("search?from=soon&all=1")).text
    assert "is not a year" in page and "data-events" not in page and not any(one.asked for one in catalogues)


async def test_the_first_page_asks_nobody(at: PortalUnderTest, catalogues: list[FakeCatalogue]) -> None:
    page = (await at.client.get("search")).text
    assert "Find data sets in 3 catalogues at once" in page and not any(one.asked for one in catalogues)
