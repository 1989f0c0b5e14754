"""Driving the Docker spawner without a hub: plans made by hand, small containers, and what is needed to look at them."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import docker
import pytest
from jupyterhub.objects import Hub
from spawner_support import area_with_a_file, stored_user

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area, Environment
from panosc_spawner.facilities.site import Limits, Site, SiteFile
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import HomeMount, LaunchPlan, Mount
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.docker import PanoscDockerSpawner
from panosc_spawner.spawners.docker_container import HUB_LABEL
from panosc_spawner.spawners.docker_network import ensure_network, network_name
from panosc_spawner.spawners.docker_phases import Phases
from panosc_spawner.spawners.refused import Refused

IMAGE = "debian:trixie-slim"
HUB_ID = f"test-{secrets.token_hex(3)}"
MB = 1024**2

LISTEN = (
    "use IO::Socket::INET; $SIG{TERM} = sub { exit 0 };"
    "my $s = IO::Socket::INET->new(LocalPort => 8888, Listen => 5, ReuseAddr => 1) or die;"
    "while (1) { my $c = $s->accept; close $c if $c }"
)
SERVER = ["perl", "-e", LISTEN]
STUBBORN = ["perl", "-e", LISTEN.replace("exit 0", "1")]


def find_docker() -> docker.APIClient | None:
    """A client, if a daemon answers here."""
    try:
        return docker.APIClient(version="auto", timeout=60)
    except docker.errors.DockerException:
        return None


class DirectSpawner(PanoscDockerSpawner):
    """Starts a plan that the test gives, instead of one decided from grants."""

    given: LaunchPlan

    async def decide(self) -> LaunchPlan:
        self.phases = Phases()
        self.phases.end("decide")
        return self.given


@dataclass
class Bench:
    """One test's place: a site, directories of data and homes, and a way to make spawners."""

    client: docker.APIClient
    site: Site
    folder: Path
    loop_spawners: list[DirectSpawner] = field(default_factory=list)

    @property
    def account(self) -> Account:
        uid, gid = (20123, 20100) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        return Account("ada", uid, gid, (20200, 20300) if os.geteuid() == 0 else ())

    def data(self, proposal: str, area: Area = Area.RAW, read_only: bool = True, required: bool = True) -> Mount:
        """A proposal's area with one file in it."""
        mount = area_with_a_file(self.folder, proposal, area, read_only, required)
        Path(mount.source).chmod(0o777)
        return mount

    def plan(self, *mounts: Mount, person: str = "ada-1", **changes: Any) -> LaunchPlan:
        """A plan of these mounts."""
        home = self.folder / "homes" / "ada"
        home.parent.mkdir(exist_ok=True)
        made = LaunchPlan(
            username=person,
            proposals=tuple(dict.fromkeys(mount.proposal for mount in mounts)) or (ProposalRef("esrf", "ma1234"),),
            environment_id="esrf/base",
            environment=Environment(title="Test", image=IMAGE),
            account=self.account,
            home=HomeMount("path", str(home), PurePosixPath("/home/ada"), True),
            mounts=mounts,
            start_pages=(),
            variables={"PANOSC_PROPOSALS": "esrf/ma1234"},
            limits=Limits(memory=256 * MB, cpu=1),
            labels={HUB_LABEL: HUB_ID, "org.panosc.person": person, "org.panosc.proposals": "esrf/ma1234"},
            warnings=(),
            ends_at=datetime.now(UTC) + timedelta(hours=1),
        )
        return replace(made, **changes)

    def spawner(self, plan: LaunchPlan, name: str = "p-ma1234", cmd: list[str] | None = None) -> DirectSpawner:
        """A spawner as the hub makes it, for this plan."""
        hub = Hub(ip="127.0.0.1", port=1)
        spawner = stored_user(plan.username, name)._new_spawner(
            name,
            spawner_class=DirectSpawner,
            hub=hub,
            context=HubContext(self.site, None),  # type: ignore[arg-type]
            cmd=SERVER if cmd is None else cmd,
            http_timeout=20,
            stop_seconds=3,
            api_token="a-very-secret-api-token",
        )
        spawner.given = plan
        self.loop_spawners.append(spawner)
        return spawner

    def again(self, spawner: DirectSpawner) -> DirectSpawner:
        """The same server as a hub sees it that was killed and started again."""
        twin = self.spawner(spawner.given, spawner.name)
        twin.load_state(json.loads(json.dumps(spawner.get_state())))
        return twin

    def containers(self, **labels: str) -> list[dict[str, Any]]:
        """All containers of this session's hub, running or not."""
        wanted = [f"{HUB_LABEL}={HUB_ID}", *(f"org.panosc.{key}={value}" for key, value in labels.items())]
        return list(self.client.containers(all=True, filters={"label": wanted}))

    def inside(self, spawner: DirectSpawner, script: str) -> tuple[int, str]:
        """Run a shell script in a server; returns exit code and output."""
        run = subprocess.run(["docker", "exec", spawner.object_id, "sh", "-c", script], capture_output=True, text=True)
        return run.returncode, (run.stdout + run.stderr).strip()

    def overlays(self) -> list[str]:
        """Names of the overlay directories that are there."""
        directory = self.site.config.hub.state_dir / "overlays"
        return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def make_site(folder: Path, **docker_options: Any) -> Site:
    """A site with this session's hub id."""
    config = SiteFile.model_validate(
        {
            "hub": {"id": HUB_ID, "facilities": ["esrf"], "state_dir": str(folder / "state")},
            "login": {"community": "eduteams", "client_id": "test"},
            "sources": [{"type": "file", "path": "people.toml"}],
            "docker": docker_options,
        }
    )
    return Site(folder, config, {})


@pytest.fixture(scope="session")
def docker_client() -> Iterator[docker.APIClient]:
    """The machine's daemon, with the image that the tests use; cleaned of this session's things at the end."""
    client = find_docker()
    if client is None:
        pytest.skip("no Docker daemon answers here")
    try:
        client.inspect_image(IMAGE)
    except docker.errors.ImageNotFound:
        pytest.skip(f"the image {IMAGE} is not here: panosc-hub images build base makes it")
    yield client
    ours = {"label": f"{HUB_LABEL}={HUB_ID}"}
    for container in client.containers(all=True, filters=ours):
        client.remove_container(container["Id"], force=True, v=True)
    for volume in client.volumes(filters=ours)["Volumes"] or []:
        client.remove_volume(volume["Name"])
    for network in client.networks(filters=ours):
        client.remove_network(network["Id"])
    client.close()


@pytest.fixture
async def bench(docker_client: docker.APIClient, tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench on the real daemon. When a test fails, what its containers were and said is shown."""
    site = make_site(tmp_path)
    ensure_network(docker_client, network_name(site), labels={HUB_LABEL: HUB_ID})
    bench = Bench(docker_client, site, tmp_path)
    yield bench
    for container in bench.containers():
        show_container(docker_client, container["Id"])
        docker_client.remove_container(container["Id"], force=True, v=True)
    for shared in PanoscDockerSpawner.shared_by_hub.values():
        shared.engine.close()
    PanoscDockerSpawner.shared_by_hub.clear()
    gc.collect()  # so that what docker-py left open shows here, and not in somebody else's test


def show_container(client: docker.APIClient, container: str) -> None:
    """Print a container's state and log; pytest shows it with a failed test only."""
    found = client.inspect_container(container)
    print(f"--- {found['Name']} {json.dumps(found['State'])}\n{json.dumps(found['HostConfig'])}")
    print(client.logs(container, tail=40).decode(errors="replace"))


async def refused(spawner: DirectSpawner) -> Refused:
    """Start it; it must be refused, and this is how."""
    with pytest.raises(Refused) as caught:
        await spawner.start()
    return caught.value


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
