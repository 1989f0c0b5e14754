"""A circuit breaker: a source that keeps failing is left alone for a while, so that nobody waits for it and it can recover."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

from panosc_spawner.errors import PersonalSourceError, SourceError


class State(StrEnum):
    """Of a breaker."""

    CLOSED = "closed"  # asked as usual
    OPEN = "open"  # not asked
    HALF_OPEN = "half-open"  # the pause is over: one question tries whether it answers again


class Breaker:
    """Around one source; the questions of all people go through the same one.

    After ``failures`` failures in a row it opens for ``first_pause``. Then one question is let through; when that fails, too,
    it opens for twice as long, at most for ``longest_pause``. Any answer closes it. Use it around the time limit, so that
    a time-out counts as what it is::

        with breaker.asking():
            grants = await asyncio.wait_for(source.grants(person), 5)

    A :class:`~panosc_spawner.errors.PersonalSourceError` and a cancelled question say nothing about the source, so they change
    nothing. One event loop uses it: no lock is needed.

    Args:
        source: its name, for the words of the error.
        failures: in a row, before it opens.
        first_pause: how long it is then left alone.
        longest_pause: the most that it is left alone. A source that is back is noticed at the latest after this, and a
            right that it took away meanwhile, too: keep it well below a minute.
        now: a clock in seconds, for tests.
    """

    def __init__(
        self,
        source: str,
        *,
        failures: int = 3,
        first_pause: timedelta = timedelta(seconds=2),
        longest_pause: timedelta = timedelta(seconds=30),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if failures < 1 or not timedelta() < first_pause <= longest_pause:
            raise ValueError("a breaker needs failures >= 1 and 0 < first_pause <= longest_pause")
        self.source = source
        self._limit = failures
        self._first = first_pause.total_seconds()
        self._longest = longest_pause.total_seconds()
        self._now = now
        self._failures = 0  # in a row
        self._pause = 0.0  # of the last opening; 0: closed
        self._until = 0.0
        self._opened = 0  # counts openings, to know the questions that were asked before one
        self._trying = False
        self._reason = ""

    @property
    def state(self) -> State:
        """As it is now."""
        if not self._pause:
            return State.CLOSED
        return State.OPEN if self._now() < self._until else State.HALF_OPEN

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask within this; the error of a failed question passes through.

        Raises:
            SourceError: at once, if the source is to be left alone now.
        """
        state = self.state
        if state is State.OPEN or (state is State.HALF_OPEN and self._trying):
            raise SourceError(self.source, self._words())
        tries = state is State.HALF_OPEN
        self._trying = self._trying or tries
        opened = self._opened
        try:
            yield
        except PersonalSourceError:
            raise
        except Exception as error:
            self._failed(error, asked_before=opened != self._opened)
            raise
        else:
            self._failures, self._pause = 0, 0.0
        finally:
            if tries:
                self._trying = False

    def _failed(self, error: Exception, *, asked_before: bool) -> None:
        self._failures += 1
        self._reason = error.reason if isinstance(error, SourceError) else ""
        # A question that was asked before it opened tells nothing new: fifty of them must not make fifty openings.
        if asked_before or (not self._pause and self._failures < self._limit):
            return
        self._pause = min(self._pause * 2, self._longest) if self._pause else self._first
        self._until = self._now() + self._pause
        self._opened += 1

    def _words(self) -> str:
        seconds = max(1, round(self._until - self._now()))
        times = "1 failure" if self._failures == 1 else f"{self._failures} failures in a row"
        reason = f" ({self._reason})" if self._reason else ""
        return f"not asked again for {seconds} s after {times}{reason}"
