"""Stopping a server so that nothing of it can read any more, whatever the server, its engine or the hub do meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from panosc_spawner.access.hands import Hands
from panosc_spawner.launch.model import Refusal
from panosc_spawner.metrics import REVOCATIONS
from panosc_spawner.spawners.remains import Remains

GRACE_SECONDS = 4
"""What a server may take to end by itself when data are taken away: JupyterLab needs one or two to end its kernels."""
PURSUIT_SECONDS = 2.0
"""Between two tries to end by force what a stop has left."""

log = logging.getLogger(__name__)


class Stopper:
    """Stops servers for good.

    A stop that fails makes JupyterHub forget the server while its container or processes live on. So what there is of a
    server is looked up before, and ended by force afterwards, again and again until nothing is left.
    """

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self._pursuits: set[asyncio.Task[None]] = set()
        self._stopping: dict[tuple[str, str], asyncio.Task[bool]] = {}

    @property
    def pursued(self) -> int:
        """Servers of which something is left that does not end."""
        return len(self._pursuits)

    async def stop(self, user: Any, name: str, why: Refusal) -> bool:
        """Stop a server, say why, and return whether nothing is left of it. Two at a time are one.

        What is left is pursued in the background, after this has returned.
        """
        key = (user.name, name)
        if key not in self._stopping:
            task = self._stopping[key] = asyncio.create_task(self._stop(user, name, why))
            task.add_done_callback(lambda _: self._stopping.pop(key, None))
        return await asyncio.shield(self._stopping[key])

    async def _stop(self, user: Any, name: str, why: Refusal) -> bool:
        spawner = user.spawners[name]
        spawner.problem = why
        spawner.hurry(GRACE_SECONDS)
        starting = spawner.pending == "spawn"
        remains = [await spawner.remains()]
        stopped = await self.hands.stop(user, name)
        if starting:  # what was being made while we looked
            remains.append(await spawner.remains())
        self._say(spawner, why)
        left = [found for found in remains if not await found.end()]
        if left or not stopped:
            log.error("%s of %s did not end; it is ended by force", name or "The server", user.name)
        if left:
            REVOCATIONS.labels("pursued").inc()
            self._in_background(self._pursue(left, f"{user.name}/{name}"))
        return stopped and not left

    def _say(self, spawner: Any, why: Refusal) -> None:
        """Keep the reason, whatever else the engine had to say about its end, and over the hub's restart."""
        spawner.problem = why
        if spawner.orm_spawner.server is None:  # else its owner has started it again already
            spawner.orm_spawner.state = spawner.get_state()
            self.hands.app.db.commit()

    async def _pursue(self, left: list[Remains], what: str) -> None:
        tries = 0
        while left:
            await asyncio.sleep(PURSUIT_SECONDS)
            left = [found for found in left if not await found.end()]
            tries += 1
            if left and tries % 15 == 0:
                log.critical("Something of the server %s cannot be ended since %d tries", what, tries)
        log.warning("Nothing is left of the server %s", what)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._pursuits.add(task)
        task.add_done_callback(self._pursuits.discard)
