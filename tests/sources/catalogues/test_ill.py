"""ILL: an answer to nobody is never taken for "you have no proposals"."""

from __future__ import annotations

import json

import pytest
from fake_ill import Ill, document
from service import Asked, Reply
from world import ADA, EVE, ISSUER, by_id, person, raw_paths, roles

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.identity.person import Identity

PROOF = document("PROOF-1", False, ("4711", "4712"), {})


@pytest.fixture
def ill(serve):
    return serve(Ill())


@pytest.fixture
def source(ill, make):
    return make(ill.rule)


async def test_roles_of_members_and_of_people_who_may_see_it_only(source) -> None:
    found = by_id(await source.grants(person(ill="4711")))
    assert {key: (grant.role, grant.evidence) for key, grant in found.items()} == {
        "8-04-923": ("pi", "listed as principal investigator"),
        "TEST-3519": ("staff", "you may see it while it is under embargo"),
        "9-10-1": ("member", "listed as Experimentalist"),
    }


async def test_a_provider_that_is_down_makes_it_anonymous_and_that_is_an_error(ill, source) -> None:
    ill.provider_down = True
    with pytest.raises(PersonalSourceError, match="does not say whether it knows you"):
        await source.grants(person(ill="4711"))
    with pytest.raises(PersonalSourceError, match="does not say whether it knows you"):
        await source.grants(person())


@pytest.mark.parametrize("at", range(6))
async def test_a_provider_that_goes_down_in_the_middle(ill, make, at) -> None:
    """Anonymous answers begin at the n-th request: all of her proposals, or an error."""
    whole = roles(await make(ill.rule).grants(person(ill="4711")))
    source = make(ill.rule)
    real = ill.answer
    count = 0

    async def counting(asked: Asked) -> Reply:
        nonlocal count
        ill.provider_down = count >= at
        count += 1
        return await real(asked)

    ill.answer = counting
    try:
        assert roles(await source.grants(person(ill="4711"))) == whole
    except SourceError:
        assert at < 5


async def test_somebody_without_embargoed_proposals_needs_the_proof_document(ill, make) -> None:
    ill.documents[2]["who"]["4712"] = "experimentalist"
    with pytest.raises(PersonalSourceError, match="does not say whether it knows you"):
        await make(ill.rule).grants(person(EVE, ill="4712"))
    ill.documents.append(PROOF)
    source = make({**ill.rule, "proof_document": PROOF["pid"]})
    assert roles(await source.grants(person(EVE, ill="4712"))) == {"9-10-1": "member"}
    assert set(roles(await source.grants(person(ill="4711")))) == {"8-04-923", "TEST-3519", "9-10-1"}
    ill.provider_down = True
    with pytest.raises(PersonalSourceError):
        await source.grants(person(EVE, ill="4712"))


async def test_the_question_for_public_ones_has_no_token(ill, source) -> None:
    await source.grants(person(ill="4711"))
    for asked in ill.asked:
        where = json.loads(asked.query["filter"])["where"]
        assert ("Access_token" in asked.headers) == (where != {"isPublic": True})
        assert "Authorization" not in asked.headers
        assert "limit" not in asked.query["filter"]


async def test_a_number_that_is_not_linked_gives_no_roles_and_no_public_ones(source) -> None:
    assert roles(await source.grants(person())) == {"8-04-923": "staff", "TEST-3519": "staff"}


async def test_linked_identities_bring_their_roles(ill, make, tmp_path) -> None:
    (tmp_path / "ill.csv").write_text(f"person,key\n{ADA},4711\nada@institute.example,4713\n")
    source = make({**ill.rule, "person": {"by": "table", "path": "ill.csv"}})
    linked = person(linked=(Identity(ISSUER, "ada@institute.example"),))
    assert roles(await source.grants(linked)) == {"8-04-923": "pi", "TEST-3519": "pi", "9-10-1": "pi", "9-10-2": "pi"}


async def test_members_are_compared_exactly(ill, source) -> None:
    ill.documents[0]["who"] = {
        "47110": "principal investigator",
        " 4711": "principal investigator",
        "": "principal investigator",
    }
    found = roles(await source.grants(person(ill="4711")))
    assert found["8-04-923"] == "staff"


async def test_public_ones_that_the_server_did_not_filter_are_checked_here(ill, source) -> None:
    real = ill._shown
    ill._shown = lambda one, relations, who: real(one, relations, None)
    ill.documents[3]["who"] = {"4711": "experimentalist"}
    found = roles(await source.grants(person(ill="4711")))
    assert found["9-10-2"] == "member"
    ill.documents[3]["who"] = {"4713": "principal investigator"}
    ill.answer = _unfiltered(ill)
    assert "9-10-2" not in roles(await source.grants(person(ill="4711")))


def _unfiltered(ill: Ill):
    async def answer(asked: Asked) -> Reply:
        filters = json.loads(asked.query["filter"])
        include = filters["include"]
        for one in include:
            if one["relation"] == "members":
                one["scope"] = {"include": [{"relation": "person"}]}
        changed = Asked(asked.method, asked.path, {"filter": json.dumps(filters)}, asked.headers, asked.body, asked.raw)
        return await Ill.answer(ill, changed)

    return answer


async def test_several_roles_count_as_the_strongest(ill, source) -> None:
    real = ill._shown

    def both(one, relations, who):
        shown = real(one, relations, who)
        for member in list(shown.get("members", [])):
            shown["members"].append({**member, "role": "main proposer"})
            shown["members"].append({**member, "person": None})
        return shown

    ill._shown = both
    assert roles(await source.grants(person(ill="4711")))["9-10-1"] == "pi"


async def test_cycle_and_instrument_from_the_paths_of_files_whatever_their_mount_point(ill, source) -> None:
    ill.documents[0]["paths"] = [
        "/illdata/data/231/d22/exp_8-04-923/rawdata/", "/net4/serdon/illdata/232/d33/exp_8-04-923/rawdata/", "/illdata/data/231/d22/exp_8-04-923/rawdata/",
        "/illdata/data/231/d22/exp_8-04-924/rawdata/", "/etc/", "/illdata/231/../d22/exp_8-04-923/rawdata/",
    ]  # fmt: skip
    grant = by_id(await source.grants(person(ill="4711")))["8-04-923"]
    assert raw_paths(grant) == [
        "/net4/serdon/illdata/231/d22/exp_8-04-923/rawdata",
        "/net4/serdon/illdata/232/d33/exp_8-04-923/rawdata",
    ]
    assert {str(visit.start) for visit in grant.proposal.visits} == {"2023-03-01"}


async def test_without_files_the_instruments_are_what_is_known(ill, source) -> None:
    ill.documents[0]["paths"] = ["/somewhere/else/"]
    (visit,) = by_id(await source.grants(person(ill="4711")))["8-04-923"].proposal.visits
    assert visit.path_fields == {"instrument": "D22", "date": "20230301", "year": "2023"}


async def test_files_are_asked_for_once_an_hour(ill, source) -> None:
    await source.grants(person(ill="4711"))
    ill.asked.clear()
    await source.grants(person(ill="4711"))
    assert len(ill.asked) == 2


async def test_a_document_that_vanishes_between_two_questions(ill, source) -> None:
    real = ill.answer

    async def vanishing(asked: Asked) -> Reply:
        return Reply(200, []) if '"pid"' in asked.query["filter"] else await real(asked)

    ill.answer = vanishing
    with pytest.raises(SourceError, match="did not show a proposal again"):
        await source.grants(person(ill="4711"))


async def test_public_documents_are_no_proof(ill, source) -> None:
    """A server that ignored the condition would show public ones to nobody, and they would look like an answer."""

    async def ignores(asked: Asked) -> Reply:
        return Reply(200, [ill._shown(one, {}, None) for one in ill.documents if one["isPublic"]])

    ill.answer = ignores
    with pytest.raises(SourceError, match="public documents among those that are not"):
        await source.grants(person(ill="4711"))


async def test_pids_that_are_no_proposals_are_left_out(ill, source) -> None:
    for pid in (
        "10.5291/ILL-DATA.../etc",
        "10.9999/other",
        "10.5291/ILL-DATA.8-04-923\n",
        "x" * 300,
        "10.5291/ILL-DATA.８-04-923",
    ):
        ill.documents.append({**document("1-01-1", False, ("4711",), {}), "pid": pid})
    assert set(roles(await source.grants(person(ill="4711")))) == {"8-04-923", "TEST-3519", "9-10-1"}


async def test_the_check_says_what_is_missing(ill, make) -> None:
    assert "without proof_document" in await make(ill.rule).check()
    assert "proof_document" not in await make({**ill.rule, "proof_document": PROOF["pid"]}).check()


def test_the_persons_of_these_tests() -> None:
    assert Ill().people[ADA.partition("@")[0]] == "4711"
