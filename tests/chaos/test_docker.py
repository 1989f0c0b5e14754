"""The Docker daemon is away for a while, as when it is restarted with its containers kept (``live-restore``)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest
from chaos_world import MakeWorld, until
from outcomes import expected, outcome_of

from benchmarks.hubs import BASE_IMAGE

pytestmark = pytest.mark.docker
DAEMON = "/var/run/docker.sock"


class Door:
    """A socket that leads to the daemon while it is open."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def open(self) -> None:
        """Let connections through."""
        self._run(self._listen())

    def shut(self) -> None:
        """End all connections and refuse new ones."""
        self._run(self._close())

    def end(self) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, self.socket)

    async def _close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        self.socket.unlink(missing_ok=True)
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0.1)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(DAEMON)
        self._open |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        self._open -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """An open door to the machine's daemon, which has the base image."""
    try:
        client = docker.from_env(timeout=10)
        found = client.images.list(BASE_IMAGE)
        client.close()
    except docker.errors.DockerException:
        pytest.skip("no Docker daemon answers here")
    if not found:
        pytest.skip(f"the image {BASE_IMAGE} is not here: panosc-hub images build base makes it")
    made = Door(tmp_path / "docker.sock")
    made.open()
    yield made
    made.end()


def test_the_docker_daemon_is_away_while_people_work(make_world: MakeWorld, door: Door) -> None:
    outcome = outcome_of("test_the_docker_daemon_is_away_while_people_work")
    world = make_world(spawner="docker", hub_environment={"DOCKER_HOST": f"unix://{door.socket}"})
    ada = world.stack.session("ada")
    world.start(ada, "ma1001")
    started = world.servers(ada)["p-ma1001"]["started"]
    door.shut()
    ended = time.monotonic() + 40  # longer than two of the hub's looks at its servers
    while time.monotonic() < ended:
        assert world.read(ada, "ma1001") == 200
        time.sleep(1)
    with pytest.raises(SystemExit) as refused:
        ada.start("p-ma1002", {"proposals": ["esrf/ma1002"]})
    assert all(words in str(refused.value) for words in outcome.words)
    door.open()
    until(lambda: world.servers(ada).get("p-ma1002", {}).get("pending") is None, 60, "the end of that start")
    assert world.servers(ada)["p-ma1001"]["started"] == started
    assert world.read(ada, "ma1001") == 200
    world.start(ada, "ma1002")
    expected(world, outcome)
    # While it was away a right was taken: it ends now that the container can be stopped.
    door.shut()
    world.stack.grant({"ma1001": ["bea"], "ma1002": ["ada"]})
    time.sleep(8)
    door.open()
    until(lambda: world.read(ada, "ma1001") != 200, 60, "the end of a right after the daemon was away")
    assert world.read(ada, "ma1002") == 200
