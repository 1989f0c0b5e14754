"""The search page: its form, its results as they come, and all of it at once for browsers without scripts."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from panosc_portal.catalogues.make import make_catalogues
from panosc_portal.context import Portal
from panosc_portal.errors import Outcome, PortalError
from panosc_portal.hub import Login
from panosc_portal.index.part import index_catalogue
from panosc_portal.login import LoginNeeded, maybe_signed_in
from panosc_portal.search import photons
from panosc_portal.search.address import QUANTITIES, Asked, read
from panosc_portal.search.cursor import CursorError
from panosc_portal.search.facets import facets
from panosc_portal.search.federation import Answered, BusyError, Federation, Finished, SourceOutcome
from panosc_portal.search.merge import Hit
from panosc_portal.search.words import outcome_words, summary, unchecked_words
from panosc_spawner.panet import techniques

_ROWS = 5000
"""Results that are kept as HTML; about five megabytes."""
_NO_STORE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def federation_of(portal: Portal) -> Federation:
    """The portal's federation, made when it is first needed."""
    if Federation not in portal.parts:
        site = portal.site
        own = index_catalogue(portal)
        catalogues = [*([own] if own else []), *make_catalogues(site)]
        portal.add(Federation(site, portal.hub, catalogues, site.config.portal.search))
    return portal.part(Federation)


@asynccontextmanager
async def lifespan(portal: Portal) -> AsyncIterator[None]:
    """Read PaNET and pint's units before somebody waits for them; close connections at the end."""
    await asyncio.to_thread(_warm_up)
    try:
        yield
    finally:
        await federation_of(portal).aclose()


def _warm_up() -> None:
    techniques()
    photons.warm_up()


async def searcher(request: Request, login: Annotated[Login | None, Depends(maybe_signed_in)]) -> Login | None:
    """Who searches: anybody where the site says so, and then finds open data.

    Raises:
        LoginNeeded: elsewhere, if nobody is logged in.
    """
    if login is None and not federation_of(request.app.state.portal).rules.public:
        raise LoginNeeded
    return login


Searcher = Annotated[Login | None, Depends(searcher)]


def router(portal: Portal) -> APIRouter:
    """The pages beneath ``search``."""
    pages = SearchPages(portal, federation_of(portal))
    routes = APIRouter(include_in_schema=False)

    @routes.get("/search")
    async def search(request: Request, login: Searcher) -> Response:
        """The form, and the place for results; with ``all=1`` the results, too."""
        return await pages.page(request, login)

    @routes.get("/search/events")
    async def events(request: Request, login: Searcher) -> Response:
        """The results as they come, as server-sent events."""
        return pages.events(request, login)

    @routes.get("/search/techniques")
    async def choose(request: Request, login: Searcher) -> Response:
        """The tree of techniques, to choose from."""
        return pages.techniques(request, login)

    return routes


class SearchPages:
    """What the routes do.

    Args:
        portal: what pages share.
        federation: it searches.
    """

    def __init__(self, portal: Portal, federation: Federation) -> None:
        self.portal, self.federation = portal, federation
        self.names = {key: facility.short_name for key, facility in portal.site.facilities.items()}
        environment = portal.templates
        environment.globals.setdefault("techniques", techniques())
        self._rows: OrderedDict[tuple[object, ...], str] = OrderedDict()
        self._row = environment.get_template("search_row.html")
        self._outcome = environment.get_template("search_outcome.html")
        self._facets = environment.get_template("search_facets.html")
        labels = sorted(node.label for node in techniques().nodes.values())
        self._options = Markup("").join(Markup('<option value="{}">').format(label) for label in labels)

    async def page(self, request: Request, login: Login | None) -> Response:
        """The page. A form's address holds empty fields: it is sent on to the one without them, which can be shared."""
        asked = self._read(request)
        given = request.query_params
        if any(not value for _, value in given.multi_items()):
            kept = {name: given[name] for name in ("cursor", "all") if given.get(name)}
            return RedirectResponse(f"{self.portal.base}search?{asked.address(**kept)}", status_code=303)
        if not asked.query.kinds() or given.get("all") != "1":
            return self._shell(request, login, asked)
        try:
            end = await self._whole(asked, given.get("cursor", ""), login)
        except (CursorError, BusyError) as error:
            return self._shell(request, login, asked, refused=error)
        return self._shell(request, login, asked, end=end)

    def events(self, request: Request, login: Login | None) -> Response:
        """The stream of one page of results."""
        asked, given = self._read(request), request.query_params
        stream = self._stream(asked, given.get("cursor", ""), login, given.get("only", ""))
        return StreamingResponse(stream, media_type="text/event-stream", headers=_NO_STORE)

    def techniques(self, request: Request, login: Login | None) -> Response:
        """The tree of techniques as a form, which leads back to the search."""
        asked = self._read(request)
        hidden = [(name, value) for name, values in asked.typed.items() if name != "technique" for value in values]
        return self.portal.page(request, "search_techniques.html", login, asked=asked, hidden=hidden)

    # --- Results --------------------------------------------------------------------------------------------------------

    async def _whole(self, asked: Asked, cursor: str, login: Login | None) -> Finished:
        async with aclosing(self.federation.search(asked.query, cursor, login)) as found:
            async for event in found:
                if isinstance(event, Finished):
                    return event
        raise PortalError("The search ended without an end.")

    async def _stream(self, asked: Asked, cursor: str, login: Login | None, only: str) -> AsyncGenerator[str, None]:
        several = len(self.federation.may_ask(asked.query))
        outcomes: list[SourceOutcome] = []
        ids: set[str] = set()
        try:
            async with aclosing(self.federation.search(asked.query, cursor, login, only=only)) as found:
                async for event in found:
                    if isinstance(event, Answered):
                        outcomes.append(event.outcome)
                        ids |= {hit.id for hit in event.hits}
                        yield _event("answer", self._answer(event, asked, login, len(ids), outcomes, several))
                    else:
                        yield _event("end", self._end(event, asked, several, only=bool(only)))
        except (CursorError, BusyError) as error:
            yield _event("refused", {"message": str(error)})

    def _answer(
        self,
        event: Answered,
        asked: Asked,
        login: Login | None,
        shown: int,
        outcomes: Sequence[SourceOutcome],
        several: int,
    ) -> Mapping[str, Any]:
        return {
            "source": event.outcome.source,
            "failed": event.outcome.outcome not in (Outcome.OK, Outcome.PARTIAL),
            "outcome": self._outcome_html(event.outcome, asked),
            "status": summary(shown, outcomes, several, page=1, over=False),
            "rows": [{"id": hit.id, "score": hit.score, "html": self._row_html(hit, login)} for hit in event.hits],
        }

    def _end(self, event: Finished, asked: Asked, several: int, *, only: bool) -> Mapping[str, Any]:
        more = f"search?{asked.address(cursor=event.cursor)}" if event.more else ""
        end: dict[str, Any] = {
            "cursor": event.cursor,
            "more": more,
            "page": event.page + 1,
            "order": [hit.id for hit in event.hits],
        }
        if not only:
            asked_now = len(event.outcomes) if event.page > 1 else several
            end["status"] = summary(len(event.hits), event.outcomes, asked_now, page=event.page, over=True)
            end["facets"] = self._facets.render(facets=facets(event.hits, asked, self.names), base=self.portal.base)
        return end

    def _row_html(self, hit: Hit, login: Login | None) -> str:
        """A result as HTML. It is the same for everybody who may see it, so it is made once."""
        key = (hit.dataset, hit.places, hit.unchecked, login is not None)
        row = self._rows.get(key)
        if row is None:
            row = self._render_row(hit, may_open=login is not None)
            self._rows[key] = row
            if len(self._rows) > _ROWS:
                self._rows.popitem(last=False)
        else:
            self._rows.move_to_end(key)
        return row

    def _render_row(self, hit: Hit, *, may_open: bool) -> str:
        return self._row.render(
            hit=hit,
            one=hit.dataset,
            base=self.portal.base,
            titles={name: source.title for name, source in self.federation.sources.items()},
            unchecked=unchecked_words(hit),
            may_open=may_open,
        )

    def _outcome_html(self, outcome: SourceOutcome, asked: Asked) -> str:
        return self._outcome.render(
            one=outcome, said=outcome_words(outcome), base=self.portal.base, again=asked.address()
        )

    # --- The page -------------------------------------------------------------------------------------------------------

    def _shell(
        self,
        request: Request,
        login: Login | None,
        asked: Asked,
        *,
        end: Finished | None = None,
        refused: PortalError | None = None,
    ) -> Response:
        cursor = request.query_params.get("cursor", "")
        if refused is None and cursor and end is None:
            try:
                self.federation.cursors.place(cursor, asked.query, login.username if login else "")
            except CursorError as error:
                refused = error
        waiting = bool(asked.query.kinds()) and end is None and refused is None
        sources = self.federation.may_ask(asked.query)
        several = len(end.outcomes) if end and end.page > 1 else len(sources)
        return self.portal.page(
            request,
            "search.html",
            login,
            status=200 if refused is None else 400,
            asked=asked,
            base=self.portal.base,
            quantities=QUANTITIES,
            options=self._options,
            conditions=asked.conditions(self.names),
            sources=sources,
            waiting=waiting,
            refused=str(refused) if refused else "",
            events=f"{self.portal.base}search/events?{asked.address(cursor=cursor)}" if waiting else "",
            whole=f"{self.portal.base}search?{asked.address(cursor=cursor, all='1')}" if waiting else "",
            end=end,
            rows=[self._row_html(hit, login) for hit in end.hits] if end else [],
            outcomes=[self._outcome_html(one, asked) for one in end.outcomes] if end else [],
            facets=facets(end.hits, asked, self.names) if end else (),
            said=summary(len(end.hits), end.outcomes, several, page=end.page, over=True)
            if end
            else summary(0, (), len(sources), page=1, over=False),
            more=f"search?{asked.address(cursor=end.cursor, all='1')}" if end and end.more else "",
        )

    def _read(self, request: Request) -> Asked:
        return read(request.query_params, tuple(self.names))


def _event(name: str, held: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(held, separators=(',', ':'))}\n\n"
