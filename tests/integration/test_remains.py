"""What a failed stop leaves behind is found and ended: real containers, real processes."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from docker_support import STUBBORN as STUBBORN_CONTAINER
from docker_support import Bench
from local_support import STUBBORN, LocalBench, local_bench, running

from panosc_spawner.spawners.docker_remains import find_remains

__all__ = ["local_bench"]


@pytest.mark.docker
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_container_that_the_hub_forgot_is_ended_and_a_later_one_is_not(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")), cmd=STUBBORN_CONTAINER)
    await spawner.start()
    remains = await spawner.remains()
    first, spawner.object_id = spawner.object_id, ""  # as JupyterHub forgets it when a stop fails
    bench.client.rename(first, f"forgotten-{secrets.token_hex(4)}")
    again = bench.spawner(spawner.given)
    await again.start()
    assert await remains.end()
    left = [container["Id"] for container in bench.containers()]
    assert left == [again.object_id]
    assert await remains.end(), "and may be asked again"


@pytest.mark.docker
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_container_with_the_servers_labels_is_found_whatever_the_hub_knows(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    await spawner.start()
    hub = bench.site.config.hub.id
    other = await find_remains(spawner.engine, "", hub, "somebody-else", spawner.name)
    assert await other.end() and bench.containers()
    found = await find_remains(spawner.engine, "", hub, spawner.given.username, spawner.name)
    assert await found.end() and not bench.containers()


async def test_processes_that_ignore_what_asks_them_to_end_are_ended(local_bench: LocalBench):
    spawner = local_bench.spawner(local_bench.plan(local_bench.data("ma1234")), cmd=STUBBORN)
    await spawner.start()
    marker = f"panosc-{secrets.token_hex(6)}"
    script = f"trap '' TERM HUP; sleep 600; : {marker}"
    await local_bench.inside(spawner, f'setsid sh -c "{script}" >/dev/null 2>&1 &')
    for _ in range(1200):
        if running(marker):
            break
        await asyncio.sleep(0.05)
    assert running(marker)
    remains = await spawner.remains()
    assert await remains.end()
    assert not running(marker)
