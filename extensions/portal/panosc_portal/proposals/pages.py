"""``/proposal/<facility>/<id>``: what is known of one of one's own proposals, and the ways to its data."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from panosc_portal.catalogues.model import Dataset, Query
from panosc_portal.context import Portal
from panosc_portal.errors import HubError, PortalError
from panosc_portal.hub import Login, OwnProposal
from panosc_portal.login import signed_in
from panosc_portal.proposals.about import About, about, of_proposal
from panosc_portal.search.federation import Federation, Finished, SourceOutcome
from panosc_portal.search.pages import federation_of

_PAGES = 3
"""Pages of results that are looked through: some 180 data sets. The page says if there are more."""
_SHOWN = 40


def router(portal: Portal) -> APIRouter:
    """The page."""
    routes = APIRouter(include_in_schema=False)
    federation = federation_of(portal)

    @routes.get("/proposal/{facility}/{name:path}")
    async def proposal(
        request: Request, facility: str, name: str, login: Annotated[Login, Depends(signed_in)]
    ) -> Response:
        own = await own_proposal(portal, login, f"{facility}/{name}")
        found, outcomes, more = await look(portal, federation, own, login)
        search = urlencode({"q": own.ref.partition("/")[2], "facility": facility})
        return portal.page(
            request,
            "proposal.html",
            login,
            proposal=own,
            about=found,
            shown=found.datasets[:_SHOWN],
            failed=[one for one in outcomes if one.reason],
            asked=len(outcomes),
            more=more,
            open_url=f"{portal.hub_base}open?{urlencode({'proposals': own.ref})}",
            download_url=f"{portal.base}download/{quote(own.ref)}",
            search_url=f"{portal.base}search?{search}",
            data_url=lambda one: f"{portal.base}data?{urlencode({'source': one.source, 'pid': one.pid})}",
        )

    return routes


async def own_proposal(portal: Portal, login: Login, ref: str) -> OwnProposal:
    """The person's proposal of this name.

    Raises:
        HubError: 404, if they have none that they may open now.
    """
    report = await portal.hub.person(login)
    for own in report.proposals:
        if own.ref == ref:
            return own
    troubles = " ".join(report.troubles)
    raise HubError(
        404,
        f"{ref[:80]} is none of the proposals that you can open now. {troubles}".strip(),
        "On the page of your proposals, “Why can’t I see my data?” names what is missing.",
    )


async def look(
    portal: Portal, federation: Federation, own: OwnProposal, login: Login
) -> tuple[About, tuple[SourceOutcome, ...], bool]:
    """What catalogues tell of a proposal, how they answered, and whether they have more than was looked through.

    Many catalogues look for words in titles only, where no proposal's number is: if it is found nowhere, what was measured at
    its instruments in its years is looked through.
    """
    facility, _, name = own.ref.partition("/")
    queries = [Query(text=name, facilities=(facility,))]
    if own.instruments and own.start:
        years = (own.start.year, (own.end or own.start).year)
        queries.append(Query(facilities=(facility,), instruments=own.instruments, years=years))
    found, more = About(), False
    outcomes: tuple[SourceOutcome, ...] = ()
    for query in queries:
        datasets, outcomes, more = await _all_of(federation, query, login)
        found = about(of_proposal(own.ref, datasets, portal.site))
        if found.datasets:
            break
    return found, outcomes, more


async def _all_of(
    federation: Federation, query: Query, login: Login
) -> tuple[list[Dataset], tuple[SourceOutcome, ...], bool]:
    datasets: list[Dataset] = []
    outcomes: tuple[SourceOutcome, ...] = ()
    cursor, more = "", False
    for _ in range(_PAGES):
        page = await _page(federation, query, cursor, login)
        datasets += [hit.dataset for hit in page.hits]
        outcomes, more, cursor = outcomes or page.outcomes, page.more, page.cursor
        if not more:
            break
    return datasets, outcomes, more


async def _page(federation: Federation, query: Query, cursor: str, login: Login) -> Finished:
    async with aclosing(federation.search(query, cursor, login)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event
    raise PortalError("The search for the proposal’s data ended without an end.")
