"""Transfers that people run themselves: Globus, and commands for rclone and curl."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.guard import security_headers
from panosc_portal.hub import Login
from panosc_portal.login import Logins, form_checked, own_path, signed_in
from panosc_portal.moving.as_person import shown
from panosc_portal.moving.download import asked_paths, plain, query_of, quoted
from panosc_portal.moving.globus import AUTHORIZE, WEB, ConsentNeeded, Globus, Source, consents, sources
from panosc_portal.moving.plan import chosen_once
from panosc_spawner.facilities.portal_url import portal_url

MOST_FOLDERS = 50


def router(portal: Portal) -> APIRouter:
    """All addresses of transfers."""
    rules = portal.site.config.portal.transfer
    if rules.client:
        globus = Globus(rules.client, portal.site.folder)
        portal.add(globus)
        portal.part(Logins).at_logout.append(globus.forget)
    pages = TransferPages(portal)
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/transfers", pages.mine, methods=["GET"])
    routes.add_api_route("/transfer/globus/callback", pages.callback, methods=["GET"])
    routes.add_api_route("/transfer/globus/forget", pages.forget, methods=["POST"])
    routes.add_api_route("/transfer/{facility}/{proposal}", pages.page, methods=["GET"])
    routes.add_api_route("/transfer/{facility}/{proposal}/connect", pages.connect, methods=["POST"])
    routes.add_api_route("/transfer/{facility}/{proposal}", pages.submit, methods=["POST"])
    return routes


class TransferPages:
    """The pages' handlers."""

    def __init__(self, portal: Portal) -> None:
        self.portal, self.rules = portal, portal.site.config.portal.transfer

    @property
    def globus(self) -> Globus | None:
        """The client of Globus, if there is one."""
        return self.portal.part(Globus) if Globus in self.portal.parts else None

    async def mine(self, login: Annotated[Login, Depends(signed_in)]) -> Response:
        """All that moves for the person."""
        return RedirectResponse(f"{self.portal.base}jobs", status_code=303)

    async def page(
        self, request: Request, facility: str, proposal: str, login: Annotated[Login, Depends(signed_in)]
    ) -> Response:
        """The ways there are. Nothing moves yet."""
        ref, paths = f"{facility}/{proposal}", chosen_once(asked_paths(request))
        return self._page(request, login, ref, paths, await self._sources(login, ref, paths))

    async def connect(
        self, request: Request, facility: str, proposal: str, login: Annotated[Login, Depends(form_checked)]
    ) -> Response:
        """To Globus, to agree; then back to the page."""
        globus, form = self._client(), await request.form()
        ref, paths = f"{facility}/{proposal}", self._paths(form.getlist("q"))
        wanted = [str(scope)[:300] for scope in form.getlist("scope")][:20]
        found = await self._sources(login, ref, paths)
        for source in found[:1]:
            wanted = wanted or consents(source.collection)
        following = f"{self.portal.base}transfer/{quoted(ref)}{query_of(paths)}"
        domain = str(form.get("domain") or (found[0].collection.domain if found else ""))
        back = f"{portal_url(self.portal.site)}transfer/globus/callback"
        return RedirectResponse(globus.begin(login.username, back, following, wanted, domain), status_code=303)

    async def callback(self, login: Annotated[Login, Depends(signed_in)], state: str = "", code: str = "") -> Response:
        """Globus sends the browser back."""
        following = await self._client().finish(login.username, state, code)
        return RedirectResponse(own_path(self.portal.base, following), status_code=303)

    async def forget(self, request: Request, login: Annotated[Login, Depends(form_checked)]) -> Response:
        """Drop the person's Globus token."""
        self._client().forget(login.username)
        following = str((await request.form()).get("next") or "")
        return RedirectResponse(own_path(self.portal.base, following), status_code=303)

    async def submit(
        self, request: Request, facility: str, proposal: str, login: Annotated[Login, Depends(form_checked)]
    ) -> Response:
        """Submit a transfer to Globus."""
        globus, form = self._client(), await request.form()
        ref, paths = f"{facility}/{proposal}", self._paths(form.getlist("q"))
        found = await self._sources(login, ref, paths)
        chosen = str(form.get("collection") or "")
        items = [source for source in found if str(source.collection.collection) == chosen]
        destination, folder = str(form.get("destination") or ""), str(form.get("folder") or "")
        page = partial(self._page, request, login, ref, paths, found, destination=destination, folder=folder)
        try:
            if not items:
                raise HubError(404, "There is no such collection for these data.", "Choose one of those on the page.")
            task = await globus.submit(
                login.username, items, _collection(destination), _folder(folder), f"{ref} from this hub"
            )
        except ConsentNeeded as needed:
            return page(needed=needed, status=409)
        except HubError as error:
            return page(failed=error, status=error.status)
        return page(task=task)

    async def _sources(self, login: Login, ref: str, paths: tuple[str, ...]) -> list[Source]:
        if ref.partition("/")[0] not in self.portal.site.facilities:
            raise HubError(404, "There is no such proposal here.", "Look at My proposals.")
        data = await self.portal.hub.data(login, ref, "download")
        found = sources(self.rules.globus, data, paths)
        return found[:MOST_FOLDERS]

    def _page(
        self,
        request: Request,
        login: Login,
        ref: str,
        paths: tuple[str, ...],
        found: list[Source],
        *,
        status: int = 200,
        needed: ConsentNeeded | None = None,
        failed: HubError | None = None,
        task: str = "",
        destination: str = "",
        folder: str = "/~/",
    ) -> Response:
        collections = {str(source.collection.collection): source.collection for source in found}
        answer = self.portal.page(
            request,
            "transfer.html",
            login,
            status,
            ref=ref,
            here="transfers",
            paths=paths,
            sources=found,
            collections=collections,
            client=self.globus is not None,
            connected=self.globus is not None and self.globus.connected(login.username),
            needed=needed,
            failed=failed,
            task=task,
            task_link=f"{WEB}/activity/{task}" if task else "",
            destination=destination,
            folder=folder,
            quoted=quoted,
            query_of=query_of,
            shown=shown,
        )
        if self.globus is not None:  # the form that leads to Globus
            policy = security_headers(self.portal)["Content-Security-Policy"]
            answer.headers["Content-Security-Policy"] = f"{policy} {AUTHORIZE}"
        return answer

    def _client(self) -> Globus:
        if self.globus is None:
            raise HubError(404, "This hub is no client of Globus.", "Use the link to Globus's own page.")
        return self.globus

    @staticmethod
    def _paths(values: Sequence[object]) -> tuple[str, ...]:
        return chosen_once([plain(value) for value in values if isinstance(value, str)])


def _collection(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise HubError(
            400,
            "This is not the id of a collection.",
            "Copy it from the collection's page at app.globus.org; it is like 6c54cade-bde5-45c1-bdea-f4bd71dba2cc.",
        ) from None


def _folder(text: str) -> str:
    folder = text.strip() or "/~/"
    if not folder.startswith("/") or ".." in folder.split("/") or not folder.isprintable() or len(folder) > 1000:
        raise HubError(400, "This is not a folder's path.", "Write it as /~/data or /projects/x.")
    return folder
