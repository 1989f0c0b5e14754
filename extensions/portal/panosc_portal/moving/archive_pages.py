"""Archives: for main proposers, the page on which a proposal's data are sent to an archive, and the receipts of earlier times."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import Login
from panosc_portal.login import form_checked, signed_in
from panosc_portal.moving.archive import Archives, ArchiveWorker, receipts
from panosc_portal.moving.as_person import ReadError
from panosc_portal.moving.download import in_words, make_downloads
from panosc_portal.moving.jobs import JobError
from panosc_portal.moving.plan import seen
from panosc_portal.moving.receipt import Signer
from panosc_portal.moving.runner import runner_of
from panosc_spawner.facilities.portal_archive_rules import ArchiveSite


def router(portal: Portal) -> APIRouter:
    """All addresses of archives."""
    state = portal.site.config.hub.state_dir
    downloads = make_downloads(portal)
    folder = state / "portal-archives"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    archives = Archives(portal, downloads.checksums, Signer(state / "portal-receipts.key"), folder)
    portal.add(archives)
    runner_of(portal).add(ArchiveWorker(archives))
    pages = ArchivePages(portal, archives)
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/archive/key", pages.key, methods=["GET"])
    routes.add_api_route("/archive/receipts/{job}", pages.receipt, methods=["GET"])
    routes.add_api_route("/archive/{facility}/{proposal}", pages.page, methods=["GET"])
    routes.add_api_route("/archive/{facility}/{proposal}", pages.begin, methods=["POST"])
    return routes


class ArchivePages:
    """The pages' handlers."""

    def __init__(self, portal: Portal, archives: Archives) -> None:
        self.portal, self.archives = portal, archives

    async def page(
        self, request: Request, facility: str, proposal: str, login: Annotated[Login, Depends(signed_in)]
    ) -> Response:
        """What would be sent where, and what was sent. Nothing is sent yet."""
        ref = f"{facility}/{proposal}"
        offers: list[tuple[ArchiveSite, HubError | None]] = []
        areas: tuple[str, ...] = ()
        plan, complete = None, True
        for site in self.archives.sites(ref):
            offers.append((site, await self._refusal(login, ref, site)))
        if any(refusal is None for _, refusal in offers):
            data = await self.portal.hub.data(login, ref, "archive")
            taken = {area.value for site, refusal in offers if refusal is None for area in site.areas}
            areas = tuple(dict.fromkeys(seen(area) for area in data.areas if area.area in taken))
            downloads = make_downloads(self.portal)
            try:
                async with downloads.looks.one(login.username):
                    plan, complete = await downloads.survey(data, areas) if areas else (None, True)
            except ReadError as error:
                raise in_words(error) from None
        jobs = runner_of(self.portal).jobs(login.username, "archive", ref)
        earlier = await asyncio.to_thread(lambda: list(receipts(self.archives, jobs)))
        return self.portal.page(
            request,
            "archive.html",
            login,
            ref=ref,
            here="",
            offers=offers,
            plan=plan,
            complete=complete,
            areas=areas,
            earlier=earlier,
        )

    async def begin(
        self, request: Request, facility: str, proposal: str, login: Annotated[Login, Depends(form_checked)]
    ) -> Response:
        """Begin to send."""
        ref, form = f"{facility}/{proposal}", await request.form()
        site = self.archives.site(ref, str(form.get("archive") or ""))
        await self.archives.may(login, ref, site)
        await self.portal.hub.data(login, ref, "archive")
        try:
            job = runner_of(self.portal).submit(
                "archive", login, ref, f"{ref} to {site.title}"[:200], archive=site.name
            )
        except JobError as error:
            raise HubError(429, error.message, error.remedy) from None
        return RedirectResponse(f"{self.portal.base}jobs/{job.id}", status_code=303)

    async def receipt(self, job: str, login: Annotated[Login, Depends(signed_in)]) -> Response:
        """A receipt, as it was signed."""
        found = runner_of(self.portal).job(job, login.username)
        if found is None or found.kind != "archive":
            raise HubError(404, "There is no such receipt of yours.", "It is in the archive, too: receipts/.")
        try:
            content = await asyncio.to_thread(self.archives.receipt(found.id).read_bytes)
        except OSError:
            raise HubError(404, "There is no receipt yet: the data are not all there.", "") from None
        name = f"receipt-{found.proposal.replace('/', '-')}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(content, media_type="application/json", headers=headers)

    async def key(self) -> Response:
        """The public key by which receipts are verified."""
        return JSONResponse({"algorithm": "Ed25519", "key": self.archives.signer.public})

    async def _refusal(self, login: Login, ref: str, site: ArchiveSite) -> HubError | None:
        try:
            await self.archives.may(login, ref, site)
        except HubError as error:
            if error.status != 403:
                raise
            return error
        return None
