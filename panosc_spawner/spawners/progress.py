"""What is happening to a start, as it happens: a log that any number of pages can follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypedDict


class Step(TypedDict):
    """One event on the progress page: how far in percent, and what is happening in the person's words."""

    progress: int
    message: str


class ProgressLog:
    """The steps of one start. A page that comes late sees those before it too."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._changed = asyncio.Event()

    def say(self, progress: int, message: str) -> None:
        """Add a step; one that says the same as the last is left out."""
        step = Step(progress=progress, message=message)
        if self._steps and self._steps[-1] == step:
            return
        self._steps.append(step)
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self) -> AsyncIterator[Step]:
        """All steps so far, then each new one. Never ends by itself: the hub closes it when the start is over."""
        shown = 0
        while True:
            changed = self._changed
            for step in self._steps[shown:]:
                yield step
            shown = len(self._steps)
            if changed is self._changed:
                await changed.wait()
