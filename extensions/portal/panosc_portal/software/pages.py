"""The software catalogue's pages, its JSON-LD, its bills of materials, and the door for harvesters."""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from panosc_portal.context import Portal
from panosc_portal.hub import Login
from panosc_portal.login import maybe_signed_in, signed_in
from panosc_portal.software.catalogue import Software, Wanted
from panosc_portal.software.oai import Repository
from panosc_portal.software.stamps import Stamps
from panosc_spawner.software.jsonld import catalogue
from panosc_spawner.software.model import Entry

JSON_LD = "application/ld+json"
_KEPT = {"Cache-Control": "public, max-age=60"}
_Words = Annotated[str, Query(max_length=200)]
log = logging.getLogger(__name__)


def router(portal: Portal) -> APIRouter:
    """The part's routes. Everybody may read them where the site says so (``[portal.software] public``)."""
    software = Software(portal)
    portal.add(software)
    routes = APIRouter()
    _documents(routes, portal, software)  # first: "by-digest" would be taken for a facility
    _pages(routes, portal, software)
    _harvest(routes, portal, software)
    return routes


async def reader(request: Request) -> Login | None:
    """Who reads; where the catalogue is not public, somebody who is logged in.

    Raises:
        LoginNeeded: if it is not, and nobody is.
    """
    portal: Portal = request.app.state.portal
    login = await maybe_signed_in(request)
    return login if portal.site.config.portal.software.public else await signed_in(login)


def _pages(routes: APIRouter, portal: Portal, software: Software) -> None:
    @routes.get("/software")
    async def list_(
        request: Request,
        login: Annotated[Login | None, Depends(reader)],
        q: _Words = "",
        technique: _Words = "",
        facility: _Words = "",
        format: _Words = "",
    ) -> Response:
        wanted = Wanted(q, technique, facility, format)
        found = await software.find(wanted)
        if _wants_linked_data(request):
            return _linked(portal, software, found)
        every = await software.entries()
        return portal.page(
            request,
            "software.html",
            login,
            entries=found,
            wanted=wanted,
            all=len(every),
            choices=software.choices(every),
        )

    @routes.get("/software/{facility}/{key}")
    async def one(
        request: Request, login: Annotated[Login | None, Depends(reader)], facility: str, key: str
    ) -> Response:
        key, linked, _ = key.partition(".jsonld")
        entry = await _found(software, facility, key)
        if linked or _wants_linked_data(request):
            return JSONResponse(software.jsonld(entry), media_type=JSON_LD, headers=_KEPT)
        return portal.page(
            request,
            "software_entry.html",
            login,
            entry=entry,
            addresses={label: software.technique_address(label) for label in entry.environment.techniques},
        )


def _documents(routes: APIRouter, portal: Portal, software: Software) -> None:
    @routes.get("/software.jsonld")
    async def all_(login: Annotated[Login | None, Depends(reader)]) -> Response:
        return _linked(portal, software, await software.entries())

    @routes.get("/software/by-digest/{digest}")
    async def by_digest(login: Annotated[Login | None, Depends(reader)], digest: str) -> Response:
        entry = await software.by_digest(digest)
        if entry is None:
            raise HTTPException(404, "No environment here has an image with this digest.")
        return RedirectResponse(f"{portal.base}software/{entry.id}", status_code=303)

    @routes.get("/software/{facility}/{key}/sbom.cdx.json")
    async def bill(login: Annotated[Login | None, Depends(reader)], facility: str, key: str) -> Response:
        entry = await _found(software, facility, key)
        if entry.content is None or not entry.content.bill:
            raise HTTPException(404, entry.absent or "This image has no bill of materials.")
        name = f"{facility}-{key}.cdx.json"
        headers = {**_KEPT, "Content-Disposition": f'attachment; filename="{name}"'}
        return Response(entry.content.bill, media_type="application/vnd.cyclonedx+json", headers=headers)


def _harvest(routes: APIRouter, portal: Portal, software: Software) -> None:
    repository: list[Repository] = []

    @routes.get("/oai")
    async def oai(request: Request, login: Annotated[Login | None, Depends(reader)]) -> Response:
        if not repository:  # made at the first harvest: a full disk must not keep the portal from starting
            try:
                stamps = Stamps(portal.site.config.hub.state_dir / "software.sqlite")
            except (OSError, sqlite3.Error) as error:
                log.error("The harvest's file of dates cannot be used: %s", error)
                raise HTTPException(503, "Harvesting does not work just now.") from error
            repository.append(Repository(software, stamps))
        try:
            answer = await repository[0].answer(request.query_params.multi_items())
        except sqlite3.Error as error:
            log.error("The harvest's file of dates cannot be used: %s", error)
            raise HTTPException(503, "Harvesting does not work just now.") from error
        return Response(answer, media_type="text/xml", headers={"Cache-Control": "no-cache"})


async def _found(software: Software, facility: str, key: str) -> Entry:
    entry = await software.entry(facility, key)
    if entry is None:
        raise HTTPException(404, "There is no such environment at this hub.")
    return entry


def _linked(portal: Portal, software: Software, entries: list[Entry]) -> Response:
    made = (software.jsonld(entry, whole=False) for entry in entries)
    document = catalogue(made, portal.site.config.hub.title, software.address("software"))
    return Response(json.dumps(document, ensure_ascii=False), media_type=JSON_LD, headers=_KEPT)


def _wants_linked_data(request: Request) -> bool:
    accepts = request.headers.get("Accept", "")
    return any(kind in accepts for kind in (JSON_LD, "application/json")) and "text/html" not in accepts
