"""The behaviour matrix: what each implementation does, and that the client gets it right in spite of it.

One test a cell that concerns a client. The fakes do what the cell says; each test first shows that they do (``raw``), so that a
fake that is kinder than the real thing is found out.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from catalogue_support import ADA, WAVELENGTH, ask, number_of, numbers, panosc
from fakes.panosc import DataGateway, Federation, IllImplementation, LoopBack3, PanoscFake, SciCatImplementation
from fakes.server import Reply, always, hang, serving
from fakes.world import SANS, world
from panosc_portal.catalogues.model import Availability, Kind, ParameterCondition, Query
from panosc_portal.catalogues.panosc import PanoscCatalogue
from panosc_portal.errors import CatalogueError, Outcome

IMPLEMENTATIONS: dict[str, Callable[[], PanoscFake]] = {
    "reference": lambda: LoopBack3(world()),
    "scicat": lambda: SciCatImplementation(world()),
    "ill": lambda: IllImplementation(world()),
    "datagateway": lambda: DataGateway(world()),
    "federation": lambda: Federation([LoopBack3(world()[:6]), LoopBack3(world()[6:])]),
}
SINGLE = [name for name in IMPLEMENTATIONS if name != "federation"]
Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a fake of an implementation; gives it and the catalogue that asks it."""
    async with AsyncExitStack() as stack:

        async def make(
            implementation: str, fake: PanoscFake | None = None, **keys: Any
        ) -> tuple[PanoscFake, PanoscCatalogue]:
            served = await stack.enter_async_context(serving(fake or IMPLEMENTATIONS[implementation]()))
            catalogue = panosc(served.url, implementation, **keys)
            stack.push_async_callback(catalogue.aclose)
            return served, catalogue

        yield make


async def raw(fake: PanoscFake, path: str, **query: Any) -> httpx.Response:
    """What the fake answers to a plain client."""
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
        return await client.get(f"{fake.url}/api/{path}", params=params)


def with_words(implementation: str) -> dict[str, str]:
    """What of a filter makes the federation list anything; the others need, or even take, no such thing."""
    return {"query": "ferrofluid water"} if implementation == "federation" else {}


# --- unknown where field --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "status", "content"),
    [
        ("reference", 200, []),
        ("scicat", 200, []),
        ("ill", 500, None),
        ("datagateway", 400, None),
        ("federation", 200, []),
    ],
)
async def test_unknown_where_field(serve: Serve, implementation: str, status: int, content: Any) -> None:
    fake, catalogue = await serve(implementation)
    answer = await raw(fake, "Datasets", filter={"where": {"colour": "red"}})
    assert answer.status_code == status
    assert content is None or answer.json() == content
    # None is ever sent: whatever is asked, every field that stands in a where is one of the data model's.
    fake.asked.clear()
    with_all = Query("ferrofluid", "", (SANS,), ("ill",), ("D22",), (2019, 2022), "magnetite", (WAVELENGTH,))
    found = await ask(catalogue, with_all)
    assert found.datasets or implementation == "federation"
    allowed = {"and", "or", "text", "pid", "title", "isPublic", "creationDate", "name", "value", "unit", "panetId"}
    assert set(_keys_of_where(fake.questions())) <= allowed


def _keys_of_where(value: Any, inside: bool = False) -> list[str]:
    if isinstance(value, list):
        return [key for one in value for key in _keys_of_where(one, inside)]
    if not isinstance(value, dict):
        return []
    if not inside:
        return [key for name, one in value.items() for key in _keys_of_where(one, name == "where")]
    keys = list(value)
    return keys + [key for name in ("and", "or") for key in _keys_of_where(value.get(name), True)]


# --- unknown include ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "status"),
    [("reference", 500), ("scicat", 400), ("ill", 500), ("datagateway", 400), ("federation", 200)],
)
async def test_unknown_include(serve: Serve, implementation: str, status: int) -> None:
    fake, _ = await serve(implementation)
    answer = await raw(fake, "Datasets", filter={"include": [{"relation": "colours"}], **with_words(implementation)})
    assert answer.status_code == status
    if implementation == "federation":
        assert answer.json() == []


@pytest.mark.parametrize("implementation", SINGLE)
async def test_a_relation_that_is_not_taken_costs_its_words_and_not_the_page(serve: Serve, implementation: str) -> None:
    """An API drifts: what it took yesterday it refuses today. The list stays, with a note, and it is not asked each time."""
    fake, catalogue = await serve(implementation)
    fake.KNOWN = frozenset(fake.KNOWN - {"samples"})
    found = await ask(catalogue, Query())
    assert len(found.datasets) == 10
    assert any("told less than was asked for" in note for note in found.notes)
    before = len(fake.asked)
    again = await ask(catalogue, Query())
    assert len(again.datasets) == 10
    assert len(fake.asked) - before <= 3  # list, count, and where a list is read in two, the second


async def test_a_condition_on_a_relation_that_is_not_taken_is_an_error_and_not_an_answer(serve: Serve) -> None:
    fake, catalogue = await serve("reference")
    fake.KNOWN = frozenset(fake.KNOWN - {"samples"})
    with pytest.raises(CatalogueError) as caught:
        await ask(catalogue, Query(sample="magnetite"))
    assert caught.value.status == 500


# --- dataset -> documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "document", "documents"),
    [("reference", 500, 500), ("scicat", 400, 400), ("ill", 200, 500), ("datagateway", 400, 200)],
)
async def test_relation_to_documents(serve: Serve, implementation: str, document: int, documents: int) -> None:
    fake, catalogue = await serve(implementation)
    for relation, status in (("document", document), ("documents", documents)):
        answer = await raw(fake, "Datasets", filter={"include": [{"relation": relation}]})
        assert answer.status_code == status
    fake.asked.clear()
    found = await ask(catalogue, Query("ferrofluid"), limit=5)
    assert found.notes == ()  # nothing had to be asked again
    sent = {include["relation"] for question in fake.questions() for include in question.get("include", [])}
    assert sent & {"document", "documents"} == {"ill": {"document"}, "datagateway": {"documents"}}.get(
        implementation, set()
    )


@pytest.mark.parametrize("implementation", ["reference", "ill", "datagateway"])
async def test_the_proposal_is_known_all_the_same(serve: Serve, implementation: str) -> None:
    """By the relation where there is one, else by the foreign key that LoopBack 3 lets out."""
    _, catalogue = await serve(implementation, proposal_id=r"10\.5291/ILL-DATA\.(?P<id>.{1,30})")
    dataset = await catalogue.get(world()[6]["pid"], None)
    assert dataset is not None
    assert dataset.proposal == "8-04-923"
    assert dataset.documents[0].type == "proposal"
    assert dataset.documents[0].members[0].name == "Ada Lovelace"
    assert dataset.doi == "10.5291/ill-data.8-04-923"


async def test_a_list_says_the_same_of_an_embargo_as_the_page_of_the_data_set(serve: Serve) -> None:
    """The reference implementation has no relation to documents, and when an embargo ends stands there."""
    fake, catalogue = await serve("reference")
    later = fake.datasets[6]["document"]["pid"]
    for one in fake.datasets:
        if one["document"]["pid"] == later:
            one["document"]["releaseDate"] = "2999-01-01T00:00:00.000Z"
    found = await ask(catalogue, Query())
    assert {one.availability for one in found.datasets} == {Availability.EMBARGOED}
    assert {one.doi for one in found.datasets} == {"10.5291/ill-data.8-04-923"}
    alone = await catalogue.get(fake.datasets[6]["pid"], None)
    assert alone is not None
    assert alone.availability is Availability.EMBARGOED
    before = len(fake.asked)
    await ask(catalogue, Query())
    assert [asked.path[1:] for asked in fake.asked[before:] if "Documents" in asked.path] == []  # kept for a while


@pytest.mark.usefixtures("hurried")
async def test_a_list_does_not_wait_long_for_documents_and_is_not_lost_without_them(serve: Serve) -> None:
    fake, catalogue = await serve("reference", timeout="50s")
    for trouble in (hang, always(Reply(500, b"")), always(Reply(200, {"x": 1}))):
        fake.trouble, fake.troubled = trouble, lambda asked: "Documents" in asked.path
        begun = time.monotonic()
        assert len((await ask(catalogue, Query())).datasets) == 10
        assert time.monotonic() - begun < 10


# --- include instrument ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "status"),
    [("reference", 200), ("scicat", 400), ("ill", 200), ("datagateway", 200), ("federation", 200)],
)
async def test_include_instrument(serve: Serve, implementation: str, status: int) -> None:
    fake, catalogue = await serve(implementation)
    answer = await raw(fake, "Datasets", filter={"include": [{"relation": "instrument"}], **with_words(implementation)})
    assert answer.status_code == status
    found = await ask(catalogue, Query("water", instruments=("figaro",)))
    if implementation == "scicat":  # cannot be asked, so it is left to the check here, and it says so
        assert Kind.INSTRUMENT not in found.applied
        assert Kind.INSTRUMENT not in catalogue.capabilities.asks
        assert {one.instrument for one in found.datasets} == {None}
    else:
        assert Kind.INSTRUMENT in found.applied
        assert numbers(found) == [10]
        assert found.datasets[0].instrument is not None
        assert found.datasets[0].instrument.name == "FIGARO"


# --- operators on parameters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "works"),
    [
        ("reference", {"eq", "lt", "gt", "between"}),
        ("scicat", {"lt", "gt"}),
        ("datagateway", {"eq", "lt", "gt", "between", "gte", "lte", "inq", "neq"}),
        ("ill", {"eq", "lt", "gt", "between", "gte", "lte", "inq", "neq"}),
    ],
)
async def test_operators_on_a_parameter(serve: Serve, implementation: str, works: set[str]) -> None:
    fake, catalogue = await serve(implementation)
    operands = {
        "lt": 1.0,
        "gt": 0.4,
        "between": [0.4, 1.0],
        "gte": 0.4,
        "lte": 1.0,
        "inq": [0.5],
        "neq": 0.1,
        "eq": 0.5,
    }
    found = set()
    for operator, operand in operands.items():
        where = {"and": [{"name": "incident_wavelength"}, {"value": {operator: operand}}, {"unit": "nm"}]}
        answer = await raw(
            fake, "Datasets", filter={"include": [{"relation": "parameters", "scope": {"where": where}}]}
        )
        assert answer.status_code == 200
        found |= {operator} if answer.json() else set()
    assert found - {"eq"} == works - {"eq"}
    # The client's own question finds all that is in the limits, both included, and says that it was asked.
    query = Query(parameters=(ParameterCondition("incident_wavelength", 0.45, 0.5, "nm"),))
    keys = {} if implementation == "scicat" else {"units": {"incident_wavelength": "nm"}}
    _, catalogue = await serve(implementation, **keys)
    answered = await ask(catalogue, query)
    assert sorted(numbers(answered)) == [7, 11]
    assert Kind.PARAMETER in answered.applied
    one_end = Query(parameters=(ParameterCondition("incident_wavelength", 0.6, None, "nm"),))
    assert sorted(numbers(await ask(catalogue, one_end))) == [8, 10]
    text = Query(parameters=(ParameterCondition("sample_state", text="solid"),))
    assert numbers(await ask(catalogue, text)) == [8]


async def test_ill_does_not_see_an_operand_that_is_zero(serve: Serve) -> None:
    fake, _ = await serve("ill")
    for operator in ("gt", "gte"):
        where = {"and": [{"name": "sample_temperature"}, {"value": {operator: 0}}]}
        answer = await raw(
            fake, "Datasets", filter={"include": [{"relation": "parameters", "scope": {"where": where}}]}
        )
        assert answer.json() == []
    _, catalogue = await serve("ill", units={"sample_temperature": "K"})
    query = Query(parameters=(ParameterCondition("sample_temperature", 0.0, None, "K"),))
    assert numbers(await ask(catalogue, query)) == [7]


# --- units ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", ["reference", "ill", "datagateway"])
async def test_units_are_not_converted_there(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    where = {"and": [{"name": "incident_wavelength"}, {"value": {"between": [4.5, 5.0]}}, {"unit": "angstrom"}]}
    answer = await raw(fake, "Datasets", filter={"include": [{"relation": "parameters", "scope": {"where": where}}]})
    assert answer.json() == []
    # Where nothing is known of its units, the condition is not asked: all come with their parameters, to be checked here.
    fake.asked.clear()
    found = await ask(catalogue, Query(parameters=(WAVELENGTH,)))
    assert Kind.PARAMETER not in found.applied
    assert Kind.PARAMETER not in catalogue.capabilities.asks
    assert "angstrom" not in str(fake.questions())
    assert {number_of(one) for one in found.datasets if any(p.value == 0.5 for p in one.parameters)} == {7}
    # Where its unit is known, it is asked in that.
    fake, catalogue = await serve(implementation, units={"incident_wavelength": "nm"})
    found = await ask(catalogue, Query(parameters=(WAVELENGTH,)))
    assert sorted(numbers(found)) == [7, 11]
    assert Kind.PARAMETER in found.applied & catalogue.capabilities.asks
    other_kind = Query(parameters=(ParameterCondition("incident_wavelength", 1.0, 2.0, "kelvin"),))
    assert Kind.PARAMETER not in (await ask(catalogue, other_kind)).applied


async def test_scicat_converts_units_and_rounds_so_values_are_asked_for_again(serve: Serve) -> None:
    fake, catalogue = await serve("scicat")
    where = {"and": [{"name": "sample_temperature"}, {"value": {"gt": 19.9}}, {"unit": "degC"}]}
    answer = await raw(fake, "Datasets", filter={"include": [{"relation": "parameters", "scope": {"where": where}}]})
    told = next(one for one in answer.json()[0]["parameters"] if one["name"] == "sample_temperature")
    assert (told["value"], told["unit"]) == (293.0, "K")  # 20 degC, rounded
    found = await ask(catalogue, Query(parameters=(ParameterCondition("sample_temperature", 19.9, 20.1, "degC"),)))
    assert numbers(found) == [7]
    kept = {one.name: (one.value, one.unit) for one in found.datasets[0].parameters}
    assert kept == {"sample_temperature": (293.15, "K"), "incident_wavelength": (0.5, "nm")}


# --- limit with an inner join ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "matches"), [("reference", 0), ("scicat", 1), ("ill", 1), ("datagateway", 1)]
)
async def test_limit_with_an_inner_join(serve: Serve, implementation: str, matches: int) -> None:
    fake, catalogue = await serve(implementation)
    value = {"gt": 0.1} if implementation == "scicat" else {"between": [0.4, 0.55]}
    where = {"and": [{"name": "incident_wavelength"}, {"value": value}, {"unit": "nm"}]}
    answer = await raw(
        fake, "Datasets", filter={"limit": 1, "include": [{"relation": "parameters", "scope": {"where": where}}]}
    )
    assert len(answer.json()) == matches
    assert catalogue.capabilities.limits_first is (implementation == "reference")


@pytest.mark.parametrize("implementation", SINGLE)
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_all_that_match_are_found_page_by_page_whatever_limit_counts(
    serve: Serve, implementation: str, limit: int
) -> None:
    keys = {} if implementation == "scicat" else {"units": {"incident_wavelength": "nm"}}
    _, catalogue = await serve(implementation, **keys)
    query = Query(parameters=(WAVELENGTH,))
    seen: list[int] = []
    skip: int | None = 0
    for _ in range(30):
        page = await ask(catalogue, query, skip=skip or 0, limit=limit)
        seen += numbers(page)
        skip = page.next
        if skip is None:
            break
    assert skip is None
    assert sorted(set(seen)) == [7, 11]


async def test_scicat_filters_samples_after_the_limit_so_they_are_left_to_the_check_here(serve: Serve) -> None:
    fake, catalogue = await serve("scicat")
    samples = {"relation": "samples", "scope": {"where": {"name": "magnetite"}}}
    answer = await raw(fake, "Datasets", filter={"limit": 1, "include": [samples]})
    assert answer.json() == []
    found = await ask(catalogue, Query(sample="magnetite"))
    assert Kind.SAMPLE not in found.applied
    assert {number_of(one) for one in found.datasets if one.samples} == {7, 11}


async def test_ill_counts_rows_so_pages_are_read_without_what_makes_rows(serve: Serve) -> None:
    fake, catalogue = await serve("ill")
    both = [{"relation": "parameters"}, {"relation": "techniques"}]
    answer = await raw(fake, "Datasets", filter={"limit": 2, "skip": 6, "order": "pid", "include": both})
    assert len(answer.json()) == 1  # two rows of one data set with two parameters
    page = await ask(catalogue, Query(), skip=6, limit=2)
    assert numbers(page) == [7, 8]
    assert len(page.datasets[0].parameters) == 2


# --- query and score ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "score"), [("reference", 0), ("scicat", None), ("ill", None), ("datagateway", None)]
)
async def test_no_query_no_score(serve: Serve, implementation: str, score: int | None) -> None:
    fake, catalogue = await serve(implementation)
    answer = (await raw(fake, "Datasets", filter={"limit": 1})).json()
    assert answer[0].get("score") == score
    found = await ask(catalogue, Query())
    assert len(found.datasets) == 10
    assert all(one.score is None for one in found.datasets)


async def test_no_query_is_a_score_of_zero_where_scicat_has_a_scoring_service(serve: Serve) -> None:
    fake, catalogue = await serve("scicat", SciCatImplementation(world(), scores=True))
    assert (await raw(fake, "Datasets", filter={"limit": 1})).json()[0]["score"] == 0
    found = await ask(catalogue, Query())
    assert len(found.datasets) == 10
    assert all(one.score is None for one in found.datasets)


async def test_scicat_without_a_scoring_service_did_not_look_at_the_words(serve: Serve) -> None:
    _, catalogue = await serve("scicat")
    found = await ask(catalogue, Query("ferrofluid"))
    assert Kind.TEXT not in found.applied
    assert len(found.datasets) == 10
    _, catalogue = await serve("scicat", SciCatImplementation(world(), scores=True))
    found = await ask(catalogue, Query("ferrofluid"))
    assert Kind.TEXT in found.applied
    assert numbers(found) == [7, 8, 11]
    assert all(one.score for one in found.datasets)


async def test_scicat_finds_nothing_by_text(serve: Serve) -> None:
    fake, catalogue = await serve("scicat")
    assert (await raw(fake, "Datasets", filter={"where": {"text": "ferrofluid"}})).json() == []
    await ask(catalogue, Query("ferrofluid"))
    assert '"text"' not in json.dumps(fake.questions()[1:])


@pytest.mark.parametrize("implementation", ["ill", "datagateway"])
async def test_query_is_refused_there_and_not_sent(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    assert (await raw(fake, "Datasets", filter={"query": "x"})).status_code in (400, 500)
    assert numbers(await ask(catalogue, Query("FERROFLUID water"))) == [11]


async def test_the_federation_counts_what_it_does_not_list(serve: Serve) -> None:
    fake, catalogue = await serve("federation")
    assert (await raw(fake, "Datasets")).json() == []
    assert (await raw(fake, "Datasets/count")).json() == {"count": 10}
    with pytest.raises(CatalogueError, match="without words") as caught:
        await ask(catalogue, Query(years=(2021, 2021)))
    assert caught.value.outcome is Outcome.CANNOT
    found = await ask(catalogue, Query("ferrofluid"))
    assert sorted(numbers(found)) == [7, 8, 11]
    assert found.total is None  # never a number that is not true


# --- paging ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", SINGLE)
async def test_pages_neither_lose_nor_repeat(serve: Serve, implementation: str) -> None:
    _, catalogue = await serve(implementation)
    seen: list[int] = []
    skip: int | None = 0
    while skip is not None and len(seen) < 30:
        page = await ask(catalogue, Query(), skip=skip, limit=3)
        assert len(page.datasets) <= 3
        assert page.total == 10
        seen += numbers(page)
        skip = page.next
    assert sorted(seen) == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]


async def test_the_federations_second_page_loses_so_there_is_none(serve: Serve) -> None:
    fake, catalogue = await serve("federation")
    pages = [
        (await raw(fake, "Datasets", filter={"query": "ferrofluid steel", "limit": 3, "skip": skip})).json()
        for skip in (0, 3, 6)
    ]
    pids = [one["pid"] for page in pages for one in page]
    assert len(set(pids)) < 9  # of nine that match
    found = await ask(catalogue, Query("ferrofluid steel"), limit=3)
    assert found.next is None
    second = await ask(catalogue, Query("ferrofluid steel"), limit=3, skip=3)
    assert second.datasets == ()
    assert second.notes == ("it has one page only",)


async def test_the_federation_gives_at_most_what_was_asked_of_all_together(serve: Serve) -> None:
    _, catalogue = await serve("federation")
    assert len((await ask(catalogue, Query("ferrofluid steel"), limit=2)).datasets) == 2


# --- limit: 0 -------------------------------------------------------------------------------------------------------------


async def test_limit_zero_is_all_so_it_is_never_sent(serve: Serve) -> None:
    fake, catalogue = await serve("reference")
    assert len((await raw(fake, "Datasets", filter={"limit": 0})).json()) == 10
    fake.asked.clear()
    assert len((await ask(catalogue, Query(), limit=0)).datasets) == 1
    assert all(question["limit"] == 1 for question in fake.questions())
    await ask(catalogue, Query(), limit=1_000_000)
    assert fake.questions()[-1]["limit"] == 200


# --- bad JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", SINGLE)
async def test_bad_json_is_refused_and_never_sent(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    answer = await raw(fake, "Datasets", filter="{not json")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Value is not an object."
    fake.asked.clear()
    await ask(catalogue, Query('a"}]} or 1=1 \\ {"where":{"isPublic":false}}', sample='"', instruments=('"}',)))
    for asked in fake.asked:
        for name in ("filter", "where"):
            assert isinstance(asked.json(name), dict | None)


# --- isPublic: false ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", list(IMPLEMENTATIONS))
async def test_what_is_not_public_is_not_shown_to_nobody(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    answer = await raw(fake, "Datasets", filter={"where": {"isPublic": False}, **with_words(implementation)})
    assert answer.json() == []
    fake.asked.clear()
    found = await ask(catalogue, Query(availability=(Availability.OWN,)))
    assert found.datasets == ()
    assert found.total == 0
    assert found.notes == ("it shows open data only",)
    assert fake.asked == []  # it is not even asked


async def test_ill_shows_their_own_to_people_with_the_token_in_its_own_header(serve: Serve) -> None:
    fake, catalogue = await serve("ill", audience="ill")
    found = await ask(catalogue, Query("ferrofluid"), who=ADA)
    assert sorted(numbers(found)) == [7, 8, 9, 11]
    own = next(one for one in found.datasets if number_of(one) == 9)
    assert own.availability is Availability.OWN
    assert found.notes == ()
    assert all(asked.headers.get("Access_Token") == "token-of-ada" for asked in fake.asked)
    assert all("Authorization" not in asked.headers for asked in fake.asked)
    assert "token-of-ada" not in "".join(asked.raw for asked in fake.asked)
    only = await ask(catalogue, Query(availability=(Availability.OWN,)), who=ADA)
    assert numbers(only) == [9]
    assert (await catalogue.get(own.pid, ADA)) is not None
    assert (await catalogue.get(own.pid, None)) is None


async def test_ill_takes_a_bad_token_for_nobody_and_the_answer_says_so(serve: Serve) -> None:
    fake, catalogue = await serve("ill", audience="ill")
    from panosc_portal.catalogues.model import Credentials
    from pydantic import SecretStr

    found = await ask(catalogue, Query("ferrofluid"), who=Credentials("eve", SecretStr("no-such-token"), "ill"))
    assert sorted(numbers(found)) == [7, 8, 11]
    assert any("does not say whether it knew you" in note for note in found.notes)
    assert fake.seen("no-such-token")


@pytest.mark.parametrize("implementation", ["reference", "scicat", "datagateway", "federation"])
async def test_who_takes_no_token_gets_none(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    await ask(catalogue, Query("ferrofluid"), who=ADA)
    assert not fake.seen("token-of-ada")


# --- counts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("implementation", "count"),
    [("reference", {"count": 10}), ("scicat", {"count": 10}), ("ill", 10), ("datagateway", {"count": 10})],
)
async def test_count_is_an_object_or_a_number(serve: Serve, implementation: str, count: Any) -> None:
    fake, catalogue = await serve(implementation)
    assert (await raw(fake, "Datasets/count")).json() == count
    assert await catalogue.count(None) == 10


async def test_count_is_a_text_while_a_provider_hangs(serve: Serve) -> None:
    fake = Federation([LoopBack3(world()), LoopBack3(world())], down=[1])
    fake, catalogue = await serve("federation", fake)
    assert (await raw(fake, "Datasets/count")).json() == {"count": "10"}
    assert await catalogue.count(None) == 10


async def test_a_filter_does_not_count(serve: Serve) -> None:
    fake, catalogue = await serve("reference")
    assert (await raw(fake, "Datasets/count", filter={"where": {"pid": "x"}})).json() == {"count": 10}
    assert (await ask(catalogue, Query("ferrofluid"))).total == 3


# --- one by its PID -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", list(IMPLEMENTATIONS))
async def test_a_pid_with_a_slash(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    pid = world()[6]["pid"]
    assert (await raw(fake, f"Datasets/{pid}")).status_code == 404
    assert (await raw(fake, f"Datasets/{quote(pid, safe='')}")).status_code == 200
    dataset = await catalogue.get(pid, None)
    assert dataset is not None
    assert dataset.pid == pid
    assert len(dataset.parameters) == 2


@pytest.mark.parametrize("implementation", list(IMPLEMENTATIONS))
async def test_a_pid_that_is_not_there(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    answer = await raw(fake, "Datasets/no-such")
    assert answer.status_code == (500 if implementation == "ill" else 404)
    if implementation != "ill":
        assert answer.json()["error"]["code"] == "MODEL_NOT_FOUND"
    assert await catalogue.get("no-such", None) is None
    assert (await ask(catalogue, Query("x", pid="no-such"))).datasets == ()


async def test_the_federations_stack_traces_are_not_repeated(serve: Serve) -> None:
    fake, catalogue = await serve("federation")
    assert "node_modules" in (await raw(fake, "Datasets/no-such")).text
    assert await catalogue.get("no-such", None) is None


# --- files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", list(IMPLEMENTATIONS))
async def test_files(serve: Serve, implementation: str) -> None:
    fake, catalogue = await serve(implementation)
    pid = world()[6]["pid"]
    without = await raw(fake, f"Datasets/{quote(pid, safe='')}/files")
    assert without.status_code == {"ill": 404, "federation": 500}.get(implementation, 200)
    dataset = await catalogue.get(pid, None)
    assert dataset is not None
    assert dataset.location == "/data/8-04-923/rawdata"
    files = [file async for file in catalogue.files(dataset, None)]
    assert [file.path for file in files] == ["/data/8-04-923/rawdata/000007.nxs"] * 2
    assert [file.size for file in files] == [10, 11]


# --- what the federation hides --------------------------------------------------------------------------------------------


async def test_a_provider_that_fails_is_nothing_and_the_answer_says_that_it_may_be(serve: Serve) -> None:
    fake = Federation([LoopBack3(world()[:6]), LoopBack3(world()[6:])], down=[1])
    _, catalogue = await serve("federation", fake)
    found = await ask(catalogue, Query("steel"))
    assert numbers(found)
    assert any("does not tell which of them did not answer" in note for note in found.notes)
