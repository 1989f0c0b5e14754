"""Downloads: a page that says what there is before anything moves, zips, single files, folders for programs, tokens, and bags."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from html import escape
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from panosc_portal.catalogues.model import Dataset
from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import Login, ProposalData
from panosc_portal.login import form_checked, own_path, signed_in
from panosc_portal.moving.as_person import Entry, Reader, ReadError, shown
from panosc_portal.moving.bag import BagWorker, bag_file
from panosc_portal.moving.citing import citing
from panosc_portal.moving.commands import commands, token_file
from panosc_portal.moving.download import (
    Bearer,
    Downloads,
    asked_paths,
    bearer_of,
    children,
    in_words,
    make_downloads,
    one_place,
    path_in,
    plain,
    query_of,
    quoted,
)
from panosc_portal.moving.jobs import JobError
from panosc_portal.moving.link_tokens import fits
from panosc_portal.moving.plan import chosen_once, located
from panosc_portal.moving.ranges import Wanted, wanted
from panosc_portal.moving.runner import runner_of
from panosc_portal.moving.sending import Busy, Sending
from panosc_portal.moving.zip_layout import TooMuchForZip
from panosc_portal.moving.zip_stream import ZipOf
from panosc_portal.pages.said import said
from panosc_portal.search.federation import Federation
from panosc_spawner.facilities.portal_url import portal_url
from panosc_spawner.facilities.units import format_duration

MOST_SHOWN = 500
MOST_LISTED = 100_000
READ = ["GET", "HEAD"]


def router(portal: Portal) -> APIRouter:
    """All addresses of downloads."""
    routes = APIRouter(include_in_schema=False)
    pages = DownloadPages(portal, make_downloads(portal))
    runner_of(portal).add(BagWorker(portal, pages.downloads))
    routes.add_api_route("/download/{facility}/{proposal}", pages.plan, methods=["GET"])
    routes.add_api_route("/download/{facility}/{proposal}/zip", pages.zip, methods=READ)
    routes.add_api_route("/download/{facility}/{proposal}/token", pages.token, methods=["POST"])
    routes.add_api_route("/download/{facility}/{proposal}/bag", pages.make_bag, methods=["POST"])
    routes.add_api_route("/bags/{job}", pages.bag, methods=READ)
    routes.add_api_route("/files/{facility}/{proposal}/{path:path}", pages.file, methods=READ)
    return routes


class DownloadPages:
    """The pages' handlers.

    Args:
        portal: whose they are.
        downloads: what all of them share.
    """

    def __init__(self, portal: Portal, downloads: Downloads) -> None:
        self.portal, self.downloads = portal, downloads

    async def plan(
        self,
        request: Request,
        facility: str,
        proposal: str,
        login: Annotated[Login, Depends(signed_in)],
        source: str = "",
        pid: str = "",
    ) -> Response:
        """What a download would be: files, size, licence, how to cite, and the ways to take it. Nothing moves yet."""
        ref, paths = self._ref(facility, proposal), chosen_once(asked_paths(request))
        data = await self.downloads.data(Bearer(login), ref)
        folder = paths[0] if len(paths) == 1 else ""
        try:
            async with self.downloads.looks.one(login.username):
                plan, complete = await self.downloads.survey(data, paths)
                entries, all_shown = await _shown_folder(data, folder)
        except ReadError as error:
            raise in_words(error) from None
        dataset = await self._described(login, pid, source)
        address = portal_url(self.portal.site)
        return self.portal.page(
            request,
            "download.html",
            login,
            ref=ref,
            here="",
            paths=paths,
            folder=folder,
            crumbs=_crumbs(folder),
            data=data,
            plan=plan,
            complete=complete,
            entries=[(entry, f"{folder}/{entry.path}".strip("/")) for entry in entries],
            all_shown=all_shown,
            zips=plan is not None and complete and self.downloads.fits_zip(plan),
            rules=self.downloads.rules,
            about=citing(self.portal.site, ref, dataset),
            dataset=dataset,
            commands=commands(address, ref, paths, plan.tag() if plan and plan.complete else ""),
            query_of=query_of,
            quoted=quoted,
            shown=shown,
            pid=pid,
            source=source,
            token_fits=fits(paths),
            lifetime=format_duration(self.downloads.rules.link_lifetime),
        )

    async def zip(self, request: Request, facility: str, proposal: str, v: str = "") -> Response:
        """The zip; any part of it. ``v`` is the version that was begun: another one is not mixed into it."""
        ref, paths = self._ref(facility, proposal), chosen_once(asked_paths(request))
        bearer = await bearer_of(request, self.downloads)
        bearer.check(ref, paths)
        data = await self.downloads.data(bearer, ref)
        try:
            async with self.downloads.looks.one(bearer.login.username), Reader(data) as reader:
                plan = await self.downloads.full_plan(reader, data, paths)
            zipped = ZipOf(plan, self.downloads.checksums)
        except ReadError as error:
            raise in_words(error) from None
        except TooMuchForZip as error:
            raise HubError(413, str(error), "Take the data as a bag, or with rclone.") from None
        tag = plan.tag()
        if v and v != tag:
            raise _changed()

        async def body(start: int, end: int) -> AsyncGenerator[bytes]:
            async with Reader(data) as reader:
                async for piece in zipped.stream(reader, start, end):
                    yield piece

        name = "-".join([plan.top, *(PurePosixPath(shown(path)).name for path in paths[:1])])
        return self._sending(
            request,
            bearer,
            data,
            paths,
            wanted(request.headers, zipped.size, tag),
            body,
            f"{name}.zip",
            "application/zip",
        )

    async def file(self, request: Request, facility: str, proposal: str) -> Response:
        """One file, any part of it; or a folder as a plain list, which programs (rclone) can follow."""
        ref = self._ref(facility, proposal)
        path = path_in(request, f"{self.portal.base}files/{ref}/")
        bearer = await bearer_of(request, self.downloads)
        data = await self.downloads.data(bearer, ref)
        if not path.strip("/") or path.endswith("/"):
            return await self._listing(bearer, data, path)
        bearer.check(ref, (path,))
        place = one_place(data, path)
        if place is None or not place[1]:
            if not located(data, path):
                raise in_words(ReadError("missing", path))
            return self._folder(request)
        try:
            async with (
                self.downloads.looks.one(bearer.login.username),
                Reader(data) as reader,
                reader.open(place[0].path, place[1], end=0, links=True) as stream,
            ):
                identity = stream.identity
        except ReadError as error:
            if error.code == "kind":
                return self._folder(request)
            raise in_words(error) from None
        tag = "-".join(f"{number:x}" for number in identity.as_list()[:4])
        part = wanted(request.headers, identity.size, tag, identity.mtime / 1e9)

        def body(start: int, end: int) -> AsyncGenerator[bytes]:
            return self.downloads.file_bytes(data, place, identity, start, end)

        return self._sending(request, bearer, data, (path,), part, body, shown(path).rpartition("/")[2])

    async def token(
        self, request: Request, facility: str, proposal: str, login: Annotated[Login, Depends(form_checked)]
    ) -> Response:
        """A file with a token for curl, wget or rclone. It is shown once, as a file, and nothing of it is kept here."""
        ref, form = self._ref(facility, proposal), await request.form()
        paths = chosen_once([plain(value) for value in form.getlist("q") if isinstance(value, str)])
        if not fits(paths):
            raise HubError(400, "These are too many folders for one token.", "Choose the folder that holds them.")
        await self.downloads.data(Bearer(login), ref)
        lifetime = self.downloads.rules.link_lifetime
        made = self.downloads.tokens.make(login, ref, paths, lifetime)
        kind = form.get("kind")
        name, content = token_file(
            str(kind), portal_url(self.portal.site), ref, paths, made, datetime.now(UTC) + lifetime
        )
        headers = {"Content-Disposition": disposition(name), "Cache-Control": "no-store"}
        return Response(content, media_type="text/plain; charset=utf-8", headers=headers)

    async def make_bag(
        self, request: Request, facility: str, proposal: str, login: Annotated[Login, Depends(form_checked)]
    ) -> Response:
        """Begin a bag: checksums of all files, then the lists. Its page shows how far it is."""
        ref, form = self._ref(facility, proposal), await request.form()
        paths = chosen_once([plain(value) for value in form.getlist("q") if isinstance(value, str)])
        await self.downloads.data(Bearer(login), ref)
        told = {name: str(form.get(name) or "")[:500] for name in ("pid", "source")}
        try:
            job = runner_of(self.portal).submit(
                "bag",
                login,
                ref,
                f"Bag of {', '.join(map(shown, paths)) or 'all data'}"[:200],
                paths=list(paths),
                address=portal_url(self.portal.site),
                **told,
            )
        except JobError as error:
            raise HubError(429, error.message, error.remedy) from None
        return RedirectResponse(f"{self.portal.base}jobs/{job.id}", status_code=303)

    async def bag(self, request: Request, job: str) -> Response:
        """A bag that was made."""
        bearer = await bearer_of(request, self.downloads)
        found = runner_of(self.portal).job(job, bearer.login.username)
        if found is None or found.kind != "bag":
            raise HubError(404, "There is no such bag of yours.", "Make it again on the download's page.")
        paths = tuple(found.details.get("paths", ()))
        bearer.check(found.proposal, paths)
        data = await self.downloads.data(bearer, found.proposal)
        file = bag_file(self.portal, found.id)
        try:
            state = await asyncio.to_thread(file.stat)
        except OSError:
            raise HubError(
                404, "This bag is not made yet, or was removed when its time was over.", "Make it again."
            ) from None
        part = wanted(request.headers, state.st_size, f"{state.st_ino:x}-{state.st_mtime_ns:x}", state.st_mtime)

        async def body(start: int, end: int) -> AsyncGenerator[bytes]:
            with await asyncio.to_thread(file.open, "rb") as opened:
                await asyncio.to_thread(opened.seek, start)
                while start < end and (piece := await asyncio.to_thread(opened.read, min(2**19, end - start))):
                    start += len(piece)
                    yield piece

        name = f"{found.proposal.replace('/', '-')}-bag.zip"
        return self._sending(request, bearer, data, paths, part, body, name, "application/zip")

    def _ref(self, facility: str, proposal: str) -> str:
        if facility not in self.portal.site.facilities or not proposal.isprintable() or len(proposal) > 100:
            raise HubError(404, "There is no such proposal here.", "Look at My proposals.")
        return f"{facility}/{proposal}"

    async def _described(self, login: Login, pid: str, source: str) -> Dataset | None:
        """What the catalogues say of the data set; a catalogue that does not answer is no reason not to show the rest."""
        if not pid or Federation not in self.portal.parts or len(pid) > 500:
            return None
        found = await self.portal.part(Federation).find(pid, login)
        return found.hit.dataset if found.hit else None

    def _sending(
        self,
        request: Request,
        bearer: Bearer,
        data: ProposalData,
        paths: tuple[str, ...],
        part: Wanted,
        body: Callable[[int, int], AsyncGenerator[bytes]],
        name: str,
        media_type: str = "application/octet-stream",
    ) -> Response:
        if part.status == 412:
            raise _changed()
        rules = self.downloads.rules
        return Sending(
            part,
            body,
            still=lambda: self.downloads.still(bearer, data, paths),
            place=lambda: self.downloads.lanes.one(bearer.login.username),
            refused=lambda busy: _busy(request, busy),
            disposition=disposition(name),
            media_type=media_type,
            recheck=rules.recheck,
            stall=rules.stall,
        )

    async def _listing(self, bearer: Bearer, data: ProposalData, path: str) -> Response:
        if bearer.link and not bearer.link.leads_to(data.ref, path):
            bearer.check(data.ref, (path,))
        try:
            async with self.downloads.looks.one(bearer.login.username):
                entries, complete = await children(data, path, MOST_LISTED)
        except ReadError as error:
            raise in_words(error) from None
        if not complete:
            raise HubError(
                409, f"There are more than {MOST_LISTED} files in this folder.", "Take them as a zip or bag."
            )
        lines = []
        for entry in entries:
            below = f"{path.strip('/')}/{entry.path}".strip("/")
            if bearer.link and not bearer.link.leads_to(data.ref, below):
                continue
            if entry.kind in {"dir", "file"}:
                name = entry.path + ("/" if entry.kind == "dir" else "")
                address = f"./{quoted(name)}"  # a name may hold a colon
                lines.append(f'<li><a href="{escape(address)}">{escape(shown(name))}</a></li>')
        title = escape(f"{data.ref} {shown(path)}")
        page = f'<!DOCTYPE html><html lang="en"><title>{title}</title><ul>\n' + "\n".join(lines) + "\n</ul></html>\n"
        return HTMLResponse(
            page, headers={"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}
        )

    def _folder(self, request: Request) -> Response:
        """A folder's address ends with a slash, or its relative links would lead elsewhere."""
        raw: bytes = request.scope.get("raw_path") or quote(request.url.path).encode()
        path = raw.partition(b"?")[0].decode("ascii")
        return RedirectResponse(own_path(self.portal.base, path + "/"), status_code=307)


def disposition(name: str) -> str:
    """How a browser is told a file's name (RFC 6266): never to be shown in the hub's own name, always to be saved."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.+~ ") else "_" for c in name)[:150] or "data"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:200], safe='')}"


async def _shown_folder(data: ProposalData, folder: str) -> tuple[list[Entry], bool]:
    try:
        return await children(data, folder, MOST_SHOWN)
    except ReadError as error:
        if error.code == "missing" and folder:  # a file: it is chosen as it is
            return [], True
        raise


def _crumbs(folder: str) -> list[tuple[str, str]]:
    parts = PurePosixPath(folder).parts if folder else ()
    return [(shown(part), "/".join(parts[: index + 1])) for index, part in enumerate(parts)]


def _changed() -> HubError:
    return HubError(
        412,
        "The data changed since this download began, so its parts do not fit together any more.",
        "Remove what was downloaded, and begin anew from the download's page.",
    )


def _busy(request: Request, busy: Busy) -> Response:
    answer = said(request, busy.status, busy.message, busy.remedy)
    answer.headers["Retry-After"] = "60"
    return answer
