"""Six catalogues that answer in 50 to 400 ms and one that never does: the first result, and all of them.

Peers, asked in turns with ours: the rule of the upstream federation (panosc-federated-search-service: ask all side by side, wait for
all or 5000 ms each, give nothing before that, sort by title), written here again since it needs a server for each provider; and our
own adapters asked one after the other.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.report import Row, ratio, row
from benchmarks.search_fakes import fake_catalogues
from benchmarks.search_portal import catalogues

from panosc_portal.catalogues.model import Query  # isort: skip - put on the path by benchmarks.search_portal
from panosc_portal.errors import CatalogueError  # isort: skip
from panosc_portal.search import federation as ours  # isort: skip
from panosc_portal.search.kept import Kept  # isort: skip
from panosc_portal.search.source import Source  # isort: skip
from panosc_spawner.facilities.portal_search_rules import SearchRules

from support import FakeHub, make_site  # isort: skip - beneath extensions/portal/tests, on the path too

KINDS = ("50", "120", "190", "hung", "260", "330", "400")
GOOD = 6
UPSTREAM_TIMEOUT = 5.0
TURNS = 8
TARGET_FIRST, TARGET_WHOLE, TARGET_SERIES = 0.05, 0.5, 0.2


@dataclass
class Seconds:
    """Of one way to search: until the first result, until all that answer have, until the end."""

    first: list[float] = field(default_factory=list)
    good: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    results: int = 0


def measure(turns: int = TURNS) -> list[Row]:
    """Take turns."""
    with fake_catalogues(KINDS) as addresses, tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(addresses, Path(folder), turns))


async def _measure(addresses: Sequence[str], folder: Path, turns: int) -> list[Row]:
    federated, waiting, serial = Seconds(), Seconds(), Seconds()
    for turn in range(turns + 1):  # the first of each is a warm-up
        kept = (federated, waiting, serial) if turn else (Seconds(), Seconds(), Seconds())
        fresh = _federation(addresses, folder)  # without what a breaker knows from the turn before
        await _ours(fresh, f"ferrofluid {turn}", kept[0])
        await fresh.aclose()
        await _waits_for_all(addresses, f"ferrofluid {turn}", kept[1])
        await _serial(addresses, folder, f"ferrofluid {turn}", kept[2])
    again = await _when_known(addresses, folder)
    all_words = f"{federated.results} results of six catalogues; the seventh is hung"
    return [
        ratio(
            "first result, against waiting for all",
            federated.first,
            waiting.first,
            "waits for all",
            target=TARGET_FIRST,
        ),
        ratio(
            "whole search, against waiting for all",
            federated.whole,
            waiting.whole,
            "waits for all",
            target=TARGET_WHOLE,
        ),
        ratio(
            "all that answer, against one after the other",
            federated.good,
            serial.whole,
            "in series",
            target=TARGET_SERIES,
        ),
        row("first result", statistics.median(federated.first), "s"),
        row("all that answer have answered", statistics.median(federated.good), "s", peer=all_words),
        row("told that one does not answer", statistics.median(federated.whole), "s"),
        row("the same, once its breaker knows", again.whole[-1], "s"),
    ]


async def _when_known(addresses: Sequence[str], folder: Path) -> Seconds:
    """Four searches right behind each other: the last finds that the hung one is left alone."""
    federation, seconds = _federation(addresses, folder), Seconds()
    for turn in range(4):
        await _ours(federation, f"silica {turn}", seconds)
    await federation.aclose()
    return seconds


def _federation(addresses: Sequence[str], folder: Path) -> ours.Federation:
    return ours.Federation(make_site(folder), FakeHub(), catalogues(addresses, folder), SearchRules())


async def _ours(federation: ours.Federation, words: str, seconds: Seconds) -> None:
    begun, first, good, answered = time.perf_counter(), 0.0, 0.0, 0
    async for event in federation.search(Query(text=words), "", None):
        now = time.perf_counter() - begun
        if isinstance(event, ours.Answered) and event.hits:
            first, answered = first or now, answered + 1
            good = now if answered == GOOD else good
        elif isinstance(event, ours.Finished):
            seconds.results = len(event.hits)
    seconds.first.append(first)
    seconds.good.append(good)
    seconds.whole.append(time.perf_counter() - begun)


async def _waits_for_all(addresses: Sequence[str], words: str, seconds: Seconds) -> None:
    begun = time.perf_counter()
    asked = {
        "where": {"text": words},
        "limit": 100,
        "include": [{"relation": "techniques"}, {"relation": "parameters"}],
    }
    async with httpx.AsyncClient(timeout=UPSTREAM_TIMEOUT, trust_env=False) as client:

        async def one(address: str) -> list[dict[str, Any]]:
            try:
                async with asyncio.timeout(UPSTREAM_TIMEOUT):
                    answer = await client.get(f"{address}/Datasets", params={"filter": json.dumps(asked)})
                return [{**item, "provider": address} for item in answer.json()]
            except (TimeoutError, httpx.HTTPError, ValueError):
                return []

        found = [item for items in await asyncio.gather(*map(one, addresses)) for item in items]
    found.sort(key=lambda item: str(item["title"]))
    seconds.results = len(found)
    seconds.first.append(time.perf_counter() - begun)
    seconds.whole.append(time.perf_counter() - begun)


async def _serial(addresses: Sequence[str], folder: Path, words: str, seconds: Seconds) -> None:
    begun, first = time.perf_counter(), 0.0
    rules = SearchRules()
    kept = Kept(rules.kept)
    for catalogue in catalogues(addresses, folder):
        try:
            found, _ = await Source(catalogue, rules, kept).ask(Query(text=words), 0, 10, None)
        except CatalogueError:
            continue
        finally:
            await catalogue.aclose()
        first = first or (time.perf_counter() - begun if found.datasets else 0.0)
    seconds.first.append(first)
    seconds.whole.append(time.perf_counter() - begun)
