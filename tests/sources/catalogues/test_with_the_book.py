"""Catalogues in the book of grants, and in ``panosc-hub check``."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_icat import Icat
from fake_mymdc import MyMdc
from fake_scicat import SciCat
from service import Asked, Reply, broken
from world import EVE, Broker, make_site, person

from panosc_spawner.check.finding import Level
from panosc_spawner.check.people import check_sources
from panosc_spawner.proposals.book import GrantBook


@pytest.fixture
async def hub(serve, tmp_path):
    """A book of three catalogues."""
    services = [serve(kind()) for kind in (SciCat, Icat, MyMdc)]
    broker = Broker()
    book = GrantBook(make_site(tmp_path, *(service.rule for service in services)), broker=broker)
    yield book, broker, services
    for source in book.sources:
        await source.aclose()


def shown(report) -> dict[str, bool]:
    return {str(grant.ref): grant.confirmed for grant in report.grants}


ALL = {"ess/616254", "ess/616255", "esrf/ma1234", "esrf/hc77", "euxfel/p900390", "euxfel/p002145"}


async def test_one_report_of_all_and_the_last_answer_of_one_that_fails(hub) -> None:
    book, _, (_, icat, _) = hub
    assert shown(await book.report(person(mymdc=658))) == dict.fromkeys(ALL, True)
    icat.trouble = broken
    report = await book.report(person(mymdc=658))
    assert shown(report) == {ref: not ref.startswith("esrf/") for ref in ALL}
    assert [outcome.error for outcome in report.outcomes] == ["", "it answered with an error (status 500)", ""]
    assert report.outcomes[1].stale_since is not None


async def test_a_source_that_is_down_is_left_alone_and_nobody_elses_login_opens_the_breaker(hub) -> None:
    book, broker, (scicat, icat, _) = hub
    icat.trouble = broken
    broker.error = "your login has ended"
    for _ in range(5):
        report = await book.report(person(mymdc=658))
    assert book.resting == {"ICAT"}
    asked = len(icat.asked)
    report = await book.report(person(EVE, mymdc=900))
    assert "not asked again for" in report.outcomes[1].error
    assert len(icat.asked) == asked
    assert report.outcomes[0].error == "it is asked in your name, but your login has ended"
    assert not scicat.asked


async def test_one_person_whom_a_service_refuses_keeps_it_open_for_the_others(hub) -> None:
    book, _, (scicat, _, _) = hub
    for _ in range(5):
        report = await book.report(person("mallory@eduteams.example", mymdc=900))
        assert report.outcomes[0].error == "it does not accept your login (status 401)"
    assert book.resting == set()
    assert "ess/616254" in shown(await book.report(person(mymdc=658)))
    assert scicat.asked


async def test_a_membership_that_was_taken_away_is_gone_at_the_next_question(hub) -> None:
    book, _, (scicat, icat, mymdc) = hub
    await book.report(person(mymdc=658))
    scicat.groups["ada"] = ["ess_616255_pi"]
    icat.catalogue.members = [row for row in icat.catalogue.members if row[2] != 13]
    mymdc.users[658] = [900390]
    assert set(shown(await book.report(person(mymdc=658)))) == {"ess/616255", "esrf/ma1234", "euxfel/p900390"}


async def test_a_source_cannot_speak_of_another_facility(hub) -> None:
    """SciCat lists an id that would be one at the European XFEL."""
    book, _, (scicat, _, _) = hub
    real = scicat.answer

    async def foreign(asked: Asked) -> Reply:
        reply = await real(asked)
        if asked.path[-1] == "proposals":
            for one in reply.content:
                one["proposalId"] = f"p{one['proposalId']}"
        return reply

    scicat.answer = foreign
    assert not [ref for ref in shown(await book.report(person())) if ref.startswith("ess/")]


def test_the_check_names_what_is_wrong(tmp_path: Path, unused_tcp_port: int) -> None:
    nowhere = f"http://127.0.0.1:{unused_tcp_port}"
    rules = []
    for kind in (SciCat, Icat, MyMdc):
        service = kind()
        service.url = nowhere
        rules.append(service.rule)
    findings = list(check_sources(make_site(tmp_path, *rules)))
    assert [(finding.level, finding.message) for finding in findings] == [
        (Level.ERROR, "no connection (it is down)")
    ] * 3
    (tmp_path / "secret").unlink()
    site = make_site(tmp_path, *rules)
    (tmp_path / "secret").unlink()
    (finding,) = check_sources(site)
    assert finding.level is Level.ERROR
    assert "secret: the client secret cannot be read" in finding.message
