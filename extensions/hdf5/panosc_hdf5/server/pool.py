"""The workers: which one is asked, what is done about one that hangs or dies, and what is not asked again."""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from panosc_hdf5.core.errors import Busy, HDF5Error
from panosc_hdf5.server.ends import ended, not_started, replaced, stuck
from panosc_hdf5.server.parts import Question, Sink
from panosc_hdf5.server.quarantine import Quarantine
from panosc_hdf5.server.routing import Routes
from panosc_hdf5.server.worker_process import WorkerProcess, error_from
from panosc_hdf5.worker_protocol import WorkerSettings

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
REAP_SECONDS = 2.0
START_SECONDS = 60.0  # software on a shared disk that nobody has read yet is slow
AGAIN_SECONDS = 1.0  # after one that did not start
# Ended by the system, which is short of memory, or by a person: that says nothing about the file.
FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds.

    Attributes:
        grace: for a request that was cancelled or is over its deadline to let go.
        silence: for a worker that has something to do to say that it lives.
        idle: without a request before a worker ends; 0: never.
        quarantine: how long a question that ended workers is not asked again.
    """

    grace: float = 5.0
    silence: float = 15.0
    idle: float = 900.0
    quarantine: float = 600.0


class Run:
    """One question on its way to an answer, maybe by more than one worker."""

    def __init__(self, question: Question, sink: Sink) -> None:
        self.question = question
        self.sink = sink
        self.number = 0
        self.worker: WorkerProcess | None = None
        self.attempts = 0
        self.suspect = False  # it ran when a worker ended, together with others
        self.answered = False  # some part was given: it cannot be asked again
        self.cancelled = False
        self.over = False
        self.timer: asyncio.TimerHandle | None = None
        self.when_over: Callable[[], None] | None = None

    def finish(self, tell: Callable[[], None] | None = None) -> None:
        """It is over; ``tell`` the sink unless it has left."""
        if self.over:
            return
        self.over = True
        if self.timer is not None:
            self.timer.cancel()
        if self.worker is not None:
            self.worker.runs.pop(self.number, None)
        if tell is not None and not self.cancelled:
            tell()
        if self.when_over is not None:
            self.when_over()


class Pool:
    """Asks workers, which it starts when they are needed.

    Args:
        settings: gives what a worker is told, at the time it is started.
        workers: how many at most.
        patience: see :class:`Patience`.
    """

    def __init__(
        self, settings: Callable[[], WorkerSettings], workers: int = 2, patience: Patience | None = None
    ) -> None:
        self.patience = patience or Patience()
        self.quarantine = Quarantine(self.patience.quarantine)
        self.restarts = 0
        self._settings = settings
        # One more than there are: who may have ended a worker is asked again there, alone.
        self._workers: list[WorkerProcess | None] = [None] * (workers + 1)
        self._bench = workers
        self._starting: dict[int, asyncio.Task[WorkerProcess]] = {}
        self._routes = Routes(workers)
        self._suspects: deque[Run] = deque()
        self._on_trial: Run | None = None
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(2, "panosc-hdf5-reap")
        self._watch: asyncio.TimerHandle | None = None
        self._used = time.monotonic()
        self._failed = -AGAIN_SECONDS
        self._closed = False

    @property
    def workers(self) -> list[WorkerProcess]:
        """Those that live."""
        return [worker for worker in self._workers if worker is not None]

    def ask(self, question: Question, sink: Sink) -> Run:
        """Have a question answered to a sink.

        Raises:
            Unreadable: it ended workers before, and is not asked for a while.
        """
        self.quarantine.check(question)
        run = Run(question, sink)
        self._used = time.monotonic()
        self._dispatch(run)
        return run

    def cancel(self, run: Run) -> None:
        """Nobody waits for this any more. It has a grace time to let go."""
        if run.over or run.cancelled:
            return
        run.cancelled = True
        if run.worker is None:
            run.finish()
            return
        run.worker.send({"do": "cancel", "id": run.number})
        self._set_timer(run, self._time_for(run))

    async def wake(self) -> WorkerProcess:
        """A worker that is ready, started if there is none.

        Raises:
            Busy: it does not start.
        """
        worker = next(iter(self.workers), None) or await self._start(0)
        if await worker.ready(START_SECONDS):
            return worker
        raise not_started()

    async def close(self) -> None:
        """End all workers and wait until they have ended."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        for task in list(self._starting.values()):
            await asyncio.wait([task])
        for worker in self.workers:
            worker.kill()
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        self._threads.shutdown(wait=False)

    # to a worker

    def _dispatch(self, run: Run) -> None:
        run.attempts += 1
        index = self._bench if run is self._on_trial else self._choose(run)
        worker = self._workers[index]
        if worker is not None:
            self._run_on(worker, run)
        else:
            self._spawn(self._start_and_run(index, run))

    def _choose(self, run: Run) -> int:
        loads = [len(worker.runs) if worker is not None else 0 for worker in self._workers[: self._bench]]
        return self._routes.choose(run.question.file[0], loads, self._settings_jobs())

    def _settings_jobs(self) -> int:
        return next((worker.settings.jobs for worker in self.workers), 4)

    async def _start_and_run(self, index: int, run: Run) -> None:
        try:
            worker = await self._start(index)
        except HDF5Error as problem:
            error = problem  # the name of an except clause does not outlive it
            run.finish(lambda: run.sink.fail(error))
            return
        if not run.over:
            if worker.dead:
                self._retry(run)
            else:
                self._run_on(worker, run)

    def _retry(self, run: Run) -> None:
        if run.cancelled or run.answered or run.attempts >= MAX_ATTEMPTS or self._closed:
            run.finish(lambda: run.sink.fail(replaced()))
            return
        run.worker = None
        if run.suspect and run is not self._on_trial:
            self._suspects.append(run)
            self._try_suspects()
        else:
            self._dispatch(run)

    def _try_suspects(self) -> None:
        """One at a time and by a worker of their own, so that its end tells who it was, whatever others do meanwhile."""
        if self._on_trial is not None and not self._on_trial.over:
            return
        while self._suspects:
            run = self._suspects.popleft()
            if not run.over:
                self._on_trial = run
                run.when_over = self._try_suspects
                self._dispatch(run)
                return
        self._on_trial = None
        if (worker := self._workers[self._bench]) is not None:
            worker.stop()

    def _run_on(self, worker: WorkerProcess, run: Run) -> None:
        run.worker = worker
        run.number = next(self._numbers)
        worker.runs[run.number] = run
        if len(worker.runs) == 1:
            worker.heard = time.monotonic()
        worker.run(run.number, run.question)
        self._set_timer(run, self._time_for(run))
        self._keep_watch()

    async def _start(self, index: int) -> WorkerProcess:
        worker = self._workers[index]
        if worker is not None:
            return worker
        if self._closed or time.monotonic() - self._failed < AGAIN_SECONDS:
            raise not_started()
        task = self._starting.get(index)
        if task is None:
            task = self._starting[index] = asyncio.create_task(self._start_new(index))
        return await asyncio.shield(task)

    async def _start_new(self, index: int) -> WorkerProcess:
        try:
            # In a thread: a folder that files may be read from may lie in a file system that hangs.
            asked = asyncio.get_running_loop().run_in_executor(None, self._settings)
            worker = WorkerProcess(await asyncio.wait_for(asked, START_SECONDS), self._worker_died)
            await worker.start(lambda message, body: self._hear(worker, message, body))
        except Exception as error:
            log.error("A reader of HDF5 files cannot be started: %r", error)
            raise not_started() from error
        finally:
            del self._starting[index]
        if not worker.dead:
            self._workers[index] = worker
            self._keep_watch()
        return worker

    # from a worker

    def _hear(self, worker: WorkerProcess, message: dict[str, Any], body: bytes) -> None:
        if "hello" in message:  # from now on it works on what it was asked
            for waiting in list(worker.runs.values()):
                self._set_timer(waiting, self._time_for(waiting))
            return
        run: Run | None = worker.runs.get(message["id"])
        if "pieces" in message:
            part = worker.part(message, body)
            if run is None or run.cancelled:
                part.release()
            else:
                run.answered = True
                if part.last:
                    run.finish(lambda: run.sink.part(part))
                else:
                    run.sink.part(part)
        elif run is None:
            return
        elif "error" in message:
            error = error_from(message["error"])
            run.finish(lambda: run.sink.fail(error, body))
        elif "end" in message:
            run.finish(lambda: run.sink.end(body))

    # what can go wrong

    def _set_timer(self, run: Run, seconds: float) -> None:
        if run.timer is not None:
            run.timer.cancel()
        run.timer = asyncio.get_running_loop().call_later(seconds, self._too_late, run)

    def _time_for(self, run: Run) -> float:
        return self.patience.grace + (0 if run.cancelled else run.question.seconds)

    def _too_late(self, run: Run) -> None:
        """It neither answers nor lets go."""
        worker = run.worker
        if run.over or worker is None or worker.dead:
            return
        if worker.hello is None:
            # It still starts, perhaps from a slow disk. The watch ends one that never does.
            self._set_timer(run, self._time_for(run))
            return
        if run.number not in worker.running():
            worker.send({"do": "cancel", "id": run.number})
            run.finish(lambda: run.sink.fail(Busy("Too many other requests were before this one.", "Try again.")))
            return
        log.warning("%s does not let go of a reader of HDF5 files; the reader is replaced.", run.question.operation)
        if not run.cancelled:
            self.quarantine.blame(run.question, hung=True)
        run.finish(lambda: run.sink.fail(stuck()))
        worker.culprit_known = True
        worker.kill()

    def _keep_watch(self) -> None:
        if self._watch is None and not self._closed:
            self._watch = asyncio.get_running_loop().call_later(self._pace(), self._look)

    def _pace(self) -> float:
        return max(0.05, min(self.patience.silence / 3, self.patience.idle or self.patience.silence, 5.0))

    def _look(self) -> None:
        """See whether workers that have something to do live, and whether all have been idle for long."""
        self._watch = None
        now = time.monotonic()
        for worker in self.workers:
            silence = self.patience.silence if worker.hello is not None else START_SECONDS
            if worker.runs and now - worker.heard > silence:
                log.warning("A reader of HDF5 files does not answer; it is replaced.")
                worker.kill()
            elif worker.runs:
                worker.send({"do": "ping"})
            elif self.patience.idle and now - self._used > self.patience.idle:
                worker.stop()
        if self.workers:
            self._keep_watch()

    def _worker_died(self, worker: WorkerProcess) -> None:
        for index, known in enumerate(self._workers):
            if known is worker:
                self._workers[index] = None
        self._spawn(self._bury(worker))

    async def _bury(self, worker: WorkerProcess) -> None:
        # One that we ended may hang in the kernel: nobody waits for that.
        code = None if worker.ended_by_us else await self._reap(worker)
        runs: list[Run] = list(worker.runs.values())
        worker.runs.clear()
        self._judge(runs, worker, code)
        if worker.ended_by_us:
            await self._reap(worker)
        elif worker.hello is None:
            self._failed = time.monotonic()
            log.error("A reader of HDF5 files ended before it was ready (exit code %s).", code)

    async def _reap(self, worker: WorkerProcess) -> int | None:
        return await asyncio.get_running_loop().run_in_executor(self._threads, worker.wait, REAP_SECONDS)

    def _judge(self, runs: list[Run], worker: WorkerProcess, code: int | None) -> None:
        """Who ended a worker is told so; the others are asked again."""
        self.restarts += bool(runs)
        culprits = [] if worker.culprit_known else find_culprits(runs, worker.running())
        if culprits:
            names = ", ".join(sorted({run.question.operation for run in culprits}))
            log.warning("A reader of HDF5 files ended (%s) during %s.", code, names)
        for run in runs:
            run.worker = None
            if run in culprits:
                if code not in FROM_OUTSIDE:
                    self.quarantine.blame(run.question, hung=worker.ended_by_us)
                run.finish(lambda run=run: run.sink.fail(ended(code, worker.ended_by_us)))  # type: ignore[misc]
            else:
                self._retry(run)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def find_culprits(runs: list[Run], running: set[int]) -> list[Run]:
    """Who ended a worker: the only one that ran. Where several ran nobody can know: they become suspects."""
    ran = [run for run in runs if run.number in running]
    if len(running) == 1:
        return ran
    for run in ran:
        run.suspect = True
    return []
