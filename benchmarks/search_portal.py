"""The real portal application over HTTP, with catalogues that are given and a hub that knows everybody: for the search's load test.

A process of its own: ``python -m benchmarks.search_portal FOLDER ADDRESS …`` prints one line of JSON, ``{"port": …}``, and serves
until its input is closed. A line on its input is answered by one of JSON: what it holds and how much memory it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "extensions/portal"), str(ROOT / "extensions/portal/tests")]

from panosc_portal.catalogues.panosc import PanoscCatalogue  # noqa: E402 - beneath extensions, put on the path above
from panosc_portal.hub import PersonReport  # noqa: E402
from panosc_portal.search.federation import Federation  # noqa: E402

from panosc_spawner.facilities.catalogue_rules import PanoscCatalogue as Rule  # noqa: E402
from panosc_spawner.facilities.portal_search_rules import SearchRules  # noqa: E402


class RunningPortal:
    """The process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._read()["port"])
        self.pid = process.pid

    def state(self) -> dict[str, Any]:
        """What it holds now."""
        assert self._process.stdin is not None
        self._process.stdin.write("state\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))


@contextlib.contextmanager
def running_portal(folder: Path, addresses: Sequence[str], people: int) -> Iterator[RunningPortal]:
    """Run it."""
    command = [sys.executable, "-m", "benchmarks.search_portal", str(folder), str(people), *addresses]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            yield RunningPortal(process)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def catalogues(addresses: Sequence[str], folder: Path) -> list[PanoscCatalogue]:
    """Our adapters for them."""
    rules = [
        Rule.model_validate({"type": "panosc", "name": f"source{n}", "url": url, "timeout": timedelta(seconds=10)})
        for n, url in enumerate(addresses)
    ]
    return [PanoscCatalogue(rule, None, folder) for rule in rules]


def memory() -> float:
    """Resident memory of this process now, in MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024**2


async def _serve(folder: Path, people: int, addresses: Sequence[str]) -> None:
    import uvicorn
    from panosc_portal.app import make_app
    from support import FakeHub, make_portal, make_site

    site = make_site(folder)
    hub = FakeHub(people={f"person{n}": PersonReport() for n in range(people)})
    portal = make_portal(site, hub)
    federation = Federation(site, hub, catalogues(addresses, folder), SearchRules())
    portal.add(federation)
    config = uvicorn.Config(
        make_app(portal, ("search.pages",)), host="127.0.0.1", port=0, log_level="warning", backlog=2048
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    gc.collect()
    gc.freeze()  # as panosc_portal.serve does
    print(json.dumps({"port": server.servers[0].sockets[0].getsockname()[1]}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        tasks = len(asyncio.all_tasks())
        held = {"memory": memory(), "kept": len(federation.kept), "places": len(federation.cursors), "tasks": tasks}
        used, waited = (int(one) / 1e9 for one in Path("/proc/self/schedstat").read_text().split()[:2])
        held |= {"used": used, "waited": waited}
        print(json.dumps(held), flush=True)
        hub.asked.clear()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
