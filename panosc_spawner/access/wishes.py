"""Servers that were stopped to be started again with what is left to them, in case the hub ends in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyterhub import orm

from panosc_spawner.access.decisions import Standing, decide
from panosc_spawner.access.endings import Endings
from panosc_spawner.access.held import Held
from panosc_spawner.access.logins import LoginWatch
from panosc_spawner.access.revocation import Case, Revoker
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.launch.selection import parse_selection
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.wish import KEY, wished_at, without_wish

KEPT = timedelta(minutes=15)
"""After this nobody waits for the server any more, and its owner would wonder who started it."""
PAUSE_SECONDS = 5.0
PATIENCE = 12
"""Looks at a server of which a source does not say how it stands, before it is started with the rest."""

log = logging.getLogger(__name__)


class Wishes:
    """What an earlier run of this hub had still to do. Each is tried once, with everything asked and decided anew.

    Args:
        context: of the hub.
        app: the running hub.
        logins: says who a user is now.
        revoker: starts servers again.
        endings: ends logins that turn out to be over.
        speakers: for each source's name, the facilities for which its word counts.
        clock: the time, for tests.
    """

    def __init__(
        self,
        context: HubContext,
        app: Any,
        logins: LoginWatch,
        revoker: Revoker,
        endings: Endings,
        speakers: Mapping[str, frozenset[str]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._context, self._app = context, app
        self._logins, self._revoker, self._endings, self._speakers = logins, revoker, endings, speakers
        self._now = clock
        # Those of now are this run's own, and are fulfilled by whoever took the data away.
        stored = app.db.query(orm.Spawner)
        self._left = {(row.user_id, row.name): 0 for row in stored if KEY in (row.state or {})}

    async def run(self) -> None:
        """Fulfil them, one after another, until none is left."""
        while self._left:
            for number, name in list(self._left):
                try:
                    done = await self.look_at(number, name)
                except Exception:
                    log.exception("The server %s of user %d could not be started again", name, number)
                    done = True
                if done:
                    del self._left[number, name]
            if self._left:
                await asyncio.sleep(PAUSE_SECONDS)

    async def look_at(self, number: int, name: str) -> bool:
        """Try to fulfil one; False if it is to be tried again in a moment."""
        row = self._app.db.get(orm.User, number)
        user = self._app.users[number] if row is not None else None
        stored = row.orm_spawners.get(name) if row is not None else None
        wished = wished_at(stored.state) if stored is not None else None
        if user is None or wished is None:
            return True  # its owner started it, or has read that it ended
        age = self._now() - wished
        if not timedelta() <= age <= KEPT or self._context.site.config.access.when_revoked != "restart":
            return self._forget(stored)
        if name in user.spawners and user.spawners[name].active:
            # It goes on as it was: the watch takes out of it what must not be in it. Or it is only being looked at.
            return self._forget(stored) if user.spawners[name].ready else False
        return await self._fulfil(user, stored, wished)

    async def _fulfil(self, user: Any, stored: Any, wished: datetime) -> bool:
        known = await self._logins.look(user)
        if known.ending:
            await self._endings.end_access(user.name, known.ending, known.details)
        if known.person is None or known.ending:
            return self._forget(stored)
        case = await self._case(user, stored, known.person, wished)
        if case is None:
            return self._forget(stored)
        place = (user.id, stored.name)
        unknown = any(verdict.standing is Standing.UNKNOWN for verdict in case.decision.verdicts)
        if unknown and self._left.get(place, PATIENCE) < PATIENCE:
            self._left[place] += 1
            return False
        # Its owner may have acted meanwhile; and a start that kills the hub must not be tried for ever.
        if wished_at(stored.state) is None or (stored.name in user.spawners and user.spawners[stored.name].active):
            return True
        why = _kept(stored.state)
        self._forget(stored)
        log.warning("Starting %s of %s again, as was meant before the hub ended", stored.name, user.name)
        await self._revoker.go_on(case, why)
        return True

    async def _case(self, user: Any, stored: Any, person: Person, wished: datetime) -> Case | None:
        """What the sources say now about what the server had been asked to hold."""
        site = self._context.site
        selection = parse_selection(dict(stored.user_options or {}), site)
        if isinstance(selection, Refusal):
            return None
        report = await self._context.book.report(person)
        held = Held(selection.proposals, (), decided_at=wished)  # no directories: all of them would be new
        decision = decide(held, report, site, self._speakers, self._now(), {})
        return Case(user, stored.name, person, report, decision)

    def _forget(self, stored: Any) -> bool:
        stored.state = without_wish(stored.state)
        self._app.db.commit()
        spawner = self._app.users[stored.user_id].spawners.get(stored.name)
        if spawner is not None:
            spawner.start_again = ""
        return True


def _kept(state: Any) -> Refusal:
    problem = (state or {}).get("problem") or {}
    message = str(problem.get("message") or "This server was stopped: your access to its data has changed.")
    return Refusal(Reason.REVOKED, message, str(problem.get("remedy") or "Open what is left to you again."))
