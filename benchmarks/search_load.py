"""200 persons search at once through the real portal over HTTP, while one catalogue hangs and one answers garbage."""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.report import Row, row
from benchmarks.search_fakes import fake_catalogues
from benchmarks.search_portal import running_portal

KINDS = ("50", "120", "260", "400", "hung", "garbage")
GOOD = 4
PEOPLE, SEARCHES = 200, 3
THINK = 10.0
"""Seconds between two searches of one person, on average: they read."""
TOPICS = 60
TARGET_FIRST, TARGET_GROWTH = 0.3, 64.0
_SAID = re.compile(r"<[^>]+>")
_WORDS = ("ferrofluid", "silica", "bone", "battery", "perovskite", "protein", "steel", "polymer", "water", "skyrmion")


@dataclass
class Seen:
    """What people saw: seconds from the click until the first result is there, and until the end; what was missing."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def measure() -> list[Row]:
    """Searches with pauses, as people do; then all 200 in the same second, with the questions of a course."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        addresses = stack.enter_context(fake_catalogues(KINDS))
        portal = stack.enter_context(running_portal(folder, addresses, PEOPLE))
        asyncio.run(_people(portal.port, Seen(), people=10, searches=2, think=0.5))
        before = portal.state()
        seen = Seen()
        begun = time.perf_counter()
        asyncio.run(_people(portal.port, seen, people=PEOPLE, searches=SEARCHES, think=THINK))
        seconds = time.perf_counter() - begun
        after = portal.state()
        course = Seen()
        asyncio.run(_course(portal.port, course))
        asyncio.run(_people(portal.port, Seen(), people=PEOPLE, searches=2, think=THINK / 2))
        again = portal.state()
    used, waited = ((after[name] - before[name]) / len(seen.first) for name in ("used", "waited"))
    busy = row("load: processor time of a search", used, "s", peer=f"and {waited:.3f} s waiting for a processor")
    return [*_rows(seen, seconds), busy, *_course_rows(course), *_memory_rows(before, after, again)]


def _rows(seen: Seen, seconds: float) -> list[Row]:
    rate = len(seen.first) / seconds
    words = f"{PEOPLE} persons, {rate:.0f} searches a second, of six catalogues one hung, one garbage"
    return [
        row("load: first result, p95", _p95(seen.first), "s", peer=words, target=TARGET_FIRST),
        row("load: first result, median", statistics.median(seen.first), "s"),
        row("load: whole page, p95 (the hung one's 2 s)", _p95(seen.whole), "s", target=5.0),
        row("load: results lost or refused", len(seen.lost), "", peer="; ".join(seen.lost[:2]) or None, target=0),
    ]


def _course_rows(course: Seen) -> list[Row]:
    words = f"{PEOPLE} persons press Search within one second; ten questions"
    return [
        row("load: a course, first result, p95", _p95(course.first), "s", peer=words),
        row("load: a course, results lost", len(course.lost), "", target=0),
    ]


def _memory_rows(*states: dict[str, float]) -> list[Row]:
    before, after, again = states
    words = f"{before['memory']:.0f} MiB before, {after['memory']:.0f} after, {again['memory']:.0f} after as many again"
    growth = after["memory"] - before["memory"]
    return [
        row("load: memory more after it", growth, "MiB", peer=words, target=TARGET_GROWTH),
        row(
            "load: memory more after as many again", again["memory"] - after["memory"], "MiB", target=TARGET_GROWTH / 2
        ),
        row("load: tasks left behind", again["tasks"] - before["tasks"], "", target=0),
    ]


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


async def _people(port: int, seen: Seen, *, people: int, searches: int, think: float) -> None:
    chance = random.Random(6)
    await asyncio.gather(
        *(_person(port, n, seen, searches, think, random.Random(chance.random())) for n in range(people))
    )


async def _person(port: int, number: int, seen: Seen, searches: int, think: float, chance: random.Random) -> None:
    await asyncio.sleep(chance.random() * think)
    for turn in range(searches):
        # Half of the questions are those of others, too; the others are nobody else's.
        topic = chance.choice(_WORDS)
        own = (
            f"{topic} {number}-{turn}-{chance.random()}"
            if chance.random() < 0.5
            else f"{topic} {chance.randrange(TOPICS)}"
        )
        await _search(port, number, own, seen)
        await asyncio.sleep(chance.uniform(0.5, 1.5) * think)


async def _course(port: int, seen: Seen) -> None:
    chance = random.Random(7)

    async def one(number: int) -> None:
        await asyncio.sleep(chance.random())
        await _search(port, number, f"course {_WORDS[number % len(_WORDS)]}", seen)

    await asyncio.gather(*(one(number) for number in range(PEOPLE)))


async def _search(port: int, number: int, words: str, seen: Seen) -> None:
    """What a browser does after the click: the page, then the stream that the page names."""
    begun = time.perf_counter()
    asked = words.replace(" ", "+")
    try:
        async with asyncio.timeout(15):
            page = b"".join([chunk async for chunk in _get(port, number, f"search?q={asked}")])
            if b"data-events" not in page:
                raise ValueError(f"no page of results: {page[:60]!r}")
            held, first = b"", 0.0
            async for chunk in _get(port, number, f"search/events?q={asked}"):
                held += chunk
                if not first and b'"rows":[{' in held:
                    first = time.perf_counter() - begun
    except (TimeoutError, OSError, ValueError) as error:
        seen.lost.append(f"{type(error).__name__}: {error}")
        return
    if problem := _missing(held):
        seen.lost.append(problem)
    seen.first.append(first or time.perf_counter() - begun)
    seen.whole.append(time.perf_counter() - begun)


def _missing(stream: bytes) -> str:
    """What should be there and is not: all of what the four good catalogues have, and a word on the two others."""
    answers = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]
    if not answers or "order" not in answers[-1]:
        return f"the stream ended early: {stream[-80:]!r}"
    rows = sum(len(one.get("rows", ())) for one in answers)
    failed = {one["source"]: _SAID.sub(" ", one["outcome"]).split() for one in answers[:-1] if one["failed"]}
    if failed.keys() != {"source4", "source5"}:
        return "; ".join(" ".join(words) for words in failed.values())
    if rows != 10 * GOOD or len(answers[-1]["order"]) != rows:
        return f"{rows} rows instead of {10 * GOOD}"
    return ""


async def _get(port: int, number: int, path: str) -> AsyncIterator[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"GET /services/portal/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: token token-person{number}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        while chunk := await reader.read(65536):
            yield chunk
    finally:
        writer.close()
