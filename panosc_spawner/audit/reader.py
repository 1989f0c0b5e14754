"""Reading the audit log: from either end, over rotated files, while the hub writes. What is no whole line is left out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from panosc_spawner.audit.lines import MAX_LINE
from panosc_spawner.audit.log import rotated

_BLOCK = 1024**2
_LONGEST = 4 * MAX_LINE  # bytes; no line of ours is longer


@dataclass(frozen=True)
class Entry:
    """One line: when, what, and its fields, in which anything may stand."""

    time: datetime
    event: str
    fields: Mapping[str, object] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A field as text; empty if it is not there."""
        value = self.fields.get(name)
        return "" if value is None else value if isinstance(value, str) else str(value)

    def to_json(self) -> dict[str, object]:
        """As it stands in the file."""
        return {"time": self.time.isoformat(timespec="milliseconds"), "event": self.event, **self.fields}


@dataclass(frozen=True)
class Filter:
    """Which lines are wanted; what is empty does not matter.

    ``people`` are hub user names or subjects: of whom a line is about, who did it, or whose identity it names.
    """

    people: frozenset[str] = frozenset()
    proposals: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    since: datetime | None = None

    def accepts(self, entry: Entry) -> bool:
        """Whether this line is one of them."""
        return (
            (not self.events or entry.event in self.events)
            and (self.since is None or entry.time >= self.since)
            and (not self.proposals or not self.proposals.isdisjoint(_proposals_in(entry)))
            and (not self.people or not self.people.isdisjoint(_people_in(entry)))
        )


def _proposals_in(entry: Entry) -> Iterator[str]:
    yield entry.get("proposal")
    several = entry.fields.get("proposals")
    yield from (str(ref) for ref in several) if isinstance(several, list) else ()


def _people_in(entry: Entry) -> Iterator[str]:
    for name in ("person", "by", "identity"):
        value = entry.get(name)
        yield value
        yield value.partition(" (")[0]  # "subject (issuer)"


def parse(line: bytes) -> Entry | None:
    """A line of the file; None if it is none of ours: torn, or written by somebody else."""
    try:
        found = json.loads(line)
        moment = datetime.fromisoformat(found.pop("time"))
        event = found.pop("event")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(event, str):
        return None
    return Entry(moment if moment.tzinfo else moment.replace(tzinfo=UTC), event, found)


def oldest(file: Path, wanted: Filter | None = None) -> Iterator[Entry]:
    """All lines, the oldest first."""
    wanted = wanted or Filter()
    with ExitStack() as stack:
        for handle in reversed(_opened(file, stack)):
            # A line that has no end is torn, or being written just now.
            for line in _whole_lines(handle):
                if (entry := parse(line)) and wanted.accepts(entry):
                    yield entry


@dataclass
class Tail:
    """The newest lines within a bound: iterate it, then see how far back it went."""

    entries: Iterator[Entry]
    complete: bool = True  # False: there is more, older, that was not looked at
    reached: datetime | None = None  # the oldest line that was looked at


def newest(
    file: Path,
    wanted: Filter | None = None,
    *,
    max_bytes: int | None = None,
    candidate: Callable[[bytes], bool] = lambda _: True,
    worth: Callable[[bytes], bool] = lambda _: True,
) -> Tail:
    """The lines, the newest first, from the last ``max_bytes`` of the log.

    Args:
        file: the log's newest file.
        wanted: which of them.
        max_bytes: where to stop looking; None looks at all.
        candidate: a cheap look at a line's bytes before it is parsed. It may only leave out what is not wanted.
        worth: a cheap look at the bytes of many lines, whether one of them may be wanted: the same for a megabyte at a time.
    """
    tail = Tail(iter(()))
    tail.entries = _from_the_end(file, wanted or Filter(), max_bytes, candidate, worth, tail)
    return tail


def _from_the_end(
    file: Path,
    wanted: Filter,
    max_bytes: int | None,
    candidate: Callable[[bytes], bool],
    worth: Callable[[bytes], bool],
    tail: Tail,
) -> Iterator[Entry]:
    left = max_bytes
    last: bytes = b""
    with ExitStack() as stack:
        for handle in _opened(file, stack):
            size = os.fstat(handle.fileno()).st_size
            floor = 0 if left is None else max(0, size - max(0, left))
            for line in _backwards(handle, size, floor, worth):
                last = line
                if candidate(line) and (entry := parse(line)):
                    if wanted.since and entry.time < wanted.since:
                        tail.reached = entry.time
                        return
                    if wanted.accepts(entry):
                        tail.reached = entry.time
                        yield entry
            left = None if left is None else left - size
            if floor:
                tail.complete = False
                break
    if (entry := parse(last)) is not None:
        tail.reached = entry.time


def follow(
    file: Path,
    wanted: Filter | None = None,
    *,
    history: bool = False,
    wait: float = 0.5,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Entry]:
    """Lines as they are written from now on, over rotations; with ``history``, first all that are there.

    Ends when ``stop`` says so, which is asked each ``wait`` seconds.
    """
    wanted = wanted or Filter()
    for line in _lines_for_ever(file, history, wait, stop):
        if (entry := parse(line)) and wanted.accepts(entry):
            yield entry


def _lines_for_ever(file: Path, history: bool, wait: float, stop: Callable[[], bool]) -> Iterator[bytes]:
    with ExitStack() as stack:
        handle = _open(file)
        if handle and history:
            for older in reversed(_opened(file, stack, rotated_only=handle)):
                yield from _whole_lines(older)
        elif handle:
            handle.seek(0, os.SEEK_END)
        rest = b""
        try:
            while not stop():
                data = handle.read(_BLOCK) if handle else b""
                if not data and (handle is None or _is_another(file, handle)):
                    # What was written between our last look and the rotation is read first.
                    data = handle.read() if handle else b""
                    if handle:
                        handle.close()
                    handle = _open(file)
                elif not data:
                    time.sleep(wait)
                if handle is None:
                    time.sleep(wait)
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-_LONGEST:]
                yield from lines
        finally:
            if handle:
                handle.close()


def _is_another(file: Path, handle: BinaryIO) -> bool:
    """Whether the name stands for another file by now; not while it stands for none."""
    return _named(file) not in (None, _key(handle))


def _opened(file: Path, stack: ExitStack, *, rotated_only: BinaryIO | None = None) -> list[BinaryIO]:
    """All files of the log, the newest first, each once; only those older than a file that is open already, if given.

    In this order, a rotation meanwhile shows a file twice, which is noticed, and hides none.
    """
    handles: list[BinaryIO] = []
    seen: set[tuple[int, int]] = set()
    if rotated_only:
        seen.add(_key(rotated_only))
    numbers = [0]
    while numbers:
        number = numbers.pop(0)
        handle = _open(file if number == 0 else file.with_name(f"{file.name}.{number}"))
        if number == 0:
            numbers = sorted(other for other, _ in rotated(file))
        elif handle and not numbers:
            numbers = [number + 1]  # renamed since the directory was listed
        if handle is None:
            continue
        stack.enter_context(handle)
        if (key := _key(handle)) not in seen:
            seen.add(key)
            handles.append(handle)
    if rotated_only and handles and _key(handles[0]) == _named(file):
        handles.pop(0)  # the file was rotated after it had been opened: this is its successor
    return handles


def _key(handle: BinaryIO) -> tuple[int, int]:
    status = os.fstat(handle.fileno())
    return status.st_dev, status.st_ino


def _named(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open(file: Path) -> BinaryIO | None:
    """The file to read, or None if it is not there; a symbolic link is not followed."""
    with suppress(FileNotFoundError):
        return os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    return None


def _whole_lines(handle: BinaryIO) -> Iterator[bytes]:
    while line := handle.readline(_LONGEST):
        if line.endswith(b"\n"):
            yield line


def _backwards(handle: BinaryIO, size: int, floor: int, worth: Callable[[bytes], bool]) -> Iterator[bytes]:
    """A file's lines from its end back to the byte ``floor``, without their newlines.

    Of a block that is not worth it, only the oldest line: it tells the time.
    """
    place = size
    rest = b""  # the beginning of a line that goes on in the block after this one
    while place > floor:
        block_size = min(_BLOCK, place - floor)
        place -= block_size
        handle.seek(place)
        block = handle.read(block_size) + rest
        if worth(block):
            first, *lines = block.split(b"\n")
        else:
            first, _, others = block.partition(b"\n")
            lines = [others[: _LONGEST + 1].partition(b"\n")[0]]
        for line in reversed(lines):
            if line and len(line) <= _LONGEST:
                yield line
        rest = first[: _LONGEST + 1]
    if not floor and rest and len(rest) <= _LONGEST:
        yield rest
