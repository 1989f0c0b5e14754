"""Filling the index from directories of NeXus files: only what changed is read, and what is gone is taken out.

A harvest that is broken off goes on where it was at the next one, since each file is written down as soon as it was read.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from panosc_portal.catalogues.model import Availability, Dataset, Document, File, Instrument
from panosc_portal.index.nexus import Described, NexusReader, UnreadableFile
from panosc_portal.index.places import Place
from panosc_portal.index.store import IndexFault, Store
from panosc_portal.index.walk import Seen, Walk
from panosc_portal.index.write import Entry, Memo, known, put, remove, tidy

log = logging.getLogger(__name__)

BATCH = 100
BATCH_SECONDS = 2.0
NICE = 10
MAX_UNREAD = 1000


@dataclass(frozen=True)
class Report:
    """How a harvest of one origin went, in words and numbers.

    Attributes:
        whole: it saw all there is, so that what it did not see is gone.
    """

    origin: str
    read: int = 0
    unchanged: int = 0
    failed: int = 0
    removed: int = 0
    whole: bool = False
    trouble: str = ""

    def __str__(self) -> str:
        words = [f"{self.read} read", f"{self.unchanged} unchanged", f"{self.removed} removed"]
        if self.failed:
            words.append(f"{self.failed} could not be read")
        if self.trouble:
            words.append(self.trouble)
        return f"{self.origin}: {', '.join(words)}"


@dataclass(frozen=True)
class _Read:
    """A file that was looked into: an entry, or why there is none."""

    seen: Seen
    outcome: str
    entry: Entry | None


class DirectoryHarvest:
    """Brings what is known of one directory up to date.

    Args:
        store: the index.
        place: the directory.
        reader: reads its files.
        stop: asks whether to break off.
    """

    def __init__(
        self, store: Store, place: Place, reader: NexusReader, stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._store, self._place, self._reader, self._stop = store, place, reader, stop
        self._waiting: list[_Read] = []
        self._same: list[Seen] = []
        self._written = time.monotonic()
        self._report = Report(place.name)
        self._many: Counter[str] = Counter()
        self._left_out = 0

    def run(self) -> Report:
        """Walk through it once.

        Raises:
            IndexFault: if the index cannot be written.
        """
        run = begin(self._store, self._place.name, self._place.stamp)
        walk = Walk(self._place.path, tuple(one.lower() for one in self._place.suffixes), self._place.public)
        with self._store.aside() as reader:
            trouble = self._through(walk, reader, run)
        self._write(run)
        whole = not trouble and len(walk.unread) <= MAX_UNREAD
        if walk.unread and not trouble:
            trouble = f"{len(walk.unread)} directories could not be listed: what is in them stays as it was"
        elif self._left_out:
            trouble = f"{self._left_out} files are left out: their proposals have more than {self._place.most} (portal.index.most)"
        removed = finish(self._store, self._place.name, run, whole=whole, words=trouble, spared=tuple(walk.unread))
        return replace(self._report, removed=removed, whole=whole, trouble=trouble)

    def _through(self, walk: Walk, reader: sqlite3.Connection, run: int) -> str:
        """Look at all files; why not at all of them, if so."""
        try:
            for seen in walk.files():
                if self._stop():
                    return "broken off; it goes on next time"
                if self._has_room(seen):
                    self._one(seen, run, reader)
        except OSError as error:
            return f"{self._place.path} cannot be listed ({error.strerror or 'unknown'})"
        return ""

    def _has_room(self, seen: Seen) -> bool:
        """Nobody's files take the place of another proposal's."""
        located = self._place.locate(self._place.path / seen.path)
        whose = str(located.ref) if located else seen.path.partition("/")[0]
        self._many[whose] += 1
        self._left_out += self._many[whose] > self._place.most
        return self._many[whose] <= self._place.most

    def _one(self, seen: Seen, run: int, reader: sqlite3.Connection) -> None:
        before = reader.execute(
            "SELECT size, changed FROM origin WHERE origin = ? AND path = ?", (self._place.name, seen.path)
        ).fetchone()
        if before == (seen.size, seen.changed):
            self._same.append(seen)
        else:
            self._waiting.append(self._look_into(seen))
        if len(self._waiting) >= BATCH or len(self._same) >= 50 * BATCH or self._due():
            self._write(run)

    def _due(self) -> bool:
        return time.monotonic() - self._written > BATCH_SECONDS

    def _look_into(self, seen: Seen) -> _Read:
        path = self._place.path / seen.path
        located = self._place.locate(path)
        if self._place.located and located is None:
            return _Read(seen, "in no proposal's area", None)
        try:
            descriptor = seen.open()
        except OSError as error:
            return _Read(seen, f"cannot be opened ({error.strerror or error})", None)
        try:
            found = self._reader.read(descriptor)
        except UnreadableFile as error:
            return _Read(seen, str(error), None)
        finally:
            os.close(descriptor)
        ref = self._place.ref(path, found.identifiers)
        if not self._place.public and not ref:
            return _Read(seen, "names no proposal, so nobody may see it", None)
        fields = dict(located.fields) if located else {}
        return _Read(seen, "", entry_of(self._place, seen, found, ref, fields.get("instrument", "")))

    def _write(self, run: int) -> None:
        memo: Memo = {}
        with self._store.writing() as writer:
            for one in self._waiting:
                _write_down(writer, self._place.name, one, run, memo)
            same = [(run, self._place.name, seen.path) for seen in self._same]
            writer.executemany("UPDATE origin SET seen = ? WHERE origin = ? AND path = ?", same)
        failed = sum(bool(one.outcome) for one in self._waiting)
        self._report = replace(
            self._report,
            read=self._report.read + len(self._waiting) - failed,
            failed=self._report.failed + failed,
            unchanged=self._report.unchanged + len(self._same),
        )
        for one in self._waiting:
            if one.outcome:
                log.debug("%s: %s %s", self._place.name, one.seen.path, one.outcome)
        self._waiting, self._same, self._written = [], [], time.monotonic()


def _write_down(writer: sqlite3.Connection, origin: str, one: _Read, run: int, memo: Memo) -> None:
    row: int | None = None
    outcome = one.outcome
    if one.entry is not None:
        holder = known(writer, one.entry.dataset.pid, origin)
        if holder is None:
            row = put(writer, one.entry, run, memo)
        else:
            outcome = f"its PID is of {holder} already"
    else:
        gone = writer.execute("SELECT dataset FROM origin WHERE origin = ? AND path = ?", (origin, one.seen.path))
        remove(writer, [found for (found,) in gone.fetchall() if found is not None])
    writer.execute(
        "INSERT OR REPLACE INTO origin (origin, path, size, changed, seen, outcome, dataset) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (origin, one.seen.path, one.seen.size, one.seen.changed, run, outcome, row),
    )


def entry_of(place: Place, seen: Seen, found: Described, ref: str, instrument: str) -> Entry:
    """A data set from a file's description and its place."""
    facility = place.facility
    name = found.instrument.name if found.instrument else instrument.upper()
    at = facility.short_name if facility else found.instrument.facility if found.instrument else ""
    documents: tuple[Document, ...] = ()
    if ref:
        identifier = ref.partition("/")[2]
        documents = (Document(ref, f"Proposal {identifier}", "proposal"),)
    dataset = Dataset(
        source=place.name,
        pid=f"{place.name}/{seen.path}",
        title=found.title or Path(seen.name).stem,
        availability=Availability.OPEN if place.public else Availability.UNKNOWN,
        created=found.start or found.end or datetime.fromtimestamp(seen.changed // 10**9, UTC),
        size=seen.size,
        facility=facility.id if facility else "",
        instrument=Instrument(name, at) if name else None,
        techniques=found.techniques,
        parameters=found.parameters,
        samples=found.samples,
        documents=documents,
        proposal=ref.partition("/")[2],
        licence=place.licence,
        location=str(place.path / seen.path),
        file_count=1,
    )
    return Entry(dataset, place.public, ref, place.name, (File(seen.name, seen.size),))


# --- Runs ---------------------------------------------------------------------------------------------------------------


def begin(store: Store, origin: str, stamp: str) -> int:
    """The number of a new run. If what is indexed here, or for whom, is another matter now, all of it is taken out first."""
    with store.writing() as writer:
        before = writer.execute("SELECT run, stamp FROM harvest WHERE origin = ?", (origin,)).fetchone()
        if before and before[1] != stamp:
            forget(writer, origin)
        run = before[0] + 1 if before else 1
        writer.execute(
            "INSERT INTO harvest (origin, run, stamp) VALUES (?, ?, ?) "
            "ON CONFLICT (origin) DO UPDATE SET run = excluded.run, stamp = excluded.stamp",
            (origin, run, stamp),
        )
    return run


def finish(store: Store, origin: str, run: int, *, whole: bool, words: str, spared: tuple[str, ...] = ()) -> int:
    """The end of a run; how many data sets were taken out, since a whole run did not see them.

    Args:
        store: the index.
        origin: what was harvested.
        run: its number.
        whole: all was seen, but what is spared.
        words: for who asks how it went.
        spared: begins of paths that could not be looked at.
    """
    removed = 0
    with store.writing() as writer:
        if whole:
            rows = writer.execute(
                "SELECT path, dataset FROM origin WHERE origin = ? AND seen < ?", (origin, run)
            ).fetchall()
            stale = [(path, row) for path, row in rows if not (spared and path.startswith(spared))]
            removed = remove(writer, [row for _, row in stale if row is not None])
            writer.executemany(
                "DELETE FROM origin WHERE origin = ? AND path = ?", [(origin, path) for path, _ in stale]
            )
            tidy(writer)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        writer.execute("UPDATE harvest SET finished = ?, words = ? WHERE origin = ?", (now, words, origin))
    return removed


def forget(writer: sqlite3.Connection, origin: str) -> int:
    """Take out all that came from an origin."""
    rows = [row for (row,) in writer.execute("SELECT id FROM dataset WHERE origin = ?", (origin,)).fetchall()]
    writer.execute("DELETE FROM origin WHERE origin = ?", (origin,))
    return remove(writer, rows)


def forget_others(store: Store, kept: Iterable[str]) -> None:
    """Take out what came from origins that the site does not name any more."""
    wanted = set(kept)
    with store.writing() as writer:
        for (origin,) in writer.execute("SELECT origin FROM harvest").fetchall():
            if origin not in wanted:
                log.info("%s is not indexed any more: %d data sets are taken out", origin, forget(writer, origin))
                writer.execute("DELETE FROM harvest WHERE origin = ?", (origin,))
        tidy(writer)


def step_back() -> None:
    """Let people's requests go first: Linux counts a thread's niceness by itself."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def harvest_places(store: Store, places: Iterable[Place], stop: Callable[[], bool] = lambda: False) -> list[Report]:
    """Bring directories up to date, one after the other. What fails with one does not hold up the others."""
    reports = []
    reader = NexusReader()
    try:
        for place in places:
            if stop():
                break
            try:
                reports.append(DirectoryHarvest(store, place, reader, stop).run())
            except (IndexFault, sqlite3.Error) as error:
                reports.append(Report(place.name, trouble=str(error)))
            log.info("Index: %s", reports[-1])
    finally:
        reader.close()
    store.optimise()
    return reports
