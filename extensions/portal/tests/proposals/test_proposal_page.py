"""A proposal's page: what is known of it is there with who says so, and what nobody knows is not made up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest
from panosc_portal.catalogues.model import (
    Capabilities,
    Credentials,
    Dataset,
    Document,
    File,
    Found,
    Instrument,
    Kind,
    Member,
    Query,
    Sample,
)
from panosc_portal.errors import CatalogueError, Outcome
from panosc_portal.hub import OwnProposal, PersonReport, Session
from panosc_portal.proposals.about import about, of_proposal
from panosc_portal.search.federation import Federation
from support import BASE, FakeHub

from panosc_spawner.facilities.portal_search_rules import SearchRules
from panosc_spawner.facilities.site import Site

OWN = OwnProposal(
    "esrf/ma1234",
    "Ceria <b>heated</b>",
    "member",
    "User office list",
    ("ID31",),
    visits=(Session("ID31", date(2025, 9, 15), date(2025, 9, 18)),),
)
DOCUMENT = Document(
    "d",
    type="proposal",
    summary="Made <i>up</i>",
    doi="10.1/x",
    release=date(2100, 1, 2),
    members=(Member("Ada Lovelace"), Member("ada  lovelace", "main proposer"), Member("Bea", "member")),
)


def dataset(name: str, proposal: str = "MA-1234", **more: object) -> Dataset:
    return Dataset("esrf", name, name, facility="esrf", proposal=proposal, **more)  # type: ignore[arg-type]


TEXT = Capabilities(asks=frozenset({Kind.TEXT}))


@dataclass
class Catalogue:
    datasets: list[Dataset]
    name: str = "esrf"
    facilities: frozenset[str] = frozenset({"esrf"})
    capabilities: Capabilities = TEXT
    down: bool = False
    titles_only: bool = False
    asked: list[Query] = field(default_factory=list)

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        self.asked.append(query)
        if query.text and self.titles_only:
            return Found((), applied=frozenset({Kind.TEXT}))
        if self.down:
            raise CatalogueError(self.name, Outcome.DOWN, "no connection")
        return Found(tuple(self.datasets), applied=frozenset({Kind.TEXT, Kind.FACILITY}))

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        return None

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        return
        yield

    async def check(self) -> str:
        return "fine"

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture
def parts() -> tuple[str, ...]:
    return ("proposals.pages",)


@pytest.fixture
def catalogue(portal, site: Site, hub: FakeHub) -> Catalogue:
    made = Catalogue(
        [
            dataset("older", size=1000, created=datetime(2025, 9, 15, tzinfo=UTC), documents=(DOCUMENT,)),
            dataset("newer", size=2000, created=datetime(2025, 9, 16, tzinfo=UTC), samples=(Sample("ceria"),)),
            dataset("unsized"),
            dataset("of another", proposal="MA-1235"),
            dataset("of nobody's", proposal="../../etc"),
        ]
    )
    portal.add(Federation(site, hub, [made], SearchRules()))
    hub.people["ada"] = PersonReport((OWN,))
    return made


async def test_what_is_known_of_it(catalogue: Catalogue, portal_client) -> None:
    portal_client.log_in("ada")
    page = await portal_client.client.get("proposal/esrf/ma1234")
    assert page.status_code == 200
    for words in (
        "Ceria &lt;b&gt;heated&lt;/b&gt;",
        "Made &lt;i&gt;up&lt;/i&gt;",
        "Team member",
        "15–18 Sep 2025",
        "ID31",
        "until <time",
        "2 Jan 2100",
        "2.9 kB",
        "of 2 data sets whose size is told",
        "ceria",
        "main proposer",
        "/hub/open?proposals=esrf%2Fma1234",
        f"{BASE}data?source=esrf&amp;pid=newer",
    ):
        assert words in page.text, words
    assert "of another" not in page.text
    assert page.text.index("newer") < page.text.index("older")
    assert catalogue.asked[0].text == "ma1234"


async def test_nobody_elses(catalogue: Catalogue, portal_client, hub: FakeHub) -> None:
    hub.people["eve"] = PersonReport(troubles=("ILL did not answer.",))
    portal_client.log_in("eve")
    for name in ("esrf/ma1234", "esrf/MA-1234", "nowhere/x", "esrf/" + "x" * 500):
        page = await portal_client.client.get(f"proposal/{name}")
        assert page.status_code == 404, name
        assert "ILL did not answer." in page.text
    assert catalogue.asked == []
    portal_client.log_out()
    assert (await portal_client.client.get("proposal/esrf/ma1234")).status_code == 303


async def test_a_catalogue_that_is_down_is_named(catalogue: Catalogue, portal_client) -> None:
    catalogue.down = True
    portal_client.log_in("ada")
    page = await portal_client.client.get("proposal/esrf/ma1234")
    assert page.status_code == 200
    assert "What only it knows is missing here" in page.text
    assert "No catalogue names it" in page.text
    assert "15–18 Sep 2025" in page.text  # the hub's own knowledge is there all the same


async def test_where_numbers_are_not_looked_for_its_instruments_and_years_are(
    catalogue: Catalogue, portal_client, hub: FakeHub
) -> None:
    catalogue.titles_only = True
    days = {"start": date(2025, 9, 15), "end": date(2026, 1, 2)}
    hub.people["ada"] = PersonReport((replace(OWN, **days),))
    catalogue.datasets = [replace(one, instrument=Instrument("ID31")) for one in catalogue.datasets]
    portal_client.log_in("ada")
    page = (await portal_client.client.get("proposal/esrf/ma1234")).text
    assert "older" in page
    assert "of another" not in page
    assert (catalogue.asked[-1].instruments, catalogue.asked[-1].years) == (("ID31",), (2025, 2026))


async def test_nothing_is_made_up(catalogue: Catalogue, portal_client) -> None:
    catalogue.datasets = []
    portal_client.log_in("ada")
    page = (await portal_client.client.get("proposal/esrf/ma1234")).text
    assert "No catalogue describes any" in page
    for words in ("Size", "Embargo", "Samples", "Licence"):
        assert f"<dt>{words}</dt>" not in page


def test_each_person_of_the_team_once_with_the_role_that_is_told() -> None:
    team = about([dataset("a", documents=(DOCUMENT,)), dataset("b", documents=(DOCUMENT,))]).team
    assert [(member.name, member.role) for member in team] == [("ada  lovelace", "main proposer"), ("Bea", "member")]


def test_data_sets_of_the_proposal_only(site: Site) -> None:
    mine = dataset("a", proposal="ma-1234")
    others = [
        dataset("b", proposal=""),
        dataset("c", proposal="x"),
        Dataset("ill", "d", "d", facility="ill", proposal="MA1234"),
    ]
    assert of_proposal("esrf/ma1234", [mine, *others], site) == [mine]
    assert of_proposal("nowhere/ma1234", [mine], site) == []
