"""Long work for people that outlives pages and restarts: its words, and the file in which it is kept.

A job is queued, runs, and ends as done, failed or cancelled. What is said of it here is what its page shows. The portal's
process may be killed at any moment: whatever was running is found queued at the next start (:meth:`JobStore.recover`), and
its worker goes on from what it finds on disk. :mod:`panosc_portal.moving.runner` runs them.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from panosc_portal.errors import PortalError
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.state_db import open_state

KEPT_SECONDS = 30 * 86400.0
"""How long an ended job is still listed."""


class JobError(PortalError):
    """A job cannot be taken or cannot go on.

    Args:
        message: what happened and why, for the person.
        remedy: what they can do.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message, self.remedy = message, remedy


class State(StrEnum):
    """Where a job stands. The value is the word on its page."""

    QUEUED = "queued"
    WAITING = "waiting for tape"
    RUNNING = "running"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self in {State.DONE, State.FAILED, State.CANCELLED}

    @property
    def active(self) -> bool:
        """Whether a worker has it in hand."""
        return self in {State.RUNNING, State.VERIFYING}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. Sizes in bytes; a total is None as long as nobody knows it."""

    done_bytes: int = 0
    total_bytes: int | None = None
    done_files: int = 0
    total_files: int | None = None

    @property
    def share(self) -> float | None:
        """Between 0 and 1, by bytes, or by files where there are no bytes; None if it cannot be told."""
        for done, total in ((self.done_bytes, self.total_bytes), (self.done_files, self.total_files)):
            if total:
                return min(1.0, done / total)
        return None


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are seconds since 1970.

    Attributes:
        owner: the hub's user name of the person.
        proposal: ``esrf/ma1234``.
        title: in the person's words, for lists.
        words: what happens now, or how it ended.
        remedy: what the person can do about it.
        details: the worker's own: what it needs to go on. JSON, and never a secret.
        not_before: it is not taken up earlier.
        attempts: how often it was taken up since the person last asked for it.
    """

    id: str
    kind: str
    owner: str
    proposal: str
    title: str = ""
    state: State = State.QUEUED
    progress: Progress = Progress()
    words: str = ""
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    not_before: float = 0.0
    attempts: int = 0


_COLUMNS = (
    "id, kind, owner, proposal, title, state, done_bytes, total_bytes, done_files, total_files, words, remedy, details, "
    "created, started, ended, not_before, attempts"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL, proposal TEXT NOT NULL, title TEXT NOT NULL,
    state TEXT NOT NULL, done_bytes INTEGER NOT NULL, total_bytes INTEGER, done_files INTEGER NOT NULL,
    total_files INTEGER, words TEXT NOT NULL, remedy TEXT NOT NULL, details TEXT NOT NULL, created REAL NOT NULL,
    started REAL, ended REAL, not_before REAL NOT NULL, attempts INTEGER NOT NULL, sealed BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_of_a_person ON jobs (owner, created);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, created);
"""


class JobStore:
    """All jobs of a portal, in one SQLite file that only the portal's user may read.

    Args:
        file: made when missing; None: in memory, for tests.
        clock: the time.

    Raises:
        ConfigurationError: if another portal uses the file, or it cannot be used.
    """

    def __init__(self, file: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = _only_one(file) if file else -1
        try:
            self._db = open_state(file)
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            self._unlock()
            raise ConfigurationError(file or "", "", f"the portal's jobs cannot be kept: {error}") from error

    def add(self, kind: str, owner: str, proposal: str, title: str, details: Mapping[str, Any], sealed: bytes) -> Job:
        """A new job, queued. ``sealed`` is what its worker needs to act for the person, encrypted."""
        job = Job(secrets.token_urlsafe(12), kind, owner, proposal, title, details=details, created=self._clock())
        marks = ", ".join("?" * 19)
        self._db.execute(f"INSERT INTO jobs ({_COLUMNS}, sealed) VALUES ({marks})", (*_row(job), sealed))  # noqa: S608
        return job

    def get(self, job_id: str, owner: str | None = None) -> Job | None:
        """A job, if it is the owner's (None: anybody's)."""
        found = self._select("WHERE id = ? AND owner = coalesce(?, owner)", (job_id, owner))
        return found[0] if found else None

    def of(self, owner: str, kind: str | None = None, proposal: str | None = None) -> list[Job]:
        """A person's jobs, the newest first."""
        return self._select(
            "WHERE owner = ? AND kind = coalesce(?, kind) AND proposal = coalesce(?, proposal) "
            "ORDER BY created DESC LIMIT 500",
            (owner, kind, proposal),
        )

    def unfinished(self, kind: str | None = None, proposal: str | None = None) -> list[Job]:
        """Everybody's jobs that are not over, the oldest first."""
        return self._select(
            "WHERE state NOT IN ('done', 'failed', 'cancelled') AND kind = coalesce(?, kind) "
            "AND proposal = coalesce(?, proposal) ORDER BY created",
            (kind, proposal),
        )

    def change(self, job_id: str, **values: Any) -> Job | None:
        """Write some of its attributes; None if there is no such job. What is over is forgotten to act for the person."""
        job = self.get(job_id)
        if job is None:
            return None
        job = replace(job, **values)
        columns = [name.strip() for name in _COLUMNS.split(",")]
        assigned = ", ".join(f"{name} = ?" for name in columns[1:]) + (", sealed = NULL" if job.state.over else "")
        self._db.execute(f"UPDATE jobs SET {assigned} WHERE id = ?", (*_row(job)[1:], job_id))  # noqa: S608
        return job

    def sealed(self, job_id: str) -> bytes | None:
        """What the worker needs to act for the person."""
        row = self._db.execute("SELECT sealed FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return bytes(row[0]) if row and row[0] is not None else None

    def seal(self, owner: str, sealed: bytes, job_id: str | None = None) -> None:
        """The person was here again: their unfinished jobs (or one that is taken up again) get the newer key."""
        self._db.execute(
            "UPDATE jobs SET sealed = ? WHERE owner = ? AND (id = ? OR (state NOT IN ('done', 'failed', 'cancelled')))",
            (sealed, owner, job_id),
        )

    def recover(self) -> int:
        """After a start: what was running when the portal ended is queued again. Returns how many; forgets old ones."""
        self._db.execute(
            "DELETE FROM jobs WHERE ended < ? AND state IN ('done', 'failed', 'cancelled')",
            (self._clock() - KEPT_SECONDS,),
        )
        return self._db.execute(
            "UPDATE jobs SET state = 'queued', not_before = 0, words = 'The portal was started again; it goes on.' "
            "WHERE state IN ('running', 'verifying')"
        ).rowcount

    def close(self) -> None:
        """Close the file; another portal may then use it."""
        self._db.close()
        self._unlock()

    def _select(self, condition: str, values: tuple[object, ...]) -> list[Job]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM jobs {condition}", values)  # noqa: S608 - our own words
        return [_job(row) for row in rows]

    def _unlock(self) -> None:
        if self._lock >= 0:
            with suppress(OSError):
                os.close(self._lock)
            self._lock = -1


def _row(job: Job) -> tuple[object, ...]:
    at = job.progress
    return (
        job.id, job.kind, job.owner, job.proposal, job.title, job.state.value,
        at.done_bytes, at.total_bytes, at.done_files, at.total_files, job.words, job.remedy,
        json.dumps(dict(job.details)), job.created, job.started, job.ended, job.not_before, job.attempts,
    )  # fmt: skip


def _job(row: tuple[Any, ...]) -> Job:
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = dict(zip(names, row, strict=True))
    counts = ("done_bytes", "total_bytes", "done_files", "total_files")
    progress = Progress(*(values.pop(name) for name in counts))
    values |= {"state": State(values["state"]), "details": json.loads(values["details"])}
    return Job(progress=progress, **values)


def _only_one(file: Path) -> int:
    """Two portals would do each job twice, into the same directory."""
    lock = file.with_suffix(".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(lock, "", f"cannot be made: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigurationError(
            file, "", "another portal of this site is running", "stop it first: each job is done by one portal"
        ) from error
    return handle
