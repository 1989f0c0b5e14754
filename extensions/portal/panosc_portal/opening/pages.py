"""A data set's page, and the way from it to a plot in JupyterLab; and the badge that leads here from anywhere."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from panosc_portal.catalogues.model import File
from panosc_portal.context import Portal
from panosc_portal.errors import CatalogueError, HubError
from panosc_portal.hub import Login
from panosc_portal.login import form_checked, maybe_signed_in, signed_in
from panosc_portal.moving.as_person import ReadError
from panosc_portal.moving.citing import citing
from panosc_portal.opening.badge import badge_svg
from panosc_portal.opening.chain import Chains, Found
from panosc_portal.opening.citation import bibtex, snippet
from panosc_portal.opening.name import UnknownNameError
from panosc_portal.opening.opener import Opener
from panosc_portal.opening.plots import Plots
from panosc_portal.opening.tickets import Tickets
from panosc_portal.search.pages import federation_of
from panosc_spawner.facilities.portal_url import portal_url
from panosc_spawner.panet import label

MOST_FILES = 200
_Text = Annotated[str, Query(max_length=2000)]


async def reader(request: Request) -> Login | None:
    """Who reads; where the search is not public, somebody who is logged in.

    Raises:
        LoginNeeded: if it is not, and nobody is.
    """
    portal: Portal = request.app.state.portal
    login = await maybe_signed_in(request)
    return login if portal.site.config.portal.search.public else await signed_in(login)


def router(portal: Portal) -> APIRouter:
    """The part's routes."""
    opener = Opener(portal, Chains(portal, federation_of(portal)), Plots(), Tickets())
    portal.add(opener)
    routes = APIRouter()
    _data(routes, opener)
    _open(routes, opener)
    _badge(routes)
    return routes


def _data(routes: APIRouter, opener: Opener) -> None:
    portal = opener.portal

    @routes.get("/data")
    async def data(
        request: Request, login: Annotated[Login | None, Depends(reader)], pid: _Text = "", source: _Text = ""
    ) -> Response:
        found = await _described(opener, pid, login, source)
        if found.dataset is None:
            return _opening(request, opener, found, login)
        files, trouble = await _files(opener, found, login)
        cite_ref = f"{found.dataset.facility}/{found.dataset.proposal}"
        known = found.dataset.facility in portal.site.facilities
        return portal.page(
            request,
            "data.html",
            login,
            found=found,
            dataset=found.dataset,
            files=files[:MOST_FILES],
            more_files=len(files) > MOST_FILES,
            files_trouble=trouble,
            citing=citing(portal.site, cite_ref, found.dataset) if known else None,
            bibtex=bibtex(found.dataset, portal.site.facilities[found.dataset.facility].name if known else ""),
            badge=_badge_words(opener, found),
            address=opener.page(found),
            technique=label,
            places=dict.fromkeys(opener.chains.title(name) for name, _ in found.places),
        )

    @routes.get("/data/mine")
    async def mine(
        request: Request, login: Annotated[Login, Depends(signed_in)], pid: _Text = "", source: _Text = ""
    ) -> Response:
        """What takes longer to find than the page may: where the data lie here, and what can be done with them."""
        found = await opener.chains.follow(await _described(opener, pid, login, source), login)
        part = request.headers.get("Sec-Fetch-Dest") == "empty"  # asked by the page's script, for a place in it
        template = "data_mine_part.html" if part else "data_mine.html"
        return portal.page(request, template, login, found=found, snippet=snippet(found), query=_query(pid, source))

    @routes.get("/data/picture")
    async def picture(login: Annotated[Login, Depends(signed_in)], pid: _Text = "", source: _Text = "") -> Response:
        found = await opener.chains.follow(await _described(opener, pid, login, source), login)
        if found.broken:
            raise HTTPException(404, found.broken.words)
        try:
            look = await opener.look(found, login)
        except ReadError as error:
            raise HTTPException(404, error.message) from error
        if look.picture is None:
            raise HTTPException(404, look.error or "There is no picture of it.")
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        }
        return Response(look.picture.content, media_type=look.picture.type, headers=headers)


def _open(routes: APIRouter, opener: Opener) -> None:
    portal = opener.portal

    @routes.get("/open")
    async def look(
        request: Request, login: Annotated[Login, Depends(signed_in)], pid: _Text = "", source: _Text = ""
    ) -> Response:
        if not pid:
            return portal.page(request, "open_name.html", login, said="", text="")
        try:
            found = await opener.chains.describe(pid, login, source)
        except UnknownNameError as error:
            return portal.page(request, "open_name.html", login, status=400, said=str(error), text=pid)
        return _opening(
            request, opener, await opener.chains.follow(found, login), login, await opener.environment(found)
        )

    @routes.post("/open")
    async def begin(
        request: Request,
        login: Annotated[Login, Depends(form_checked)],
        pid: Annotated[str, Form(max_length=2000)],
        source: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        found = await opener.chains.follow(await _described(opener, pid, login, source), login)
        if found.broken:
            return _opening(request, opener, found, login)
        return RedirectResponse(await opener.begin(found, login, pid, source), status_code=303)

    @routes.get("/open/go")
    async def go(
        request: Request, login: Annotated[Login, Depends(signed_in)], ticket: Annotated[str, Query(max_length=100)]
    ) -> Response:
        wanted = opener.tickets.take(ticket, login.username)
        if wanted is None:
            raise HubError(
                409, "What was to be opened is not known any more.", "Go to the data set again, and press Open."
            )
        found = await opener.chains.follow(await _described(opener, wanted.text, login, wanted.source), login)
        if found.broken:
            return _opening(request, opener, found, login)
        return RedirectResponse(await opener.finish(found, login), status_code=303)


def _opening(request: Request, opener: Opener, found: Found, login: Login | None, environment: str = "") -> Response:
    """The page that says what would be opened, or which step is broken."""
    site = opener.portal.site
    facility, _, key = environment.partition("/")
    title = site.facilities[facility].environments[key].title if key else ""
    status = 200 if not found.broken else 404 if not found.ref and not found.dataset else 200
    return opener.portal.page(
        request, "open_data.html", login, status=status, found=found, environment=title, page=opener.page(found)
    )


async def _described(opener: Opener, pid: str, login: Login | None, source: str) -> Found:
    try:
        return await opener.chains.describe(pid, login, source)
    except UnknownNameError as error:
        raise HTTPException(400, str(error)) from error


async def _files(opener: Opener, found: Found, login: Login | None) -> tuple[list[File], str]:
    """The first files that the catalogue lists, and why there are none."""
    assert found.dataset  # noqa: S101 - looked at before
    source = opener.chains.federation.sources.get(found.dataset.source)
    if source is None or not source.catalogue.capabilities.files:
        return [], ""
    try:
        return await opener.chains.federation.files(found.dataset, login, MOST_FILES), ""
    except CatalogueError as error:
        return [], f"Its files could not be listed: {error.reason}."


def _query(pid: str, source: str) -> str:
    return urlencode({"source": source, "pid": pid} if source else {"pid": pid})


def _badge_words(opener: Opener, found: Found) -> str:
    """Markdown for a README or a paper's repository."""
    site = opener.portal.site
    name = found.dataset.doi if found.dataset and found.dataset.doi else found.named.pid
    address = portal_url(site, f"open?{urlencode({'pid': name})}")
    return f"[![Open in PaNOSC Hub]({portal_url(site, 'badge.svg')})]({address})"


def _badge(routes: APIRouter) -> None:
    @routes.get("/badge.svg")
    async def badge() -> Response:
        return Response(
            badge_svg(),
            media_type="image/svg+xml",
            headers={"Cache-Control": "public, max-age=86400", "Cross-Origin-Resource-Policy": "cross-origin"},
        )
