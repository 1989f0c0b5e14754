"""The portal as an application: its parts' pages and API beneath one path, one look, one way to say what went wrong."""

from __future__ import annotations

import importlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from panosc_portal.context import Portal
from panosc_portal.errors import HubError, PortalError
from panosc_portal.guard import Guard, security_headers
from panosc_portal.login import FormRefused, LoginNeeded, QuietLoginNeeded, login_routes, logins_of, own_address
from panosc_portal.pages.look import static_routes
from panosc_portal.pages.said import said, wants_json
from panosc_portal.pages.words import STALE_FORM

PARTS = (
    "search.pages",
    "api.routes",
    "opening.pages",
    "proposals.pages",
    "moving.download_pages",
    "moving.transfer_pages",
    "moving.archive_pages",
    "moving.staging_pages",
    "software.pages",
    "moving.job_pages",  # last: its lifespan begins the jobs, when all kinds of them are known
)
"""Modules with ``router(portal) -> APIRouter``; each may have ``lifespan(portal)``, an async context manager for the time it runs."""

log = logging.getLogger(__name__)


def make_app(portal: Portal, parts: tuple[str, ...] = PARTS) -> FastAPI:
    """The application. ``portal`` has its :class:`~panosc_portal.login.Logins` already.

    Args:
        portal: what the parts share.
        parts: which of :data:`PARTS` it has.
    """
    modules = [_module(part) for part in parts]
    running = [module.lifespan for module in modules if hasattr(module, "lifespan")]
    app = FastAPI(
        title=portal.site.config.hub.title,
        openapi_url=None,  # the search API publishes its own
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(portal, running),
        redirect_slashes=False,
    )
    app.state.portal = portal
    routes = APIRouter()
    routes.include_router(login_routes())
    routes.include_router(static_routes(portal.templates))
    for module in modules:
        routes.include_router(module.router(portal))
    routes.add_api_route("/", _first_page, include_in_schema=False)
    routes.add_api_route("/health", _health, include_in_schema=False)
    app.include_router(routes, prefix=portal.base.rstrip("/"))
    _say_errors(app)
    app.add_middleware(Guard, headers=security_headers(portal), failed=_unforeseen)
    return app


def _module(part: str) -> Any:
    return importlib.import_module(f"panosc_portal.{part}")


def _lifespan(portal: Portal, parts: list[Any]) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _all(portal, parts):
            yield
        await portal.hub.aclose()

    return lifespan


@asynccontextmanager
async def _all(portal: Portal, parts: list[Any]) -> AsyncIterator[None]:
    if not parts:
        yield
        return
    async with parts[0](portal), _all(portal, parts[1:]):
        yield


async def _first_page(request: Request) -> Response:
    return RedirectResponse(f"{_portal(request).base}search", status_code=303)


async def _health() -> dict[str, str]:
    return {"status": "ok"}


# --- Errors, in words ---------------------------------------------------------------------------------------------------


def _say_errors(app: FastAPI) -> None:
    app.add_exception_handler(LoginNeeded, _login_needed)
    app.add_exception_handler(FormRefused, _form_refused)
    app.add_exception_handler(HubError, _hub_error)
    app.add_exception_handler(PortalError, _portal_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _not_understood)


async def _login_needed(request: Request, error: Exception) -> Response:
    """To the hub, if a browser only wants to look; a form or a program is told."""
    looks = request.method == "GET" and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    if looks and not wants_json(request) and "Authorization" not in request.headers:
        logins = logins_of(request)
        begin = logins.begin_quietly if isinstance(error, QuietLoginNeeded) else logins.begin
        return begin(request, own_address(request))
    return said(request, 401)


async def _form_refused(request: Request, error: Exception) -> Response:
    return said(request, 403, STALE_FORM)


async def _hub_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)  # noqa: S101 - registered for it
    if error.status == 401 and (login := request.scope.get("panosc_login")) is not None:
        logins_of(request).forget(login)
    return said(request, error.status, error.message, error.remedy)


async def _portal_error(request: Request, error: Exception) -> Response:
    return said(request, 503, str(error), "Try again in a few minutes.")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    plain = error.detail if error.detail not in ("Not Found", "Method Not Allowed", "Unauthorized", "Forbidden") else ""
    answer = said(request, error.status_code, str(plain or ""))
    answer.headers.update(error.headers or {})
    return answer


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    wrong = [f"{_field(one['loc'])}: {one['msg']}" for one in error.errors()[:5]]
    return said(request, 400, f"This was not understood: {'; '.join(wrong)}.", "Go back, and correct it.")


def _field(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:60] for part in place[1:]) or str(place[0])[:60]


async def _unforeseen(request: Request, error: Exception) -> Response:
    """Nothing of the error itself is shown: a number, by which it is found in the log."""
    number = secrets.token_hex(4)
    log.error("Error %s at %s %s", number, request.method, request.url.path, exc_info=error)
    return said(request, 500, number=number)


def _portal(request: Request) -> Portal:
    found: Portal = request.app.state.portal
    return found
