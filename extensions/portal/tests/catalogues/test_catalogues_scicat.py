"""SciCat's own API: what anonymous people and people with groups see, and its traps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from catalogue_support import ask
from fakes.scicat import SciCat
from fakes.server import Asked, Reply, always, serving
from panosc_portal.catalogues.model import Availability, Credentials, Found, Kind, ParameterCondition, Query
from panosc_portal.catalogues.scicat import SciCatCatalogue
from panosc_portal.errors import CatalogueError, Outcome
from pydantic import SecretStr

from panosc_spawner.facilities.catalogue_rules import SciCatCatalogue as Rule
from panosc_spawner.facilities.load import load_facility

Make = Callable[..., SciCatCatalogue]


@pytest.fixture
def make(fake: SciCat, keep: Callable[[Any], Any]) -> Make:
    """A catalogue before the fake, with keys of its table."""

    def made(**keys: Any) -> SciCatCatalogue:
        rule = Rule.model_validate({"type": "scicat", "name": "ess", "url": f"{fake.url}/api", "timeout": "5s", **keys})
        found: SciCatCatalogue = keep(SciCatCatalogue(rule, load_facility("ess"), Path("/nonexistent")))
        return found

    return made


def person(name: str) -> Credentials:
    return Credentials(name, SecretStr(name), "ess")


def last(found: Found) -> list[int]:
    return sorted(int(one.pid.rpartition("/")[2]) for one in found.datasets)


@pytest.fixture
async def fake() -> AsyncIterator[SciCat]:
    async with serving(SciCat()) as served:
        yield served


async def test_without_a_login_only_the_public_route_is_asked(fake: SciCat, make: Make) -> None:
    catalogue = make()
    found = await ask(catalogue)
    assert last(found) == [1, 4]
    assert found.total == 2
    assert all(one.availability is Availability.OPEN for one in found.datasets)
    assert all(asked.path[1:4] == ("v4", "datasets", "public") for asked in fake.asked if "datasets" in asked.path)
    one = found.datasets[-1]
    assert one.title == "Ferrofluid at LOKI"
    assert one.instrument is not None
    assert one.instrument.name == "LOKI"
    assert one.proposal == "900001"
    assert one.location == "/ess/data/loki/2024/900001/raw"


async def test_people_see_their_own_groups_data_and_nothing_by_the_empty_group(fake: SciCat, make: Make) -> None:
    catalogue = make(audience="scicat")
    found = await ask(catalogue, who=person("ada"))
    assert last(found) == [1, 2, 4]  # 5 is shown to "" and left out
    assert {one.availability for one in found.datasets if one.pid.endswith("/2")} == {Availability.OWN}
    assert {last(Found((one,))).pop(): one.release for one in found.datasets} == {1: None, 2: date(2032, 5, 1), 4: None}
    assert any("more than published data and those of your groups" in note for note in found.notes)
    assert not any("public" in asked.path for asked in fake.asked)
    assert await catalogue.get("20.500.12269/scicat/5", person("ada")) is None
    assert await catalogue.get("20.500.12269/scicat/2", person("ada")) is not None
    assert await catalogue.get("20.500.12269/scicat/2", person("grace")) is None
    assert await catalogue.get("20.500.12269/scicat/2", None) is None


async def test_a_group_that_everybody_is_in_makes_nothing_ones_own(fake: SciCat, make: Make) -> None:
    found = await ask(make(audience="scicat", ignored_groups=["group1"]), who=person("ada"))
    assert last(found) == [1, 4]


async def test_an_administrators_login_does_not_show_others_data(fake: SciCat, make: Make) -> None:
    found = await ask(make(audience="scicat"), who=person("root"))
    assert last(found) == [1, 4]
    assert found.total is None  # it counts what is not shown


async def test_the_route_that_leaks_is_never_asked(fake: SciCat, make: Make) -> None:
    catalogue = make(audience="scicat", dates=True)
    everything = Query(
        "ferrofluid", "", ("PaNET01189",), ("ess",), ("LOKI",), (2020, 2026), "x", (ParameterCondition("a", 1, 2),)
    )
    fake.dates = True
    for who in (None, person("ada")):
        await ask(catalogue, everything, who=who)
        dataset = await catalogue.get("20.500.12269/scicat/1", who)
        assert dataset is not None
        _ = [file async for file in catalogue.files(dataset, who)]
    await catalogue.check()
    assert fake.asked
    assert not any("proposals" in asked.path for asked in fake.asked)


async def test_the_token_is_exchanged_and_used_nowhere_else(fake: SciCat, make: Make) -> None:
    catalogue = make(audience="scicat")
    await ask(catalogue, who=person("ada"))
    exchanged = [asked for asked in fake.asked if asked.path[-1] == "token"]
    assert len(exchanged) == 1
    assert b'"ada"' in exchanged[0].body
    assert {asked.headers.get("Authorization", "") for asked in fake.asked if "v4" in asked.path} == {
        "Bearer scicat-ada"
    }
    with pytest.raises(CatalogueError) as caught:
        await ask(catalogue, who=person("mallory"))
    assert caught.value.outcome is Outcome.REFUSED
    with pytest.raises(CatalogueError, match="another catalogue"):
        await ask(catalogue, who=Credentials("ada", SecretStr("ada"), "psi"))


async def test_own_data_are_not_promised_to_nobody(fake: SciCat, make: Make) -> None:
    found = await ask(make(), Query(availability=(Availability.OWN,)))
    assert (found.datasets, found.total) == ((), 0)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("query", "expected", "kind"),
    [
        (Query("FERROFLUID loki"), [1], Kind.TEXT),
        (Query('"ferrofluid at"'), [1], Kind.TEXT),
        (Query(techniques=("PaNET01124",)), [1, 4], Kind.TECHNIQUE),
        (Query(instruments=("loki",)), [1, 4], Kind.INSTRUMENT),
        (Query(instruments=("DREAM",)), [], Kind.INSTRUMENT),
        (Query(parameters=(ParameterCondition("incident_wavelength", 4.9, 5.0, "angstrom"),)), [1], Kind.PARAMETER),
        (Query(parameters=(ParameterCondition("incident_wavelength", 1.0, None, "nm"),)), [4], Kind.PARAMETER),
        (Query(parameters=(ParameterCondition("state", text="solid"),)), [1, 4], Kind.PARAMETER),
        (Query(pid="20.500.12269/scicat/4"), [4], Kind.PID),
        (Query(pid="https://doi.org/10.17199/abc"), [1], Kind.PID),
        (Query(availability=(Availability.OPEN,)), [1, 4], Kind.AVAILABILITY),
    ],
)
async def test_conditions(fake: SciCat, make: Make, query: Query, expected: list[int], kind: Kind) -> None:
    found = await ask(make(), query)
    assert last(found) == expected
    assert kind in found.applied


async def test_years_are_asked_only_where_dates_are_taken(fake: SciCat, make: Make) -> None:
    found = await ask(make(), Query(years=(2024, 2024)))
    assert last(found) == [1, 4]  # for the check here
    assert Kind.YEARS not in found.applied
    assert "takes dates" not in await make().check()
    fake.dates = True
    found = await ask(make(dates=True), Query(years=(2024, 2024)))
    assert last(found) == [4]
    assert Kind.YEARS in found.applied
    assert "write dates = true" in await make().check()


@pytest.mark.parametrize("name", ["a.b", "$where", "a\0b", "", "x" * 200])
async def test_a_parameters_name_is_never_an_operator_or_a_path(fake: SciCat, make: Make, name: str) -> None:
    found = await ask(make(), Query(parameters=(ParameterCondition(name, 1.0, 2.0),)))
    assert Kind.PARAMETER not in found.applied
    assert f'"{name}' not in str(fake.questions()) or name == ""


async def test_parameters_are_read_from_free_form_metadata(fake: SciCat, make: Make) -> None:
    dataset = await make().get("20.500.12269/scicat/1", None)
    assert dataset is not None
    assert {(one.name, one.value, one.unit) for one in dataset.parameters} == {
        ("incident_wavelength", 5.0, "angstrom"),
        ("state", "solid", ""),
    }
    assert dataset.doi == "10.17199/abc"


async def test_files_of_blocks_that_are_published_and_stay_in_their_folder(fake: SciCat, make: Make) -> None:
    catalogue = make()
    for number, expected in ((1, ["run1.nxs"]), (4, [])):
        dataset = await catalogue.get(f"20.500.12269/scicat/{number}", None)
        assert dataset is not None
        files = [file async for file in catalogue.files(dataset, None)]
        assert [file.path for file in files] == expected
        assert all(file.checksum == "sha256:ab" for file in files)


async def test_instruments_that_are_not_told_are_left_to_the_check(fake: SciCat, make: Make) -> None:
    fake.instruments_for_all = False
    found = await ask(make(), Query(instruments=("LOKI",)))
    assert Kind.INSTRUMENT not in found.applied
    assert last(found) == [1, 4]


async def test_pages(fake: SciCat, make: Make) -> None:
    catalogue = make()
    first = await ask(catalogue, limit=1)
    assert (last(first), first.next, first.total) == ([4], 1, 2)
    second = await ask(catalogue, limit=1, skip=1)
    assert (last(second), second.next) == ([1], 2)
    assert (await ask(catalogue, limit=1, skip=2)).next is None


async def test_a_redirect_takes_no_token_along(fake: SciCat, make: Make) -> None:
    async with serving(SciCat()) as other:
        fake.trouble = always(Reply(307, b"", {"location": f"{other.url}/api/v4/datasets"}))
        fake.troubled = _is_datasets
        with pytest.raises(CatalogueError, match="sends elsewhere"):
            await ask(make(audience="scicat"), who=person("ada"))
        assert other.asked == []


def _is_datasets(asked: Asked) -> bool:
    return "v4" in asked.path
