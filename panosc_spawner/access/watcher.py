"""The membership watcher: asks again, all the time, about everybody who is at work, and acts on what it hears.

It runs inside the hub. One person's trouble is that person's alone; the watch itself never ends before the hub does.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyterhub import orm

from panosc_spawner.access.confirming import confirmed_summary, must_store
from panosc_spawner.access.decisions import Decision
from panosc_spawner.access.endings import Endings
from panosc_spawner.access.held import read_held
from panosc_spawner.access.judge import Judge
from panosc_spawner.access.logins import LoginWatch
from panosc_spawner.access.revocation import Case, Revoker
from panosc_spawner.identity.person import Person
from panosc_spawner.metrics import WATCH_LAST, WATCH_SECONDS
from panosc_spawner.proposals.model import GrantReport, SourceOutcome
from panosc_spawner.spawners.context import HubContext

AT_A_TIME = 8
"""People who are asked about together. More would make the hub answer its pages late."""
SPREAD = 0.8
"""Over which part of the interval the questions of one round are spread."""
IDLE_SECONDS = 45.0
"""Between two questions about somebody who is logged in and has no server: with a round on top, a minute."""
PERSON_SECONDS = 60.0
"""After which the questions about one person are given up for this round."""

log = logging.getLogger(__name__)


class Watcher:
    """Watches over the running servers and logins of one hub.

    Args:
        context: of the hub.
        app: the running hub.
        logins: asks the login services.
        revoker: takes proposals out of servers.
        endings: ends logins.
        clock: the time, for tests.
    """

    def __init__(
        self,
        context: HubContext,
        app: Any,
        logins: LoginWatch,
        revoker: Revoker,
        endings: Endings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._context, self._app = context, app
        self._logins, self._revoker, self._endings = logins, revoker, endings
        self._now = clock
        self._interval = context.site.config.access.recheck.total_seconds()
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._looking: dict[int, asyncio.Task[None]] = {}
        self._acting: set[asyncio.Task[None]] = set()
        self._busy: set[tuple[str, str]] = set()
        self._looked: dict[int, float] = {}
        self._speakers = speakers(context)
        between = timedelta(seconds=2 * (self._interval + PERSON_SECONDS))
        self._judge = Judge(context.site, self._speakers, between)

    async def run(self) -> None:
        """Watch until cancelled. Whatever goes wrong in a round is logged, and the next one begins anew."""
        while True:
            begun = time.monotonic()
            try:
                await self.round()
                WATCH_LAST.set_to_current_time()
            except Exception:
                log.exception("A round of the watch failed; the next one begins in a moment")
                await asyncio.sleep(1)
            WATCH_SECONDS.observe(time.monotonic() - begun)
            await asyncio.sleep(max(0.05, begun + self._interval - time.monotonic()))

    async def round(self) -> None:
        """Ask once about everybody whose turn it is, spread over the interval. Who is slow delays nobody else."""
        people = self._people()
        self._judge.tidy()
        pause = SPREAD * self._interval / max(1, len(people))
        begun = time.monotonic()
        for place, number in enumerate(people):
            if (wait := begun + place * pause - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await self._turns.acquire()
            self._begin(number)

    def _people(self) -> list[int]:
        """Whose turn it is: all with servers, in the same order each time, so that the gaps are even; then some of the others.

        Of those only so many as makes each come every :data:`IDLE_SECONDS`, whoever waits longest first: also after a
        restart of the hub, when all have waited equally long, each round has the same share of them.
        """
        at_work = sorted(number for number, user in self._app.users.items() if _has_servers(user))
        known = set(at_work)
        stored = self._app.db.query(orm.User.id).filter(orm.User.encrypted_auth_state.is_not(None))
        idle = [number for (number,) in stored if number not in known]
        self._looked = {number: self._looked.get(number, 0.0) for number in (*at_work, *idle)}
        share = math.ceil(len(idle) * min(1.0, self._interval / IDLE_SECONDS))
        early = time.monotonic() - (IDLE_SECONDS - self._interval)
        due = sorted(idle, key=lambda number: (self._looked[number], number))[:share]
        due = [number for number in due if self._looked[number] <= early]
        return [number for number in (*at_work, *due) if number not in self._looking]

    def _begin(self, number: int) -> None:
        self._looked[number] = time.monotonic()
        task = self._looking[number] = asyncio.create_task(self._look_safely(number))

        def ended(_: asyncio.Task[None]) -> None:
            self._looking.pop(number, None)
            self._turns.release()

        task.add_done_callback(ended)

    async def _look_safely(self, number: int) -> None:
        try:
            async with asyncio.timeout(PERSON_SECONDS):
                await self.look_at(number)
        except TimeoutError:
            log.error("Asking about user %d took longer than %g s", number, PERSON_SECONDS)
        except Exception:
            log.exception("Asking about user %d failed", number)

    async def look_at(self, number: int) -> None:
        """Ask about one person now, by their number in the hub's database, and begin to act on the answer."""
        user = self._app.users.get(number)
        if user is None:
            return
        known = await self._logins.look(user)
        if known.ending:
            await self._endings.end_access(user.name, known.ending, known.details)
            if known.ending.ends_servers:
                return
        await self._look_at_servers(user, known.person)

    async def _look_at_servers(self, user: Any, person: Person | None) -> None:
        report = await self._report(person)
        for outcome in report.outcomes:
            if not outcome.error:
                self._context.outages.answered("source", outcome.source)
            elif outcome.source in self._context.book.resting:  # else it may be about this person alone
                self._context.outages.failed("source", outcome.source, outcome.error)
        for name, spawner in list(user.spawners.items()):
            if spawner.active and (user.name, name) not in self._busy:
                self._decide(user, name, spawner, person, report)

    async def _report(self, person: Person | None) -> GrantReport:
        """What the sources say; where nobody knows whom to ask about, that nobody could say anything."""
        if person is not None:
            return await self._context.book.report(person)
        now = self._now()
        nobody = "it is not known any more whose server this is; log in again"
        return GrantReport((), tuple(SourceOutcome(name, now, 0, nobody) for name in self._speakers))

    def _decide(self, user: Any, name: str, spawner: Any, person: Person | None, report: GrantReport) -> None:
        if not spawner.summary.get("proposals"):
            return  # it is only now being decided about, from answers that are younger than these
        now = self._now()
        held = read_held(spawner.summary, self._context.site, now)
        if held.decided_at >= now:
            # An older version did not write it down, or the clock was set back: from now on it is known, and the next look acts.
            spawner.summary = {**spawner.summary, "decided_at": now.isoformat()}
        decision = self._judge.decide(user.name, name, held, report, now)
        if decision.lost and held.decided_at <= decision.asked_at:
            self._act(Case(user, name, person, report, decision))
        elif not decision.lost:
            self._confirm(spawner, decision)

    def _act(self, case: Case) -> None:
        self._busy.add((case.user.name, case.name))
        task = asyncio.create_task(self._act_safely(case))
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def _act_safely(self, case: Case) -> None:
        key = (case.user.name, case.name)
        try:
            why = await self._revoker.take(case)
            self._busy.discard(key)  # a start with what is left is watched over like any other
            if why:
                await self._revoker.go_on(case, why)
        except Exception:
            log.exception("Taking data out of %s of %s failed; it is tried again", case.name, case.user.name)
        finally:
            self._busy.discard(key)

    def _confirm(self, spawner: Any, decision: Decision) -> None:
        """Remember that all is well, and until when."""
        spawner.summary = confirmed_summary(spawner.summary, decision)
        stored = (spawner.orm_spawner.state or {}).get("panosc") or {}
        grace = self._context.site.config.access.outage_grace
        # While it starts or stops, the hub itself stores its state in a moment.
        if spawner.ready and must_store(spawner.summary, stored, decision, grace):
            spawner.orm_spawner.state = spawner.get_state()
            self._app.db.commit()

    async def stop(self) -> None:
        """Let what is under way end; for tests."""
        for tasks in (set(self._looking.values()), self._acting):
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._endings.finish()


def speakers(context: HubContext) -> dict[str, frozenset[str]]:
    """For each source's name, the facilities for which its word counts."""
    named = {key: facility.sources for key, facility in context.site.facilities.items()}
    return {
        source.name: frozenset(key for key in source.facilities if not named.get(key) or source.name in named[key])
        for source in context.book.sources
    }


def _has_servers(user: Any) -> bool:
    return any(spawner.active for spawner in user.spawners.values())
