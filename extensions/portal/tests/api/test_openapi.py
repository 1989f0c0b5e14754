"""The API is described, does what its description says, and nothing that is sent to it makes it fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from index_graph import filled
from openapi_spec_validator import validate
from panosc_portal.api.endpoints import Api, as_api_error
from panosc_portal.api.errors import ApiError
from panosc_portal.api.visitors import Visitors
from panosc_portal.app import make_app
from panosc_portal.context import Portal
from panosc_portal.errors import PortalError
from panosc_portal.index.entities import ENTITIES
from panosc_portal.index.rights import Rights
from panosc_portal.index.store import Store
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.requests import Request

from conftest import Ask

QUICK = settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
)


async def nobody(token: SecretStr) -> frozenset[str] | None:
    return None


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = filled(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.close()


PATHS = [
    *("/Datasets", "/Datasets/{pid}", "/Datasets/count", "/Datasets/{pid}/files", "/Datasets/{pid}/files/count"),
    *("/Documents", "/Documents/{pid}", "/Documents/count"),
    *("/Instruments", "/Instruments/{pid}", "/Instruments/count"),
]
FILTERS = [
    '{"where":{"title":{"like":"%o%"}}}',
    '{"limit":1}',
    '{"query":"iron"}',
    '{"include":["files"]}',
    "{}",
    "null",
    "[]",
]
PIDS = ["10.5%2Fone", "esrf%3Aid31", "10.5%2Fdoc-1", "10.5%2Ffive"]


@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_sent_is_answered_as_described(portal: Portal, path: str) -> None:
    app = make_app(portal, ("api.routes",))
    operation = schemathesis.openapi.from_asgi("/services/portal/api/openapi.json", app)[path]["GET"]
    seen = set()

    @QUICK
    @given(case=operation.as_strategy(), choice=st.integers(0, 50))
    def fuzz(case: Any, choice: int) -> None:
        # Known values as often as random ones, or nothing but refusals would ever be seen.
        for name in case.query or {}:
            if choice % 2 and name == "filter":
                case.query[name] = FILTERS[choice % len(FILTERS)]
        if choice % 3 and "pid" in (case.path_parameters or {}):
            case.path_parameters["pid"] = PIDS[choice % len(PIDS)]
        checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
        seen.add(case.call_and_validate(checks=checks).status_code)

    fuzz()
    assert {200, 400} <= seen <= {200, 400, 404}


async def test_the_description_is_served_and_valid(ask: Ask) -> None:
    found = (await ask("openapi.json")).json()
    validate(found)
    assert found["servers"] == [{"url": "/services/portal/api"}]
    assert set(found["paths"]) == set(PATHS)
    assert (await ask("")).json() == found


# --- Filters that are nearly right ------------------------------------------------------------------------------------

NAMES = sorted({name for entity in ENTITIES.values() for name in (*entity.fields, *entity.relations)})
OPERATORS = [
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "inq",
    "nin",
    "like",
    "nlike",
    "ilike",
    "nilike",
    "regexp",
    "near",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "ferrofluid",
            "2020-01-01",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "nm",
            "1/A",
            "m**9",
            "[",
            "(",
            "\\",
            "%_",
            "NaN",
        ]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(OPERATORS), inner, max_size=2),
    max_leaves=5,
)
WHERES = st.recursive(
    st.dictionaries(st.sampled_from([*NAMES, "text"]) | st.text(max_size=5), VALUES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["and", "or"]), st.lists(inner, max_size=3), max_size=2),
    max_leaves=6,
)


def scopes(depth: int) -> st.SearchStrategy[Any]:
    include = st.just([]) if depth == 0 else st.lists(
        st.fixed_dictionaries({"relation": st.sampled_from(NAMES)}, optional={"scope": scopes(depth - 1) | SCALARS}) | st.sampled_from(NAMES) | SCALARS,
        max_size=2,
    )  # fmt: skip
    return st.fixed_dictionaries(
        {},
        optional={
            "where": WHERES | SCALARS,
            "include": include | VALUES,
            "limit": st.integers(-1, 2000) | SCALARS,
            "skip": st.integers(-1, 10) | SCALARS,
            "order": st.sampled_from(["title", "pid DESC", ["size ASC", "pid"]]) | VALUES,
            "fields": VALUES
            | st.lists(st.sampled_from(NAMES), max_size=3)
            | st.dictionaries(st.sampled_from(NAMES), SCALARS)
            | SCALARS,
            "query": st.text(max_size=30) | SCALARS,
        },
    )


def _request(name: str, text: str) -> Request:
    from urllib.parse import urlencode

    query = urlencode({name: text}, errors="surrogatepass").encode()
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": query})


@settings(QUICK, max_examples=400)
@given(model=st.sampled_from(["Dataset", "Document", "Instrument"]), filter=scopes(3))
def test_a_filter_is_answered_or_refused_in_words(store: Store, model: str, filter: Any) -> None:
    api = Api(store, Visitors(Rights(nobody)))
    request = _request("filter", json.dumps(filter))

    async def asked() -> tuple[list[Any], dict[str, int]]:
        return await api.find(request, model), await api.count(request, model)

    try:
        found, count = asyncio.run(asked())
    except (ApiError, PortalError) as error:
        said = as_api_error(error)
        assert said.status == 400 and said.message
        return
    assert len(found) <= count["count"] <= 1000
    json.dumps(found, allow_nan=False)
