"""Jobs of people: limits, turns, rights asked again, cancel, restart, and what a killed portal leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from panosc_portal.errors import HubError
from panosc_portal.hub import Login
from panosc_portal.moving.jobs import Job, JobError, JobStore, Progress, State
from panosc_portal.moving.runner import JobLimits, Runner, TapeError, Task, TryAgainError, make_runner
from panosc_portal.moving.sealed import Seal
from pydantic import SecretStr

from panosc_spawner.errors import ConfigurationError

ADA = Login("ada", SecretStr("token-of-ada"))
BEN = Login("ben", SecretStr("token-of-ben"))
FAST = timedelta(seconds=0.05)


class Counting:
    """A worker that counts to ``to`` in a file's steps, and can be told to fail."""

    kind = "count"

    def __init__(self) -> None:
        self.most_at_once = self.now = 0
        self.refusal: HubError | None = None
        self.errors: list[Exception] = []
        self.discarded: list[str] = []
        self.logins: list[str] = []
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, task: Task) -> str:
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        self.logins.append(task.login.token.get_secret_value())
        try:
            if self.errors:
                raise self.errors.pop(0)
            at = task.details.get("at", 0)
            for step in range(at, 3):
                task.progress(Progress(step + 1, 3))
                task.remember(at=step + 1)
                await self.gate.wait()
                await asyncio.sleep(0.01)
        finally:
            self.now -= 1
        return f"Counted from {at}."

    async def allowed(self, task: Task) -> None:
        self.asked += 1
        if self.refusal:
            raise self.refusal

    async def discard(self, job: Job) -> None:
        self.discarded.append(job.id)


@asynccontextmanager
async def running(worker: Counting, limits: JobLimits | None = None) -> AsyncIterator[Runner]:
    runner = Runner(JobStore(None), Seal(None), limits)
    runner.add(worker)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


async def ended(runner: Runner, job: Job, state: State | None = None) -> Job:
    """The job when it is over (or in ``state``), within ten seconds."""
    for _ in range(500):
        found = runner.job(job.id)
        assert found is not None
        if found.state is state or (state is None and found.state.over):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {found}")


async def test_a_job_runs_and_says_how_it_ended() -> None:
    async with running(Counting()) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234", "Count")
        seen = [step async for step in runner.watch(job.id, "ada", every=0.001)]
    assert seen[-1].state is State.DONE
    assert seen[-1].words == "Counted from 0."
    assert seen[-1].progress == Progress(3, 3)
    assert [step.progress.done_bytes for step in seen] == sorted(step.progress.done_bytes for step in seen)
    assert seen[-1].started is not None and seen[-1].ended is not None


async def test_a_persons_own_token_is_no_login_of_their_jobs() -> None:
    worker, own = Counting(), Login("ada", SecretStr("own-token-of-ada"), own_token=True)
    worker.gate.clear()
    async with running(worker) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234")
        runner.seen(own)
        assert runner.login("ada") == ADA
        assert runner._seal.open(runner.store.sealed(job.id)) == ADA
        with pytest.raises(JobError, match="not by a token of your own"):
            runner.submit("count", own, "esrf/ma1235")
        await runner.cancel(job.id, "ada")
        with pytest.raises(JobError, match="not by a token of your own"):
            runner.again(job.id, own)
        assert [one.state for one in runner.jobs("ada")] == [State.CANCELLED]


async def test_limits_hold_for_a_person_and_for_all() -> None:
    worker = Counting()
    async with running(worker, JobLimits(per_person=2, at_once=3)) as runner:
        jobs = [runner.submit("count", ADA, f"esrf/ma{n}") for n in range(6)]
        worker.gate.clear()
        jobs += [runner.submit("count", BEN, f"esrf/ma{n}") for n in range(2)]
        await asyncio.sleep(0.2)
        active = [job.owner for job in runner.store.unfinished() if job.state.active]
        assert sorted(active) == ["ada", "ada", "ben"]  # ben did not wait for ada's six
        worker.gate.set()
        for job in jobs:
            assert (await ended(runner, job)).state is State.DONE
    assert worker.most_at_once == 3


async def test_too_many_are_refused_in_words_and_the_same_is_not_taken_twice() -> None:
    worker = Counting()
    worker.gate.clear()
    async with running(worker, JobLimits(waiting=2)) as runner:
        first = runner.submit("count", ADA, "esrf/ma1", mode="x")
        assert runner.submit("count", ADA, "esrf/ma1", mode="x").id == first.id
        runner.submit("count", ADA, "esrf/ma1", mode="y")
        with pytest.raises(JobError, match="not finished"):
            runner.submit("count", ADA, "esrf/ma2")
        worker.gate.set()


async def test_jobs_are_seen_and_cancelled_by_their_owner_only() -> None:
    worker = Counting()
    worker.gate.clear()
    async with running(worker) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234")
        await ended(runner, job, State.RUNNING)
        assert runner.job(job.id, "ben") is None
        assert await runner.cancel(job.id, "ben") is None
        assert [step async for step in runner.watch(job.id, "ben")] == []
        cancelled = await runner.cancel(job.id, "ada")
        assert cancelled is not None and cancelled.state is State.CANCELLED
        assert worker.discarded == [job.id]
        assert worker.now == 0
        assert runner.store.sealed(job.id) is None  # nothing to act with is kept
        worker.gate.set()
        assert runner.again(job.id, BEN) is None
        runner.again(job.id, ADA)
        assert (await ended(runner, job)).words == "Counted from 1."


async def test_a_right_that_ends_ends_the_job() -> None:
    worker = Counting()
    worker.gate.clear()
    async with running(worker, JobLimits(right_every=FAST)) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234")
        await ended(runner, job, State.RUNNING)
        worker.refusal = HubError(403, "You are not on proposal ma1234.", "Ask the user office.")
        failed = await ended(runner, job)
    assert (failed.state, failed.words, failed.remedy) == (
        State.FAILED,
        "You are not on proposal ma1234.",
        "Ask the user office.",
    )
    assert worker.discarded == [job.id]


async def test_a_right_that_is_not_there_starts_nothing() -> None:
    worker = Counting()
    worker.refusal = HubError(403, "No.", "")
    async with running(worker) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234")
        assert (await ended(runner, job)).state is State.FAILED
    assert worker.logins == []


# 429: they ask for too much at a time elsewhere. That says nothing about rights, and must not cost what was staged.
@pytest.mark.parametrize("status", [503, 429])
async def test_a_hub_that_is_silent_for_a_moment_stops_nothing_and_for_long_does(status: int) -> None:
    worker = Counting()
    worker.gate.clear()
    async with running(worker, JobLimits(right_every=FAST, hub_away=timedelta(seconds=2))) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234")
        await ended(runner, job, State.RUNNING)
        worker.refusal = HubError(status, "The hub does not answer.")
        await asyncio.sleep(0.15)
        assert runner.job(job.id).state is State.RUNNING  # type: ignore[union-attr]
        waiting = await ended(runner, job, State.QUEUED)
        assert "goes on when the hub answers" in waiting.words
        assert worker.discarded == []


async def test_an_ended_login_waits_for_the_person_and_goes_on() -> None:
    worker = Counting()
    worker.refusal = HubError(401, "Log in again.")
    async with running(worker) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234")
        for _ in range(100):
            if "login here is over" in runner.job(job.id).words:  # type: ignore[union-attr]
                break
            await asyncio.sleep(0.02)
        assert runner.job(job.id).state is State.QUEUED  # type: ignore[union-attr]
        worker.refusal = None
        runner.seen(Login("ada", SecretStr("newer")))
        assert (await ended(runner, job)).state is State.DONE
    assert worker.logins == ["newer"]


async def test_tape_and_passing_failures_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.05)
    worker = Counting()
    worker.errors = [
        TapeError("On tape; asked for at 10:02.", 0.2),
        TryAgainError("The server is busy."),
        JobError("No."),
    ]
    async with running(worker) as runner:
        job = runner.submit("count", ADA, "esrf/ma1234")
        assert (await ended(runner, job, State.WAITING)).words == "On tape; asked for at 10:02."
        failed = await ended(runner, job)
        assert (failed.state, failed.words) == (State.FAILED, "No.")


async def test_what_fails_again_and_again_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.moving.runner._pause", lambda attempts: 0.001)
    worker = Counting()
    worker.errors = [TryAgainError("The server is busy.") for _ in range(50)]
    async with running(worker) as runner:
        assert (await ended(runner, runner.submit("count", ADA, "esrf/ma1234"))).words == "The server is busy."
    assert len(worker.errors) == 42


async def test_an_unknown_failure_is_words_too(caplog: pytest.LogCaptureFixture) -> None:
    worker = Counting()
    worker.errors = [ZeroDivisionError("secret-path")]
    async with running(worker) as runner:
        failed = await ended(runner, runner.submit("count", ADA, "esrf/ma1234"))
    assert failed.state is State.FAILED
    assert "secret-path" not in failed.words
    assert "ZeroDivisionError" in caplog.text


async def test_a_stopped_portal_goes_on_where_it_was(tmp_path: Path) -> None:
    worker = Counting()
    worker.gate.clear()
    first = make_runner(tmp_path)
    first.add(worker)
    await first.start()
    job = first.submit("count", ADA, "esrf/ma1234")
    await ended(first, job, State.RUNNING)
    await asyncio.sleep(0.05)
    await first.stop()
    assert worker.discarded == []
    worker.gate.set()
    second = make_runner(tmp_path)
    second.add(worker)
    await second.start()
    try:
        assert (await ended(second, job)).words == "Counted from 1."
        assert worker.logins == ["token-of-ada", "token-of-ada"]  # sealed on disk, opened again
    finally:
        await second.stop()


def test_files_are_the_portals_alone_and_hold_no_token(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    runner.submit("count", ADA, "esrf/ma1234")
    files = sorted(tmp_path.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not any(b"token-of-ada" in file.read_bytes() for file in files)
    with pytest.raises(ConfigurationError, match="another portal"):
        make_runner(tmp_path)
    runner.store.close()
    make_runner(tmp_path).store.close()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Seal(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        Seal(tmp_path / "key")
    assert Seal(None).open(Seal(None).close(ADA)) is None  # another key opens nothing


def test_old_jobs_are_forgotten() -> None:
    now = time.time()
    store = JobStore(None, clock=lambda: now)
    old = store.add("count", "ada", "esrf/ma1", "", {}, b"x")
    store.change(old.id, state=State.DONE, ended=now - 31 * 86400)
    new = store.add("count", "ada", "esrf/ma2", "", {}, b"x")
    store.recover()
    assert [job.id for job in store.of("ada")] == [new.id]
    store.close()


_KILLED = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_jobs import ADA, Counting
from panosc_portal.moving.runner import make_runner

async def main():
    worker = Counting()
    runner = make_runner(Path(sys.argv[1]))
    runner.add(worker)
    worker.gate.clear()
    await runner.start()
    runner.submit("count", ADA, "esrf/ma1234")
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_killed_portal_goes_on_where_it_was(tmp_path: Path) -> None:
    portal = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert portal.stdout is not None
        assert portal.stdout.readline() == "ready\n"
    finally:
        os.kill(portal.pid, signal.SIGKILL)
        portal.communicate()
    with sqlite3.connect(tmp_path / "portal-jobs.sqlite") as left:
        assert left.execute("SELECT state FROM jobs").fetchall() == [("running",)]
    left.close()
    runner = make_runner(tmp_path)
    worker = Counting()
    runner.add(worker)
    [job] = runner.jobs("ada")
    await runner.start()
    try:
        assert (await ended(runner, job)).words == "Counted from 1."
    finally:
        await runner.stop()


async def test_a_disk_that_is_full_for_a_while_costs_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panosc_portal.moving.runner._AFTER_TROUBLE", 0.05)
    async with running(Counting(), JobLimits(at_once=1)) as runner:
        change, refused = runner.store.change, [State.RUNNING, State.DONE, State.FAILED]

        def full(job: str, **what: object) -> Job | None:
            if what.get("state") in refused:
                refused.remove(what["state"])  # type: ignore[arg-type]
                raise sqlite3.OperationalError("database or disk is full")
            return change(job, **what)  # type: ignore[arg-type]

        monkeypatch.setattr(runner.store, "change", full)
        for _ in range(2):
            assert (await ended(runner, runner.submit("count", ADA, "esrf/ma1234"))).state is State.DONE
        assert len(refused) <= 1 and not runner._running and not runner._owners
