"""The API's paths, as an application of its own beneath ``/api``: it is documented, and fuzzed, as it is here."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

from fastapi import FastAPI, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from panosc_portal.api.answers import reference, responses, schemas
from panosc_portal.api.errors import ApiError, not_found
from panosc_portal.api.queries import nested
from panosc_portal.api.turns import Turns
from panosc_portal.api.visitors import Visitor, Visitors
from panosc_portal.index.answer import Asker
from panosc_portal.index.language import MOST, Condition, Scope, both, read_filter, read_json, read_where
from panosc_portal.index.store import SECONDS, IndexFault, Store, TooSlow
from panosc_portal.index.values import FilterError
from panosc_portal.quantities import unit
from panosc_spawner import panet

log = logging.getLogger(__name__)

T = TypeVar("T")
MODELS = {"Datasets": "Dataset", "Documents": "Document", "Instruments": "Instrument"}
ANYBODYS_SECONDS = 2.0
"""How long a question may take of somebody of whom nobody knows who they are."""

DESCRIPTION = f"""
The PaNOSC search API (https://github.com/panosc-eu/search-api) over what this site has indexed.

- `filter` is LoopBack's, as JSON (`{{"where": …, "include": …, "limit": …, "skip": …, "order": …, "fields": …, "query": …}}`) or in
  brackets (`filter[limit]=5`). Operators: eq neq gt gte lt lte between inq nin like nlike ilike nilike regexp; `and`, `or`; `text`.
- An include whose scope has a condition is an inner join, made before the limit. Of several includes of one relation, all must match.
- A `unit` beside a parameter's `value` is that of the condition: parameters in other units are converted, and answered in this one.
- A technique means those beneath it in PaNET, too.
- `query` ranks by words: `score` is within (0, 1), and what has none of the words is left out. Without it, `score` is 0.5.
- In `like`, `%` is anything and `_` one character; a pattern without `%` may stand anywhere. `regexp` is RE2's.
- At most {MOST} entries an answer. No `limit`, or 0, is {MOST}.
- With a token of the hub (`Authorization: Bearer …`, or `access_token: …`), your own data are found, too.
"""


class Api:
    """Answers the API's questions.

    Args:
        store: the index.
        visitors: whose data count.
    """

    def __init__(self, store: Store, visitors: Visitors) -> None:
        self._store, self._visitors = store, visitors
        self._turns = Turns()

    async def find(self, request: Request, model: str) -> list[dict[str, Any]]:
        """``GET /Datasets``."""
        visitor, scope = await self._visitor(request), _filter(request, model)
        return await self._run(visitor, lambda asker: asker.find(scope))

    async def one(self, request: Request, model: str, pid: str) -> dict[str, Any]:
        """``GET /Datasets/{pid}``."""
        visitor, scope = await self._visitor(request), _filter(request, model)
        return await self._first(visitor, model, pid, lambda asker, key: asker.one(scope, key))

    async def count(self, request: Request, model: str) -> dict[str, int]:
        """``GET /Datasets/count``: of ``where``, and of the ``filter`` with its joins if one is given, too."""
        visitor, scope = await self._visitor(request), _with(_filter(request, model), _where(request, model))
        return {"count": await self._run(visitor, lambda asker: asker.count(scope))}

    async def files(self, request: Request, pid: str) -> list[dict[str, Any]]:
        """``GET /Datasets/{pid}/files``."""
        visitor, scope = await self._visitor(request), _filter(request, "File")
        return await self._first(
            visitor, "Dataset", pid, lambda asker, key: asker.related("Dataset", key, "files", scope)
        )

    async def count_files(self, request: Request, pid: str) -> dict[str, int]:
        """``GET /Datasets/{pid}/files/count``."""
        visitor, scope = await self._visitor(request), _with(_filter(request, "File"), _where(request, "File"))
        many = await self._first(
            visitor, "Dataset", pid, lambda asker, key: asker.count_related("Dataset", key, "files", scope)
        )
        return {"count": many}

    async def _visitor(self, request: Request) -> Visitor:
        return await self._visitors.of(request.headers, request.client.host if request.client else "")

    async def _first(self, visitor: Visitor, model: str, pid: str, find: Callable[[Asker, str], T | None]) -> T:
        """What is found of a PID, however it is written."""

        def look(asker: Asker) -> T | None:
            return next((found for key in _keys(pid) if (found := find(asker, key)) is not None), None)

        found = await self._run(visitor, look)
        if found is None:
            raise not_found(model, unquote(pid))
        return found

    async def _run(self, visitor: Visitor, call: Callable[[Asker], T]) -> T:
        asker = Asker(self._store, visitor.refs, ANYBODYS_SECONDS if visitor.anonymous else SECONDS)
        async with self._turns.turn(visitor):
            return await asyncio.to_thread(call, asker)


def _keys(pid: str) -> list[str]:
    """A PID as sent; and if that is itself encoded, as the upstream federation may send it, decoded once more."""
    once = unquote(pid, errors="replace")
    return list(dict.fromkeys([once, unquote(once, errors="replace")]))


def _filter(request: Request, model: str) -> Scope:
    return read_filter(_given(request, "filter"), model)


def _where(request: Request, model: str) -> Condition:
    return read_where(_given(request, "where"), model)


def _given(request: Request, name: str) -> dict[str, Any]:
    text = request.query_params.get(name)
    return nested(request.query_params.multi_items(), name) if text is None else read_json(text, name)


def _with(scope: Scope, where: Condition) -> Scope:
    """A filter to which a where is added. The bounds of each were checked; so are those of both."""
    return Scope(scope.entity, both(scope.where, where), scope.include, query=scope.query)


# --- The application ----------------------------------------------------------------------------------------------------

Filter = Annotated[
    str | None, Query(description="A filter, as JSON.", json_schema_extra={"contentMediaType": "application/json"})
]
Where = Annotated[
    str | None, Query(description="A where, as JSON.", json_schema_extra={"contentMediaType": "application/json"})
]


def make_api(store: Store, visitors: Visitors, server: str) -> FastAPI:
    """The application. Its paths are as :func:`panosc_portal.api.addresses.plain_path` writes them.

    Args:
        store: the index.
        visitors: whose data count.
        server: the path of the API, for its description.
    """
    app = FastAPI(
        title="PaNOSC search API", version="1", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    unit("nm"), panet.terms()  # read now, rather than while the first person waits
    api = Api(store, visitors)
    for plural, model in MODELS.items():
        _add_model(app, api, plural, model)
    _add_files(app, api)
    description: dict[str, Any] = {}

    async def openapi() -> Response:
        if not description:
            description.update(_described(app, server))
        return JSONResponse(description)

    app.add_api_route("/openapi.json", openapi, include_in_schema=False)
    app.add_api_route("/", openapi, include_in_schema=False)
    _say_errors(app)
    return app


def _add_model(app: FastAPI, api: Api, plural: str, model: str) -> None:
    async def find(request: Request, filter: Filter = None) -> Response:
        return JSONResponse(await api.find(request, model))

    async def count(request: Request, where: Where = None, filter: Filter = None) -> Response:
        return JSONResponse(await api.count(request, model))

    async def one(request: Request, pid: str, filter: Filter = None) -> Response:
        return JSONResponse(await api.one(request, model, pid))

    many, single = reference(model, many=True), reference(model)
    _add(app, f"/{plural}", find, many, f"{plural} for a filter", f"find{plural}")
    _add(app, f"/{plural}/count", count, reference("Count"), f"How many {plural.lower()} there are", f"count{plural}")
    _add(app, f"/{plural}/{{pid}}", one, single, f"One of the {plural.lower()}", f"get{model}", one=True)


def _add_files(app: FastAPI, api: Api) -> None:
    async def files(request: Request, pid: str, filter: Filter = None) -> Response:
        return JSONResponse(await api.files(request, pid))

    async def count(request: Request, pid: str, where: Where = None, filter: Filter = None) -> Response:
        return JSONResponse(await api.count_files(request, pid))

    listed = reference("File", many=True)
    _add(app, "/Datasets/{pid}/files", files, listed, "A data set's files", "findFiles", one=True)
    _add(
        *(app, "/Datasets/{pid}/files/count", count, reference("Count"), "How many files a data set has", "countFiles"),
        one=True,
    )


def _add(
    app: FastAPI,
    path: str,
    endpoint: Callable[..., Awaitable[Response]],
    schema: dict[str, Any],
    summary: str,
    operation: str,
    *,
    one: bool = False,
) -> None:
    app.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        summary=summary,
        operation_id=operation,
        responses=responses(schema, one=one),
        response_class=JSONResponse,
    )
    app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


def _described(app: FastAPI, server: str) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, servers=[{"url": server}]
    )
    found["components"] = {"schemas": schemas(), "securitySchemes": {"hub": {"type": "http", "scheme": "bearer"}}}
    for path in found["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["security"] = [{}, {"hub": []}]
    return found


def _say_errors(app: FastAPI) -> None:
    async def said(request: Request, error: Exception) -> Response:
        return as_api_error(error).answer()

    for kind in (ApiError, FilterError, IndexFault, HTTPException):
        app.add_exception_handler(kind, said)

    async def unforeseen(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            return await call(request)
        except Exception:
            number = secrets.token_hex(4)
            log.exception("Error %s in the search API", number)
            return ApiError(500, f"Something went wrong here; its number in the log is {number}.").answer()

    app.middleware("http")(unforeseen)


def as_api_error(error: Exception) -> ApiError:
    """An error in the API's words."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, FilterError):
        return ApiError(400, str(error), "INVALID_FILTER")
    if isinstance(error, TooSlow | IndexFault):
        return ApiError(503, str(error))
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return ApiError(404, "There is no such path; a PID's slashes are written %2F.", "NOT_FOUND")
        if error.status_code == 405:
            return ApiError(405, "This API is read with GET only.")
        return ApiError(error.status_code, str(error.detail))
    raise error
