"""Driving the local spawner without a hub: plans made by hand, and a small server that runs what it is told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from jupyterhub.objects import Hub
from spawner_support import area_with_a_file, stored_user

from panosc_spawner.facilities.model import Area, Environment
from panosc_spawner.facilities.site import Limits, Site, SiteFile
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import HomeMount, LaunchPlan, Mount
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.local import PanoscLocalSpawner

# Runs each line it is sent in a shell, and answers with the exit code and what was said.
_SERVER = """
import os, socketserver, subprocess, urllib.parse
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode()
        if line:
            done = subprocess.run(line, shell=True, stdout=-1, stderr=-2, text=True)
            self.wfile.write(f"{done.returncode}\\n{done.stdout}".encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
url = urllib.parse.urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
Server((url.hostname, url.port), Handler).serve_forever()
"""
SERVER = [sys.executable, "-c", _SERVER]
STUBBORN = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{_SERVER}"]
BROKEN = [sys.executable, "-c", "import sys; print('no kernel today'); sys.exit(3)"]
SILENT = [sys.executable, "-c", "import time; time.sleep(600)"]


class DirectSpawner(PanoscLocalSpawner):
    """Starts a plan that the test gives, instead of one decided from grants."""

    given: LaunchPlan

    async def decide(self) -> LaunchPlan:
        return self.given

    def get_args(self) -> list[str]:
        return []


@dataclass
class LocalBench:
    """One test's place: directories of data and homes, and a way to make spawners."""

    folder: Path
    isolation: str = "auto"
    made: list[DirectSpawner] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def site(self) -> Site:
        return Site(
            self.folder,
            SiteFile.model_validate(
                {
                    "hub": {"id": "test", "facilities": ["esrf"], "spawner": "local", "state_dir": str(self.state)},
                    "login": {"community": "demo", "client_id": "test"},
                    "sources": [{"type": "file", "path": "people.toml"}],
                    "local": {"isolation": self.isolation, "hide": [str(self.folder / "hidden")]},
                }
            ),
            {},
        )

    def data(self, proposal: str, area: Area = Area.RAW, read_only: bool = True) -> Mount:
        """A proposal's area with one file in it."""
        return area_with_a_file(self.folder, proposal, area, read_only)

    def plan(self, *mounts: Mount, **changes: Any) -> LaunchPlan:
        """A plan of these mounts."""
        made = LaunchPlan(
            username="p-ada",
            proposals=tuple(dict.fromkeys(mount.proposal for mount in mounts)),
            environment_id="esrf/base",
            environment=Environment(title="Test", image="panosc/base:1"),
            account=Account("ada", 20123, 20100, (20200,)),
            home=HomeMount("path", str(self.folder / "homes" / "ada"), PurePosixPath("/home/ada"), True),
            mounts=mounts,
            start_pages=(),
            variables={"PANOSC_PROPOSALS": "esrf/ma1234"},
            limits=Limits(),
            labels={},
            warnings=(),
            ends_at=datetime.now(UTC) + timedelta(hours=1),
        )
        return replace(made, **changes)

    def spawner(self, plan: LaunchPlan, name: str = "p-ma1234", cmd: list[str] | None = None) -> DirectSpawner:
        """A spawner as the hub makes it, for this plan."""
        spawner = stored_user(plan.username, name)._new_spawner(
            name,
            spawner_class=DirectSpawner,
            hub=Hub(ip="127.0.0.1", port=1),
            context=HubContext(self.site(), None),  # type: ignore[arg-type]
            cmd=cmd or SERVER,
            http_timeout=20,
            term_timeout=1,
            api_token="a-very-secret-api-token",
        )
        spawner.given = plan
        self.made.append(spawner)
        return spawner

    def again(self, spawner: DirectSpawner) -> DirectSpawner:
        """The same server as a hub sees it that was killed and started again."""
        twin = self.spawner(spawner.given, spawner.name)
        twin.port = spawner.port
        twin.load_state(json.loads(json.dumps(spawner.get_state())))
        return twin

    async def inside(self, spawner: DirectSpawner, script: str) -> tuple[int, str]:
        """Run a shell script in a server; returns exit code and output."""
        reader, writer = await asyncio.open_connection("127.0.0.1", spawner.port)
        writer.write(script.encode() + b"\n")
        await writer.drain()
        code, _, said = (await reader.read()).decode().partition("\n")
        writer.close()
        await writer.wait_closed()
        return int(code), said.strip()


@pytest.fixture
async def local_bench(tmp_path: Path) -> AsyncIterator[LocalBench]:
    """A bench; whatever its servers leave is stopped."""
    bench = LocalBench(tmp_path)
    yield bench
    for spawner in bench.made:
        await spawner.stop(now=True)
        if spawner.proc:  # killed by a twin perhaps, who is not its parent
            await asyncio.to_thread(spawner.proc.wait, 10)


def running(marker: str) -> list[int]:
    """Processes of this machine whose command line holds a marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if marker in words:
                found.append(int(entry.name))
    return found
