"""Following files that grow: one poller for all who look at the same object, and a WebSocket to each of them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.operations import TABLE
from panosc_hdf5.core.wire import Depends
from panosc_hdf5.server.coalesce import Desk
from panosc_hdf5.server.parts import Question
from panosc_hdf5.server.paths import Paths, Target

log = logging.getLogger(__name__)

State = dict[str, Any]
Listener = Callable[[str], object]

# Seconds. A stat costs next to nothing; a worker is asked only when one tells of a change.
FAST = 0.1
STEADY = 0.2
SLOW = 2.0
JUST_NOW = 5.0
LIVELY = 600.0


def interval(quiet: float) -> float:
    """How long to wait before the next look at a file that has not changed for so many seconds."""
    if quiet < JUST_NOW:
        return FAST
    return STEADY if quiet < LIVELY else SLOW


class Poller:
    """Looks at one object of one file for as long as somebody listens.

    Args:
        path: contents path or URL.
        h5path: the object.
    """

    def __init__(self, path: str, h5path: str, paths: Paths, desk: Desk) -> None:
        self.listeners: set[Listener] = set()
        self._path = path
        self._h5path = h5path
        self._paths = paths
        self._desk = desk
        self._last: str | None = None
        self._stamps: list[Depends | None] = []
        self._depends: tuple[Depends, ...] = ()
        self._ask_again = True
        self._changed = 0.0

    def listen(self, listener: Listener) -> None:
        """Tell a listener what is known, and from now on what changes."""
        self.listeners.add(listener)
        if self._last is not None:
            listener(self._last)

    async def run(self) -> None:
        """Until nobody listens."""
        while self.listeners:
            try:
                await self._look()
            except Exception:
                log.exception("Following a file failed; it goes on.")
                await asyncio.sleep(SLOW)
            await asyncio.sleep(interval(self._quiet()))

    def _quiet(self) -> float:
        file = self._stamps[0] if self._stamps else None
        written = min(time.time(), file.mtime_ns / 1e9) if file is not None else 0.0
        return time.time() - max(written, self._changed)

    async def _look(self) -> None:
        try:
            target = await self._paths.resolve(self._path)
            stamps = [target.stamp, *await self._stamps_of_depends()]
            changed = stamps != self._stamps or target.stamp is None
            if not changed and not self._ask_again:
                return
            self._stamps = stamps
            state = await self._state(target)
            # Its writer may have been in the middle of it, within one tick of the file's clock.
            self._ask_again = changed or "error" in state
        except HDF5Error as error:
            self._stamps = []
            state = {"shape": None, "size": 0, "mtime_ns": 0, "error": error.as_json()}
        self._tell(state)

    async def _stamps_of_depends(self) -> list[Depends | None]:
        if not self._depends:
            return []
        return await self._paths.stamps([file.path for file in self._depends])

    async def _state(self, target: Target) -> State:
        parameters = {"path": target.path, "h5path": self._h5path}
        question = Question("state", parameters, target.identity, seconds=TABLE["state"].seconds)
        reader = self._desk.ask(question)
        try:
            part = await reader.next()
            if part is None:
                return {"shape": None, "size": 0, "mtime_ns": 0}
            if part.depends != self._depends:
                self._depends = part.depends
                self._stamps = [target.stamp, *part.depends]
            state: State = json.loads(b"".join(part.views))
            return state
        finally:
            self._desk.leave(reader)

    def _tell(self, state: State) -> None:
        text = json.dumps(state, separators=(",", ":"))
        if text == self._last:
            return
        if self._last is not None:
            self._changed = time.time()
        self._last = text
        for listener in list(self.listeners):
            listener(text)


class Live:
    """The pollers, by what they look at."""

    def __init__(self, paths: Paths, desk: Desk) -> None:
        self._paths = paths
        self._desk = desk
        self._pollers: dict[tuple[str, str], tuple[Poller, asyncio.Task[None]]] = {}

    @property
    def followed(self) -> int:
        """How many objects somebody follows."""
        return len(self._pollers)

    def follow(self, path: str, h5path: str, listener: Listener) -> Callable[[], None]:
        """Have a listener told of an object's state, now and whenever it changes; returns how to stop."""
        key = (path, h5path)
        if key not in self._pollers:
            poller = Poller(path, h5path, self._paths, self._desk)
            poller.listen(listener)
            self._pollers[key] = (poller, asyncio.get_running_loop().create_task(poller.run()))
        else:
            poller = self._pollers[key][0]
            poller.listen(listener)

        def stop() -> None:
            poller.listeners.discard(listener)
            found = self._pollers.get(key)
            if not poller.listeners and found is not None and found[0] is poller:
                del self._pollers[key]
                found[1].cancel()

        return stop

    async def close(self) -> None:
        """Stop all."""
        tasks = [task for _, task in self._pollers.values()]
        self._pollers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
