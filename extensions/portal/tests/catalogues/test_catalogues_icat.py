"""ICAT and ICAT+: sessions, what is released, people's own, and values that stand in a query's text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from catalogue_support import ask
from fakes.icat import Icat, IcatPlus
from fakes.server import serving
from hypothesis import given
from hypothesis import strategies as st
from panosc_portal.catalogues.icat import IcatCatalogue
from panosc_portal.catalogues.icat_query import dataset_query
from panosc_portal.catalogues.icatplus import IcatPlusCatalogue
from panosc_portal.catalogues.model import Availability, Credentials, Found, Kind, ParameterCondition, Query
from panosc_portal.errors import CatalogueError, Outcome
from pydantic import SecretStr

from panosc_spawner.facilities import catalogue_rules as rules
from panosc_spawner.facilities.load import load_facility

ADA = Credentials("ada", SecretStr("token-of-ada"), "esrf")
Keep = Callable[[Any], Any]


@pytest.fixture
async def icat() -> AsyncIterator[Icat]:
    async with serving(Icat()) as fake:
        yield fake
        fake.db.close()


@pytest.fixture
async def plus(tmp_path: Path) -> AsyncIterator[IcatPlus]:
    (tmp_path / "password").write_text("open\n")
    (tmp_path / "password").chmod(0o600)
    async with serving(IcatPlus()) as fake:
        yield fake
        fake.icat.db.close()


def of_icat(fake: Icat, **keys: Any) -> IcatCatalogue:
    rule = {"type": "icat", "name": "esrf", "url": f"{fake.url}/icat", "timeout": "5s", **keys}
    return IcatCatalogue(rules.IcatCatalogue.model_validate(rule), load_facility("esrf"), Path("/nonexistent"))


def of_plus(fake: IcatPlus, folder: Path, **keys: Any) -> IcatPlusCatalogue:
    account = {"username": "reader", "password_file": "password"}
    rule = {"type": "icatplus", "name": "esrf", "url": fake.url, "timeout": "5s", **account, **keys}
    return IcatPlusCatalogue(rules.IcatPlusCatalogue.model_validate(rule), load_facility("esrf"), folder)


def ids(found: Found) -> list[str]:
    return [one.pid for one in found.datasets]


async def test_nobody_sees_what_is_released_and_people_their_own(icat: Icat, keep: Keep) -> None:
    catalogue = keep(of_icat(icat, audience="icat"))
    found = await ask(catalogue)
    assert (ids(found), found.total) == (["2", "1"], 2)
    assert {one.availability for one in found.datasets} == {Availability.OPEN}
    own = await ask(catalogue, Query("ferrofluid"), who=ADA)
    assert ids(own) == ["3", "2", "1"]
    assert own.datasets[0].availability is Availability.OWN
    assert own.datasets[0].proposal == "RB2"
    only = await ask(catalogue, Query(availability=(Availability.OWN,)), who=ADA)
    assert ids(only) == ["3"]
    assert (await ask(catalogue, Query(availability=(Availability.OWN,)))).total == 0
    assert await catalogue.get("3", None) is None
    one = await catalogue.get("1", None)
    assert one is not None
    assert (one.title, one.location, one.size) == ("Ferrofluid in a field · run 1", "/data/rb1/run1", 10)
    assert one.documents[0].members[0].name == "Ada Lovelace"
    assert not any("token-of-ada" in asked.raw for asked in icat.asked)


@pytest.mark.parametrize(
    ("query", "expected", "kind"),
    [
        (Query("FERROFLUID liquids"), ["2", "1"], Kind.TEXT),
        (Query("run"), ["2", "1"], Kind.TEXT),
        (Query(pid="2"), ["2"], Kind.PID),
        (Query(pid="https://doi.org/10.5286/run2"), ["2"], Kind.PID),
        (Query(pid="10.5286/RB1"), ["2", "1"], Kind.PID),
        (Query(techniques=("PaNET01124",)), ["1"], Kind.TECHNIQUE),
        (Query(instruments=("sans2d",)), ["2", "1"], Kind.INSTRUMENT),
        (Query(instruments=("LET", "SANS2D")), ["2", "1"], Kind.INSTRUMENT),  # two joined rows, one data set
        (Query(years=(2020, 2020)), ["2", "1"], Kind.YEARS),
        (Query(years=(2021, None)), [], Kind.YEARS),
        (Query(sample="magnet"), ["1"], Kind.SAMPLE),
        (Query(parameters=(ParameterCondition("incident_wavelength", 4.5, 5.0, "angstrom"),)), ["1"], Kind.PARAMETER),
        (
            Query(
                parameters=(
                    ParameterCondition("incident_wavelength", 0.1, 0.9),
                    ParameterCondition("sample_state", text="solid"),
                )
            ),
            ["1"],
            Kind.PARAMETER,
        ),
        (Query(availability=(Availability.OPEN,)), ["2", "1"], Kind.AVAILABILITY),
    ],
)
async def test_conditions(icat: Icat, keep: Keep, query: Query, expected: list[str], kind: Kind) -> None:
    found = await ask(keep(of_icat(icat, units={"incident_wavelength": "nm"})), query)
    assert (ids(found), found.total) == (expected, len(expected))
    assert kind in found.applied


async def test_units_that_are_not_known_are_left_to_the_check(icat: Icat, keep: Keep) -> None:
    query = Query(parameters=(ParameterCondition("incident_wavelength", 4.5, 5.0, "angstrom"),))
    found = await ask(keep(of_icat(icat)), query)
    assert Kind.PARAMETER not in found.applied
    assert ids(found) == ["2", "1"]
    assert {(p.value, p.unit) for p in found.datasets[1].parameters} == {(0.5, "nm"), (0.45, "nm"), ("solid", "")}


HOSTILE = [
    "' OR 1=1 --",
    "x'); DROP TABLE dataset; --",
    "\\' OR '1'='1",
    "a%",
    "a_b",
    ":user",
    "{ts}",
    "ʼ OR 1=1",
    "\u2019 x",
    "a\0b",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_values_stay_values(icat: Icat, keep: Keep, text: str) -> None:
    catalogue = keep(of_icat(icat))
    condition = ParameterCondition(text, text=text)
    found = await ask(catalogue, Query(text, text, (), (), (text,), (None, None), text, (condition,)))
    assert set(ids(found)) <= {"1", "2"}
    assert await catalogue.get(text, None) is None
    assert icat.db.execute("SELECT COUNT(*) FROM dataset").fetchone() == (3,)


@given(st.text(max_size=40), st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_whatever_is_asked_quotes_are_even_and_nothing_leaves_them(text: str, low: float, high: float) -> None:
    from datetime import UTC, datetime

    query = Query(text, text, (text,), (), (text,), (1, 9), text, (ParameterCondition(text or "x", low, high),))
    jpql = dataset_query(query, {}, datetime.now(UTC)).rows(0, 10)
    outside = jpql.split("'")[0::2]
    assert jpql.count("'") % 2 == 0
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,()=<>{}:+-*")
    assert set("".join(outside)) <= allowed


async def test_files_page_by_page(icat: Icat, keep: Keep) -> None:
    catalogue = keep(of_icat(icat))
    dataset = await catalogue.get("1", None)
    files = [file async for file in catalogue.files(dataset, None)]
    assert len(files) == 1203
    assert (files[-1].path, files[-1].size, files[-1].checksum) == ("/data/rb1/run1/f1203", 1203, "md5:1203")


async def test_a_session_that_is_over_is_opened_anew_once(icat: Icat, keep: Keep) -> None:
    catalogue = keep(of_icat(icat))
    await ask(catalogue)
    icat.sessions.clear()
    assert ids(await ask(catalogue)) == ["2", "1"]
    assert icat.logins == 2


async def test_somebody_whom_it_does_not_know_gets_an_error_and_not_open_data(icat: Icat, keep: Keep) -> None:
    catalogue = keep(of_icat(icat, audience="icat"))
    with pytest.raises(CatalogueError) as caught:
        await ask(catalogue, who=Credentials("eve", SecretStr("no-such"), "esrf"))
    assert caught.value.outcome is Outcome.REFUSED
    assert "no-such" not in str(caught.value)


async def test_check(icat: Icat, plus: IcatPlus, tmp_path: Path, keep: Keep) -> None:
    assert await keep(of_icat(icat)).check() == "shows 2 data sets without a person's name"
    assert await keep(of_plus(plus, tmp_path)).check() == "shows 2 data sets to reader"
    icat.db.execute("DELETE FROM dataset")
    with pytest.raises(CatalogueError, match="no data set at all"):
        await keep(of_icat(icat)).check()


# --- ICAT+ ----------------------------------------------------------------------------------------------------------------


async def test_icatplus_shows_the_same(plus: IcatPlus, tmp_path: Path, keep: Keep) -> None:
    catalogue = keep(of_plus(plus, tmp_path, audience="icatplus"))
    found = await ask(catalogue)
    assert (ids(found), found.total) == (["2", "1"], 2)
    assert ids(await ask(catalogue, who=ADA)) == ["3", "2", "1"]
    one = await catalogue.get("1", None)
    assert one is not None
    assert (one.size, one.file_count, one.location) == (10, 2, "/data/rb1/run1")
    assert {(p.name, p.value) for p in one.parameters} == {
        ("incident_wavelength", 0.5),
        ("incident_wavelength", 0.45),
        ("sample_state", "solid"),
    }
    assert await catalogue.get("3", None) is None
    assert await catalogue.get("../session", None) is None
    files = [file async for file in catalogue.files(one, None)]
    assert len(files) == 1203
    assert all("session-" not in asked.raw or "datafile" in asked.raw for asked in plus.asked)


@pytest.mark.parametrize(
    ("query", "expected", "applied"),
    [
        (Query("ferrofluid"), ["2", "1"], {Kind.TEXT}),
        (Query("ferrofluid field"), [], set()),
        (Query(instruments=("LET",)), ["2", "1"], {Kind.INSTRUMENT}),
        (Query(instruments=("LET,SANS2D",)), ["2", "1"], set()),
        (Query(techniques=("PaNET01124",)), ["1"], {Kind.TECHNIQUE}),
        (Query(years=(2020, 2020)), ["2", "1"], {Kind.YEARS}),
        (Query(pid="2"), ["2"], {Kind.PID}),
        (Query(pid="10.1/x"), [], {Kind.PID}),
        (Query(parameters=(ParameterCondition("sample_state", text="solid"),)), ["1"], {Kind.PARAMETER}),
        (Query(parameters=(ParameterCondition("sample_state", text="a,b~eq~c"),)), ["2", "1"], set()),
        (Query(parameters=(ParameterCondition("incident_wavelength", 4, 5, "angstrom"),)), ["2", "1"], set()),
    ],
)
async def test_icatplus_conditions(
    plus: IcatPlus, tmp_path: Path, keep: Keep, query: Query, expected: list[str], applied: set[Kind]
) -> None:
    found = await ask(keep(of_plus(plus, tmp_path)), query)
    assert ids(found) == expected
    assert found.applied == applied


async def test_icatplus_without_a_public_account_asks_for_a_login(plus: IcatPlus, tmp_path: Path, keep: Keep) -> None:
    catalogue = keep(of_plus(plus, tmp_path, username="", password_file=None, audience="icatplus"))
    with pytest.raises(CatalogueError, match="log in to see your data") as caught:
        await ask(catalogue)
    assert caught.value.outcome is Outcome.REFUSED
    assert plus.asked == []
    assert "people's own names only" in await catalogue.check()
