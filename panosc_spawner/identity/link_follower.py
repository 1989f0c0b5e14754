"""What changes in the book of people is followed by the hub: a login that is not an account's any more ends there.

The book may be changed by this hub's pages, by ``panosc-hub people`` while the hub runs, or while it does not. Each change is
acted on once; where the hub is killed meanwhile, once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.ioloop import PeriodicCallback

from panosc_spawner.errors import PeopleError
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import Act, Change
from panosc_spawner.identity.renewal import Ending

EVERY_SECONDS = 2.0
"""How often the book is looked at. Where nothing has changed that costs some microseconds."""

_WORDS = {
    Act.LEFT: (Ending.UNLINKED, "this login was linked to another account"),
    Act.UNLINKED: (Ending.UNLINKED, "a login was unlinked from this account"),
    Act.REMOVED: (Ending.NOT_ALLOWED, "an administrator shut a login of this account out"),
}

log = logging.getLogger(__name__)


class LinkFollower:
    """Ends the logins of those accounts that lost an identity.

    All sessions of such an account end, for a session does not say with which of its identities it was made.

    Args:
        people: the book.
        ended: ends the logins of a user, and their servers; :meth:`.LoginContext.ended`.
    """

    def __init__(self, people: PeopleStore, ended: Callable[[str, Ending, str], Awaitable[None]]) -> None:
        self._people, self._ended = people, ended
        self._turn = asyncio.Lock()
        self._seen = -1
        self._timer: PeriodicCallback | None = None

    def start(self, app: Any) -> None:
        """Follow from now on. For ``authenticator.on_start``."""
        self._timer = PeriodicCallback(self._look, EVERY_SECONDS * 1000, jitter=0.1)
        self._timer.start()

    def stop(self) -> None:
        """Follow no more."""
        if self._timer:
            self._timer.stop()

    async def _look(self) -> None:
        try:
            version = self._people.version()
            if version != self._seen:
                await self.catch_up()
                self._seen = version
        except PeopleError as error:
            log.error("Links of logins cannot be followed: %s", error)

    async def catch_up(self) -> None:
        """Act on all changes that are new. Called after a change by this hub, too: nobody waits for the timer then.

        Raises:
            PeopleError: if the book cannot be used.
        """
        async with self._turn:
            while changes := self._people.unheard():
                for change in changes:
                    await self._act_on(change)
                    self._people.heard(change.number)

    async def _act_on(self, change: Change) -> None:
        what = _WORDS.get(change.act)
        if what is None or not change.username:
            return
        ending, words = what
        log.info("%s: %s (%s)", change.username, words, change.reason)
        try:
            await self._ended(change.username, ending, words)
        except (
            Exception
        ):  # one account's trouble must not keep the others' logins alive; each refresh asks the book, too
            log.exception("The logins of %s could not be ended; their next refresh will", change.username)
