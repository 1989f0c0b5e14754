"""Answers that are kept for a while, and questions that are asked once however many people ask them at the same moment."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from panosc_portal.catalogues.model import Found, Query


@dataclass(frozen=True)
class Question:
    """A question to a catalogue, in somebody's name or (``person`` empty) about open data."""

    source: str
    query: Query
    skip: int
    limit: int
    person: str = ""


class Kept:
    """Answers by question: a person's own is found by that person's questions alone.

    Args:
        most: data sets in all answers together; the answers that were used longest ago go first.
        now: a clock in seconds, for tests.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now = most, now
        self._answers: OrderedDict[Question, tuple[float, Found]] = OrderedDict()
        self._held = 0
        self._asked: dict[Question, asyncio.Task[Found]] = {}

    def get(self, question: Question, seconds: float) -> tuple[Found, float] | None:
        """The answer, if it is at most so old, and its age in seconds."""
        entry = self._answers.get(question)
        if entry is None or self._now() - entry[0] > seconds:
            return None
        self._answers.move_to_end(question)
        return entry[1], self._now() - entry[0]

    async def once(self, question: Question, ask: Callable[[], Awaitable[Found]]) -> Found:
        """Ask, or wait for the same question that is being asked already. Its answer is kept.

        Whoever goes away does not end it for the others; nobody is waited for longer than ``ask`` takes.
        """
        task = self._asked.get(question)
        if task is None:
            task = asyncio.create_task(self._ask(question, ask))
            self._asked[question] = task
            task.add_done_callback(lambda done: self._over(question, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """End what is being asked."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        """Data sets in it, about."""
        return self._held

    async def _ask(self, question: Question, ask: Callable[[], Awaitable[Found]]) -> Found:
        found = await ask()
        self._forget(question)
        self._answers[question] = (self._now(), found)
        self._held += _weight(found)
        while self._held > self._most and self._answers:
            self._forget(next(iter(self._answers)))
        return found

    def _forget(self, question: Question) -> None:
        entry = self._answers.pop(question, None)
        if entry is not None:
            self._held -= _weight(entry[1])

    def _over(self, question: Question, task: asyncio.Task[Found]) -> None:
        self._asked.pop(question, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; if nobody did, it is no news either


def _weight(found: Found) -> int:
    return 1 + len(found.datasets)
