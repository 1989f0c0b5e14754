"""The PaNOSC search API: what its specification and its reference implementation say, and what clients of both send."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from index_graph import SANS, SAS, A, _entry, facts
from panosc_portal.hub import OwnProposal, PersonReport
from panosc_portal.index.answer import Asker
from panosc_portal.index.language import Scope
from panosc_portal.index.part import index_of
from panosc_portal.index.write import put
from support import FakeHub, PortalUnderTest, make_portal, make_site, serve

from conftest import Ask

ADA = {"Authorization": "Bearer token-ada"}


def pids(found: list[dict[str, Any]]) -> list[str]:
    return [one["pid"].removeprefix("10.5/") for one in found]


def parameters(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"relation": "parameters", "scope": {"where": {"and": list(conditions)}}}


@pytest.fixture
def ada(portal_client: PortalUnderTest) -> None:
    """Ada is on ma1234; the hub knows her token."""
    portal_client.hub.people["ada"] = PersonReport(proposals=(OwnProposal(A, "Copper", "pi", "User office"),))


# --- Paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["Datasets", "datasets", "DATASETS", "Datasets/", "/Datasets"])
async def test_any_case_of_a_path_is_answered(ask: Ask, path: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 200, answer.text
    assert pids(answer.json()) == ["one", "two", "three", "six", "eight"]
    first = answer.json()[0]
    assert {"pid", "title", "isPublic", "creationDate", "score"} <= set(first)
    assert first["creationDate"] == "2020-05-05T15:01:02.341Z"


@pytest.mark.parametrize("path", ["Documents", "Instruments", "documents/count", "Instruments/Count", "datasets/COUNT"])
async def test_all_lists_and_counts_are_there(ask: Ask, path: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 200
    if "count" in path.lower():
        assert set(answer.json()) == {"count"} and isinstance(answer.json()["count"], int)
    else:
        assert answer.json()


async def test_a_pid_with_slashes_names_one_data_set(ask: Ask) -> None:
    answer = await ask(f"Datasets/{quote('10.5/one', safe='')}")
    assert answer.json()["title"] == "Ferrofluid at 5 Å"
    twice = await ask(f"datasets/{quote(quote('10.5/one', safe=''), safe='')}")
    assert twice.json()["pid"] == "10.5/one"  # as the upstream federation sends it
    plain = await ask("Datasets/10.5/one")
    assert plain.status_code == 404 and "%2F" in plain.json()["error"]["message"]


async def test_an_unknown_pid_is_loopbacks_error(ask: Ask) -> None:
    answer = await ask("Datasets/x")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {"statusCode": 404, "name": "Error", "message": 'Unknown "Dataset" id "x".', "code": "MODEL_NOT_FOUND"}
    }


async def test_files_of_a_data_set(ask: Ask) -> None:
    of = f"Datasets/{quote('10.5/three', safe='')}"
    files = (await ask(f"{of}/files")).json()
    assert [one["name"] for one in files] == ["file2-0.nxs", "file2-1.nxs"]
    assert {"id", "name", "path", "size"} <= set(files[1])
    assert (await ask(f"{of}/files/count")).json() == {"count": 2}
    assert (await ask(f"{of}/Files/Count", where={"size": {"gt": 5}})).json() == {"count": 1}
    some = await ask(f"{of}/files", filter={"where": {"text": "-1"}, "limit": 5})
    assert [one["name"] for one in some.json()] == ["file2-1.nxs"]
    assert (await ask("Datasets/none/files")).status_code == 404
    assert (await ask("Datasets/none/files/count")).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_it_is_read_only(portal_client: PortalUnderTest, method: str) -> None:
    answer = await portal_client.client.request(method, "api/Datasets")
    assert answer.status_code == 405 and answer.json()["error"]["statusCode"] == 405
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["Samples", "Datasets/x/y/z", "nothing", "Documents/x/files", "..%2f..%2fetc/passwd"])
async def test_other_paths_are_not_there(ask: Ask, path: str) -> None:
    answer = await ask(path)
    assert answer.status_code == 404 and answer.json()["error"]["statusCode"] == 404


# --- The reference implementation's own tests -------------------------------------------------------------------------


async def test_technique(ask: Ask) -> None:
    include = [{"relation": "techniques", "scope": {"where": {"name": "small angle neutron scattering"}}}]
    found = (await ask("Datasets", filter={"include": include})).json()
    assert pids(found) == ["one", "eight"]
    assert all(one["techniques"][0]["panetId"] == SANS for one in found)


@pytest.mark.parametrize(
    "where",
    [{"name": "small angle scattering"}, {"panetId": SAS}, {"panetId": "PaNET01124"}, {"pid": SAS}, {"name": "SAS"}],
)
async def test_a_technique_means_those_beneath_it(ask: Ask, where: dict[str, str]) -> None:
    found = await ask("Datasets", filter={"include": [{"relation": "techniques", "scope": {"where": where}}]})
    assert pids(found.json()) == ["one", "two", "eight"]


@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [(0.4, 0.55, "nm"), (4, 5.5, "angstrom"), (4e-10, 5.5e-10, "m"), (4, 5.5, "Å"), (4, 5.5, "A")],
)
async def test_limits_are_converted_and_answered_in_their_unit(ask: Ask, low: float, high: float, unit: str) -> None:
    condition = parameters({"name": "incident_wavelength"}, {"value": {"between": [low, high]}}, {"unit": unit})
    found = (await ask("Datasets", filter={"include": [condition]})).json()
    assert pids(found) == ["one", "two"]
    for one in found:
        (parameter,) = one["parameters"]
        assert low <= parameter["value"] <= high
        assert parameter["unit"] == ("angstrom" if unit == "A" else unit) or parameter["unit"] == "angstrom"


async def test_below_80_degrees_celsius_holds_for_kelvin_too_and_20_degrees_stay_20(ask: Ask) -> None:
    condition = parameters({"name": "sample_temperature"}, {"value": {"lt": 80}}, {"unit": "celsius"})
    found = (await ask("Datasets", filter={"include": [condition]})).json()
    assert [(one["parameters"][0]["value"], one["parameters"][0]["unit"]) for one in found] == [
        (20, "celsius"),
        (20.0, "celsius"),
    ]


async def test_photon_energy_in_electronvolts(ask: Ask, ada: None) -> None:
    condition = parameters({"name": "photon_energy"}, {"value": {"between": [880, 990]}}, {"unit": "eV"})
    found = (await ask("Datasets", ADA, filter={"include": [condition]})).json()
    assert [(one["pid"], one["parameters"][0]["value"]) for one in found] == [("10.5/four", 930.0)]


async def test_a_solid_sample_or_copper(ask: Ask) -> None:
    where = {
        "or": [
            {"and": [{"name": "sample_state"}, {"value": "solid"}]},
            {"and": [{"name": "chemical_formula"}, {"value": "Cu"}]},
        ]
    }
    found = (await ask("Datasets", filter={"include": [{"relation": "parameters", "scope": {"where": where}}]})).json()
    assert pids(found) == ["two", "six"]
    assert {one["value"] for one in found[1]["parameters"]} == {"Cu", "solid"}


async def test_several_includes_of_parameters_must_all_match(ask: Ask) -> None:
    solid = parameters({"name": "sample_state"}, {"value": "solid"})
    iron = parameters({"name": "chemical_formula"}, {"value": "Fe3O4"})
    found = (await ask("Datasets", filter={"include": [solid, iron]})).json()
    assert pids(found) == ["two"]
    assert [one["name"] for one in found[0]["parameters"]] == ["sample_state", "chemical_formula"]


async def test_documents_by_a_person_through_members(ask: Ask) -> None:
    person = {"relation": "person", "scope": {"where": {"fullName": "James Chadwick"}}}
    members = {"relation": "members", "scope": {"where": {"role": "principal investigator"}, "include": [person]}}
    asked = {"where": {"type": "proposal"}, "include": [{"relation": "datasets"}, members]}
    (found,) = (await ask("Documents", filter=asked)).json()
    assert found["pid"] == "10.5/doc-2"
    assert [one["person"]["fullName"] for one in found["members"]] == ["James Chadwick"]
    assert pids(found["datasets"]) == ["two", "three", "six"]


async def test_documents_by_their_data_sets_technique_and_sample(ask: Ask) -> None:
    sample = {"relation": "samples", "scope": {"where": {"name": "solid copper cylinder"}}}
    technique = {"relation": "techniques", "scope": {"where": {"name": "diffraction"}}}
    asked = {"include": [{"relation": "datasets", "scope": {"include": [sample, technique]}}]}
    (found,) = (await ask("Documents", filter=asked)).json()
    assert found["pid"] == "10.5/doc-2" and pids(found["datasets"]) == ["six"]


async def test_a_facility_is_a_condition_of_the_instrument(ask: Ask) -> None:
    instrument = {"relation": "instrument", "scope": {"where": {"facility": "ILL"}}}
    found = (
        await ask("Documents", filter={"include": [{"relation": "datasets", "scope": {"include": [instrument]}}]})
    ).json()
    assert pids(found) == ["doc-1", "doc-2"]


@pytest.mark.parametrize("relation", ["documents", "document"])
async def test_both_names_of_the_relation_to_documents(ask: Ask, relation: str) -> None:
    found = (await ask("Datasets", filter={"include": [{"relation": relation}], "limit": 1})).json()
    held = found[0][relation]
    assert (held[0] if relation == "documents" else held)["pid"] == "10.5/doc-1"


# --- Limits, order, counts --------------------------------------------------------------------------------------------


async def test_joins_come_before_the_limit(ask: Ask) -> None:
    """The reference implementation answers [] here: it cuts its list first."""
    condition = parameters({"name": "chemical_formula"}, {"value": "Cu"})
    found = await ask("Datasets", filter={"include": [condition], "limit": 1})
    assert pids(found.json()) == ["six"]


async def test_count_honours_where_and_filter(ask: Ask) -> None:
    condition = parameters({"name": "sample_state"}, {"value": "solid"})
    assert (await ask("Datasets/count")).json() == {"count": 5}
    assert (await ask("Datasets/count", where={"title": {"like": "%o%"}})).json() == {"count": 3}
    assert (await ask("Datasets/count", filter={"include": [condition], "limit": 1})).json() == {"count": 2}
    both = await ask("Datasets/count", filter={"include": [condition]}, where={"text": "copper"})
    assert both.json() == {"count": 1}


async def test_order_skip_limit_and_fields(ask: Ask) -> None:
    asked = {"order": ["size DESC", "pid ASC"], "skip": 1, "limit": 2, "fields": {"pid": True, "size": True}}
    found = (await ask("Datasets", filter=asked)).json()
    assert found == [{"pid": "10.5/one", "size": 100}, {"pid": "10.5/six", "size": 100}]
    everything = (await ask("Datasets", filter={"limit": 0})).json()
    assert len(everything) == 5
    without = (await ask("Datasets", filter={"fields": {"title": False}, "limit": 1})).json()
    assert "title" not in without[0] and "pid" in without[0]


async def test_more_than_the_cap_is_the_cap(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.index.language.MOST", 2)
    assert len((await ask("Datasets", filter={"limit": 99999})).json()) == 2


async def test_filters_in_brackets(ask: Ask) -> None:
    given = {"filter[where][title][like]": "%Iron%", "filter[limit]": "1", "filter[include][0][relation]": "files"}
    (found,) = (await ask("Datasets", **given)).json()
    assert found["pid"] == "10.5/two" and found["files"]
    refused = await ask("Datasets", **{"filter[where": "x"})
    assert refused.status_code == 400


# --- Words ------------------------------------------------------------------------------------------------------------


async def test_words_rank_and_what_has_none_is_left_out(ask: Ask) -> None:
    found = (await ask("Datasets", filter={"query": "ferrofluid iron"})).json()
    assert set(pids(found)) == {"one", "two", "eight"}  # "eight" by its document, "Magnetic fluids: on iron"
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True) and all(0 < score < 1 for score in scores)
    assert (await ask("Datasets", filter={"query": "zirconium"})).json() == []
    assert (await ask("Datasets", filter={"query": '"; DROP * NEAR('})).json() == []
    assert (await ask("Datasets/count", filter={"query": "ferrofluid"})).json()["count"] >= 1


async def test_without_words_a_federation_does_not_drop_entries_for_their_score(ask: Ask) -> None:
    """The upstream federation drops whatever has no score within (0, 1), by default."""
    assert {one["score"] for one in (await ask("Datasets")).json()} == {0.5}


async def test_accents_do_not_matter_for_words(ask: Ask, ada: None) -> None:
    assert pids((await ask("Datasets", ADA, filter={"query": "strasse_x copper"})).json())[:1] in (["six"], ["four"])


# --- Whose data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [ADA, {"access_token": "token-ada"}, {"Authorization": "token token-ada"}])
async def test_own_data_with_a_token_in_either_header(ask: Ask, ada: None, headers: dict[str, str]) -> None:
    assert pids((await ask("Datasets", headers)).json()) == ["one", "two", "three", "four", "six", "eight"]
    assert (await ask("Datasets/count", headers, where={"isPublic": False})).json() == {"count": 1}
    one = await ask(f"Datasets/{quote('10.5/four', safe='')}", headers)
    assert one.json()["isPublic"] is False
    assert A in [found["pid"] for found in (await ask("Documents", headers)).json()]


async def test_nobody_sees_what_is_not_theirs_by_any_way(ask: Ask, ada: None) -> None:
    closed = quote("10.5/five", safe="")
    for headers in (None, ADA):
        assert (await ask(f"Datasets/{closed}", headers)).status_code == 404
        assert (await ask(f"Datasets/{closed}/files", headers)).status_code == 404
        assert (await ask("Datasets/count", headers, where={"pid": "10.5/five"})).json() == {"count": 0}
        assert "five" not in (await ask("Instruments", headers, filter={"include": ["datasets"]})).text
        assert "LoKI" not in (await ask("Instruments", headers)).text  # it has data of others alone
        assert "Hidden ferrofluid" not in (await ask("Documents", headers, filter={"include": ["datasets"]})).text
        assert (await ask("Datasets", headers, filter={"query": "closed hidden"})).text.count("five") == 0
        weight = parameters({"name": "weight"})
        assert (await ask("Datasets/count", headers, filter={"include": [weight]})).json() == {"count": 0}


@pytest.mark.parametrize("headers", [None, ADA])
async def test_what_is_others_changes_no_score(
    ask: Ask, ada: None, portal_client: PortalUnderTest, headers: dict[str, str] | None
) -> None:
    """Or one would learn from the score of one's own data set how many others hold a word."""
    asked = [{"query": "copper ferrofluid straße_x"}, {"query": "hidden"}]
    before = [(await ask("Datasets", headers, filter=one)).json() for one in asked]
    documents = (await ask("Documents", headers, filter=asked[1])).json()
    fact = {**facts()[4], "title": "ferrofluid copper straße_x hidden " * 20}
    with index_of(portal_client.portal).writing() as writer:
        for number in range(30):
            put(writer, _entry({**fact, "pid": f"10.5/closed-{number}"}), 1)
    assert [(await ask("Datasets", headers, filter=one)).json() for one in asked] == before
    assert (await ask("Documents", headers, filter=asked[1])).json() == documents
    assert any(before) and (headers is None or any(not one["isPublic"] for found in before for one in found))


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer nobody"}, {"access_token": "nobody"}, {"Authorization": "Basic YTpi"}]
)
async def test_a_token_that_is_nobodys_is_refused_in_words(ask: Ask, headers: dict[str, str]) -> None:
    """ILL's server answers as if there were none, and people wonder where their data are."""
    answer = await ask("Datasets", headers)
    assert answer.status_code == 401 and "token" in answer.json()["error"]["message"]


async def test_a_revoked_right_ends_within_a_minute(
    ask: Ask, ada: None, portal_client: PortalUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len((await ask("Datasets", ADA)).json()) == 6
    portal_client.hub.people["ada"] = PersonReport()
    monkeypatch.setattr("panosc_portal.index.rights.RECHECK", 0.0)
    assert len((await ask("Datasets", ADA)).json()) == 5


async def test_without_the_hub_own_data_are_not_shown_and_open_data_are(
    ask: Ask, ada: None, portal_client: PortalUnderTest
) -> None:
    portal_client.hub.down = True
    assert (await ask("Datasets", ADA)).status_code == 503
    assert (await ask("Datasets")).status_code == 200


# --- What is no filter ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ({"where": {"titel": "x"}}, "titel"),
        ({"where": {"title": {"near": "x"}}}, "near"),
        ({"where": {"size": "large"}}, "number"),
        ({"where": {"creationDate": {"gt": "yesterday"}}}, "date"),
        ({"where": {"title": {"between": ["a"]}}}, "two values"),
        ({"where": {"title": {"regexp": "(?=a)b"}}}, "regular expression"),
        ({"where": {"title": {"regexp": "a" * 201}}}, "longer"),
        ({"include": [{"relation": "proposals"}]}, "proposals"),
        ({"include": 5}, "list"),
        ({"limit": -1}, "limit"),
        ({"skip": 1.5}, "skip"),
        ({"order": "title SIDEWAYS"}, "order"),
        ({"fields": ["secret"]}, "secret"),
        ({"fields": [[]]}, "no field"),
        ({"fields": [{}]}, "no field"),
        ({"order": [[]]}, "order"),
        ({"include": [[]]}, "list"),
        ({"where": {"pid": {"inq": [[]]}}}, "text"),
        ({"where": {"isPublic": []}}, "true or false"),
        ({"where": {"title": "a\0b"}}, "characters"),
        ({"where": {"and": {}}}, "list"),
        ({"nope": 1}, "nope"),
        ({"where": {"title": {"inq": list(range(2000))}}}, "1000"),
    ],
    ids=str,
)
async def test_what_is_no_filter_is_refused_in_words(ask: Ask, given: Any, says: str) -> None:
    answer = await ask("Datasets", filter=given)
    error = answer.json()["error"]
    assert answer.status_code == error["statusCode"] == 400
    assert says in error["message"] and "Traceback" not in answer.text and "stack" not in error


async def test_too_deep_is_refused(ask: Ask) -> None:
    include: list[Any] = []
    for number in range(5):
        include = [{"relation": "datasets" if number % 2 == 0 else "documents", "scope": {"include": include}}]
    answer = await ask("Documents", filter={"include": include})
    assert answer.status_code == 400 and "deeper" in answer.json()["error"]["message"]
    where: dict[str, Any] = {"pid": "x"}
    for _ in range(6):
        where = {"and": [where]}
    answer = await ask("Datasets", filter={"where": where})
    assert answer.status_code == 400 and "deeper" in answer.json()["error"]["message"]
    assert (await ask("Datasets", filter='{"where":' + '{"and":[' * 800)).status_code == 400


async def test_an_answer_that_would_be_huge_is_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three data sets share a document: each level of includes multiplies what is written, not what is read."""
    monkeypatch.setattr("panosc_portal.index.answer.MAX_INCLUDED", 20)
    monkeypatch.setattr("panosc_portal.index.answer.MOST", 10)
    inner = [{"relation": "datasets", "scope": {"include": ["documents"]}}]
    answer = await ask("Documents", filter={"include": [{"relation": "datasets", "scope": {"include": [{"relation": "documents", "scope": {"include": inner}}]}}]})  # fmt: skip
    assert answer.status_code == 400 and "limit" in answer.json()["error"]["message"]


async def test_a_hostile_regular_expression_takes_no_time(ask: Ask) -> None:
    answer = await ask("Datasets", filter={"where": {"title": {"regexp": "(F|e|r)*(a+)+(.*)*$z"}}})
    assert answer.status_code == 200 and answer.elapsed.total_seconds() < 10


async def test_what_takes_too_long_is_refused_in_words(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.index.store._STEPS", 1)
    monkeypatch.setattr("panosc_portal.api.endpoints.ANYBODYS_SECONDS", -1.0)
    answer = await ask("Datasets", filter={"include": ["files", "parameters"]})
    assert answer.status_code == 503 and "condition" in answer.json()["error"]["message"]


async def test_a_site_may_answer_people_of_its_hub_only(tmp_path: Path, hub: FakeHub) -> None:
    site = make_site(tmp_path, "[portal.index]\nanonymous = false\n")
    hub.people["ada"] = PersonReport()
    async with serve(make_portal(site, hub), hub, ("api.routes",)) as running:
        refused = await running.client.get("api/Datasets")
        assert refused.status_code == 401 and "token of its hub" in refused.json()["error"]["message"]
        assert (await running.client.get("api/Datasets", headers=ADA)).json() == []


async def test_slow_questions_of_one_visitor_do_not_hold_up_the_others(
    ask: Ask, ada: None, portal_client: PortalUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty slow questions of somebody without a login at once; somebody with one asks, and a harvest writes."""
    monkeypatch.setattr("panosc_portal.api.endpoints.ANYBODYS_SECONDS", 0.3)
    plain = Asker.find

    def slow(self: Asker, scope: Scope) -> list[dict[str, Any]]:
        if not self.refs:
            time.sleep(self.seconds)
        return plain(self, scope)

    monkeypatch.setattr(Asker, "find", slow)
    monkeypatch.setattr("panosc_portal.api.turns.WAIT", 0.5)
    hogs = [asyncio.create_task(ask("Datasets")) for _ in range(20)]
    await asyncio.sleep(0.1)
    begin = time.monotonic()
    assert (await ask("Datasets", ADA)).status_code == 200
    assert time.monotonic() - begin < 5  # one after the other the twenty take 6 s
    with index_of(portal_client.portal).aside() as reader:
        assert reader.execute("SELECT count(*) FROM dataset").fetchone() == (8,)
    statuses = [(await hog).status_code for hog in hogs]
    assert 503 in statuses and 200 in statuses
    assert (await ask("Datasets")).status_code == 200  # all turns were given back
