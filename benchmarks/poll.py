"""How long one person's server is out of sight while another person's container takes ten seconds to stop.

Drives the spawners themselves, plain DockerSpawner's and ours, on the real daemon, in turns. Needs Docker and
``debian:trixie-slim`` (``panosc-hub images build base`` makes it)::

    .venv/bin/python -m benchmarks.poll [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import docker
from dockerspawner import DockerSpawner
from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.user import User

from benchmarks.report import Row, report, row
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Environment
from panosc_spawner.facilities.site import Limits, Site, SiteFile
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import HomeMount, LaunchPlan
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.docker import PanoscDockerSpawner
from panosc_spawner.spawners.docker_network import ensure_network, network_name

IMAGE = "debian:trixie-slim"
HUB_ID = f"bench-{secrets.token_hex(3)}"
STOP_SECONDS = 10
TARGET_SECONDS = 0.1
ROUNDS = 3
# A server that listens, and does not end when it is asked to.
STUBBORN = [
    "perl",
    "-e",
    "use IO::Socket::INET; $SIG{TERM} = 'IGNORE';"
    "my $s = IO::Socket::INET->new(LocalPort => 8888, Listen => 5) or die; while (1) { my $c = $s->accept; close $c if $c }",
]


class OurSpawner(PanoscDockerSpawner):
    """Ours, with a plan that is given."""

    given: LaunchPlan

    async def decide(self) -> LaunchPlan:
        """The given plan."""
        return self.given


async def measure(folder: Path) -> list[Row]:
    """Median of the polls, plain and ours in turns."""
    site = a_site(folder)
    client = docker.APIClient(version="auto")
    ensure_network(client, network_name(site), labels={"org.panosc.hub": HUB_ID})
    plain, ours = [], []
    try:
        for number in range(ROUNDS):
            plain.append(await poll_while_another_stops([plain_spawner(f"{name}{number}") for name in "ab"]))
            ours.append(await poll_while_another_stops([our_spawner(f"{name}{number}", site, folder) for name in "ab"]))
    finally:
        clean_up(client)
    words = f"plain DockerSpawner {statistics.median(plain):.2f} s, n = {ROUNDS}"
    name = f"another's poll during a {STOP_SECONDS} s stop"
    return [row(name, statistics.median(ours), "s", peer=words, target=TARGET_SECONDS)]


async def poll_while_another_stops(pair: list[Any]) -> float:
    """Seconds that a poll of the second takes while the first is being stopped."""
    first, second = pair
    await asyncio.gather(first.start(), second.start())
    stopping = asyncio.create_task(first.stop())
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    status = await second.poll()
    taken = time.perf_counter() - began
    if status is not None:
        raise SystemExit("the server that should run does not")
    await stopping
    await second.stop(now=True)
    return taken


def plain_spawner(person: str) -> Any:
    """Plain DockerSpawner, as its manual has it."""
    return _made(
        DockerSpawner,
        f"{HUB_ID}-{person}",
        image=IMAGE,
        cmd=STUBBORN,
        use_internal_ip=True,
        remove=True,
        prefix="plain",
        pull_policy="skip",
    )


def our_spawner(person: str, site: Site, folder: Path) -> Any:
    """Ours, with an empty plan."""
    made = _made(OurSpawner, person, context=HubContext(site, None), cmd=STUBBORN, stop_seconds=STOP_SECONDS)  # type: ignore[arg-type]
    made.given = a_plan(person, folder)
    return made


def _made(kind: type, person: str, **traits: Any) -> Any:
    session = orm.new_session_factory("sqlite:///:memory:")()
    record = orm.User(name=person)
    record._orm_spawners.append(orm.Spawner(name=""))
    session.add(record)
    session.commit()
    user = User(record, {})
    return user._new_spawner("", spawner_class=kind, hub=Hub(ip="127.0.0.1", port=1), api_token="none", **traits)


def a_plan(person: str, folder: Path) -> LaunchPlan:
    """A plan without proposals."""
    home = folder / "homes" / person
    home.parent.mkdir(exist_ok=True)
    return LaunchPlan(
        username=person,
        proposals=(ProposalRef("esrf", "ma1234"),),
        environment_id="esrf/base",
        environment=Environment(title="Benchmark", image=IMAGE),
        account=Account("ada", 20123, 20100),
        home=HomeMount("path", str(home), PurePosixPath("/home/ada"), True),
        mounts=(),
        start_pages=(),
        variables={},
        limits=Limits(),
        labels={"org.panosc.hub": HUB_ID, "org.panosc.person": person},
        warnings=(),
        ends_at=datetime.now(UTC) + timedelta(hours=1),
    )


def a_site(folder: Path) -> Site:
    """A site with Docker."""
    config = SiteFile.model_validate(
        {
            "hub": {"id": HUB_ID, "facilities": ["esrf"], "state_dir": str(folder / "state")},
            "login": {"community": "eduteams", "client_id": "benchmark"},
            "sources": [{"type": "file", "path": "people.toml"}],
        }
    )
    return Site(folder, config, {})


def clean_up(client: docker.APIClient) -> None:
    """Remove what this run made."""
    for container in client.containers(all=True):
        if any(HUB_ID in name for name in container["Names"]):
            client.remove_container(container["Id"], force=True)
    for network in client.networks(filters={"label": f"org.panosc.hub={HUB_ID}"}):
        client.remove_network(network["Id"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        report(asyncio.run(measure(Path(folder))), as_json=arguments.json)


if __name__ == "__main__":
    main()
