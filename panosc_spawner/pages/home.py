"""My proposals, the list of them for the browser, and why some data cannot be seen."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from tornado import web

from panosc_spawner.identity.logout import LogoutHandler as IdentityLogoutHandler
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Refusal
from panosc_spawner.pages.handler import PageHandler, Pages
from panosc_spawner.pages.rows import PAGE, Query, Row, filter_rows
from panosc_spawner.pages.told import OutageView, outage_views
from panosc_spawner.pages.words import source_trouble, what_is_shown
from panosc_spawner.proposals.model import GrantReport

_DONE = {
    "stopped": "The server has stopped. Your files are kept.",
    "stopping": "The server is stopping. Your files are kept.",
    "cancelled": "The start was cancelled; nothing is left running.",
    "extended": "You have more time.",
    "dismissed": "",
}


class HomeHandler(PageHandler):
    """``/home``: what I can open, and what is running."""

    @web.authenticated
    async def get(self) -> None:
        """The page."""
        await self.show_home()

    async def show_home(self, refusal: Refusal | None = None) -> None:
        """The page, with a refusal of what was just tried."""
        self.require("read:servers")
        person = await self.person()
        report = await self.report(person)
        listing = self.listing(person, report)
        query = Query(**{key: self.get_query_argument(key, "")[:200] for key in asdict(Query())})
        rows = filter_rows(listing, query) if query.active else list(listing.rows)
        more = self.get_query_argument("all", "") == "1"
        servers = self.servers()
        await self.show(
            "home.html",
            listing=listing,
            rows=rows if more else rows[:PAGE],
            found=len(rows),
            query=query,
            servers=servers,
            open_servers={view.refs[0]: view for view in servers if len(view.refs) == 1 and view.state == "running"},
            asked_in_vain=any(outcome.error for outcome in report.outcomes),
            troubles=self._troubles(report),
            outcomes=report.outcomes,
            notices=self.pages.context.notices.unread(person.username),
            outages=self._outages(person, report),
            blank=Row("", "", "", "", "", "", ""),
            done=_DONE.get(self.get_query_argument("done", ""), ""),
            refusal=refusal,
        )

    def _troubles(self, report: GrantReport) -> list[str]:
        """What to say of sources that did not answer just now, and of which no outage is told."""
        down, now = {outage.name for outage in self.pages.context.outages.down()}, datetime.now(UTC)
        return [words for o in report.outcomes if o.source not in down and (words := source_trouble(o, now))]

    def _outages(self, person: Person, report: GrantReport) -> list[OutageView]:
        context, now = self.pages.context, datetime.now(UTC)
        titles = {self.pages.community.id: self.pages.community.title}
        titles |= {key: login.community.title for key, login in getattr(self.authenticator, "communities", {}).items()}
        shown = {outcome.source: what_is_shown(outcome, now) for outcome in report.outcomes if outcome.error}
        grace = context.site.config.access.outage_grace
        return outage_views(context.outages.down(), titles, shown, person.seen_at, grace, now)


class NoticeHandler(HomeHandler):
    """``POST /panosc/notice/<number>``: the person has read a notice; only ever one of their own."""

    @web.authenticated
    async def get(self, number: str) -> None:
        """A link to it changes nothing."""
        self.go(self.hub_url("home"))

    @web.authenticated
    async def post(self, number: str) -> None:
        """Forget it."""
        self.require("servers")
        self.pages.context.notices.dismiss(self.current_user.name, int(number))
        self.go(self.hub_url("home"))


class ProposalsHandler(PageHandler):
    """``/panosc/proposals``: all rows, for the browser to filter. Sent again only when they have changed."""

    def get_content_type(self) -> str:
        """JSON, also for the errors of it."""
        return "application/json"

    @web.authenticated
    async def get(self) -> None:
        """``{"facilities": {id: name}, "rows": [[ref, title, instruments, dates, year, role, why], …]}``."""
        self.require("read:servers")
        person = await self.person()
        encoded = self.listing(person, await self.report(person)).encoded
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Vary", "Cookie, Accept-Encoding")
        self.set_header("ETag", encoded.etag)
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        elif "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(encoded.zipped)
        else:
            self.finish(encoded.plain)

    def compute_etag(self) -> None:
        """The list's own ETag is set; the body is not hashed again."""
        return


class WhyHandler(PageHandler):
    """``/why``: why can't I see my data?"""

    @web.authenticated
    async def get(self) -> None:
        """Who you are to this hub, which sources were asked, what they said, and what to do."""
        self.require("read:servers")
        person = await self.person()
        report = await self.report(person)
        served = [self.pages.context.site.facilities[key] for key in self.pages.context.site.config.hub.facilities]
        await self.show(
            "why.html",
            person=person,
            community=self.pages.community,
            outcomes=report.outcomes,
            listing=self.listing(person, report),
            served=served,
        )


class LogoutHandler(IdentityLogoutHandler):
    """``/logout``: says so, and what that does not end; the hub alone would show its login page without a word."""

    pages: Pages
