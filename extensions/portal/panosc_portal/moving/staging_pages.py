"""Pages of staging: what of a proposal is elsewhere, what is here, and the button that brings it here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from panosc_portal.catalogues.make import make_catalogues
from panosc_portal.catalogues.model import Catalogue
from panosc_portal.context import Portal
from panosc_portal.hub import Login
from panosc_portal.login import form_checked, signed_in
from panosc_portal.moving.jobs import Job, JobError
from panosc_portal.moving.runner import runner_of
from panosc_portal.moving.staged import Receipt, Receipts
from panosc_portal.moving.staging import KIND, Staging
from panosc_portal.moving.wanted import Wanted, wanted
from panosc_portal.pages.said import said
from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.portal_staging_rules import Remote

logger = logging.getLogger(__name__)

_TIDY_EVERY = 6 * 3600.0


@dataclass(frozen=True)
class Elsewhere:
    """A storage that holds a proposal's data, and how far they are brought here.

    Attributes:
        remote: the storage.
        here: receipts of what is here.
        job: what brings them here now, or failed to, if it is the person's.
    """

    remote: Remote
    here: tuple[Receipt, ...]
    job: Job | None

    @property
    def since(self) -> date | None:
        """The day on which the last of them came."""
        return max((datetime.fromtimestamp(receipt.at, UTC).date() for receipt in self.here), default=None)


def staging_of(portal: Portal) -> Staging:
    """The portal's staging, made when it is first asked for.

    Raises:
        ConfigurationError: if its files cannot be used.
    """
    if Staging not in portal.parts:
        folder = portal.site.config.hub.state_dir / "portal-staging"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        runner = runner_of(portal)
        staging = Staging(portal, runner, Receipts(folder / "receipts.sqlite"), folder, _catalogues(portal))
        runner.add(staging)
        portal.add(staging)
    return portal.part(Staging)


def elsewhere(portal: Portal, ref: str, login: Login) -> list[Elsewhere]:
    """Where a proposal's data are elsewhere, for pages that offer to bring them here. Quick: nothing is asked."""
    staging = staging_of(portal)
    receipts = staging.receipts.of(ref)
    jobs = staging.runner.jobs(login.username, KIND, ref)
    return [
        Elsewhere(
            remote,
            tuple(receipt for receipt in receipts if receipt.remote == remote.name),
            next((job for job in jobs if job.details.get("remote") == remote.name), None),
        )
        for remote in staging.remotes(ref)
    ]


def router(portal: Portal) -> APIRouter:
    """All addresses of staging."""
    routes = APIRouter(include_in_schema=False)
    staging_of(portal)

    @routes.get("/stage/{facility}/{proposal}")
    async def page(
        request: Request,
        facility: str,
        proposal: str,
        login: Annotated[Login, Depends(signed_in)],
        what: Annotated[Wanted, Depends(wanted)],
    ) -> Response:
        """What is elsewhere, and what is here."""
        ref = _ref(portal, facility, proposal)
        runner_of(portal).seen(login)
        await portal.hub.data(login, ref, KIND)  # in the hub's words, if it is not theirs
        places = elsewhere(portal, ref, login)
        return portal.page(request, "stage.html", login, ref=ref, places=places, wanted=what)

    @routes.post("/stage/{facility}/{proposal}")
    async def begin(
        request: Request,
        facility: str,
        proposal: str,
        login: Annotated[Login, Depends(form_checked)],
        what: Annotated[Wanted, Depends(wanted)],
        remote: Annotated[str, Form(max_length=40)],
        refresh: Annotated[bool, Form()] = False,
    ) -> Response:
        """Bring them here."""
        ref = _ref(portal, facility, proposal)
        await portal.hub.data(login, ref, KIND)
        try:
            job = staging_of(portal).begin(login, ref, remote, refresh=refresh)
        except JobError as error:
            return said(request, 409, error.message, error.remedy)
        return RedirectResponse(f"{portal.base}jobs/{job.id}{what.query}", status_code=303)

    return routes


@asynccontextmanager
async def lifespan(portal: Portal) -> AsyncIterator[None]:
    """While the portal runs, what nobody goes on with is removed now and then."""
    staging = staging_of(portal)
    tidying = asyncio.create_task(_tidy(staging))
    try:
        yield
    finally:
        tidying.cancel()
        await asyncio.gather(tidying, return_exceptions=True)


async def _tidy(staging: Staging) -> None:
    while True:
        await asyncio.sleep(_TIDY_EVERY)
        try:
            await asyncio.to_thread(staging.tidy)
        except Exception:  # it is the only one: the next time it may work
            logger.exception("What staging left could not be removed")


def _ref(portal: Portal, facility: str, proposal: str) -> str:
    """A proposal's ref from an address, in its canonical form."""
    known = portal.site.facilities.get(facility)
    if known is None or known.proposals is None:
        raise HTTPException(404, "This hub does not serve proposals of that facility.")
    try:
        return str(ProposalRef(facility, known.proposals.normalise(proposal)))
    except IdError as error:
        raise HTTPException(404, f"{str(error)[:200]}.") from None


def _catalogues(portal: Portal) -> dict[str, Catalogue]:
    """Those that remotes name, for their checksums; none is connected to before it is asked."""
    named = {remote.catalogue for remote in portal.site.config.portal.staging.remotes} - {""}
    if not named:
        return {}
    made = make_catalogues(portal.site)
    return {catalogue.name: catalogue for catalogue in made if catalogue.name in named}


__all__ = ["Elsewhere", "elsewhere", "lifespan", "router", "staging_of"]
