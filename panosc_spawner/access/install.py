"""Putting the parts of this package into a hub. Called by ``panosc_spawner.hub`` and by nothing else."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from panosc_spawner.access.broker import HubTokens
from panosc_spawner.access.changes import GrantChanges
from panosc_spawner.access.endings import Endings, withdraw_admin
from panosc_spawner.access.hands import Hands
from panosc_spawner.access.logins import LoginWatch
from panosc_spawner.access.revocation import Revoker
from panosc_spawner.access.sharing import sharing_handlers, withdraw_all_shares
from panosc_spawner.access.stopping import Stopper
from panosc_spawner.access.tokens import TokenDesk, token_handlers
from panosc_spawner.access.watcher import Watcher, speakers
from panosc_spawner.access.wishes import Wishes
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.exchange import GivenToken
from panosc_spawner.spawners.context import HubContext

log = logging.getLogger(__name__)


class LateAuthenticator:
    """The hub's authenticator, which is made after the handlers that need it."""

    def __init__(self) -> None:
        self.made: Any = None

    async def exchange_token(self, user: Any, audience: str, scope: str = "") -> GivenToken:
        """See ``CommunitiesAuthenticator.exchange_token``."""
        given: GivenToken = await self.made.exchange_token(user, audience, scope)
        return given


class Access:
    """What keeps the access of a hub true while it runs.

    Args:
        context: of the hub.
        tokens: the broker that the sources were made with.
        logins: what the logins share: their hooks.

    Raises:
        ConfigurationError: if its file in the state directory cannot be used.
    """

    def __init__(self, context: HubContext, tokens: HubTokens, logins: LoginContext) -> None:
        self._context, self._tokens = context, tokens
        self._authenticator = LateAuthenticator()
        self._watch: asyncio.Task[None] | None = None
        self._wishes: asyncio.Task[None] | None = None
        state = context.site.config.hub.state_dir
        changes = _opened(
            context, lambda: GrantChanges(context.site, context.audit, context.notices, state / "grants.sqlite")
        )
        context.book.on_answer = changes.on_answer
        logins.on_start.append(self.start)
        self._ended_hooks = logins.ended_hooks

    @property
    def handlers(self) -> list[tuple[str, type]]:
        """Handlers that come before the hub's own."""
        desk = TokenDesk(self._context, self._authenticator)
        return [*token_handlers(desk), *sharing_handlers(self._context.audit)]

    def start(self, app: Any) -> None:
        """Begin to watch. Called once the hub runs."""
        self._authenticator.made = app.authenticator
        self._tokens.open(app, app.authenticator)
        try:
            withdraw_all_shares(app.db)
            withdraw_admin(app.db)
        except Exception:  # tried again at the next start, and each server withdraws its own; the watch must begin
            log.critical("Shares of servers from before could not be withdrawn", exc_info=True)
            app.db.rollback()
        stopper = Stopper(Hands(app))
        endings = Endings(self._context, stopper, self._tokens.forget)
        self._ended_hooks.append(endings.ended_hook)
        logins = LoginWatch(self._context, app.authenticator, stopper.hands)
        revoker = Revoker(self._context, stopper)
        watcher = Watcher(self._context, app, logins, revoker, endings)
        # A million objects of modules that stay as they are: a full collection that looks at them stops the hub for 0.2 s.
        gc.collect()
        gc.freeze()
        self._watch = asyncio.ensure_future(self._supervised(watcher))
        self._wishes = asyncio.ensure_future(
            self._fulfil(lambda: Wishes(self._context, app, logins, revoker, endings, speakers(self._context)))
        )
        log.info("Watching over logins and proposals, every %s", self._context.site.config.access.recheck)

    async def _supervised(self, watcher: Watcher) -> None:
        """A watch that ended for whatever reason begins again: without it, nothing is ever taken away."""
        while True:
            try:
                await watcher.run()
            except Exception:
                log.critical("The watch over access ended; it begins again", exc_info=True)
            await asyncio.sleep(1)

    async def _fulfil(self, wishes: Callable[[], Wishes]) -> None:
        """Do what the hub had still to do when it ended. Whatever goes wrong with it, people can open their servers again."""
        try:
            await wishes().run()
        except Exception:
            log.exception("Servers that were stopped before the hub ended could not be started again")


def _opened(context: HubContext, make: Callable[[], GrantChanges]) -> GrantChanges:
    try:
        return make()
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(
            context.site.folder / "site.toml", "hub.state_dir", f"cannot be used: {error}"
        ) from error
