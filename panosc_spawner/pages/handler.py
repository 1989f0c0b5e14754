"""What all pages share: who asks, what they may open, and what they asked for. A page shows and starts only one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_escape_path, url_path_join
from tornado import web

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import LaunchPlan, Refusal, Selection
from panosc_spawner.launch.selection import parse_selection
from panosc_spawner.pages import words
from panosc_spawner.pages.assets import Assets
from panosc_spawner.pages.rows import Listing, Listings
from panosc_spawner.pages.servers import ServerView, kept_problem, server_view
from panosc_spawner.proposals.model import GrantReport
from panosc_spawner.spawners.base import facility_accounts, planned
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.images_here import Here
from panosc_spawner.spawners.refused import Refused

_FRESH = timedelta(seconds=60)
"""How old the sources' answer may be on a page. A start asks anew."""


@dataclass
class Pages:
    """What the handlers of one hub share; a class attribute of each."""

    context: HubContext
    community: Community
    assets: Assets
    listings: Listings = field(default_factory=Listings)


@dataclass(frozen=True)
class DryRun:
    """What would come of a selection now: a plan, or a refusal; with the answer of the sources it came from."""

    report: GrantReport
    selection: Selection | None
    plan: LaunchPlan | None
    refusal: Refusal | None
    here: Here = field(default_factory=Here)
    """Which environments are on this machine."""


class PageHandler(BaseHandler):
    """A page about the person who is logged in, and nobody else."""

    pages: Pages

    @property
    def content_security_policy(self) -> str:
        """Nothing from elsewhere. The hub's own page holds one inline script, so those stay allowed."""
        own = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
        rest = "img-src 'self' data:; object-src 'none'; base-uri 'self'"
        return f"{own}; {rest}; {super().content_security_policy}"

    def check_xsrf_cookie(self) -> None:
        """Refuse a post without the form's token. JupyterHub 6.1 lets one pass that says to be a websocket's handshake; no page is."""
        reads = self.request.method in ("GET", "HEAD", "OPTIONS")
        if not reads and self.request.headers.get("Sec-Fetch-Mode") == "websocket":
            raise web.HTTPError(403, "'_xsrf' argument missing")
        super().check_xsrf_cookie()

    def require(self, scope: str) -> None:
        """Refuse a request whose credentials do not carry this scope for the person's own servers.

        Raises:
            HTTPError: 403.
        """
        if not self.has_scope(f"{scope}!user={self.current_user.name}"):
            raise web.HTTPError(403, "Your login does not allow this. Log out, log in, and try again.")

    async def person(self) -> Person:
        """Who is logged in, as the AAI proved them.

        Raises:
            HTTPError: 403 where the login has ended or is another account's.
        """
        user = self.current_user
        state = await user.get_auth_state()
        try:
            person = Person.from_state((state or {})["person"])
        except (KeyError, IdentityError):
            raise web.HTTPError(403, "Your login has ended. Log out, log in, and try again.") from None
        if person.username != user.name:
            raise web.HTTPError(403, "Your login does not fit your account. Log out, log in, and try again.")
        people = self.pages.context.people  # what was linked or unlinked a moment ago counts
        return replace(person, linked=people.linked(user.name, person.identity)) if people else person

    async def report(self, person: Person) -> GrantReport:
        """What the sources say about the person, a minute old at most."""
        return await self.pages.context.book.report(person, max_age=_FRESH)

    def listing(self, person: Person, report: GrantReport) -> Listing:
        """The person's proposals as rows."""
        return self.pages.listings.get(person.username, report.grants, self.pages.context.site, datetime.now(UTC))

    async def dry_run(self, person: Person, options: Mapping[str, object]) -> DryRun:
        """Decide about a selection as a start would, and start nothing."""
        context = self.pages.context
        selection = parse_selection(options, context.site)
        if isinstance(selection, Refusal):
            # What can be read of it is shown again, so that one wrong field does not empty the page.
            rest = parse_selection({"proposals": options.get("proposals")}, context.site)
            shown = rest if isinstance(rest, Selection) else None
            report, here = await asyncio.gather(self.report(person), context.images.look())
            return DryRun(report, shown, None, selection, here)
        report, accounts, here = await asyncio.gather(
            self.report(person), facility_accounts(context, person, selection), context.images.look()
        )
        try:
            made = planned(context, person, report, selection, accounts, here.absent)
            return DryRun(report, selection, made, None, here)
        except Refused as refused:
            return DryRun(report, selection, None, refused.refusal, here)

    def own_spawner(self, name: str) -> Any:
        """The person's server of this name.

        Raises:
            web.HTTPError: 404, if they have none.
        """
        if not name or name not in self.current_user.orm_spawners:
            raise web.HTTPError(404, "You have no such server.")
        return self.current_user.spawners[name]

    def servers(self) -> list[ServerView]:
        """The person's servers that run, start, stop, or ended badly; the last started first."""
        user = self.current_user
        views = []
        for name, orm_spawner in user.orm_spawners.items():
            # Only what is there, or has left something to say, is worth the hub's full object.
            if name in user.spawners or (orm_spawner.state or {}).get("problem"):
                views += [view] if (view := self._view(user, user.spawners[name])) else []
        return sorted(views, key=lambda view: (view.state == "ended", -_seconds(view.started), view.name))

    def _view(self, user: Any, spawner: Any) -> ServerView | None:
        state = {"spawn": "starting", "stop": "stopping"}.get(spawner.pending or "", "")
        state = state or ("running" if spawner.ready else "starting" if spawner.active else "ended")
        kept = getattr(spawner, "problem", None) or kept_problem((spawner.orm_spawner.state or {}).get("problem"))
        if state == "ended" and kept is None:
            return None
        problem = kept if state == "ended" else None
        summary = getattr(spawner, "summary", {}) or {}
        url = user.server_url(spawner.name)
        return server_view(spawner.name, state, summary, spawner.orm_spawner.user_options, problem, url)

    def pending_url(self, name: str, following: str = "") -> str:
        """Where a start or a stop can be watched; of a start, with the page behind it, if that is not JupyterLab."""
        parts = ("spawn-pending", self.current_user.escaped_name, url_escape_path(name))
        query = urlencode({"next": following}) if following else ""
        return str(url_path_join(self.hub.base_url, *parts)) + (f"?{query}" if query else "")

    def desktop_url(self, name: str) -> str:
        """Where a server's desktop is."""
        return str(url_path_join(self.current_user.server_url(name), "desktop/"))

    def hub_url(self, path: str, **arguments: str) -> str:
        """An address of the hub, with arguments; slashes stay readable."""
        query = urlencode({key: value for key, value in arguments.items() if value}, safe="/,")
        return str(url_path_join(self.hub.base_url, path)) + (f"?{query}" if query else "")

    def go(self, url: str) -> None:
        """Send the browser there with GET."""
        self.redirect(url, status=303)

    async def show(self, template: str, **values: Any) -> None:
        """Render a page."""
        now = datetime.now(UTC)
        site = self.pages.context.site
        self.set_header("Cache-Control", "no-store")
        html = await self.render_template(template, now=now, words=words, site=site, **values)
        self.finish(html)


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
