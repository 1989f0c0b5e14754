"""The hub's own ways to start and stop servers and to store a login, for what no request asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from tornado.httputil import HTTPServerRequest

from panosc_spawner.spawners.interrupt import CANCELLED, interrupt
from panosc_spawner.spawners.refused import Refused

STOP_SECONDS = 30.0
"""How long a stop may take before it is given up as one that hangs; what it should have ended is then ended by force."""


class _Nowhere:
    """The connection of a request that nobody sent."""

    context = None

    def set_close_callback(self, callback: Any) -> None:
        """Never closes."""


class _Inside(BaseHandler):
    """A handler without a request: JupyterHub keeps what it can do with servers in its handlers.

    It acts as the person themself with a token: where their login cannot be refreshed, a start is refused.
    """

    def __init__(self, app: Any, user: Any) -> None:
        request = HTTPServerRequest("POST", app.hub.base_url, connection=_Nowhere())  # type: ignore[arg-type]
        super().__init__(app.tornado_application, request)
        self._jupyterhub_user = user
        self._token_authenticated = True


class Hands:
    """Acts on the hub from inside it, as the hub itself would.

    Args:
        app: the running hub (``jupyterhub.app.JupyterHub``).
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def keep_login(self, user: Any, model: Mapping[str, Any]) -> None:
        """Store what a renewal of somebody's login brought: claims, tokens, name, roles."""
        await _Inside(self.app, user).auth_to_user({**model, "name": user.name}, user)
        self.was_asked(user)

    def was_asked(self, user: Any) -> None:
        """The login service has just been asked about somebody; the next request need not ask again."""
        user._auth_refreshed = time.monotonic()  # JupyterHub's: auth_refresh_age is counted from it

    async def stop(self, user: Any, name: str) -> bool:
        """Stop a server, whatever it is doing; True if the hub holds it for stopped within :data:`STOP_SECONDS`.

        That the hub holds it for stopped does not mean that nothing is left of it.
        """
        spawner = user.spawners.get(name)
        if spawner is None or not spawner.active:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._stop(user, name, spawner)
                return True
        return not spawner.active

    async def _stop(self, user: Any, name: str, spawner: Any) -> None:
        """Return once it has been stopped. Its owner may start it again in that very moment: that start is left alone."""
        token = spawner.api_token  # JupyterHub makes one for each start, and forgets it when the server has ended
        stopping = False
        while spawner.active:
            if spawner.pending == "stop":
                stopping = True
            elif stopping and spawner.api_token != token:
                return
            elif spawner.pending == "spawn":
                await interrupt(spawner)
                continue
            elif not spawner.pending:
                with suppress(RuntimeError, KeyError):  # pending again, or gone, in this very moment
                    await asyncio.shield(_Inside(self.app, user).stop_single_user(user, name))
                    stopping = True
            # Another stop, or the hub's own look at it, is under way; or the stop failed, and is tried again.
            await asyncio.sleep(0.05)

    async def start(self, user: Any, name: str, options: Mapping[str, Any]) -> None:
        """Start a server, and wait until it runs.

        Raises:
            Refused: also if its owner cancelled it: that ends the start, and not whoever waits for it.
            Exception: whatever else the start failed with.
        """
        try:
            await self._start(user, name, options)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():  # it is we who are to end
                raise
            raise Refused(CANCELLED) from None

    async def _start(self, user: Any, name: str, options: Mapping[str, Any]) -> None:
        await _Inside(self.app, user).spawn_single_user(user, name, options=dict(options))
        # JupyterHub's: a start that is slower than its page's patience goes on in this, and nothing public waits for it.
        starting = user.spawners[name]._spawn_future
        if starting and not starting.done():
            await asyncio.shield(starting)
