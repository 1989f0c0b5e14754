"""The index as a catalogue of the federated search, asked directly; and asked through the API by our own client of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from index_graph import DIFFRACTION, SAS, A, B, filled
from panosc_portal.catalogues.model import (
    Availability,
    Capabilities,
    Credentials,
    Dataset,
    File,
    Found,
    Kind,
    Parameter,
    ParameterCondition,
    Query,
)
from panosc_portal.errors import CatalogueError, HubError, Outcome
from panosc_portal.index.answer import Asker
from panosc_portal.index.catalogue import IndexCatalogue
from panosc_portal.index.copies import copy_catalogue, origin_of
from panosc_portal.index.language import read_filter
from panosc_portal.index.part import index_of
from panosc_portal.index.store import Store
from panosc_portal.index.write import Entry, put
from pydantic import SecretStr
from support import FakeHub, make_portal, make_site, serve

sys.path.insert(0, str(Path(__file__).parent.parent / "moving"))

ADA = Credentials("ada", SecretStr("token-ada"), "This site")


async def refs(token: SecretStr) -> frozenset[str] | None:
    return {"token-ada": frozenset({A})}.get(token.get_secret_value())


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[IndexCatalogue]:
    store = filled(tmp_path)
    with store.writing() as writer:
        dataset = Dataset(
            *("test", "10.5/photons", "X-rays of 12.4 keV"),
            facility="esrf",
            doi="10.5/photons",
            location="/data/x.h5",
            parameters=(Parameter("incident_photon_energy", 12.39842, "keV"),),
        )
        put(writer, Entry(dataset, True, "", "test", [File(f"{n}.h5", n) for n in range(2500)]), 1)
    yield IndexCatalogue(store, refs, frozenset({"esrf", "ill"}))
    store.close()


async def pids(catalogue: IndexCatalogue, query: Query, credentials: Credentials | None = None) -> list[str]:
    found = await catalogue.search(query, skip=0, limit=100, credentials=credentials)
    assert found.applied == query.kinds() and found.total == len(found.datasets)
    return [one.pid.removeprefix("10.5/") for one in found.datasets]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(text="ferrofluid"), {"one"}),
        (Query(text="iron water"), {"two"}),  # every word
        (Query(pid="https://doi.org/10.5/PHOTONS"), {"photons"}),
        (Query(pid="10.5/six"), {"six"}),
        (Query(techniques=("PaNET01124",)), {"one", "two", "eight"}),
        (Query(techniques=(DIFFRACTION, SAS)), {"one", "two", "six", "eight"}),
        (Query(facilities=("esrf",)), {"photons"}),
        (Query(instruments=("d22", "ID31")), {"one", "two", "three", "eight"}),
        (Query(years=(2021, 2023)), {"two", "eight"}),
        (Query(years=(None, 2019)), {"six"}),
        (Query(sample="COPPER"), {"six"}),
        (Query(parameters=(ParameterCondition("incident_wavelength", 0.45, 0.55, "nm"),)), {"one", "two"}),
        (Query(parameters=(ParameterCondition("incident_wavelength", 0.9, 1.1, "angstrom"),)), {"photons"}),
        (Query(parameters=(ParameterCondition("chemical_formula", text="cu"),)), {"six"}),
        (Query(parameters=(ParameterCondition("incident_wavelength", high=5.5, unit="angstrom"), ParameterCondition("sample_temperature", low=0, unit="celsius"))), {"one"}),
        (Query(availability=(Availability.EMBARGOED,)), set()),
        (Query(availability=(Availability.OPEN,), text="copper"), {"six"}),
    ],
    ids=str,
)  # fmt: skip
async def test_each_kind_of_condition(catalogue: IndexCatalogue, query: Query, expected: set[str]) -> None:
    assert set(await pids(catalogue, query)) == expected


async def test_own_data_are_marked_and_others_are_not_there(catalogue: IndexCatalogue) -> None:
    assert "four" not in await pids(catalogue, Query())
    assert "four" in await pids(catalogue, Query(), ADA) and "five" not in await pids(catalogue, Query(), ADA)
    assert set(await pids(catalogue, Query(availability=(Availability.OWN,)), ADA)) == {"four", "six"}
    assert await catalogue.get("10.5/four", None) is None
    own = await catalogue.get("10.5/four", ADA)
    assert own is not None and own.availability is Availability.OWN and own.source == "This site"
    opened = await catalogue.get("10.5/one", ADA)
    assert opened is not None and opened.availability is Availability.OPEN
    assert (
        opened.documents[0].members[0].name == "James Chadwick"
        and opened.documents[0].members[0].affiliation == "Cavendish"
    )


async def test_pages_go_on_where_the_last_one_ended(catalogue: IndexCatalogue) -> None:
    seen: list[str] = []
    skip: int | None = 0
    while skip is not None:
        found = await catalogue.search(Query(), skip=skip, limit=4, credentials=None)
        assert found.total == 6
        seen += [one.pid for one in found.datasets]
        skip = found.next
    assert len(seen) == len(set(seen)) == 6


async def test_files_however_many(catalogue: IndexCatalogue) -> None:
    dataset = await catalogue.get("10.5/photons", None)
    assert dataset is not None and dataset.file_count == 2500 and dataset.location == "/data/x.h5"
    assert [one.path async for one in catalogue.files(dataset, None)] == [f"{n}.h5" for n in range(2500)]
    closed = replace(dataset, pid="10.5/five")
    assert [one async for one in catalogue.files(closed, ADA)] == []


async def test_a_login_that_has_ended_is_refused_and_another_catalogues_token_too(catalogue: IndexCatalogue) -> None:
    for credentials in (Credentials("eve", SecretStr("token-eve")), replace(ADA, catalogue="ESRF data portal")):
        with pytest.raises(CatalogueError) as refused:
            await catalogue.search(Query(), skip=0, limit=1, credentials=credentials)
        assert refused.value.outcome is Outcome.REFUSED


async def test_without_the_hub_it_says_so(catalogue: IndexCatalogue) -> None:
    async def down(token: SecretStr) -> frozenset[str] | None:
        raise HubError(503, "The hub does not answer.")

    catalogue._refs = down
    with pytest.raises(CatalogueError, match="hub does not answer"):
        await catalogue.search(Query(), skip=0, limit=1, credentials=ADA)


async def test_check_tells_what_is_in_it(catalogue: IndexCatalogue) -> None:
    assert (await catalogue.check()).startswith("9 data sets.")


# --- Copies of catalogues ---------------------------------------------------------------------------------------------


class Listed:
    """A catalogue with a list."""

    name, facilities, capabilities = "ESRF data portal", frozenset({"esrf"}), Capabilities()

    def __init__(self, datasets: list[Dataset]) -> None:
        self.datasets, self.fails_at, self.stuck = datasets, 10**9, False

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        assert credentials is None and query == Query()
        if skip >= self.fails_at:
            raise CatalogueError(self.name, Outcome.TIMEOUT, "it gave no answer within 2 s")
        following = skip + limit if skip + limit < len(self.datasets) else None
        return Found(tuple(self.datasets[skip : skip + limit]), next=0 if self.stuck else following)


def dataset(number: int, availability: Availability, proposal: str = "MA-1234") -> Dataset:
    return Dataset(
        "ESRF data portal", f"10.15151/{number}", f"Number {number}", availability, facility="esrf", proposal=proposal
    )


async def test_a_catalogues_public_entries_are_copied_and_the_rest_is_for_those_on_the_proposal(tmp_path: Path) -> None:
    site, store = make_site(tmp_path), Store(tmp_path / "index.sqlite")
    open_ones = [dataset(number, Availability.OPEN) for number in range(250)]
    closed = [
        dataset(300, Availability.EMBARGOED),
        dataset(301, Availability.UNKNOWN),
        dataset(302, Availability.UNKNOWN, "?"),
    ]
    catalogue = Listed([*open_ones, *closed])
    report = await copy_catalogue(store, catalogue, site, 10_000, pause=0)  # type: ignore[arg-type]
    assert (report.read, report.failed, report.whole) == (252, 1, True)
    everything = read_filter({}, "Dataset")
    assert Asker(store).count(everything) == 250
    assert Asker(store, frozenset({A})).count(everything) == 252
    assert Asker(store).find(read_filter({"limit": 1}, "Dataset"))[0]["source"] == "ESRF data portal"
    catalogue.datasets = open_ones[:200]
    catalogue.fails_at = 100
    broken = await copy_catalogue(store, catalogue, site, 10_000, pause=0)  # type: ignore[arg-type]
    assert not broken.whole and "no answer" in str(broken) and Asker(store).count(everything) == 250
    catalogue.fails_at = 10**9
    assert (await copy_catalogue(store, catalogue, site, 10_000, pause=0)).removed == 52  # type: ignore[arg-type]
    catalogue.stuck = True
    assert "same page" in str(await copy_catalogue(store, catalogue, site, 10_000, pause=0))  # type: ignore[arg-type]
    catalogue.stuck = False
    assert "more than 100" in str(await copy_catalogue(store, catalogue, site, 100, pause=0))  # type: ignore[arg-type]
    store.close()


async def test_a_catalogue_cannot_take_the_place_of_another_origins_entry(tmp_path: Path) -> None:
    """A PID is input: one that a closed data set here has must not make that one public, or change it."""
    site, store = make_site(tmp_path), Store(tmp_path / "index.sqlite")
    secret = Dataset("esrf", "esrf/ma1234/secret.h5", "Secret")
    with store.writing() as writer:
        put(writer, Entry(secret, False, A, "esrf"), 1)
    hostile = replace(dataset(1, Availability.OPEN), pid=secret.pid, title="Mine now")
    report = await copy_catalogue(store, Listed([hostile]), site, 10, pause=0)  # type: ignore[arg-type]
    assert report.failed == 1 and origin_of(Listed([])) == "catalogue:ESRF data portal"  # type: ignore[arg-type]
    assert Asker(store).find(read_filter({}, "Dataset")) == []
    assert [one["title"] for one in Asker(store, frozenset({A})).find(read_filter({}, "Dataset"))] == ["Secret"]
    store.close()


# --- Within a portal --------------------------------------------------------------------------------------------------


async def test_a_portal_harvests_by_itself_and_stops_when_it_stops(tmp_path: Path, hub: FakeHub) -> None:
    from test_harvest import write

    folder = tmp_path / "open"
    write(folder / "iron.nxs", "Iron")
    rules = f'[portal.index]\n[[portal.index.directories]]\nname = "open"\npath = "{folder}"\npublic = true\n'
    portal = make_portal(make_site(tmp_path, rules), hub)
    async with serve(portal, hub, ("api.routes",)) as running:
        for _ in range(1200):
            found = (await running.client.get("api/Datasets")).json()
            if found:
                break
            await asyncio.sleep(0.05)
        assert [one["title"] for one in found] == ["Iron"]
    assert Store not in portal.parts


async def test_our_own_client_of_the_search_api_finds_the_same(tmp_path: Path, hub: FakeHub) -> None:
    """The portal's adapter, over a real server: what another site's portal sees of this one."""
    from index_graph import fill
    from panosc_portal.catalogues.panosc import PanoscCatalogue
    from panosc_portal.hub import OwnProposal, PersonReport
    from running import running

    from panosc_spawner.facilities.catalogue_rules import PanoscCatalogue as Rule

    portal = make_portal(make_site(tmp_path), hub)
    hub.people["ada"] = PersonReport(proposals=(OwnProposal(B, "Ferrofluid", "pi", "User office"),))
    fill(index_of(portal))
    async with running(portal, hub, ("api.routes",)) as served:
        rule = Rule(type="panosc", name="Neighbour", url=f"{served.address}api", implementation="hub", audience="hub")
        client = PanoscCatalogue(rule, None, tmp_path)
        ada = Credentials("ada", SecretStr("token-ada"), "Neighbour")
        for query, expected in (
            (Query(), {"one", "two", "three", "six", "eight"}),
            (Query(text="ferrofluid"), {"one"}),
            (Query(techniques=("PaNET01124",)), {"one", "two", "eight"}),
            (Query(parameters=(ParameterCondition("incident_wavelength", 0.45, 0.55, "nm"),)), {"one", "two"}),
            (Query(years=(2021, 2023)), {"two", "eight"}),
        ):
            found = await client.search(query, skip=0, limit=50, credentials=None)
            assert {one.pid.removeprefix("10.5/") for one in found.datasets} == expected, query
        first = await client.get("10.5/two", None)
        assert first is not None and first.title == "Iron oxide 50% in water" and first.instrument is not None
        assert [one.path async for one in client.files(first, None)] == ["raw/file1-0.nxs"]
        own = await client.search(Query(text="closed"), skip=0, limit=50, credentials=ada)
        assert [one.pid for one in own.datasets] == ["10.5/five"]
        assert await client.check()
        assert Kind.PARAMETER in client.capabilities.asks
        await client.aclose()


async def test_the_search_of_the_portal_asks_it_with_the_persons_own_login(tmp_path: Path, hub: FakeHub) -> None:
    from index_graph import fill
    from panosc_portal.hub import OwnProposal, PersonReport
    from panosc_portal.search.pages import federation_of
    from support import login

    rules = "[portal.index]\nproposals = true\n[portal.catalogues]\noff = ['esrf', 'ill']\n"
    portal = make_portal(make_site(tmp_path, rules), hub)
    fill(index_of(portal))
    hub.people["ada"] = PersonReport(proposals=(OwnProposal(A, "Copper", "pi", "User office"),))
    federation = federation_of(portal)
    found = [event async for event in federation.search(Query(), None, login("ada"))]
    said = repr(found)
    assert "10.5/four" in said and "10.5/five" not in said and "This site" in said
    assert not [asked for asked in hub.asked if asked[0] == "catalogue_token"]
    await federation.aclose()
