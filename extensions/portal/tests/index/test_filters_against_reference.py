"""Random filters give what a slow evaluator, written from the specification, gives: for anybody, and for people on proposals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from index_graph import DIFFRACTION, SANS, SAS, A, B, facts, filled
from index_reference import RELATIONS, TEXTS, Reference
from panosc_portal.index.answer import Asker
from panosc_portal.index.language import read_filter
from panosc_portal.index.store import Store

WORDS = st.sampled_from(
    ["ferrofluid", "Ferro", "fluid", "STRASSE", "straße", "ss", "%o%", "_erro", "5 Å", "[a*b]?", "日", "", "50%", "50\\%", "I", "D22", "x", "file4"]
)  # fmt: skip
TIMES = st.sampled_from(["2020-05-05T15:01:02.341Z", "2021-01-01T00:00:00.000Z", "2022-03-04T10:00:00.000Z"])
SIZES = st.sampled_from([0, 1, 5, 7, 100, 2000])
NUMBERS = st.sampled_from([-10, 0.5, 0.93, 3, 4.0, 5, 5.0, 6e-10, 12, 20, 293.15, 930, 0.6, 5e-10])
TEXT_FIELDS = {
    "Dataset": ["title", "pid"],
    "Document": ["title", "type", "summary", "pid"],
    "Instrument": ["name", "facility"],
    "Technique": ["name"],
    "Sample": ["name"],
    "File": ["name", "path"],
    "Parameter": ["name"],
}
EQUAL = st.sampled_from(
    [
        "Ferrofluid at 5 Å",
        "STRASSE",
        "10.5/one",
        "publication",
        "proposal",
        "D22",
        "ESRF",
        "ferrofluid",
        "raw/file4-0.nxs",
    ]
)


def text_tests(name: str) -> st.SearchStrategy[dict[str, Any]]:
    one = EQUAL | WORDS
    return st.one_of(
        st.builds(lambda v: {name: v}, one),
        st.builds(lambda op, v: {name: {op: v}}, st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"]), one),
        st.builds(lambda op, v: {name: {op: v}}, st.sampled_from(["like", "nlike", "ilike", "nilike"]), WORDS),
        st.builds(lambda op, v: {name: {op: v}}, st.sampled_from(["inq", "nin"]), st.lists(one, max_size=3)),
        st.builds(lambda a, b: {name: {"between": [a, b]}}, one, one),
        st.builds(lambda v: {name: {"regexp": v}}, st.sampled_from(["^F", "/^f/i", "o{1,2}", "[0-9]$", "/STRASSE|x/"])),
    )


def numbers(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(lambda v: {name: v}, values),
        st.builds(lambda op, v: {name: {op: v}}, st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"]), values),
        st.builds(lambda a, b: {name: {"between": [a, b]}}, values, values),
        st.builds(lambda op, v: {name: {op: v}}, st.sampled_from(["inq", "nin"]), st.lists(values, max_size=3)),
        st.builds(lambda a, b: {name: {"gte": a, "lt": b}}, values, values),
    )


def units() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(["nm", "angstrom", "K", "celsius", "eV", "bananas", "unheard-of", ""]).map(
        lambda u: {"unit": u}
    )


def parameter_wheres() -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["incident_wavelength", "sample_temperature", "photon_energy", "weight", "sample_state"])
    value = numbers("value", NUMBERS) | text_tests("value")
    whole = st.builds(lambda n, v, u: {"and": [{"name": n}, v, u]}, names, value, units())
    flat = st.builds(lambda n, v, u: {"name": n, **v, **u}, names, value, units())
    nested = st.builds(lambda n, a, b, u: {"and": [{"name": n}, {"or": [a, b]}, u]}, names, value, value, units())
    return st.one_of(whole, flat, nested, units(), value, st.builds(lambda a, b: {"or": [a, b]}, whole, whole))


def leaves(model: str) -> st.SearchStrategy[dict[str, Any]]:
    if model == "Parameter":
        return parameter_wheres()
    found = [text_tests(name) for name in TEXT_FIELDS[model]]
    if model in TEXTS:
        found.append(st.builds(lambda v: {"text": v}, WORDS))
    if model == "Dataset":
        found += [
            numbers("size", SIZES),
            numbers("creationDate", TIMES),
            st.builds(lambda v: {"isPublic": v}, st.booleans()),
        ]
        found.append(st.sampled_from([{"size": None}, {"creationDate": {"neq": None}}]))
    if model == "Technique":
        found.append(st.sampled_from([{"name": "small angle scattering"}, {"panetId": SAS}, {"pid": {"inq": [SANS, DIFFRACTION]}}, {"name": {"neq": "diffraction"}}]))  # fmt: skip
    return st.one_of(found)


def wheres(model: str) -> st.SearchStrategy[dict[str, Any]]:
    if model == "Parameter":
        return leaves(model)
    lists = st.lists(leaves(model), min_size=1, max_size=3)
    combined = st.builds(lambda word, parts: {word: parts}, st.sampled_from(["and", "or"]), lists)
    deeper = st.builds(lambda one, two: {"and": [one, {"or": [two, one]}]}, leaves(model), combined)
    return st.one_of(st.just({}), leaves(model), combined, deeper)


def includes(model: str, depth: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    def one(relation: str, target: str) -> st.SearchStrategy[dict[str, Any]]:
        scope = st.fixed_dictionaries({"where": wheres(target), "include": includes(target, depth - 1)})
        return st.builds(lambda s: {"relation": relation, "scope": s}, scope) | st.just({"relation": relation})

    related = RELATIONS.get(model, {})
    if not related or depth == 0:
        return st.just([])
    return st.lists(st.one_of([one(name, target) for name, target in related.items()]), max_size=2)


def filters() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    def of(model: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        orders = {
            "Dataset": ["title ASC", "size DESC", "creationDate"],
            "Document": ["title DESC"],
            "Instrument": ["name"],
        }
        return st.tuples(
            st.just(model),
            st.fixed_dictionaries(
                {"where": wheres(model), "include": includes(model, 2)},
                optional={
                    "limit": st.integers(0, 5),
                    "skip": st.integers(0, 3),
                    "order": st.lists(st.sampled_from(orders[model]), max_size=2, unique=True),
                },
            ),
        )

    return st.one_of(of("Dataset"), of("Dataset"), of("Document"), of("Instrument"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = filled(tmp_path_factory.mktemp("index"))
    yield made
    made.close()


def keys(entry: dict[str, Any], include: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"key": entry.get("pid") or entry["name"]}
    for name in {one["relation"] for one in include}:
        held = entry.get(name, [])
        found[name] = {one.get("pid") or one["name"] for one in (held if isinstance(held, list) else [held])}
    return found


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(asked=filters(), refs=st.sampled_from([frozenset(), frozenset({A}), frozenset({A, B}), frozenset({""})]))
@example(("Dataset", {"where": {"title": {"nlike": "%o%"}}, "include": []}), frozenset())
@example(("Dataset", {"where": {}, "include": [{"relation": "techniques", "scope": {"where": {"name": {"neq": "diffraction"}}}}]}), frozenset())  # fmt: skip
@example(("Dataset", {"where": {}, "include": [{"relation": "techniques", "scope": {"where": {"name": "small angle scattering"}}}], "limit": 1}), frozenset())  # fmt: skip
def test_a_random_filter_gives_what_the_specification_says(
    store: Store, asked: tuple[str, dict[str, Any]], refs: frozenset[str]
) -> None:
    agrees(store, asked, refs)


def of_wavelength(operator: str, value: object, unit: str = "nm") -> dict[str, Any]:
    where = {"and": [{"name": "incident_wavelength"}, {"value": {operator: value}}, {"unit": unit}]}
    return {"where": {}, "include": [{"relation": "parameters", "scope": {"where": where}}]}


@pytest.mark.parametrize("refs", [frozenset(), frozenset({A, B})])
@pytest.mark.parametrize(
    "asked",
    [
        *(
            ("Document", {"where": {"summary": {operator: "%x%"}}, "include": []})
            for operator in ("nlike", "nilike", "like")
        ),
        *(
            ("Dataset", {"where": {"size": {operator: [5, 100]}}, "include": []})
            for operator in ("nin", "inq", "between")
        ),
        *(("Dataset", of_wavelength(operator, 0.5)) for operator in ("gt", "gte", "lt", "lte", "eq", "neq")),
        *(("Dataset", of_wavelength(operator, 5, "angstrom")) for operator in ("gt", "gte", "lt", "lte", "eq", "neq")),
        ("Dataset", of_wavelength("between", [0.5, 0.6])),
        ("Dataset", of_wavelength("inq", [0.6, 0.4])),
        ("Dataset", of_wavelength("between", [4, 6], "K")),
        ("Dataset", {**of_wavelength("gte", 0.4), "limit": 1, "skip": 1}),
    ],
    ids=str,
)
def test_edges(store: Store, asked: tuple[str, dict[str, Any]], refs: frozenset[str]) -> None:
    """Missing values, both ends of ranges, and 5 angstrom as 0.5 nm: what random filters meet seldom."""
    agrees(store, asked, refs)


def agrees(store: Store, asked: tuple[str, dict[str, Any]], refs: frozenset[str]) -> None:
    model, filter = asked
    expected = Reference(facts(), refs).find(model, filter)
    scope = read_filter(json.loads(json.dumps(filter)), model)
    asker = Asker(store, refs)
    found = [keys(one, filter["include"]) for one in asker.find(scope)]
    assert found == expected
    unlimited = {name: value for name, value in filter.items() if name not in {"limit", "skip"}}
    assert asker.count(scope) == len(Reference(facts(), refs).find(model, unlimited))


def test_the_reference_itself_finds_something(tmp_path: Path) -> None:
    """An evaluator that found nothing would agree with a server that finds nothing."""
    anybody, both = Reference(facts(), frozenset()), Reference(facts(), frozenset({A, B}))
    near = {"and": [{"name": "incident_wavelength"}, {"value": {"between": [0.4, 0.55]}}, {"unit": "nm"}]}
    asked = {"include": [{"relation": "parameters", "scope": {"where": near}}]}
    assert [one["key"] for one in anybody.find("Dataset", asked)] == ["10.5/one", "10.5/two"]
    assert [one["key"] for one in both.find("Dataset", asked)] == ["10.5/one", "10.5/two", "10.5/four", "10.5/five"]
