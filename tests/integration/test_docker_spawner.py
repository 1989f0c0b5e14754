"""The Docker spawner on a real daemon: the life of a server, and its failures."""

from __future__ import annotations

import asyncio
import time

import docker
import pytest
from docker_support import IMAGE, MB, STUBBORN, Bench, refused, until

from panosc_spawner.facilities.model import Environment
from panosc_spawner.facilities.site import Limits
from panosc_spawner.launch.model import Reason
from panosc_spawner.spawners.docker_engine import Engine
from panosc_spawner.spawners.refused import Refused

# docker-py does not close the socket of a connection that fails.
pytestmark = [pytest.mark.docker, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


async def test_life_of_a_server(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    assert await spawner.poll() == 0
    _ip, port = await spawner.start()
    assert port == 8888
    assert bench.client.inspect_container(spawner.object_id)["State"]["Running"]
    assert await spawner.poll() is None
    assert list(spawner.phases.seconds) == ["decide", "data", "image", "prepare", "create", "start", "listen"]
    assert spawner.get_state()["panosc"]["phases"]["listen"] < 30
    await spawner.stop()
    assert await spawner.poll() == 0
    assert bench.containers() == []
    assert bench.overlays() == []


async def test_a_missing_image_is_refused_in_words(bench: Bench):
    plan = bench.plan(environment=Environment(title="Tomography", image="panosc/not-here:1"))
    error = await refused(bench.spawner(plan))
    assert error.refusal.reason is Reason.MISSING_IMAGE
    assert "Tomography" in error.refusal.message and "panosc/not-here:1" in error.refusal.message


async def test_an_image_that_was_asked_for_by_an_option_is_not_used(bench: Bench):
    spawner = bench.spawner(bench.plan())
    spawner.user_options = {"image": "panosc/not-here:1"}
    await spawner.start()
    assert bench.client.inspect_container(spawner.object_id)["Config"]["Image"] == IMAGE


async def test_an_early_crash_shows_the_log_and_no_secret(bench: Bench):
    script = 'echo "cannot import numpy"; echo "$JUPYTERHUB_API_TOKEN"; printf "\\033[31mred\\033[0m"; exit 3'
    error = await refused(bench.spawner(bench.plan(), cmd=["sh", "-c", script]))
    assert error.refusal.reason is Reason.SERVER_FAILED
    assert "exit code 3" in error.refusal.message
    assert error.refusal.details.splitlines() == ["cannot import numpy", "[removed]", "red"]
    assert bench.containers() == [] and bench.overlays() == []


async def test_a_command_that_is_not_in_the_image_is_refused_in_words(bench: Bench):
    error = await refused(bench.spawner(bench.plan(), cmd=["no-such-command"]))
    assert error.refusal.reason is Reason.SERVER_FAILED
    assert "no-such-command" in error.refusal.details
    assert bench.containers() == []


async def test_out_of_memory_is_said(bench: Bench):
    plan = bench.plan(limits=Limits(memory=32 * MB, cpu=1))
    error = await refused(bench.spawner(plan, cmd=["perl", "-e", '$x = "x" x (200*1024*1024); sleep 60']))
    assert error.refusal.reason is Reason.OUT_OF_MEMORY
    assert "32 MB" in error.refusal.message
    assert bench.containers() == []


async def test_a_server_that_crashes_later_leaves_its_reason(bench: Bench):
    spawner = bench.spawner(bench.plan())
    await spawner.start()
    bench.client.kill(spawner.object_id)
    await until(lambda: not bench.client.inspect_container(spawner.object_id)["State"]["Running"])
    assert await spawner.poll() == 137
    assert spawner.problem and "exit code 137" in spawner.problem.message
    assert bench.containers() == [] and bench.overlays() == []


async def test_a_cancelled_start_leaves_nothing(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")), cmd=["sleep", "60"])
    task = asyncio.create_task(spawner.start())
    await until(lambda: bool(spawner.object_id))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0.3)
    assert bench.containers() == [] and bench.overlays() == []
    assert await spawner.poll() == 0


async def test_a_start_cancelled_while_docker_creates_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    creating = asyncio.Event()
    loop = asyncio.get_running_loop()
    create = docker.APIClient.create_container

    def slow_create(self, *args, **kwargs):
        if "p-ma1234" in str(kwargs.get("labels")):
            loop.call_soon_threadsafe(creating.set)
            time.sleep(0.5)
        return create(self, *args, **kwargs)

    monkeypatch.setattr(docker.APIClient, "create_container", slow_create)
    spawner = bench.spawner(bench.plan())
    task = asyncio.create_task(spawner.start())
    await asyncio.wait_for(creating.wait(), 60)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.containers() == [] and bench.overlays() == []


async def test_stop_during_a_start_cancels_it_in_words(bench: Bench):
    spawner = bench.spawner(bench.plan(), cmd=["sleep", "60"])
    task = asyncio.create_task(spawner.start())
    await until(lambda: bool(spawner.object_id))
    assert await spawner.poll() is None
    await spawner.stop()
    with pytest.raises(Refused, match="cancelled"):
        await task
    assert bench.containers() == []


async def test_a_left_over_of_the_same_server_makes_way(bench: Bench):
    plan = bench.plan()
    first = bench.spawner(plan)
    await first.start()
    second = bench.spawner(plan)
    await second.start()
    assert [container["Id"] for container in bench.containers()] == [second.object_id]


async def test_the_container_of_somebody_else_is_left_alone(bench: Bench):
    spawner = bench.spawner(bench.plan())
    other = bench.client.create_container(IMAGE, command=["sleep", "60"], name=spawner.object_name)["Id"]
    try:
        error = await refused(spawner)
        assert "left alone" in error.refusal.remedy
        assert bench.client.inspect_container(other)["State"]["Status"] == "created"
    finally:
        bench.client.remove_container(other, force=True)


async def test_a_slow_stop_delays_nobody(bench: Bench):
    slow = [bench.spawner(bench.plan(), f"slow-{number}", cmd=STUBBORN) for number in range(2)]
    other = bench.spawner(bench.plan(), "other")
    await asyncio.gather(*(spawner.start() for spawner in (*slow, other)))
    stops = [asyncio.create_task(spawner.stop()) for spawner in slow]
    await asyncio.sleep(0.2)
    assert await other.poll() is None
    assert not any(stop.done() for stop in stops)
    await asyncio.gather(*stops)


async def test_a_hub_that_was_killed_finds_its_servers(bench: Bench):
    spawner = bench.spawner(bench.plan())
    await spawner.start()
    twin = bench.again(spawner)
    assert await twin.poll() is None
    assert twin.summary["environment"] == "esrf/base"
    await twin.stop()
    assert bench.containers() == []


async def test_a_daemon_with_a_problem_never_means_gone(bench: Bench, caplog: pytest.LogCaptureFixture):
    spawner = bench.spawner(bench.plan())
    await spawner.start()
    working, socket = spawner.shared.engine, bench.folder / "docker.sock"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 x\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, socket)
    spawner.shared.engine = failing = Engine(
        2, lambda version: docker.APIClient(f"unix://{socket}", version="1.41", timeout=2)
    )
    assert await spawner.poll() is None
    server.close()
    await server.wait_closed()
    socket.unlink(missing_ok=True)
    assert await spawner.poll() is None, "a daemon that is away"
    with pytest.raises(Refused, match="does not answer"):
        await spawner.stop()
    assert spawner.object_id, "a server that could not be stopped is not forgotten"
    failing.close()
    spawner.shared.engine = working
    assert await spawner.poll() is None
    assert len([line for line in caplog.messages if "does not answer about" in line]) <= 1


async def test_a_start_while_the_daemon_is_away_is_refused_in_words(bench: Bench):
    spawner = bench.spawner(bench.plan())
    spawner.shared.engine = Engine(2, lambda version: docker.APIClient("unix:///nowhere.sock", version="auto"))
    error = await refused(spawner)
    assert error.refusal.reason is Reason.ENGINE_DOWN
    assert error.status_code == 503


async def test_a_server_can_be_started_right_after_it_was_stopped(bench: Bench):
    spawner = bench.spawner(bench.plan(bench.data("ma1234")))
    for _ in range(3):
        await spawner.start()
        await spawner.stop()
    assert bench.containers() == []
