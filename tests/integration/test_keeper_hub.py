"""The keeper's view of a real hub: its API's pages, scopes and states, with servers that are a socket each."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from panosc_spawner.spawners.keeper import HubApi, KeeperError, Server, overdue

PEOPLE = 7
PAGE = 3
TWO_HOURS = timedelta(hours=2)

CONFIG = """
import asyncio
from jupyterhub.proxy import Proxy
from jupyterhub.spawner import Spawner

class NoProxy(Proxy):
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {}
    async def check_routes(self, *args, **kwargs): pass
    async def start(self): pass
    async def stop(self): pass

class SocketSpawner(Spawner):
    listening = None
    async def start(self):
        if self.name == "slow":
            await asyncio.sleep(600)
        self.listening = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        return "127.0.0.1", self.listening.sockets[0].getsockname()[1]
    async def answer(self, reader, writer):
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
        writer.close()
    async def poll(self): return None if self.listening or self.name == "slow" else 0
    async def stop(self, now=False):
        if self.listening: self.listening.close()
        self.listening = None
    def get_state(self):
        return {"object_id": "c-" + self.user.name, "panosc": {"ends_at": "2026-11-23T12:00:00+00:00", "idle": 7200.0}}

c = get_config()
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = SocketSpawner
c.JupyterHub.hub_port = PORT
c.Spawner.start_timeout = 600
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret = bytes(32)
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.allow_all = True
c.JupyterHub.allow_named_servers = True
c.JupyterHub.api_page_max_limit = PAGE
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 20}
c.JupyterHub.services = [{"name": name, "api_token": name + "-token"} for name in ("keeper", "tester", "blind")]
c.JupyterHub.load_roles = [
    {"name": "keeper", "services": ["keeper"],
     "scopes": ["list:users", "read:servers", "admin:server_state", "delete:servers"]},
    {"name": "blind", "services": ["blind"], "scopes": ["list:users", "read:users:name"]},
    {"name": "tester", "services": ["tester"], "scopes": ["admin:users", "admin:servers", "users:activity"]},
]
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub with seven people with a server each, and one whose server is still starting; returns its API's address."""
    folder = tmp_path_factory.mktemp("hub")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "config.py"
    config.write_text(CONFIG.replace("PORT", str(port)).replace("PAGE", str(PAGE)))
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)], cwd=folder, env=environment, stdout=log, stderr=log
        )
    api = f"http://127.0.0.1:{port}/hub/api"
    try:
        deadline = time.monotonic() + 120
        while not answers(api):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        for number in range(PEOPLE):
            ask("POST", f"{api}/users/person{number}", 201)
            ask("POST", f"{api}/users/person{number}/servers/p-1", 201)
        ask("POST", f"{api}/users/idle", 201)
        ask("POST", f"{api}/users/person0/servers/slow", 202)
        yield api
    finally:
        process.kill()
        process.wait()


def answers(api: str) -> bool:
    try:
        return requests.get(f"{api}/", timeout=10).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def ask(method: str, url: str, expected: int) -> None:
    answer = requests.request(method, url, headers={"Authorization": "token tester-token"}, timeout=60)
    assert answer.status_code == expected, answer.text


@pytest.fixture
def api(hub: str) -> Iterator[HubApi]:
    made = HubApi(hub, "keeper-token")
    yield made
    made.close()


@pytest.mark.slow
def test_every_server_is_seen_over_all_pages_also_one_that_is_starting(api: HubApi):
    servers = api.servers()
    assert len(servers) == PEOPLE + 1
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    (sixth,) = [server for server in servers if server.person == "person6"]
    assert replace(sixth, last_activity=None) == Server("person6", "p-1", "c-person6", False, noon, None, TWO_HOURS)
    assert sixth.last_activity and abs(sixth.last_activity - datetime.now(UTC)) < timedelta(minutes=5)
    assert [(server.person, server.name) for server in servers if server.pending] == [("person0", "slow")]


@pytest.mark.slow
def test_one_persons_servers(api: HubApi):
    assert [server.name for server in api.servers_of("person1")] == ["p-1"]
    assert api.servers_of("idle") == api.servers_of("nobody") == []


@pytest.mark.slow
def test_a_server_whose_time_is_over_is_stopped(api: HubApi):
    late = datetime(2027, 1, 1, tzinfo=UTC)
    over = next(server for server in overdue(api.servers(), late, None) if server.person == "person3")
    api.stop(over)
    deadline = time.monotonic() + 60
    while any(server.person == "person3" for server in api.servers()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_server_says_when_something_happened_in_it(hub: str, api: HubApi):
    """As panosc_lab tells it; the hub takes no older word, and a server that says nothing is over after its idle time."""
    soon = datetime.now(UTC) + timedelta(minutes=50)
    body = {"servers": {"p-1": {"last_activity": soon.isoformat()}}}
    answer = requests.post(
        f"{hub}/users/person5/activity", json=body, headers={"Authorization": "token tester-token"}, timeout=60
    )
    assert answer.ok, answer.text
    later = soon + timedelta(minutes=90)
    quiet = {server.person for server in api.servers() if "nothing has happened" in _why(server, later)}
    assert "person5" not in quiet and {"person1", "person2", "person4"} <= quiet


def _why(server: Server, now: datetime) -> str:
    return replace(server, ends_at=None).why_over(now, now - timedelta(days=1))


@pytest.mark.slow
def test_a_token_that_may_not_see_states_proves_nothing(hub: str):
    for token in ("blind-token", "wrong"):
        api = HubApi(hub, token)
        with pytest.raises(KeeperError):
            api.servers()
        api.close()
