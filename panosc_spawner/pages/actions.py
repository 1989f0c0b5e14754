"""Extend, stop, cancel, dismiss: what one can do with a server from the home page. All by POST, all one's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tornado import web

from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal
from panosc_spawner.pages.choose import cut_short
from panosc_spawner.pages.home import HomeHandler
from panosc_spawner.pages.servers import moment
from panosc_spawner.pages.words import clock, left
from panosc_spawner.spawners.interrupt import interrupt
from panosc_spawner.spawners.wish import without_wish

_PATIENCE = 1.0
"""Seconds a request waits for the hub before it shows what is going on."""


class ActionHandler(HomeHandler):
    """What a form on the home page does with the server that its address names."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """A link to it, or a reload after it, changes nothing."""
        self.go(self.hub_url("home"))


class ExtendHandler(ActionHandler):
    """``POST /panosc/extend/<server>``: as much time as a new start would get."""

    @web.authenticated
    async def post(self, name: str) -> None:
        """Ask the sources again, and set the server's end anew."""
        self.require("servers")
        spawner = self.own_spawner(name)
        if not spawner.ready or not spawner.summary:
            return self.go(self.hub_url("home"))
        trial = await self.dry_run(await self.person(), spawner.orm_spawner.user_options or {})
        refusal = trial.refusal
        if trial.plan:
            ends = moment(spawner.summary.get("ends_at"))
            if ends and trial.plan.ends_at <= ends + timedelta(minutes=1):
                refusal = _no_more(trial.plan, ends)
        if refusal or not trial.plan:
            self.set_status(409)
            return await self.show_home(refusal)
        latest = (datetime.now(UTC) + trial.plan.limits.lifetime).isoformat(timespec="seconds")
        spawner.summary |= {"ends_at": trial.plan.ends_at.isoformat(timespec="seconds"), "latest": latest}
        spawner.orm_spawner.state = spawner.get_state()
        spawner.orm_spawner.last_activity = datetime.now(UTC).replace(tzinfo=None)  # somebody wants it to go on
        self.db.commit()
        self.log.info("%s extended to %s", spawner._log_name, spawner.summary["ends_at"])
        self.go(self.hub_url("home", done="extended"))


class StopHandler(ActionHandler):
    """``POST /panosc/stop/<server>``: stop a server, or cancel its start."""

    @web.authenticated
    async def post(self, name: str) -> None:
        """Stop it, and leave nothing running."""
        self.require("delete:servers")
        spawner = self.own_spawner(name)
        done = "stopped"
        if spawner.pending == "spawn":
            await interrupt(spawner)
            done = "cancelled"
        if spawner.pending and spawner.pending != "stop":
            self.set_status(409)
            busy = Refusal(Reason.BAD_REQUEST, "This server is busy just now.", "Try again in a few seconds.")
            return await self.show_home(busy)
        if spawner.pending is None and (spawner.ready or done == "cancelled"):
            # A stop may take long; the page shows it going on. The hub's own time-outs end it.
            stopping = asyncio.ensure_future(self.stop_single_user(self.current_user, name))
            await asyncio.wait([stopping], timeout=_PATIENCE)
            stopping.add_done_callback(_heard)
            if stopping.done() and (error := stopping.exception()):
                raise error
        if done == "cancelled":
            spawner.problem = None
        self.go(self.hub_url("home", done="stopping" if spawner.pending == "stop" else done))


class DismissHandler(ActionHandler):
    """``POST /panosc/dismiss/<server>``: the person has read why a server ended."""

    @web.authenticated
    async def post(self, name: str) -> None:
        """Forget the problem."""
        self.require("servers")
        spawner = self.own_spawner(name)
        if not spawner.active:
            spawner.problem, spawner.start_again = None, ""
            state = without_wish(spawner.orm_spawner.state)
            state.pop("problem", None)
            spawner.orm_spawner.state = state
            self.db.commit()
        self.go(self.hub_url("home", done="dismissed"))


def _no_more(plan: LaunchPlan, ends: datetime) -> Refusal:
    """Why there is no more time: access ends, or the server is as good as new."""
    now = datetime.now(UTC)
    most = f"This server already has all the time it can have: {left(ends, now)}, until {clock(ends, now)}."
    if cut_short(plan, now):
        return Refusal(
            Reason.ENDED, most, "Your access to one of its proposals ends then. Ask the user office for more."
        )
    return Refusal(Reason.ENDED, most, "It was started or extended just now. Extend it when there is less time left.")


def _heard(future: asyncio.Future[object]) -> None:
    """Take note of a failure that nobody waits for; the hub has logged it."""
    if not future.cancelled():
        future.exception()
