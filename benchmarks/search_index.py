"""The site's own index: 100,000 data sets written (seconds, bytes), and filters with three conditions asked through HTTP.

::

    .venv/bin/python -m benchmarks.search_index [--json] [--datasets 100000]

A third of the data sets are of proposals, the others public. Filters have three conditions each (technique, parameter with a unit,
and one of: date, title, sample, instrument), with other values at each question, from rare to common; half of them are of somebody
with proposals. The server is the portal's API on uvicorn, in a process of its own; one client asks one question after the other.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from benchmarks.report import Row, report, row

SIZE = 100_000
QUESTIONS = 400
TARGET_P95_MS = 50.0
REFS = tuple(f"esrf/ma{number}" for number in range(1000, 1200))
MINE = frozenset(REFS[:5])
PANET = "http://purl.org/pan-science/PaNET/"
TECHNIQUES = [f"PaNET0{number}" for number in (1188, 1189, 1100, 1101, 1207, 1196, 1177, 1239, 1089, 1164, 1219, 1121)]
SUBSTANCES = [
    "ferrofluid",
    "lysozyme",
    "ceria",
    "MgB2",
    "iron",
    "copper",
    "polymer",
    "zeolite",
    "silicon",
    "perovskite",
]
INSTRUMENTS = [(f"{name}{number}", "ESRF") for name in ("ID", "BM") for number in range(1, 21)]


def entries(many: int) -> Iterator[Any]:
    """Data sets as a harvest writes them."""
    from panosc_portal.catalogues.model import Dataset, Document, File, Instrument, Parameter, Sample, Technique
    from panosc_portal.index.write import Entry

    from panosc_spawner import panet

    dice = random.Random(20260)
    begin = datetime(2012, 1, 1, tzinfo=UTC)
    for number in range(many):
        ref = dice.choice(REFS)
        substance, technique, place = dice.choice(SUBSTANCES), dice.choice(TECHNIQUES), dice.choice(INSTRUMENTS)
        dataset = Dataset(
            source="benchmark",
            pid=f"10.15151/bench/{number}",
            title=f"{substance} scan {number} at {dice.randrange(4, 400)} K, run {dice.randrange(1000)}",
            created=begin + timedelta(minutes=71 * number),
            size=dice.randrange(10**4, 10**10),
            instrument=Instrument(*place),
            techniques=(Technique(panet.label(technique), f"{PANET}{technique}"),),
            parameters=(
                Parameter("incident_wavelength", round(dice.uniform(0.5, 15), 4), "angstrom"),
                Parameter("sample_temperature", round(dice.uniform(4, 400), 2), "K"),
                Parameter("sample_chemical_formula", substance),
            ),
            samples=(Sample(f"{substance} {dice.randrange(50)}"),),
            documents=(Document(ref, f"Proposal {ref}", "proposal"),),
            proposal=ref.partition("/")[2],
        )
        yield Entry(dataset, number % 3 > 0, ref, "benchmark", (File(f"scan{number}.h5", dataset.size),))


def write(path: Path, many: int) -> float:
    """Write the index; seconds."""
    from panosc_portal.index.store import Store
    from panosc_portal.index.write import put

    store = Store(path)
    begin = time.monotonic()
    batch: list[Any] = []
    for entry in entries(many):
        batch.append(entry)
        if len(batch) == 1000:
            _write(store, batch, put)
            batch = []
    _write(store, batch, put)
    store.optimise()
    seconds = time.monotonic() - begin
    store.close()
    return seconds


def _write(store: Any, batch: list[Any], put: Any) -> None:
    memo: dict[object, int | None] = {}
    with store.writing() as writer:
        for entry in batch:
            put(writer, entry, 1, memo)


def serve(path: Path, listening: socket.socket) -> None:
    """The search API alone, as the portal serves it."""
    import uvicorn
    from panosc_portal.api.addresses import plain_path
    from panosc_portal.api.endpoints import make_api
    from panosc_portal.api.visitors import Visitors
    from panosc_portal.index.rights import Rights
    from panosc_portal.index.store import Store

    async def who(token: SecretStr) -> frozenset[str]:
        return MINE

    inner = make_api(Store(path), Visitors(Rights(who)), "/api")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": plain_path(scope["raw_path"])}
        await inner(scope, receive, send)

    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def questions(many: int) -> Iterator[dict[str, Any]]:
    """Filters with three conditions."""
    dice = random.Random(7)
    for number in range(many):
        low = dice.uniform(0.05, 1.3)
        width = dice.choice([0.001, 0.05, 0.5])
        wavelength = [{"name": "incident_wavelength"}, {"value": {"between": [low, low + width]}}, {"unit": "nm"}]
        technique = dice.choice(["PaNET01124", *TECHNIQUES])
        include: list[dict[str, Any]] = [
            {"relation": "techniques", "scope": {"where": {"panetId": f"{PANET}{technique}"}}},
            {"relation": "parameters", "scope": {"where": {"and": wavelength}}},
        ]
        asked: dict[str, Any] = {"include": include, "limit": dice.choice([20, 100])}
        kind = number % 4
        if kind == 0:
            asked["where"] = {"creationDate": {"gte": f"20{dice.randrange(12, 25)}-01-01"}}
        elif kind == 1:
            asked["where"] = {"text": dice.choice(["ferrofluid", f"run {dice.randrange(1000)}", "nowhere"])}
        elif kind == 2:
            include.append({"relation": "samples", "scope": {"where": {"text": dice.choice(SUBSTANCES)}}})
        else:
            include.append({"relation": "instrument", "scope": {"where": {"name": dice.choice(INSTRUMENTS)[0]}}})
        yield asked


def ask(address: str, kind: str, many: int) -> list[float]:
    """Milliseconds of each question."""
    taken = []
    with httpx.Client(base_url=address, timeout=30) as client:
        for number, asked in enumerate(questions(many)):
            filter = {**asked, "query": "ferrofluid scan"} if kind == "query" else asked
            path = "Datasets/count" if kind == "count" else "Datasets"
            headers = {"Authorization": "Bearer mine"} if number % 2 else {}
            url = f"/api/{path}?filter={quote(json.dumps(filter))}"
            begin = time.perf_counter()
            answer = client.get(url, headers=headers)
            taken.append((time.perf_counter() - begin) * 1000)
            answer.raise_for_status()
    return taken


def p95(values: Sequence[float]) -> float:
    """Of many."""
    return statistics.quantiles(values, n=20)[-1]


def measure(many: int = SIZE) -> list[Row]:
    """Write, serve, ask."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        seconds = write(path, many)
        size = path.stat().st_size
        listening = socket.socket(proto=socket.IPPROTO_TCP)  # only of such asyncio turns off Nagle's waiting
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(path, listening), daemon=True)
        server.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            ask(address, "find", 20)
            found, counted, ranked = (ask(address, kind, QUESTIONS) for kind in ("find", "count", "query"))
        finally:
            server.terminate()
            server.join(10)
            listening.close()
    return [
        row(f"index of {many} data sets, written", seconds, "s"),
        row("  a second", many / seconds, "1/s"),
        row("  on disk", size / 1024**2, "MB"),
        row("filter with three conditions, p95", p95(found), "ms", target=TARGET_P95_MS),
        row("  median", statistics.median(found), "ms"),
        row("  the slowest", max(found), "ms"),
        row("the same counted, p95", p95(counted), "ms"),
        row("the same ranked by words, p95", p95(ranked), "ms"),
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--datasets", type=int, default=SIZE)
    arguments = parser.parse_args()
    report(measure(arguments.datasets), as_json=arguments.json)


if __name__ == "__main__":
    main()
