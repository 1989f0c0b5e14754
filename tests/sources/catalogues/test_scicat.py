"""SciCat: whose groups count, whose word does not, and the route that is never asked for."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from fake_scicat import SciCat, proposal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service import Asked, Reply
from world import EVE, Broker, by_id, make_sources, person, roles

import panosc_spawner.proposals.http.scicat
from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.http_source_rules import SciCatSource
from panosc_spawner.proposals.http.scicat import _Proposal


@pytest.fixture
def scicat(serve):
    return serve(SciCat())


@pytest.fixture
def source(scicat, make):
    return make(scicat.rule)


async def test_groups_without_a_name_and_ignored_ones_give_nothing(scicat, source) -> None:
    assert set(roles(await source.grants(person()))) == {"616254", "616255"}
    scicat.groups["ada"] = ["", " ", "everybody"]
    assert await source.grants(person()) == []


async def test_an_administrator_gets_only_what_their_groups_have(scicat, source) -> None:
    scicat.administrators.add("ada")
    assert set(roles(await source.grants(person()))) == {"616254", "616255"}


async def test_a_server_that_does_not_filter_is_checked_here(scicat, source) -> None:
    real = scicat.answer

    async def everything(asked: Asked) -> Reply:
        reply = await real(asked)
        if asked.path[-1] == "proposals" and '"skip":0' in asked.query["filters"]:
            return Reply(200, scicat.proposals)
        return reply

    scicat.answer = everything
    with pytest.raises(SourceError, match="repeats itself"):  # its second page does not follow from the first
        scicat.answer = lambda asked: everything(asked) if asked.path[-1] != "proposals" else _all(scicat)
        await source.grants(person())
    scicat.answer = everything
    scicat.groups["ada"] = ["ess_proposal_616254"]
    assert set(roles(await source.grants(person()))) == {"616254"}


async def _all(scicat: SciCat) -> Reply:
    return Reply(200, scicat.proposals)


async def test_the_principal_investigators_address_makes_nobody_one(source) -> None:
    found = by_id(await source.grants(person(email="ada@ess.eu")))
    assert found["616254"].role == "member"
    assert found["616254"].evidence == "you are in the group ess_proposal_616254"


async def test_roles_by_whole_name_by_ending_and_the_strongest(scicat, source) -> None:
    scicat.groups["ada"] = ["beamline-staff", "ess_1_pi", "plain"]
    scicat.proposals = [
        proposal("100001", "beamline-staff"),
        proposal("100002", "beamline-staff", ["plain"]),
        proposal("100003", "plain", ["beamline-staff", "ess_1_pi"]),
    ]
    assert roles(await source.grants(person())) == {"100001": "staff", "100002": "member", "100003": "pi"}


@pytest.mark.parametrize(
    "name",
    ["oidc.eve@eduteams.example", "ada@eduteams.example", "OIDC.ADA@EDUTEAMS.EXAMPLE", "oidc.аda@eduteams.example", ""],
)
async def test_an_answer_for_another_account_is_an_error_of_this_person(scicat, source, name) -> None:
    scicat.accounts["ada"] = name
    with pytest.raises(PersonalSourceError, match="another account than yours"):
        await source.grants(person())
    assert not [asked for asked in scicat.asked if asked.path[-1] == "proposals"]


async def test_its_own_token_is_used_again_and_renewed_once_when_it_ran_out(scicat, source) -> None:
    for _ in range(3):
        await source.grants(person())
    logins = [asked for asked in scicat.asked if asked.path[-1] == "token"]
    assert len(logins) == 1
    assert logins[0].json == {"idToken": "token-of-ada-for-scicat"}
    scicat.revoked.add("jwt-of-ada-0")
    assert set(roles(await source.grants(person()))) == {"616254", "616255"}
    assert len([asked for asked in scicat.asked if asked.path[-1] == "token"]) == 2
    del scicat.accounts["ada"]
    with pytest.raises(PersonalSourceError, match="does not accept your login"):
        await source.grants(person())


async def test_a_group_that_was_taken_away_is_gone_at_the_next_login_there(scicat, make) -> None:
    """SciCat keeps the groups of the last login, so the hub logs in again, and soon."""
    at_login = dict(scicat.groups)
    real = scicat.answer

    async def answer(asked: Asked) -> Reply:
        if asked.path[-1] == "token":
            at_login["ada"] = scicat.groups["ada"]
        now, scicat.groups = scicat.groups, dict(at_login)
        try:
            return await real(asked)
        finally:
            scicat.groups = now

    scicat.answer = answer
    source = make({**scicat.rule, "login_again": timedelta(seconds=0.2)})
    assert "616254" in roles(await source.grants(person()))
    scicat.groups["ada"] = ["ess_616255_pi"]
    await asyncio.sleep(0.25)
    assert "616254" not in roles(await source.grants(person()))
    assert SciCatSource.model_fields["login_again"].default <= timedelta(seconds=30)


async def test_it_runs_out_in_the_middle_of_a_list(scicat, source) -> None:
    scicat.groups["ada"] = ["g"]
    scicat.proposals = [proposal(f"{200000 + n}", "g") for n in range(250)]
    count = 0
    real = scicat.answer

    async def ends_at_the_third_page(asked: Asked) -> Reply:
        nonlocal count
        if asked.path[-1] == "proposals":
            count += 1
            if count == 3:
                scicat.revoked.add("jwt-of-ada-0")
        return await real(asked)

    scicat.answer = ends_at_the_third_page
    assert len(await source.grants(person())) == 250


async def test_a_new_login_is_never_answered_with_an_older_ones_token(scicat, make) -> None:
    broker = Broker()
    source = make(scicat.rule, broker=broker)
    await source.grants(person())
    broker.round = "-2"
    await source.grants(person())
    assert [asked.json["idToken"] for asked in scicat.asked if asked.path[-1] == "token"] == [
        "token-of-ada-for-scicat",
        "token-of-ada-for-scicat-2",
    ]


async def test_a_token_as_it_is_where_a_gateway_takes_it(scicat, make) -> None:
    broker = Broker()
    source = make({**scicat.rule, "login": "bearer"}, broker=broker)
    with pytest.raises(PersonalSourceError, match="does not accept your login"):  # SciCat itself does not
        await source.grants(person())
    assert scicat.asked[-1].headers["Authorization"] == "Bearer token-of-ada-for-scicat"
    assert not [asked for asked in scicat.asked if asked.path[-1] == "token"]


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250])
async def test_pages(scicat, source, size) -> None:
    scicat.groups["ada"] = ["g"]
    scicat.proposals = [proposal(f"{200000 + n}", "g") for n in range(size)]
    scicat.page = 40  # the server's own, smaller limit
    assert len(await source.grants(person())) == size


async def test_pages_without_end(scicat, source) -> None:
    scicat.groups["ada"] = ["g"]
    scicat.proposals = [proposal(f"{100000 + n}", "g") for n in range(2100)]
    with pytest.raises(SourceError, match="more than 2000"):
        await source.grants(person())


async def test_ids_that_are_none_of_the_facilitys_are_left_out(scicat, source) -> None:
    scicat.groups["ada"] = ["g"]
    scicat.proposals = [
        proposal(number, "g")
        for number in ("TEST", "61625", "../../etc", "６１６２５４", "616254\n", " 616255 ", "1 OR 1=1", "")
    ]
    assert set(roles(await source.grants(person()))) == {"616254", "616255"}


async def test_visits_without_periods_are_its_instruments(scicat, source) -> None:
    visits = by_id(await source.grants(person()))["616255"].proposal.visits
    assert [visit.path_fields for visit in visits] == [{"instrument": "x1", "date": "20250501", "year": "2025"}]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.text(max_size=40), st.lists(st.text(max_size=20), max_size=4))
async def test_no_value_from_outside_is_ever_in_a_path(
    tmp_path_factory, group: str, number: str, more: list[str]
) -> None:
    """So that no proposal's name can lead to the route that shows everybody everything."""
    scicat = SciCat()
    scicat.start()
    (source,) = make_sources(Path(tmp_path_factory.mktemp("site")), Broker(), scicat.rule)
    try:
        scicat.groups["ada"] = [group, *more, "g"]
        scicat.proposals = [proposal(number, "g", [group])]
        await source.grants(person())
        await source.check()
    finally:
        await source.aclose()
        await scicat.stop()
    for asked in scicat.asked:
        assert asked.path[2:] in {("auth", "oidc", "token"), ("auth", "whoami"), ("proposals",)}
        assert asked.raw.partition("?")[0] in {"/api/v3/auth/oidc/token", "/api/v3/auth/whoami", "/api/v3/proposals"}


def test_the_leaking_route_is_not_in_the_code() -> None:
    text = Path(panosc_spawner.proposals.http.scicat.__file__).read_text()
    code = text.split('"""', 2)[2]
    assert "datasets" not in code
    assert re.findall(r'client\.(?:get|post)\(\s*((?:"[a-z]+",? ?)+)', code) == [
        '"proposals", ',
        '"auth", "whoami", ',
        '"auth", "oidc", "token", ',
        '"proposals", ',
    ]


@given(
    st.dictionaries(
        st.sampled_from([field.alias or name for name, field in _Proposal.model_fields.items()]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.lists(st.text() | st.none())
        | st.dictionaries(st.text(), st.text()),
    )
)
def test_whatever_a_proposal_is_it_is_read_or_refused_in_words(value: dict[str, object]) -> None:
    from panosc_spawner.proposals.http.fields import read

    try:
        read(_Proposal, value, "SciCat")
    except SourceError as error:
        assert error.reason.startswith("its answer is not as expected")
        assert len(error.reason) < 250


async def test_somebody_else_sees_nothing_of_hers(scicat, source) -> None:
    scicat.groups["eve"] = ["other"]
    assert await source.grants(person(EVE)) == []
