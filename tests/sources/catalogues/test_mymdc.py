"""myMdC: people by number, proposals one by one, and where they lie."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_mymdc import MyMdc, proposal
from service import Asked, Reply
from world import by_id, person, raw_paths, roles

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.proposals.source import ProposalDirectory


@pytest.fixture
def mymdc(serve):
    return serve(MyMdc())


@pytest.fixture
def source(mymdc, make):
    return make(mymdc.rule)


async def test_roles_by_number_and_never_by_address(mymdc, source) -> None:
    assert roles(await source.grants(person(mymdc=658))) == {"p900390": "pi", "p002145": "member"}
    grants = by_id(await source.grants(person(mymdc="180")))
    assert grants["p900390"].evidence == "listed as main proposer"
    assert roles(await source.grants(person(mymdc=181))) == {"p002145": "local-contact"}
    assert await source.grants(person(email="hub@xfel.eu")) == []
    assert {asked.headers.get("X-User-Email") for asked in mymdc.asked if "oauth" not in asked.path} == {"hub@xfel.eu"}
    assert not mymdc.seen("ada@")


@pytest.mark.parametrize(
    "key", ["ada@xfel.eu", "0658", "-658", "658/../180", "658?x=1", "６５８", "6" * 13, "6.58", "0"]
)
async def test_a_key_that_is_no_number_is_not_asked_for(mymdc, source, key) -> None:
    try:
        assert await source.grants(person(mymdc=key)) == []  # the claim was no plain word
    except PersonalSourceError as error:
        assert error.reason == "your number there is not a number, so it is not asked for"
    assert mymdc.asked == []


async def test_a_number_that_it_does_not_know_is_an_error_of_this_person(source) -> None:
    with pytest.raises(PersonalSourceError, match="does not know the number that you are linked to"):
        await source.grants(person(mymdc=77))
    assert await source.grants(person(mymdc=900)) == []  # it knows this one, who has none


@pytest.mark.parametrize("paged", [True, False])
@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 230])
async def test_pages_or_none(mymdc, source, paged, size) -> None:
    numbers = [3000 + n for n in range(size)]
    mymdc.paged = paged
    mymdc.users[658] = numbers
    mymdc.proposals = [proposal(number, f"/gpfs/exfel/exp/FXE/202331/p{number:06d}/raw") for number in numbers]
    assert len(await source.grants(person(mymdc=658))) == size


async def test_a_membership_without_a_number_has_no_proposal_yet(mymdc, source) -> None:
    mymdc.users[658] = [900390, None]

    async def with_null(asked: Asked) -> Reply:
        if asked.path[-1] == "proposals":
            return Reply(
                200, [{"proposal_id": 1, "proposal_number": None}, {"proposal_id": 2, "proposal_number": 900390}]
            )
        return await MyMdc.answer(mymdc, asked)

    mymdc.answer = with_null
    assert set(roles(await source.grants(person(mymdc=658)))) == {"p900390"}


async def test_a_proposal_that_cannot_be_looked_up_fails_the_whole(mymdc, source) -> None:
    mymdc.users[658].append(5555)
    with pytest.raises(SourceError, match="status 404"):
        await source.grants(person(mymdc=658))


async def test_an_answer_for_another_proposal(mymdc, source) -> None:
    mymdc.proposals[0]["number"], mymdc.proposals[1]["number"] = 2145, 900390
    real = mymdc._api

    def swapped(asked: Asked) -> Reply:
        reply = real(asked)
        if "by_number" in asked.path:
            reply.content["number"] += 1
        return reply

    mymdc._api = swapped
    with pytest.raises(SourceError, match="answered for another proposal"):
        await source.grants(person(mymdc=658))


async def test_paths_on_disk_or_else_the_cycles_record(mymdc, source) -> None:
    found = by_id(await source.grants(person(mymdc=658)))
    assert raw_paths(found["p900390"]) == ["/gpfs/exfel/exp/FXE/202331/p900390/raw"]
    assert raw_paths(found["p002145"]) == ["/gpfs/exfel/exp/SPB/201802/p002145/raw"]
    assert len([asked for asked in mymdc.asked if "instrument_cycles" in asked.path]) == 1
    (visit,) = found["p002145"].proposal.visits
    assert (str(visit.start), str(visit.end)) == ("2018-11-02", "2018-11-05")  # 23:30 UTC is the next day in Schenefeld


@pytest.mark.parametrize(
    "path",
    [
        "/gpfs/exfel/exp/FXE/202331/p900391/raw", "/gpfs/exfel/exp/FXE/202331/p900390/../p900391/raw", "/etc/passwd", "relative/p900390/raw",
        "/gpfs/exfel/exp/../../etc/p900390/raw", "//gpfs/exfel/exp/FXE/20233/p900390/raw", "x" * 5000, "/\0", "", "/gpfs/exfel/exp/{key}/202331/p900390/raw",
    ],
)  # fmt: skip
async def test_a_path_is_input_and_never_leads_to_another_proposal(mymdc, source, path) -> None:
    mymdc.proposals[0]["def_proposal_path"] = path
    grant = by_id(await source.grants(person(mymdc=658)))["p900390"]
    assert raw_paths(grant) == ["/gpfs/exfel/exp/FXE/201802/p900390/raw"]  # from the cycle's record


async def test_no_cycle_is_no_made_up_one(mymdc, source) -> None:
    mymdc.proposals[0] |= {"def_proposal_path": "", "instrument_cycle_id": -1}
    grant = by_id(await source.grants(person(mymdc=658)))["p900390"]
    assert "cycle" not in grant.proposal.visits[0].path_fields


async def test_one_token_is_used_until_its_end_and_again_once_when_withdrawn(mymdc, source) -> None:
    await asyncio.gather(*(source.grants(person(mymdc=658)) for _ in range(10)))
    assert mymdc.tokens == 1
    mymdc.withdrawn = 1
    assert await source.grants(person(mymdc=658))
    assert mymdc.tokens == 2
    mymdc.withdrawn = 99
    with pytest.raises(SourceError, match="does not accept the hub's credentials"):
        await source.grants(person(mymdc=658))
    assert mymdc.tokens == 3


async def test_a_token_that_is_none(mymdc, source) -> None:
    async def odd(asked: Asked) -> Reply:
        return Reply(200, {"access_token": "x\r\nX-Admin: 1", "expires_in": 100})

    mymdc.answer = odd
    with pytest.raises(SourceError, match="access_token"):
        await source.grants(person(mymdc=658))


async def test_it_describes_proposals_that_others_list(mymdc, source) -> None:
    assert isinstance(source, ProposalDirectory)
    refs = [
        ProposalRef("euxfel", "p900390"),
        ProposalRef("euxfel", "p004444"),
        ProposalRef("esrf", "p900390"),
        ProposalRef("euxfel", "p"),
    ]
    known = await source.describe(refs)
    assert list(known) == refs[:1]
    assert known[refs[0]].title == "About 900390"
    mymdc.withdrawn = 99
    with pytest.raises(SourceError):
        await source.describe([ProposalRef("euxfel", "p002145")])


async def test_proposals_are_kept_for_minutes_but_memberships_are_not(mymdc, source) -> None:
    await source.grants(person(mymdc=658))
    mymdc.asked.clear()
    mymdc.users[658] = [900390]
    assert set(roles(await source.grants(person(mymdc=658)))) == {"p900390"}
    assert not [asked for asked in mymdc.asked if "by_number" in asked.path]


async def test_at_most_a_few_requests_at_a_time(mymdc, source) -> None:
    numbers = [3000 + n for n in range(40)]
    mymdc.users[658] = numbers
    mymdc.proposals = [proposal(number, f"/gpfs/exfel/exp/FXE/202331/p{number:06d}/raw") for number in numbers]
    running = most = 0
    real = mymdc.answer

    async def slowly(asked: Asked) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return await real(asked)

    mymdc.answer = slowly
    assert len(await source.grants(person(mymdc=658))) == 40
    assert 2 <= most <= 6
