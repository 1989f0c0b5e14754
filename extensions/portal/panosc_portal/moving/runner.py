"""Runs people's jobs: so many at a time, in turn, with their rights asked again while it lasts.

A worker does one kind of job. It is written so that it may be killed at any moment and go on from what it finds on disk.
While it works, the person's right is asked again every minute; a right that is gone ends the job within that time.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from panosc_portal.context import Portal
from panosc_portal.errors import HubError
from panosc_portal.hub import Login
from panosc_portal.moving.jobs import Job, JobError, JobStore, Progress, State
from panosc_portal.moving.sealed import Seal
from panosc_portal.moving.worker import JobLimits, LaterError, TapeError, Task, TryAgainError, Worker

logger = logging.getLogger(__name__)

AWAY = JobError("Your login here is over.", "Log in again; the job then goes on where it was.")
_NOT_HERE = (
    "Long work goes on by a login at the portal, not by a token of your own.",
    "Log in there, and begin it there.",
)
_LAST_TRY = 8
_STOP_SECONDS = 20.0
_AFTER_TROUBLE = 30.0
"""Seconds before a job is taken up again whose state could not be written: the disk is full, or another process holds the file."""


class Runner:
    """All jobs of a portal. Shared as a part: ``portal.part(Runner)``.

    Args:
        store: where they are kept.
        seal: encrypts the logins by which they act.
        limits: how many at a time.
    """

    def __init__(self, store: JobStore, seal: Seal, limits: JobLimits | None = None) -> None:
        self.store, self.limits = store, limits or JobLimits()
        self._seal = seal
        self._workers: dict[str, Worker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._owners: dict[str, str] = {}
        self._live: dict[str, Job] = {}
        self._written: dict[str, float] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._logins: dict[str, Login] = {}
        self._wake = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._cancelled: set[str] = set()

    def add(self, worker: Worker) -> None:
        """A kind of job. Before :meth:`start`."""
        self._workers[worker.kind] = worker

    async def start(self) -> None:
        """Take up what is queued, and what was running when the portal ended."""
        self.store.recover()
        self._dispatcher = asyncio.create_task(self._dispatch(), name="jobs")

    async def stop(self) -> None:
        """Stop all work; it goes on at the next start."""
        tasks = [task for task in (self._dispatcher, *self._running.values()) if task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        self.store.close()

    def submit(self, kind: str, login: Login, proposal: str, title: str = "", **details: Any) -> Job:
        """Take a job. One that is the same and not over yet is returned instead.

        Raises:
            JobError: if the person has too many already, or came with a token of their own.
        """
        if login.own_token:
            raise JobError(*_NOT_HERE)
        waiting = [job for job in self.store.of(login.username) if not job.state.over]
        for job in waiting:
            if (job.kind, job.proposal) == (kind, proposal) and details.items() <= dict(job.details).items():
                return job
        if len(waiting) >= self.limits.waiting:
            raise JobError(
                f"You have {len(waiting)} jobs that are not finished, and more are not taken.",
                "Wait for one to end, or cancel one.",
            )
        self._logins[login.username] = login
        job = self.store.add(kind, login.username, proposal, title, details, self._seal.close(login))
        self._wake.set()
        return job

    def seen(self, login: Login) -> None:
        """The person is here: their jobs may go on with this login. Cheap; for each page of theirs.

        A token of their own that they came with is no such login: the hub would refuse the jobs with it.
        """
        known = self._logins.get(login.username)
        if login.own_token or (known is not None and known.token == login.token):
            return
        self._logins[login.username] = login
        self.store.seal(login.username, self._seal.close(login))
        self._wake.set()

    def job(self, job_id: str, owner: str | None = None) -> Job | None:
        """A job as it stands now, if it is the owner's."""
        stored = self.store.get(job_id, owner)
        return self._live.get(job_id, stored) if stored else None

    def jobs(self, owner: str, kind: str | None = None, proposal: str | None = None) -> list[Job]:
        """A person's jobs as they stand now, the newest first."""
        return [self._live.get(job.id, job) for job in self.store.of(owner, kind, proposal)]

    async def cancel(self, job_id: str, owner: str) -> Job | None:
        """Stop a job for good, and remove what it left half-done. None if it is not the owner's."""
        job = self.store.get(job_id, owner)
        if job is None or job.state.over:
            return job
        self._cancelled.add(job_id)
        self._end(job, State.CANCELLED, "Cancelled.", "")
        running = self._running.get(job_id)
        if running:
            running.cancel()
            # Its last step may take longer than is waited for here: until it is done, it stays cancelled.
            running.add_done_callback(lambda _: self._cancelled.discard(job_id))
            await asyncio.wait([running], timeout=_STOP_SECONDS)
        else:
            await self._discard(job)
            self._cancelled.discard(job_id)
        return self.store.get(job_id)

    def again(self, job_id: str, login: Login) -> Job | None:
        """Take up a failed or cancelled job again, from where it was.

        Raises:
            JobError: if the person came with a token of their own.
        """
        if login.own_token:
            raise JobError(*_NOT_HERE)
        job = self.store.get(job_id, login.username)
        if job is None or job.state not in {State.FAILED, State.CANCELLED} or job_id in self._running:
            return job
        self._logins[login.username] = login
        job = self.store.change(
            job_id,
            state=State.QUEUED,
            ended=None,
            not_before=0.0,
            attempts=0,
            words="It waits for its turn.",
            remedy="",
        )
        self.store.seal(login.username, self._seal.close(login), job_id)
        self._tell(job_id)
        self._wake.set()
        return job

    async def watch(self, job_id: str, owner: str, every: float = 0.25) -> AsyncIterator[Job]:
        """The job now and after each change, at most one in ``every`` seconds, until it is over."""
        while True:
            event = self._news.setdefault(job_id, asyncio.Event())
            job = self.job(job_id, owner)
            if job is None:
                return
            yield job
            if job.state.over:
                return
            with suppress(TimeoutError):
                # A page that waits gets a sign of life, too.
                async with asyncio.timeout(15):
                    await event.wait()
            await asyncio.sleep(every)

    def shown(self, job: Job, *, write: bool = False) -> None:
        """A worker's news (:class:`Task`)."""
        if job.id in self._cancelled:
            return
        self._live[job.id] = job
        now = time.monotonic()
        if write or now - self._written.get(job.id, 0.0) >= 1.0:
            self._written[job.id] = now
            self.store.change(
                job.id, state=job.state, progress=job.progress, words=job.words, details=job.details
            )  # fmt: skip
        self._tell(job.id)

    def _tell(self, job_id: str) -> None:
        if event := self._news.pop(job_id, None):
            event.set()

    async def _dispatch(self) -> None:
        while True:
            self._wake.clear()
            try:
                wait = self._take_up()
            except Exception:
                logger.exception("The portal's jobs cannot be read")
                wait = 5.0
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def _take_up(self) -> float:
        """Start what may start; seconds until the next look."""
        now, soonest = time.time(), 30.0
        running = Counter(self._owners.values())
        for job in self.store.unfinished():
            if job.id in self._running or job.kind not in self._workers:
                continue  # one that is said to run and does not: its end could not be written down
            if len(self._running) >= self.limits.at_once:
                break
            if running[job.owner] >= self.limits.per_person:
                continue
            if job.not_before > now:
                soonest = min(soonest, job.not_before - now)
                continue
            login = self._login(job)
            if login is None:
                self._wait_for_person(job)
                continue
            running[job.owner] += 1
            self._owners[job.id] = job.owner
            self._running[job.id] = asyncio.create_task(self._run(job, login), name=f"job {job.id}")
        return max(0.05, soonest)

    def login(self, owner: str) -> Login | None:
        """A person's login, if they were here since the portal's start."""
        return self._logins.get(owner)

    def _login(self, job: Job) -> Login | None:
        return self._logins.get(job.owner) or self._seal.open(self.store.sealed(job.id))

    def _wait_for_person(self, job: Job) -> None:
        if job.words != AWAY.message:
            self.store.change(job.id, words=AWAY.message, remedy=AWAY.remedy)
            self._tell(job.id)

    async def _run(self, job: Job, login: Login) -> None:
        try:
            taken = self.store.change(
                job.id, state=State.RUNNING, started=job.started or time.time(), attempts=job.attempts + 1, remedy=""
            )  # fmt: skip
            task = Task(taken or job, login, self)
            self._live[job.id] = task.job
            self._tell(job.id)
            await self._work_or_let_go(task)
        except (OSError, sqlite3.Error):
            logger.exception("What became of job %s cannot be written down; it is taken up again", job.id)
            await asyncio.sleep(_AFTER_TROUBLE)
        finally:
            for held in (self._running, self._owners, self._live, self._written):
                held.pop(job.id, None)
            self._tell(job.id)
            self._wake.set()

    async def _work_or_let_go(self, task: Task) -> None:
        try:
            await self._work(task)
        except asyncio.CancelledError:
            if task.job.id in self._cancelled:
                await self._discard(task.job)
            else:
                self.store.change(task.job.id, state=State.QUEUED, progress=task.job.progress)

    async def _work(self, task: Task) -> None:
        worker = self._workers[task.job.kind]
        try:
            await worker.allowed(task)
            words = await self._while_allowed(worker, task)
        except TapeError as wait:
            self._later(task.job, State.WAITING, wait.message, wait.seconds, attempts=0)
        except LaterError as wait:
            self._later(task.job, State.QUEUED, wait.message, wait.seconds, attempts=task.job.attempts - 1)
        except TryAgainError as error:
            if task.job.attempts >= _LAST_TRY:
                self._end(task.job, State.FAILED, error.message, error.remedy)
            else:
                self._later(
                    task.job, State.QUEUED, f"{error.message} It is tried again by itself.", _pause(task.job.attempts)
                )
        except HubError as error:
            await self._refused(task, error)
        except JobError as error:
            self._end(task.job, State.FAILED, error.message, error.remedy)
        except Exception:
            logger.exception("Job %s (%s) failed", task.job.id, task.job.kind)
            self._end(
                task.job,
                State.FAILED,
                "It failed for a reason that the portal does not know.",
                "Try again; if it fails again, tell the people who run this hub the job's number.",
            )
        else:
            self._end(task.job, State.DONE, words, "")

    async def _refused(self, task: Task, error: HubError) -> None:
        if error.status == 401:
            self._logins.pop(task.job.owner, None)
            self.store.change(
                task.job.id, state=State.QUEUED, progress=task.job.progress, words=AWAY.message, remedy=AWAY.remedy
            )  # fmt: skip
            self.store.seal(task.job.owner, b"")
        elif (
            error.status >= 500 or error.status == 429
        ):  # 429: they ask too much at a time, which says nothing of rights
            self._later(task.job, State.QUEUED, f"{error.message} It goes on when the hub answers.", 15.0, attempts=0)
        else:
            self._end(task.job, State.FAILED, error.message, error.remedy)
            await self._discard(task.job)

    async def _while_allowed(self, worker: Worker, task: Task) -> str:
        """Do the work, and stop it when the right to it ends."""
        work = asyncio.create_task(worker.run(task))
        guard = asyncio.create_task(self._guard(worker, task))
        try:
            await asyncio.wait({work, guard}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                guard.result()
            return await work
        finally:
            for one in (work, guard):
                one.cancel()
            await asyncio.gather(work, guard, return_exceptions=True)

    async def _guard(self, worker: Worker, task: Task) -> None:
        silent_since: float | None = None
        while True:
            await asyncio.sleep(self.limits.right_every.total_seconds())
            task.login = self._logins.get(task.job.owner, task.login)
            try:
                await worker.allowed(task)
                silent_since = None
            except HubError as error:
                if error.status < 500 and error.status != 429:
                    raise
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > self.limits.hub_away.total_seconds():
                    raise

    def _later(self, job: Job, state: State, words: str, seconds: float, attempts: int | None = None) -> None:
        if job.id not in self._cancelled:
            self.store.change(
                job.id,
                state=state,
                progress=job.progress,
                details=job.details,
                words=words,
                not_before=time.time() + seconds,
                attempts=job.attempts if attempts is None else attempts,
            )

    def _end(self, job: Job, state: State, words: str, remedy: str) -> None:
        if job.id in self._cancelled and state is not State.CANCELLED:
            return
        at = self._live.get(job.id, job)
        self.store.change(
            job.id, state=state, progress=at.progress, details=at.details, words=words, remedy=remedy, ended=time.time()
        )  # fmt: skip
        self._live.pop(job.id, None)
        self._tell(job.id)

    async def _discard(self, job: Job) -> None:
        worker = self._workers.get(job.kind)
        try:
            if worker:
                await worker.discard(job)
                self.store.change(job.id, progress=Progress())  # its page does not show what is no longer there
        except Exception:
            logger.exception("What job %s left half-done could not be removed", job.id)


def make_runner(state_dir: Path, limits: JobLimits | None = None) -> Runner:
    """The runner of a site: ``portal-jobs.sqlite`` and ``portal-jobs.key`` in its state directory.

    Raises:
        ConfigurationError: if these cannot be used, or another portal uses them.
    """
    return Runner(JobStore(state_dir / "portal-jobs.sqlite"), Seal(state_dir / "portal-jobs.key"), limits)


def runner_of(portal: Portal) -> Runner:
    """The portal's runner, made when it is first asked for.

    Raises:
        ConfigurationError: as :func:`make_runner`.
    """
    if Runner not in portal.parts:
        config = portal.site.config
        rules = config.portal.jobs
        limits = JobLimits(per_person=rules.per_person, at_once=rules.at_once, waiting=rules.waiting)
        config.hub.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        portal.add(make_runner(config.hub.state_dir, limits))
    return portal.part(Runner)


def _pause(attempts: int) -> float:
    """Seconds before the next try: 5, 10, 20 … at most five minutes."""
    return float(min(300, 5 * 2 ** max(0, attempts - 1)))


__all__ = ["JobLimits", "Runner", "TapeError", "Task", "TryAgainError", "Worker", "make_runner", "runner_of"]
