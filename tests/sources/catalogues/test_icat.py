"""ICAT and ICAT+: names in questions, sessions that end, several beamtimes of one proposal, who is what."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from fake_icat import ADA, PERSON, Icat, IcatPlus, investigation
from hypothesis import given
from hypothesis import strategies as st
from service import Reply, broken
from world import ISSUER, Broker, by_id, person, raw_paths, roles

from panosc_spawner.errors import ConfigurationError, PersonalSourceError, SourceError
from panosc_spawner.identity.person import Identity
from panosc_spawner.proposals.http import icat_queries as queries
from panosc_spawner.proposals.http.icat_queries import quoted_name

both = pytest.mark.parametrize("kind", [Icat, IcatPlus], ids=["icat", "icatplus"])

INJECTIONS = [
    "x' OR '1'='1", "x' OR u.name LIKE '%", "' OR 1=1 --", "x'; DELETE FROM User u", "x\\' OR 1=1", "x'' OR ''=''", "x' UNION SELECT", "%",
    "x%27 OR 1=1", ":user", "x' INCLUDE 1", "x LIMIT 0, 1", "x\n' OR 1=1", "x\0", "ʼ OR 1=1", "x＇ OR ＇1＇=＇1", "(SELECT u FROM User u)", "esrf/a b",
    "{ts 2020-01-01}", "x/*", "x--\n", "", "/", "'", "''", "a" * 300, "аda@eduteams.example", "ada@eduteams.example ",
]  # fmt: skip


@pytest.fixture
def service(kind, serve):
    return serve(kind())


@pytest.fixture
def source(service, make):
    return make({**service.rule, "person": {"by": "claim", "claim": "icat"}, "user": "{key}"})


@both
@pytest.mark.parametrize("name", INJECTIONS)
async def test_a_name_that_is_none_never_gets_into_a_question(kind, service, source, name) -> None:
    try:
        found = await source.grants(person(icat=name))
    except PersonalSourceError as error:
        assert "user name there is not one of letters" in error.reason
    else:  # the claim was no plain word, so it is no key at all
        assert found == []
    assert not [asked for asked in service.asked if "query" in asked.query or asked.path[0] == "catalogue"]


@given(st.text(max_size=60))
def test_a_quoted_name_is_one_string_whatever_it_is(name: str) -> None:
    try:
        quoted = quoted_name(name)
    except ValueError:
        return
    assert quoted == f"'{name}'"
    assert not set(name) & set("'\"\\ \t\n%:;(){}[]*?,<>=|&")
    assert name.isascii()


@given(st.lists(st.integers(0, 10**12), max_size=5), st.dates(date(1900, 1, 1)))
def test_numbers_and_days(numbers: list[int], day: date) -> None:
    assert queries.timestamp(day) == f"{{ts {day.isoformat()} 00:00:00}}"
    if not numbers:
        with pytest.raises(ValueError, match="empty"):
            queries.number_list(numbers)
    else:
        assert queries.number_list(numbers) == "(" + ", ".join(map(str, numbers)) + ")"


@both
async def test_a_name_is_exactly_one_persons(kind, service, source) -> None:
    """ICAT+ finds by prefix: ada@… also finds ada@…x, and esrf/ everybody."""
    assert set(roles(await source.grants(person(icat=f"esrf/{ADA}")))) == {"ma1234", "hc77"}
    assert set(roles(await source.grants(person(icat=f"esrf/{ADA}x")))) == {"ihma5"}
    for prefix in ("esrf", "esrf/a", f"esrf/{ADA}"[:-1], f"ESRF/{ADA}"):
        assert await source.grants(person(icat=prefix)) == []


@both
async def test_several_beamtimes_of_one_proposal_are_one_grant(kind, source) -> None:
    grant = by_id(await source.grants(person(icat=f"esrf/{ADA}")))["ma1234"]
    assert grant.role == "pi"  # principal investigator at one, participant at the other
    assert grant.evidence == "listed as Principal investigator"
    assert [(visit.instrument, str(visit.start)) for visit in grant.proposal.visits] == [
        ("ID31", "2025-03-02"),
        ("ID11", "2025-06-02"),
    ]
    assert raw_paths(grant)[0] == "/data/visitor/ma1234/id31/20250302/RAW_DATA"  # 23:30 UTC is the next day in Grenoble


@both
async def test_without_a_time_zone_the_day_is_the_one_that_is_written(kind, service, make) -> None:
    grant = by_id(await make({**service.rule, "timezone": ""}).grants(person()))["ma1234"]
    assert str(grant.proposal.visits[0].start) == "2025-03-01"


@both
async def test_instrument_scientists_see_their_instruments_beamtimes(kind, service, make) -> None:
    rule = {**service.rule, "person": {"by": "claim", "claim": "icat"}, "user": "esrf/{key}"}
    found = list(await make(rule).grants(person(icat="zoe")))
    own = [grant for grant in found if grant.role == "pi"]
    theirs = {grant.ref.id: grant for grant in found if grant.role == "instrument-scientist"}
    assert [grant.ref.id for grant in own] == ["ihma5"]
    assert set(theirs) == {"ma1234", "hc77"}  # not the beamtime of ma1234 at ID11, and no calibration
    assert [visit.instrument for visit in theirs["ma1234"].proposal.visits] == ["ID31"]
    assert theirs["ma1234"].evidence == "listed as instrument scientist of ID31"
    off = make({**rule, "instrument_scientists": False})
    assert [grant.role for grant in await off.grants(person(icat="zoe"))] == ["pi"]


@both
async def test_roles_are_the_operators_to_name(kind, service, make) -> None:
    found = roles(await make({**service.rule, "roles": {"LOCAL  contact": "staff"}}).grants(person()))
    assert found == {"ma1234": "member", "hc77": "staff"}


@both
async def test_open_data_only_when_asked_for_released_and_with_a_doi(kind, service, make) -> None:
    service.catalogue.investigations.append(
        investigation(18, "ls3002", ("BM29",), "2020-01-01T08:00:00Z", releaseDate="2023-01-01T00:00:00Z")
    )
    rule = {**service.rule, "person": {"by": "claim", "claim": "icat"}, "open_data": "36500d"}
    (grant,) = await make(rule).grants(person(icat="nobody"))
    assert (grant.ref.id, grant.role, grant.evidence) == ("ls3000", "public", "open since 2023-01-01")
    assert grant.not_before == datetime(2023, 1, 1, tzinfo=UTC)


@both
async def test_one_session_for_all_and_a_new_one_when_it_is_over(kind, service, make) -> None:
    source = make(service.rule)
    for _ in range(3):
        await source.grants(person())
    assert service.opened == 1
    questions = len(service.asked) - 1
    for after in range(questions // 3):
        service.over_after = after
        assert set(roles(await source.grants(person()))) == {"ma1234", "hc77"}
    assert service.opened == 1 + questions // 3


@both
async def test_sessions_that_are_over_at_once(kind, service, make) -> None:
    source = make(service.rule)
    await source.grants(person())
    real = service.open

    def open_none(user: str | None) -> Reply:
        reply = real(user)
        service.sessions.clear()
        return reply

    service.open = open_none
    service.sessions.clear()
    with pytest.raises(SourceError):
        await source.grants(person())
    assert service.opened <= 3  # and no more


@both
async def test_a_hundred_people_at_once_open_one_session(kind, service, make) -> None:
    import asyncio

    source = make(service.rule)
    answers = await asyncio.gather(*(source.grants(person()) for _ in range(30)))
    assert service.opened == 1
    assert all(set(roles(list(answer))) == {"ma1234", "hc77"} for answer in answers)


@both
async def test_an_account_that_may_read_nothing_is_an_error_and_not_nobodys_proposals(kind, service, make) -> None:
    service.blind = True
    source = make(service.rule)
    with pytest.raises(SourceError, match=r"may not read there|sees no investigation") as caught:
        await source.grants(person())
    assert not isinstance(caught.value, PersonalSourceError)
    with pytest.raises(SourceError, match=r"may not read there|sees no investigation"):
        await source.check()


@both
async def test_a_wrong_password_is_told_without_it(kind, service, make, tmp_path) -> None:
    source = make(service.rule)
    (tmp_path / "password").write_text("another")
    wrong = make(service.rule, broker=Broker())
    await source.check()
    wrong.password = type(wrong.password)("wrong-password")
    with pytest.raises(SourceError, match=r"the hub may not ask that \(status 403\)") as caught:
        await wrong.check()
    assert "wrong-password" not in str(caught.value)
    assert service.seen("wrong-password")


@both
async def test_a_password_that_others_may_read_is_refused_at_the_start(kind, service, make, tmp_path) -> None:
    (tmp_path / "loose").write_text("x")
    (tmp_path / "loose").chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        make({**service.rule, "password_file": "loose"})


@both
async def test_in_a_persons_name_the_service_says_who_they_are(kind, service, make) -> None:
    rule = {**service.rule, **PERSON, "plugin": "oidc", "user": "somebody-else/{key}"}
    source = make(rule)
    assert set(roles(await source.grants(person()))) == {"ma1234", "hc77"}  # not released ones that she may read, too
    assert not service.seen("somebody-else")
    service.user_of = lambda credentials: None
    source = make(rule)
    with pytest.raises(PersonalSourceError, match="does not accept your login"):
        await source.grants(person())


@both
async def test_in_persons_names_sessions_are_theirs_alone(kind, service, make) -> None:
    broker = Broker()
    source = make({**service.rule, **PERSON, "plugin": "oidc"}, broker=broker)
    await source.grants(person())
    await source.grants(person())
    assert service.opened == 1
    assert await source.grants(person("eve@eduteams.example")) == []
    assert service.opened == 2
    broker.round = "-after-a-new-login"
    await source.grants(person())
    assert service.opened == 3


@both
async def test_scientists_of_different_instruments_see_their_own(kind, service, make) -> None:
    service.catalogue.scientists = [(201, "esrf/zoe", 1), (202, "esrf/max", 3), (203, "esrf/max", 2)]
    source = make({**service.rule, "person": {"by": "claim", "claim": "icat"}})
    seen = {}
    for who in ("zoe", "max", "zoe"):
        grants = await source.grants(person(icat=who))
        seen[who] = {
            (grant.ref.id, visit.instrument)
            for grant in grants
            if grant.role == "instrument-scientist"
            for visit in grant.proposal.visits
        }
    assert seen["zoe"] == {("ma1234", "ID31"), ("hc77", "ID31")}
    assert seen["max"] == {("ma1234", "ID11"), ("ihma5", "BM29"), ("ls3000", "BM29"), ("ls3001", "BM29")}


@both
async def test_linked_identities_are_all_asked_for(kind, service, make) -> None:
    ada_and_zoe = person(linked=(Identity(ISSUER, "zoe"), Identity("https://another.example", f"{ADA}x")))
    found = await make({**service.rule, "instrument_scientists": False}).grants(ada_and_zoe)
    assert roles(list(found)) == {"ma1234": "pi", "hc77": "local-contact", "ihma5": "pi"}


async def test_icat_that_answers_for_somebody_else(serve, make) -> None:
    service = serve(Icat())
    real = service._rows

    def wrong(query: str) -> Any:
        return real(query.replace(f"esrf/{ADA}'", "esrf/zoe'"))

    service._rows = wrong
    with pytest.raises(SourceError, match="answered for somebody else"):
        await make(service.rule).grants(person())


async def test_icat_plus_that_lists_fewer_than_it_says(serve, make) -> None:
    service = serve(IcatPlus())
    real = service._list

    def short(user: str, query: dict[str, str]) -> Reply:
        reply = real(user, query)
        for one in reply.content:
            one["meta"]["page"]["total"] = 7
        return reply

    service._list = short
    with pytest.raises(SourceError, match=r"it lists \d of 7"):
        await make(service.rule).grants(person())


@both
@pytest.mark.parametrize("size", [0, 1, 199, 200, 201, 450])
async def test_pages(kind, service, make, size) -> None:
    service.catalogue.investigations = [
        investigation(n, f"ab{n}", ("ID31",), "2025-01-01T00:00:00Z") for n in range(1, size + 1)
    ]
    service.catalogue.members = [(1000 + n, f"esrf/{ADA}", n, "Participant") for n in range(1, size + 1)] or [
        (1, "esrf/zoe", 1, "x")
    ]
    service.page = 70  # ICAT+'s own, smaller limit
    if size:
        assert len(await make(service.rule).grants(person())) == size
    elif kind is Icat:
        assert await make(service.rule).grants(person()) == []


@both
async def test_a_list_that_repeats_itself(kind, service, make) -> None:
    member = (101, f"esrf/{ADA}", 11, "Participant")
    service.catalogue.members = [member] * 3 if kind is Icat else [member]
    service.catalogue.investigations = service.catalogue.investigations[:1] * (1 if kind is Icat else 3)
    with pytest.raises(SourceError, match="repeats itself"):
        await make(service.rule).grants(person())


@both
async def test_one_instruments_list_is_asked_once_for_all_its_scientists(kind, service, make) -> None:
    service.catalogue.scientists = [(201, "esrf/zoe", 1), (202, f"esrf/{ADA}", 1)]
    source = make({**service.rule, "person": {"by": "claim", "claim": "icat"}})
    await source.grants(person(icat="zoe"))
    service.asked.clear()
    found = await source.grants(person(icat=ADA))
    assert "instrument-scientist" in {grant.role for grant in found}
    assert not [a for a in service.asked if "InvestigationInstrument ii" in str(a.query) or "instrumentName" in a.query]


async def test_the_words_of_an_outage_name_no_session(serve, make) -> None:
    service = serve(Icat())
    source = make(service.rule)
    await source.grants(person())
    service.trouble = broken
    with pytest.raises(SourceError) as caught:
        await source.grants(person())
    assert str(caught.value) == "ICAT: it answered with an error (status 500)"
