"""A real hub with a real login service on loopback, made for measuring access and for breaking it.

A site of one facility whose data, people and proposals are made up. Everything lies beneath one folder; the hub is started as
``jupyterhub_config.py`` starts it. The tests of ``tests/chaos`` use it too.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.hubs import BIN, ROOT, Session, free_ports
from panosc_spawner.spawners.local_process import Process, descendants, end

from demo_process import Service, stop  # isort: skip - beneath deploy/demo, which benchmarks.hubs put on the path
from provider_state import secret_of  # isort: skip

DEMO = ROOT / "deploy" / "demo"
SCOPE = "demo.panosc.example"
INSTRUMENT, DAY = "id22", "20260304"
FIRST_UID = 20001

SITE = """
[hub]
id = "{hub_id}"
title = "PaNOSC Hub, measured"
facilities = ["esrf"]
spawner = "{spawner}"
public_url = "http://127.0.0.1:{public}"
bind_url = "http://127.0.0.1:{public}"
port = {hub}
proxy_api_port = {proxy_api}
state_dir = "{state}"
metrics_token_file = "{metrics_token}"

[login]
community = "demo"
issuer = "{issuer}"
client_id = "panosc-hub"
client_secret_file = "{secret}"
admins = ["{admin}"]

[home]
source = "{folder}/homes/{{user}}"

{account}
{sources}
[resources.default]
memory = "1G"
cpu = 1
servers = 5

[local]
hide = ["{folder}"]

[access]
{access}
"""
FILE_SOURCE = """
[[sources]]
type = "file"
name = "User office"
path = "proposals.toml"
"""
CONFIG = """
import os
from pathlib import Path
from panosc_spawner.hub import configure
for name in ("LD_PRELOAD", "FAKETIME_SHARED"):
    os.environ.pop(name, None)  # a library that sets the hub's clock is the hub's alone
c = get_config()
configure(c, Path(os.environ["PANOSC_SITE"]))
{extra}
"""


@dataclass
class Stack:
    """One hub and its login service.

    Args:
        folder: where everything lies; made.
        spawner: ``local`` or ``docker``.
        people: short names of those who can log in; the first administers the hub.
        access: keys of ``[access]``.
        sources: the site's ``[[sources]]``, instead of the file that :meth:`grant` writes.
        provider_options: further options of the login service's command.
        issuer: address under which the login service is known, where something stands before it.
        config: further lines of the hub's configuration.
        authorities: certificates by which the login service is known, where it has TLS.
        hub_environment: further variables of the hub.
        state: the hub's state directory, elsewhere than beneath the folder.
    """

    folder: Path
    spawner: str = "local"
    people: Sequence[str] = ("olga", "ada", "bea")
    access: Mapping[str, str] = field(default_factory=dict)
    sources: str = FILE_SOURCE
    provider_options: Sequence[str | Path] = ()
    issuer: str = ""
    config: str = ""
    authorities: Path | None = None
    hub_environment: Mapping[str, str] = field(default_factory=dict)
    state: Path = Path()

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.public, self.hub_port, self.proxy_api, self.provider_port = free_ports(4)
        self.url = f"http://127.0.0.1:{self.public}"
        self.provider_url = f"http://127.0.0.1:{self.provider_port}"
        self.issuer = self.issuer or self.provider_url
        self.hub_id = f"access-{secrets.token_hex(3)}"
        self.metrics_token = self.folder / "metrics-token"
        secret_of(self.metrics_token)
        self.site = self.folder / "site"
        self.state = self.folder / "state" if self.state == Path() else self.state
        self.personas = self.folder / "personas.toml"
        self.secret, self.control = self.folder / "client-secret", self.folder / "control-token"
        self.provider = Service("login service", self.folder / "provider.log")
        self.hub = Service("hub", self.folder / "hub.log")
        self.sessions: list[Session] = []
        self.left: list[Process] = []  # what hubs that ended had started: it goes on without them
        self.write_people()
        self._write_site()

    # -- what it is made of -------------------------------------------------------------------------------------------

    def identity(self, person: str) -> str:
        """The voperson_id of a person."""
        return f"{self.people.index(person) + 1:032x}@{SCOPE}"

    def write_people(self, suspended: Iterable[str] = ()) -> None:
        """The people of the login service, without those who are suspended."""
        out = set(suspended)
        entries = [
            f'[{name}]\nid = "{self.identity(name)}"\nsentence = "{name}"\nenabled = {json.dumps(name not in out)}\n'
            f'[{name}.claims]\nname = "{name.title()} Person"\npreferred_username = "{name}"\n'
            'eduperson_entitlement = ["urn:geant:panosc.example:group:demo#demo.panosc.example"]\n'
            for name in self.people
        ]
        _replace(self.personas, "\n".join(entries))

    def grant(self, teams: Mapping[str, Sequence[str]]) -> None:
        """Say who is on which proposal: a team is a list of people. Written at once, as a user office's export should be."""
        _replace(self.site / "proposals.toml", proposals_file(teams, self.identity) or "proposal = []\n")

    def data(self, *proposals: str) -> None:
        """Make the directories of proposals, with a file in each area."""
        for proposal in proposals:
            for area in ("RAW_DATA", "PROCESSED_DATA", "SCRIPTS", "NOBACKUP"):
                directory = self.folder / "data" / proposal / INSTRUMENT / DAY / area
                directory.mkdir(parents=True, exist_ok=True)
                directory.chmod(0o777)
                (directory / "measured.txt").write_text(f"{proposal} {area}\n")

    def _write_site(self) -> None:
        (self.site / "communities").mkdir(parents=True, exist_ok=True)
        (self.site / "facilities").mkdir(exist_ok=True)
        (self.folder / "homes").mkdir(exist_ok=True)
        shutil.copyfile(DEMO / "site" / "communities" / "demo.toml", self.site / "communities" / "demo.toml")
        root = self.folder / "data"
        root.mkdir(exist_ok=True)
        (self.site / "facilities" / "esrf.toml").write_text(f'[paths]\nroot = "{root}"\n')
        values = {
            "hub_id": self.hub_id,
            "spawner": self.spawner,
            "public": self.public,
            "hub": self.hub_port,
            "proxy_api": self.proxy_api,
            "state": self.state,
            "issuer": self.issuer,
            "secret": self.secret,
            "metrics_token": self.metrics_token,
            "admin": self.identity(self.people[0]),
            "folder": self.folder,
            "account": self._account(),
            "sources": self.sources,
            "access": "\n".join(f"{key} = {json.dumps(value)}" for key, value in self.access.items()),
        }
        (self.site / "site.toml").write_text(SITE.format(**values))
        self.grant({})
        (self.folder / "jupyterhub_config.py").write_text(CONFIG.format(extra=self.config))

    def _account(self) -> str:
        if len(self.people) > 20:
            return '[account]\nkind = "shared"\n'
        rows = (
            f'[account.people."{self.identity(name)}"]\nname = "{name}"\nuid = {FIRST_UID + at}\ngid = {FIRST_UID + at}\n'
            for at, name in enumerate(self.people)
        )
        return "\n".join(['[account]\nkind = "table"\n', *rows])

    # -- running ------------------------------------------------------------------------------------------------------

    def start(self) -> Stack:
        """Start both, and wait until they answer."""
        self.start_provider()
        self.start_hub()
        return self

    def start_provider(self) -> None:
        """Start the login service."""
        self.provider.start(
            [
                *(sys.executable, DEMO / "provider.py", "--port", str(self.provider_port), "--issuer", self.issuer),
                *("--personas", self.personas, "--client-secret-file", self.secret),
                *("--control-token-file", self.control, "--redirect-uri", f"{self.url}/hub/oauth_callback"),
                *("--backchannel-logout-uri", f"{self.url}/hub/backchannel-logout"),
                *self.provider_options,
            ],
            os.environ,
            self.folder,
        )
        self._until(f"{self.provider_url}/control/x", self.provider, answers=(401, 405, 421))

    def start_hub(self, seconds: float = 180) -> None:
        """Start the hub, or start it again after it was stopped or killed."""
        env = os.environ | {
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PANOSC_SITE": str(self.site),
            "PYTHONPATH": str(ROOT),
            **({"SSL_CERT_FILE": str(self.authorities)} if self.authorities else {}),
            **self.hub_environment,
        }
        config = self.folder / "jupyterhub_config.py"
        self.hub.start([sys.executable, "-m", "jupyterhub", "-f", config], env, self.folder)
        self._until(f"{self.url}/hub/health", self.hub, answers=(200,), seconds=seconds)

    def _until(self, url: str, service: Service, *, answers: tuple[int, ...], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ended := service.ended():
                raise AssertionError(ended)
            try:
                if httpx.get(url, timeout=5, trust_env=False).status_code in answers:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the {service.name} does not answer at {url}; see {service.log}")

    def kill_hub(self) -> None:
        """Kill -9: the hub alone, as the kernel would when memory runs out."""
        assert self.hub.process
        self.left += kill_alone(self.hub.process)
        self.hub.reap()

    def stop_hub(self) -> None:
        """A polite end, as systemd's; servers go on."""
        assert self.hub.process
        self.left += descendants(self.hub.process.pid)
        os.kill(self.hub.process.pid, 15)
        self.hub.reap()
        stop([self.hub.process], 20)

    def stop(self) -> None:
        """Stop everything, servers included."""
        for session in self.sessions:
            session.close()
        stop([process for process in (self.hub.process, self.provider.process) if process], 30)
        for service in (self.hub, self.provider):
            service.reap()
        end_with_families(self.left)
        if self.spawner == "docker":
            remove_containers(self.hub_id)
        else:
            end_servers(self.folder)

    # -- using it -----------------------------------------------------------------------------------------------------

    def session(self, person: str) -> Session:
        """Log in as somebody."""
        self.sessions.append(Session(self.url, person, self.authorities))
        return self.sessions[-1]

    def ask_provider(self, what: str, value: str = "") -> httpx.Response:
        """A request of the login service's operator (``provider_control``)."""
        bearer = {"Authorization": f"Bearer {self.control.read_text().strip()}"}
        headers = bearer | {"Host": self.issuer.partition("://")[2]}
        url = f"{self.provider_url}/control/{what}"
        return httpx.post(url, data={"value": value}, headers=headers, trust_env=False, timeout=60)

    def metrics(self) -> str:
        """The hub's metrics, as Prometheus reads them."""
        bearer = {"Authorization": f"Bearer {self.metrics_token.read_text().strip()}"}
        return httpx.get(f"{self.url}/hub/metrics", headers=bearer, trust_env=False, timeout=60).text

    def audit(self) -> list[dict[str, object]]:
        """The lines of the audit log."""
        try:
            lines = (self.state / "audit.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]


def proposals_file(teams: Mapping[str, Sequence[str]], identity: object) -> str:
    """A proposal file of teams; ``identity`` gives somebody's voperson_id."""
    entries = []
    for proposal, team in teams.items():
        text = f'[[proposal]]\nfacility = "esrf"\nproposal = "{proposal}"\ntitle = "Proposal {proposal}"\n'
        text += f'[[proposal.visit]]\ninstrument = "{INSTRUMENT.upper()}"\nstart = 2026-03-04\nend = 2026-03-08\n'
        text += "".join(f'[[proposal.team]]\nperson = "{identity(person)}"\n' for person in team)  # type: ignore[operator]
        entries.append(text)
    return "\n".join(entries)


def _replace(file: Path, text: str) -> None:
    """Write a file so that no reader sees half of it."""
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.replace(file)


def remove_containers(hub_id: str) -> None:
    """Remove what a hub left at Docker: its containers and its network."""
    import docker

    client = docker.from_env(timeout=60)
    for container in client.containers.list(all=True, filters={"label": f"org.panosc.hub={hub_id}"}):
        container.remove(force=True)
    for network in client.networks.list(names=[f"panosc-{hub_id}"]):
        network.remove()
    client.close()


def kill_alone(hub: Process) -> list[Process]:
    """Kill -9 a hub and nothing else; what goes on without it.

    It is held first, so that it starts nothing between the look and the end.
    """
    hub.send(signal.SIGSTOP)
    left = descendants(hub.pid)
    hub.send(signal.SIGKILL)
    return left


def end_with_families(left: Sequence[Process]) -> None:
    """End what hubs that ended had started, and what that started since; a sandbox runs in no folder of ours."""
    families = [member for process in left if process.alive() for member in descendants(process.pid)]
    asyncio.run(end([*left, *families], 10))


def end_servers(folder: Path) -> None:
    """End the local servers whose working directory is beneath the folder: those that a killed hub left."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(folder):
                os.kill(int(entry.name), 9)
        except OSError:
            continue
