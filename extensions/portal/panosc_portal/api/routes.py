"""The search API within the portal: ``/services/portal/api/…``, and the index behind it for as long as the portal runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from panosc_portal.api.addresses import plain_path
from panosc_portal.api.endpoints import make_api
from panosc_portal.api.visitors import Visitors
from panosc_portal.context import Portal
from panosc_portal.index.part import close_index, index_of, running_harvest
from panosc_portal.index.rights import rights_of

_KEPT = (
    "type",
    "asgi",
    "http_version",
    "method",
    "scheme",
    "query_string",
    "headers",
    "client",
    "server",
    "state",
    "extensions",
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class _Handed(Response):
    """Hands a request on to the API's own application."""

    def __init__(self, app: object, path: str) -> None:
        super().__init__()
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as that application does."""
        inner = {name: scope[name] for name in _KEPT if name in scope}
        inner |= {"path": self._path, "raw_path": self._path.encode("ascii", "replace"), "root_path": ""}
        await self._app(inner, receive, send)  # type: ignore[operator]


def router(portal: Portal) -> APIRouter:
    """The API's routes: all of them are handed on as they were sent."""
    routes = APIRouter()
    visitors = Visitors(rights_of(portal), anonymous=portal.site.config.portal.index.anonymous)
    api = make_api(index_of(portal), visitors, f"{portal.base}api")

    async def handed(request: Request, rest: str = "") -> Response:
        raw = request.scope.get("raw_path") or request.url.path.encode()
        return _Handed(api, plain_path(raw[len(portal.base) - 1 :]))

    for path in ("/api", "/api/{rest:path}"):
        routes.add_api_route(path, handed, methods=METHODS, include_in_schema=False)
    return routes


@asynccontextmanager
async def lifespan(portal: Portal) -> AsyncIterator[None]:
    """The time the portal runs: the index is harvested now and then, and closed at the end."""
    async with running_harvest(portal):
        yield
    close_index(portal)
