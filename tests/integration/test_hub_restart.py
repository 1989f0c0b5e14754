"""A hub that is killed and started again finds every running server: the real hub, with processes and with containers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import demo_site
import pytest
from demo import free_port, make_sample_data
from demo_docker import remove_network
from demo_process import Service, answers
from demo_process import stop as stop_processes
from demo_providers import login_services

from benchmarks.access_stack import end_with_families, kill_alone
from benchmarks.hubs import Session
from panosc_spawner.spawners.local_process import Process

ROOT = Path(__file__).resolve().parents[2]
SERVER = "p-ma1234"
pytestmark = pytest.mark.slow


class RealHub:
    """The demo's hub and login service, without the demo's own watch over them."""

    def __init__(self, spawner: str, folder: Path) -> None:
        taken: set[int] = set()
        for _ in range(8):
            taken.add(free_port(taken))
        self.ports = demo_site.Ports(*taken)
        self.folders = demo_site.Folders(folder, spawner)
        for each in (self.folders.demo, self.folders.homes, self.folders.logs):
            each.mkdir(parents=True, exist_ok=True)
        make_sample_data(self.folders.data)
        demo_site.ensure_secret(self.folders.client_secret)
        demo_site.write_site(self.folders, self.ports, datetime.now().astimezone())
        self.url = f"http://127.0.0.1:{self.ports.public}"
        self.providers = [Service(name, self.folders.logs / f"{name}.log") for name in ("provider", "university")]
        self.hub = Service("hub", self.folders.logs / "hub.log")
        self.sessions: list[Session] = []
        self.left: list[Process] = []  # what a killed hub had started: servers, proxy, portal

    def start_providers(self) -> None:
        """Start the login services, and wait until they answer: the hub asks them who they are when it starts."""
        services = login_services(self.folders, self.ports)
        for service, which in zip(self.providers, services, strict=True):
            service.start(which.command, os.environ, self.folders.demo)
        for service, which in zip(self.providers, services, strict=True):
            _until_it_answers(f"{which.issuer}/.well-known/openid-configuration", service)

    def start(self) -> None:
        """Start the hub, and wait until it answers."""
        env = os.environ | {"PANOSC_SITE": str(self.folders.site)}
        command = [sys.executable, "-m", "jupyterhub", "-f", ROOT / "jupyterhub_config.py"]
        self.hub.start(command, env, self.folders.demo)
        _until_it_answers(f"{self.url}/hub/login", self.hub)

    def kill(self) -> None:
        """Kill -9: the hub alone, as the kernel would when memory runs out."""
        assert self.hub.process
        self.left += kill_alone(self.hub.process)
        self.hub.reap()

    def session(self, persona: str) -> Session:
        """Log in as one of the demo's people."""
        self.sessions.append(Session(self.url, persona))
        return self.sessions[-1]

    def stop(self) -> None:
        for session in self.sessions:
            session.close()
        stop_processes([each.process for each in (self.hub, *self.providers) if each.process], 60)
        for each in (self.hub, *self.providers):
            each.reap()
        end_with_families(self.left)
        if self.folders.spawner == "docker":
            remove_network(self.folders.hub_id)


def _until_it_answers(url: str, service: Service, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not answers(url):
        if ended := service.ended():
            raise AssertionError(ended)
        assert time.monotonic() < deadline, f"the {service.name} does not answer at {url}"
        time.sleep(0.1)


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealHub]:
    """A hub of each kind; its log is shown when the test fails."""
    running = RealHub(request.param, tmp_path)
    try:
        running.start_providers()
        running.start()
        yield running
    finally:
        running.stop()
        for log in sorted(running.folders.logs.glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-60:], sep="\n")


def test_a_killed_hub_finds_its_servers_again(hub: RealHub) -> None:
    ada = hub.session("ada")
    ada.start(SERVER, {"proposals": ["esrf/ma1234"]})
    before = identity(hub, ada.user)
    hub.kill()
    hub.start()
    assert identity(hub, ada.user) == before
    again = hub.session("ada")
    answer = again.http.get(f"{hub.url}/user/{again.user}/{SERVER}/api")
    assert "version" in answer.json()
    again.stop(SERVER)
    assert SERVER not in again.api("GET", f"users/{again.user}").json()["servers"]


def test_the_api_cannot_open_what_is_not_granted_nor_choose_an_image(hub: RealHub) -> None:
    noor = hub.session("noor")
    for options, words in (
        ({"proposals": ["esrf/ma1234"]}, "You are not on proposal ma1234"),
        ({"proposals": ["esrf/ma1234"], "image": "evil:latest"}, "'image' cannot be chosen here"),
        ({"image": ["a"]}, "'image' cannot be chosen here"),
        ({"proposals": []}, "No proposal was chosen"),
    ):
        with pytest.raises(SystemExit, match=words):
            noor.start(SERVER, options)


def test_somebody_whose_proposal_was_taken_away_cannot_start_again(hub: RealHub) -> None:
    ada = hub.session("ada")
    ada.start(SERVER, {"proposals": ["esrf/ma1234"]})
    ada.stop(SERVER)
    proposals = hub.folders.site / "proposals.toml"
    proposals.write_text(
        proposals.read_text().replace(str(demo_site.personas()["ada"]["id"]), "nobody@demo.panosc.example")
    )
    with pytest.raises(SystemExit, match="You are not on proposal ma1234"):  # the hub replays the stored choice
        ada.api("POST", f"users/{ada.user}/servers/{SERVER}")


def identity(hub: RealHub, user: str) -> object:
    """What tells one run of a server from another."""
    if hub.folders.spawner == "docker":
        listed = ["docker", "ps", "-q", "--no-trunc", "--filter", f"label=org.panosc.person={user}"]
        return subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    state = hub.session("olga").server_state(user, SERVER)
    return state["pid"]


def test_nobody_reaches_the_server_of_another_nor_shares_their_own(hub: RealHub) -> None:
    ada, noor = hub.session("ada"), hub.session("noor")
    ada.start(SERVER, {"proposals": ["esrf/ma1234"]})
    place = f"{ada.user}/{SERVER}"
    assert noor.http.get(f"{hub.url}/user/{place}/api/contents").status_code in (403, 404)
    for method, path, body in (
        ("GET", f"users/{ada.user}", None),
        ("POST", f"users/{ada.user}/servers/{SERVER}", {"proposals": ["esrf/ma1234"]}),
        ("DELETE", f"users/{ada.user}/servers/{SERVER}", None),
        ("POST", f"users/{ada.user}/tokens", {}),
    ):
        with pytest.raises(SystemExit, match=r": 40[34] "):
            noor.api(method, path, json=body)
    # A share of a server is a share of its mounts.
    for method, path, body in (
        ("POST", f"shares/{place}", {"user": noor.user}),
        ("POST", f"share-codes/{place}", {}),
    ):
        with pytest.raises(SystemExit, match=r": 40[34] "):
            ada.api(method, path, json=body)
    # What a server is extended by is what it runs with, not what its options were changed to.
    with pytest.raises(SystemExit, match="is active"):
        ada.api("PATCH", f"users/{ada.user}/servers/{SERVER}", json={"user_options": {"proposals": ["demo/demo-001"]}})
    ada.stop(SERVER)
