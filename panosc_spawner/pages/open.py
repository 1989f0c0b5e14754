"""Open proposals: choose, confirm, start. Nothing is ever started by following a link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from jupyterhub.spawner import SpawnException
from tornado import web

from panosc_spawner.facilities.site import Limits, Site
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal, Selection
from panosc_spawner.launch.names import server_name
from panosc_spawner.launch.plan import live_grants, offered_environments, suggested_environment
from panosc_spawner.launch.resources import choose_limits, maximum_limits, policy_groups
from panosc_spawner.launch.selection import MAX_PROPOSALS, selection_options
from panosc_spawner.pages.choose import Offer, cut_short, offer, options_from, resource_form
from panosc_spawner.pages.handler import DryRun, PageHandler
from panosc_spawner.pages.machine import free_now
from panosc_spawner.pages.rows import PAGE, Listing, Query, filter_rows
from panosc_spawner.portal.service import within_portal
from panosc_spawner.spawners.records import record_refusal
from panosc_spawner.spawners.refused import Refused

_PATIENCE = 1.0
"""Seconds to wait for a start that fails at once, to say why on this page."""


class OpenHandler(PageHandler):
    """``/open?proposals=…``: GET shows what would be started, POST starts it."""

    @web.authenticated
    async def get(self) -> None:
        """The choose page, with the selection of the address."""
        self.require("servers")
        given = self._given(self.request.query_arguments)
        person = await self.person()
        await self._show(person, given, await self.dry_run(person, options_from(given)), asked=False)

    @web.authenticated
    async def post(self) -> None:
        """Start the server, or show the way to the one that runs."""
        self.require("servers")
        given = self._given(self.request.body_arguments)
        if "look" in given:  # the choice was changed, and is to be looked at first
            return self.go(self._link(options_from(given), self._then(given)))
        person = await self.person()
        trial = await self.dry_run(person, options_from(given))
        if not trial.plan or not trial.selection:
            if trial.refusal:
                wanted = trial.selection.proposals if trial.selection else ()
                record_refusal(self.pages.context, person.username, "", wanted, trial.refusal)
            return await self._show(person, given, trial, asked=True)
        name = self._name(trial)
        spawner = self.current_user.spawners.get(name)
        following = self._following(given, name, spawner, trial.plan)
        if spawner and spawner.ready:
            return self.go(following or self.current_user.server_url(name))
        if spawner and spawner.pending:
            return self.go(self.pending_url(name, following))
        refusal = self._too_many(trial.plan) or await self._start(name, trial)
        if refusal:
            trial = replace(trial, refusal=refusal)
            return await self._show(person, given, trial, asked=True)
        self.go(self.pending_url(name, following))

    def _then(self, given: Mapping[str, Sequence[str]]) -> str:
        """The portal's page that is to come after the start, as a path; empty if none was named, or something else."""
        then = next(iter(given.get("then", ())), "")
        return then if within_portal(self.pages.context.site, then) else ""

    def _following(self, given: Mapping[str, Sequence[str]], name: str, spawner: Any, plan: LaunchPlan) -> str:
        """Where the person goes once the server runs; empty: into JupyterLab."""
        if then := self._then(given):
            return self.portal_url(then)
        wants = given.get("show") == ["desktop"]
        return self.desktop_url(name) if wants and self._has_desktop(spawner, plan) else ""

    def portal_url(self, page: str) -> str:
        """The hub's own address that leads to a page of the portal: the portal may have another host, the hub's pages go to its own."""
        return self.hub_url("panosc/to-portal", page=page)

    def _has_desktop(self, spawner: Any, plan: LaunchPlan) -> bool:
        """Of a server that is there already, what it was started with counts."""
        if spawner and spawner.active:
            return (getattr(spawner, "summary", None) or {}).get("desktop") is True
        return plan.environment.desktop

    def _given(self, arguments: Mapping[str, Sequence[bytes]]) -> dict[str, list[str]]:
        """The arguments as text; a byte that is no UTF-8 cannot be part of any choice."""
        return {key: [value.decode(errors="replace") for value in values] for key, values in arguments.items()}

    def _link(self, options: Mapping[str, object], then: str = "") -> str:
        """The address of this page with a selection in it."""
        wanted = options.get("proposals")
        refs = ",".join(map(str, wanted)) if isinstance(wanted, list) else ""
        # Options that the hub stored may hold anything, under any name.
        known = {key: options[key] for key in ("environment", "memory", "cpu", "gpus") if key in options}
        known |= {"then": then} if then else {}
        return self.hub_url("open", proposals=refs, **{key: str(value) for key, value in known.items()})

    def _name(self, trial: DryRun) -> str:
        selection = trial.selection
        return server_name(selection.proposals, (g.ref for g in trial.report.grants)) if selection else ""

    def _too_many(self, plan: LaunchPlan) -> Refusal | None:
        active = sum(1 for spawner in self.current_user.spawners.values() if spawner.active)
        if active < plan.limits.servers:
            return None
        return Refusal(
            Reason.TOO_MUCH,
            f"You have {active} servers running, and may have {plan.limits.servers} at a time.",
            "Stop one of them on the page of your proposals, then start this one.",
        )

    async def _start(self, name: str, trial: DryRun) -> Refusal | None:
        """Start in the way of the hub's own start page; a refusal if it failed at once."""
        user, selection = self.current_user, trial.selection
        if selection is None:
            return trial.refusal
        display_name = display_name_of(selection, self.pages.context.site)
        spawner = user.get_or_create_spawner(name, display_name, replace_failed=True)
        # JupyterHub refuses a start while this holds a failed one; an explicit start is another.
        if spawner._spawn_future and spawner._spawn_future.done():
            spawner._spawn_future = None
        starting = asyncio.ensure_future(
            self.spawn_single_user(user, name, display_name, options=selection_options(selection))
        )
        await asyncio.wait([starting], timeout=_PATIENCE)
        if not starting.done():
            # The hub logs what comes of it, and the progress page shows it.
            starting.add_done_callback(lambda future: future.cancelled() or future.exception())
            return None
        if starting.cancelled():
            return Refusal(Reason.SERVER_FAILED, "The start was cancelled.", "Start it again when you like.")
        error = starting.exception()
        if isinstance(error, RuntimeError) and user.spawners[name].pending:
            return None  # a second click, while the hub asked the login service for the first: that start goes on
        return start_refusal(error)

    def _running(self, name: str, spawner: Any, state: str) -> dict[str, Any]:
        """The server of this selection that is there already."""
        desktop = state == "running" and self._has_desktop(spawner, spawner.plan)
        url = self.current_user.server_url(name)
        return {"name": name, "state": state, "url": url, "desktop": self.desktop_url(name) if desktop else ""}

    async def _show(self, person: Person, given: dict[str, list[str]], trial: DryRun, asked: bool) -> None:
        """The page. What was typed is kept; a refusal stands where the button was pressed."""
        listing = self.listing(person, trial.report)
        site = self.pages.context.site
        chosen = [str(ref) for ref in trial.selection.proposals] if trial.selection else []
        offered, limits = _offer(trial, person, site, given)
        name = self._name(trial) if trial.plan else ""
        spawner = self.current_user.spawners.get(name) if name else None
        state = ("running" if spawner.ready else spawner.pending) if spawner and spawner.active else ""
        refusal = trial.refusal
        if refusal:
            # 403, 503 …: as the hub's own pages and its API would answer; a look without a choice is fine.
            self.set_status(200 if refusal.reason is Reason.NO_PROPOSAL and not asked else Refused(refusal).status_code)
        await self.show(
            "open.html",
            plan=trial.plan,
            refusal=refusal,
            chosen=[(ref, listing.by_ref.get(ref)) for ref in chosen],
            others=_others(listing, chosen, self.get_argument("q", "")[:200]),
            q=self.get_argument("q", "")[:200],
            listing=listing,
            most_proposals=MAX_PROPOSALS,
            offer=offered,
            resources=limits,
            free=free_now(),
            server=self._running(name, spawner, state) if state else None,
            then=self._then(given),
            then_url=self.portal_url(self._then(given)) if self._then(given) else "",
            administrator=person.admin,
            ends=trial.plan.ends_at if trial.plan else None,
            access_ends=bool(trial.plan and cut_short(trial.plan, datetime.now(UTC))),
        )


def _offer(trial: DryRun, person: Person, site: Site, given: dict[str, list[str]]) -> tuple[Offer, Any]:
    """The environments and the resources that go with a selection; empty where the selection itself is refused."""
    selection = trial.selection
    if not selection:
        return Offer(), None
    grants = live_grants(trial.report.grants, selection.proposals, site, datetime.now(UTC))
    if isinstance(grants, Refusal):
        return Offer(), None
    offered = offered_environments(dict.fromkeys(grant.ref.facility for grant in grants), site)
    most = maximum_limits(site.config.resources, policy_groups(person, grants))
    suggested = suggested_environment(grants, site, most, trial.here.absent)
    best = suggested_environment(grants, site, most)
    default: Limits | Refusal = most
    if environment := offered.get(selection.environment or suggested):
        default = choose_limits(site.config.resources, most, Selection(selection.proposals), environment)
    shown = most if isinstance(default, Refusal) else default
    form = resource_form(given, selection, shown, most)
    return offer(offered, suggested, selection.environment, best, trial.here), {
        "form": form,
        "default": resource_form({}, None, shown, most),
    }


def _others(listing: Listing, chosen: list[str], q: str) -> list[Any]:
    taken = set(chosen)
    rows = filter_rows(listing, Query(q=q)) if q else listing.rows
    found = []
    for row in rows:
        if row.ref not in taken:
            found.append(row)
        if len(found) == PAGE // 2:
            break
    return found


def display_name_of(selection: Selection, site: Site) -> str:
    """The server's name for people: ``ma1234 (ESRF)``, ``ma1234 (ESRF) and 2 more``."""
    first = selection.proposals[0]
    name = f"{first.id} ({site.facilities[first.facility].short_name})"
    more = len(selection.proposals) - 1
    return f"{name} and {more} more" if more else name


def start_refusal(error: BaseException | None) -> Refusal | None:
    """What a failed start says to the person. Only errors made for people are shown; of others, that there was one."""
    if error is None:
        return None
    if isinstance(error, Refused):
        return error.refusal
    words = ""
    if isinstance(error, SpawnException):
        words = str(error.message)
    elif isinstance(error, web.HTTPError):
        words = error.log_message or ""
        try:
            words = words % error.args if error.args else words
        except (TypeError, ValueError):
            words = ""
    return Refusal(
        Reason.SERVER_FAILED,
        words or "The server could not be started, for a reason that this hub did not foresee.",
        "Try again; if it happens again, tell the people who run this hub.",
    )


class ToPortalHandler(PageHandler):
    """``/panosc/to-portal?page=/services/portal/…``: on to a page of the portal, wherever that has its host."""

    @web.authenticated
    async def get(self) -> None:
        """To the page, if it is one of the portal's."""
        address = within_portal(self.pages.context.site, self.get_query_argument("page", "")[:4096])
        if not address:
            raise web.HTTPError(404)
        self.go(address)


class SpawnHandler(OpenHandler):
    """``/spawn…``: JupyterHub's own start page, which would start a server by its address alone. Here it never does."""

    @web.authenticated
    async def get(self, user_name: str = "", name: str = "") -> None:
        """To the choose page with what that server was started with, else to one's proposals."""
        self.require("servers")
        user = self.current_user
        if user_name and user_name != user.name:
            raise web.HTTPError(404, "Only one's own servers can be started here.")
        if name and name in user.orm_spawners:
            spawner = user.spawners.get(name)
            if spawner and spawner.ready:
                return self.go(user.server_url(name))
            options = user.orm_spawners[name].user_options or {}
            if isinstance(options, dict) and isinstance(options.get("proposals"), list):
                return self.go(self._link(options))
        self.go(self.hub_url("home"))

    @web.authenticated
    async def post(self, user_name: str = "", name: str = "") -> None:
        """Starts nothing either."""
        self.go(self.hub_url("home"))
