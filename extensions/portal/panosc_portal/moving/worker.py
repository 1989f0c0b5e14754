"""What a worker of people's jobs is given, and what it may say: the words between workers and :mod:`panosc_portal.moving.runner`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from panosc_portal.hub import Login
from panosc_portal.moving.jobs import Job, JobError, Progress, State


class TryAgainError(JobError):
    """Something failed that may work later: the job is taken up again by itself, some times."""


class TapeError(JobError):
    """The data are on tape: the job waits, without holding a place, and is asked again after ``seconds``."""

    def __init__(self, words: str, seconds: float = 60.0) -> None:
        super().__init__(words)
        self.seconds = seconds


class LaterError(JobError):
    """Another job is at the same: this one gives its turn back, and is taken up again after ``seconds``. That is no failure."""

    def __init__(self, words: str, seconds: float) -> None:
        super().__init__(words)
        self.seconds = seconds


@dataclass(frozen=True)
class JobLimits:
    """How many jobs at a time, and how often things are asked.

    Attributes:
        per_person: jobs of one person that run at a time.
        at_once: jobs that run at a time in all.
        waiting: unfinished jobs that one person may have.
        right_every: how often the person's right is asked again.
        hub_away: how long the hub may be silent before a running job is put back into the queue.
    """

    per_person: int = 2
    at_once: int = 4
    waiting: int = 20
    right_every: timedelta = timedelta(seconds=60)
    hub_away: timedelta = timedelta(minutes=5)


class Worker(Protocol):
    """Does one kind of job."""

    kind: str

    async def run(self, task: Task) -> str:
        """Do it, or go on with it; the words for its end.

        Raises:
            JobError: it failed, in words. :class:`TryAgainError`, :class:`TapeError`, :class:`LaterError`: it goes
                on later.
            asyncio.CancelledError: it is to stop now, leaving what is needed to go on.
        """

    async def allowed(self, task: Task) -> None:
        """Ask the hub whether the person still may.

        Raises:
            HubError: in the hub's words.
        """

    async def discard(self, job: Job) -> None:
        """It was cancelled, or the right to it is gone: remove what it left half-done."""


class Shows(Protocol):
    """Who is told of a job's news."""

    def shown(self, job: Job, *, write: bool = False) -> None:
        """A worker's news; ``write`` if it has to be on disk at once."""


class Task:
    """A job in a worker's hands."""

    def __init__(self, job: Job, login: Login, runner: Shows) -> None:
        self.job, self.login, self._runner = job, login, runner

    @property
    def details(self) -> Mapping[str, Any]:
        """What is remembered of it."""
        return self.job.details

    def progress(self, at: Progress) -> None:
        """How far it is. May be called often: it is written down once a second at the most."""
        self.job = replace(self.job, progress=at)
        self._runner.shown(self.job)

    def say(self, words: str, state: State = State.RUNNING) -> None:
        """What happens now."""
        self.job = replace(self.job, words=words, state=state)
        self._runner.shown(self.job, write=True)

    def remember(self, **details: Any) -> None:
        """Write down what is needed to go on. JSON, never a secret."""
        self.job = replace(self.job, details={**self.job.details, **details})
        self._runner.shown(self.job, write=True)
