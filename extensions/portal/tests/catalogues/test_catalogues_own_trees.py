"""tiled and myMdC: trees and lists that are not searched there as it is asked here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from catalogue_support import ask
from fakes.mymdc import MyMdc
from fakes.server import serving
from fakes.tiled import Tiled
from panosc_portal.catalogues.model import Availability, Credentials, Kind, Query
from panosc_portal.catalogues.mymdc import MyMdcCatalogue
from panosc_portal.catalogues.tiled import TiledCatalogue
from panosc_portal.errors import CatalogueError, Outcome
from pydantic import SecretStr

from panosc_spawner.facilities import catalogue_rules as rules
from panosc_spawner.facilities.load import load_facility

ADA = Credentials("ada", SecretStr("token-of-ada"), "own")
NOWHERE = Path("/nonexistent")


@pytest.fixture
async def tiled(keep: Callable[[Any], Any]) -> AsyncIterator[tuple[Tiled, TiledCatalogue]]:
    async with serving(Tiled()) as fake:
        rule = {"type": "tiled", "name": "own", "url": fake.url, "path": "raw", "timeout": "5s", "audience": "tiled"}
        yield fake, keep(TiledCatalogue(rules.TiledCatalogue.model_validate(rule), load_facility("ess"), NOWHERE))


@pytest.fixture
async def mymdc(keep: Callable[[Any], Any]) -> AsyncIterator[tuple[MyMdc, MyMdcCatalogue]]:
    async with serving(MyMdc()) as fake:
        rule = {"type": "mymdc", "name": "own", "url": fake.url, "timeout": "5s", "audience": "mymdc"}
        yield fake, keep(MyMdcCatalogue(rules.MyMdcCatalogue.model_validate(rule), load_facility("euxfel"), NOWHERE))


async def test_tiled_lists_nodes(tiled: tuple[Tiled, TiledCatalogue]) -> None:
    fake, catalogue = tiled
    found = await ask(catalogue)
    assert [one.pid for one in found.datasets] == ["raw/scan1", "raw/scan2"]
    assert found.total == 2
    first, second = found.datasets
    assert (first.title, first.proposal, first.created is not None) == ("Ferrofluid", "900001", True)
    assert {(p.name, p.value, p.unit) for p in first.parameters} == {("incident_wavelength", 5.0, "angstrom")}
    assert (first.location, first.file_count) == ("/data/900001", 1)
    assert (second.title, second.proposal) == ("x", "7")
    assert [file.path async for file in catalogue.files(first, None)] == ["/data/900001/scan 1.h5"]
    assert len((await ask(catalogue, who=ADA)).datasets) == 3
    assert not any("token-of-ada" in asked.raw for asked in fake.asked)


async def test_tiled_from_the_root(keep: Callable[[Any], Any]) -> None:
    async with serving(Tiled()) as fake:
        rule = {"type": "tiled", "name": "own", "url": fake.url, "timeout": "5s"}
        catalogue = keep(TiledCatalogue(rules.TiledCatalogue.model_validate(rule), None, NOWHERE))
        assert len((await ask(catalogue)).datasets) == 2


async def test_tiled_words_pages_and_names(tiled: tuple[Tiled, TiledCatalogue]) -> None:
    _, catalogue = tiled
    one = await ask(catalogue, Query("FERROFLUID"))
    assert [x.pid for x in one.datasets] == ["raw/scan1"]
    assert Kind.TEXT in one.applied
    assert Kind.TEXT not in (await ask(catalogue, Query("ferrofluid script"))).applied  # any word is enough there
    page = await ask(catalogue, limit=1)
    assert (page.next, page.total) == (1, 2)
    assert [x.pid for x in (await ask(catalogue, Query(pid="raw/scan2"))).datasets] == ["raw/scan2"]
    for pid in ("raw/nothing", "other/scan1", "raw/../secret", "", "/"):
        assert await catalogue.get(pid, None) is None
    assert await catalogue.get("raw/scan3", None) is None
    assert await catalogue.get("raw/scan3", ADA) is not None
    assert await catalogue.check() == "lists 2 nodes without a login"


async def test_mymdc_shows_people_their_own_runs(mymdc: tuple[MyMdc, MyMdcCatalogue]) -> None:
    fake, catalogue = mymdc
    nobody = await ask(catalogue)
    assert (nobody.datasets, nobody.total) == ((), 0)
    assert fake.asked == []
    found = await ask(catalogue, who=ADA)
    assert [one.pid for one in found.datasets][:3] == ["p002146/r3", "p002146/r2", "p002146/r1"]
    assert (len(found.datasets), found.total) == (6, 6)
    assert {one.availability for one in found.datasets} == {Availability.OWN, Availability.OPEN}
    assert any("left out" in note for note in found.notes)  # run "four"
    one = found.datasets[-1]
    assert (one.pid, one.proposal, one.size, one.file_count) == ("p002145/r1", "p002145", 100, 4)
    assert one.location == "/gpfs/exfel/exp/SPB/201901/p002145/raw/r0001"
    assert not any("2147" in asked.raw for asked in fake.asked)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query("ferrofluid"), 3),
        (Query("drop ferrofluid"), 3),
        (Query("p002146"), 3),
        (Query(years=(2019, 2019)), 3),
        (Query(years=(2020, None)), 3),
        (Query(years=(2030, None)), 0),
        (Query(instruments=("fxe",)), 3),
        (Query(pid="p002145/r2"), 1),
        (Query(pid="p002147/r1"), 0),
    ],
)
async def test_mymdc_conditions(
    mymdc: tuple[MyMdc, MyMdcCatalogue], wrapped: bool, query: Query, expected: int
) -> None:
    fake, catalogue = mymdc
    fake.wrapped = wrapped
    found = await ask(catalogue, query, who=ADA)
    assert len(found.datasets) == expected
    assert found.applied == query.kinds()


async def test_mymdc_one_run_pages_and_check(mymdc: tuple[MyMdc, MyMdcCatalogue]) -> None:
    fake, catalogue = mymdc
    assert await catalogue.get("p002145/r1", None) is None
    assert (await catalogue.get("P002145/R1", ADA)) is not None
    for pid in ("p002147/r1", "p002145/r9", "p002145", "p002145/../r1", "x"):
        assert await catalogue.get(pid, ADA) is None
    page = await ask(catalogue, who=ADA, limit=4)
    assert (len(page.datasets), page.next) == (4, 4)
    assert (await ask(catalogue, who=ADA, limit=4, skip=4)).next is None
    with pytest.raises(CatalogueError) as caught:
        await ask(catalogue, who=Credentials("eve", SecretStr("stolen"), "own"))
    assert caught.value.outcome is Outcome.REFUSED
    assert await catalogue.check() == "answers; it is asked in people's own names only"
    assert "Authorization" not in fake.asked[-1].headers
