"""Pages of what is under way: a list of one's own, and one job's, which moves on by itself, with scripts or without."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import Login
from panosc_portal.login import form_checked, maybe_signed_in, signed_in
from panosc_portal.moving.jobs import Job, JobError, State
from panosc_portal.moving.runner import runner_of
from panosc_portal.moving.wanted import Wanted, wanted
from panosc_portal.pages.said import said
from panosc_spawner.facilities.units import format_size

STREAMS = 6
"""Pages of one person that may follow jobs at a time."""
LOOK_EVERY = 60.0
"""Seconds after which a page that follows a job is asked again whose it is."""
_NONE = "There is no such job of yours."
_KINDS = {"stage": "Bring data here", "archive": "Archive", "bag": "Pack a download"}


def router(portal: Portal) -> APIRouter:
    """All addresses of jobs."""
    routes = APIRouter(include_in_schema=False)
    pages = _JobPages(portal)
    routes.add_api_route("/jobs", pages.mine, methods=["GET"])
    routes.add_api_route("/jobs/{job_id}", pages.one, methods=["GET"])
    routes.add_api_route("/jobs/{job_id}/events", pages.events, methods=["GET"])
    routes.add_api_route("/jobs/{job_id}/cancel", pages.cancel, methods=["POST"])
    routes.add_api_route("/jobs/{job_id}/again", pages.again, methods=["POST"])
    return routes


@asynccontextmanager
async def lifespan(portal: Portal) -> AsyncIterator[None]:
    """While the portal runs, jobs do."""
    runner = runner_of(portal)
    await runner.start()
    try:
        yield
    finally:
        await runner.stop()


class _JobPages:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._runner = runner_of(portal)
        self._streams: Counter[str] = Counter()

    async def mine(self, request: Request, login: Annotated[Login, Depends(signed_in)]) -> Response:
        """What is under way, and what was."""
        self._runner.seen(login)
        jobs = [shown(job) for job in self._runner.jobs(login.username)]
        return self._portal.page(request, "jobs.html", login, jobs=jobs)

    async def one(
        self,
        request: Request,
        job_id: str,
        login: Annotated[Login, Depends(signed_in)],
        what: Annotated[Wanted, Depends(wanted)],
    ) -> Response:
        """How far it is, and what is opened when it is done."""
        self._runner.seen(login)
        job = self._mine(job_id, login)
        facility = self._portal.site.facilities.get(job.proposal.partition("/")[0])
        return self._portal.page(request, "job.html", login, job=job, shown=shown(job), facility=facility, wanted=what)

    async def events(self, request: Request, job_id: str, login: Annotated[Login, Depends(signed_in)]) -> Response:
        """The same, as it moves on (server-sent events), until it is over or the login is."""
        self._runner.seen(login)
        self._mine(job_id, login)
        if self._streams[login.username] >= STREAMS:
            return said(
                request,
                429,
                f"{STREAMS} of your pages follow a job already.",
                "Close one of them, or reload this page.",
            )
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._told(request, job_id, login), media_type="text/event-stream", headers=headers)

    async def cancel(
        self, job_id: str, login: Annotated[Login, Depends(form_checked)], what: Annotated[Wanted, Depends(wanted)]
    ) -> Response:
        """Stop it, and remove what is half-done."""
        self._mine(job_id, login)
        await self._runner.cancel(job_id, login.username)
        return self._back(job_id, what)

    async def again(
        self,
        request: Request,
        job_id: str,
        login: Annotated[Login, Depends(form_checked)],
        what: Annotated[Wanted, Depends(wanted)],
    ) -> Response:
        """Go on where it was."""
        self._mine(job_id, login)
        try:
            self._runner.again(job_id, login)
        except JobError as error:
            return said(request, 403, error.message, error.remedy)
        return self._back(job_id, what)

    async def _told(self, request: Request, job_id: str, login: Login) -> AsyncIterator[str]:
        self._streams[login.username] += 1
        look = time.monotonic() + LOOK_EVERY
        try:
            async for job in self._runner.watch(job_id, login.username, every=0.5):
                if time.monotonic() > look:
                    if not await self._still(request, login):
                        return
                    look = time.monotonic() + LOOK_EVERY
                yield f"data: {json.dumps(shown(job))}\n\n"
        finally:
            self._streams[login.username] -= 1
            if self._streams[login.username] <= 0:
                del self._streams[login.username]

    async def _still(self, request: Request, login: Login) -> bool:
        """Whether the page is still theirs. A hub that is silent for a moment ends it: the browser asks again by itself."""
        try:
            now = await maybe_signed_in(request)
        except HubError:
            return False
        return now is not None and now.username == login.username

    def _mine(self, job_id: str, login: Login) -> Job:
        job = self._runner.job(job_id[:64], login.username)
        if job is None:
            raise HTTPException(404, _NONE)
        return job

    def _back(self, job_id: str, what: Wanted) -> Response:
        return RedirectResponse(f"{self._portal.base}jobs/{job_id}{what.query}", status_code=303)


def shown(job: Job) -> dict[str, Any]:
    """What a page shows of a job: plain values, for a template and for its script."""
    at, share = job.progress, job.progress.share
    moving = job.state.active and share is not None
    return {
        "id": job.id,
        "kind": _KINDS.get(job.kind, job.kind),
        "proposal": job.proposal,
        "title": job.title or job.proposal,
        "state": job.state.value,
        "words": job.words or ("It waits for its turn." if job.state is State.QUEUED else ""),
        "remedy": job.remedy,
        "percent": round(100 * (share or 0)) if moving or job.state is State.DONE else None,
        "amount": _amount(at.done_bytes, at.total_bytes, at.done_files, at.total_files),
        "over": job.state.over,
        "created": job.created,
    }


def _amount(size: int, all_size: int | None, files: int, all_files: int | None) -> str:
    if not all_files and not all_size:
        return ""
    words = [f"{files:,} of {all_files:,} files"] if all_files else []
    if all_size:
        words.append(f"{format_size(size)} of {format_size(all_size)}")
    return ", ".join(words)
