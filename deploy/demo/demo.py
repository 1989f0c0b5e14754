"""``make demo``: the whole hub on this machine, with people, proposals and data to try it with.

Starts login services with demo people, and the hub with its proxy, all on loopback; says who to be and what to click;
stops all of it on Ctrl-C. Everything it writes is beneath ``.demo``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import FrameType

import demo_site
from demo_docker import docker_problem, remove_network
from demo_process import RunFile, Service, adopt_orphans, answers, end_descendants, stop
from demo_providers import login_services
from demo_site import Folders, Ports
from demo_welcome import welcome

from panosc_spawner.spawners.local_process import Process

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


class DemoError(Exception):
    """Why the demo cannot go on, and what to do."""


class Stopped(BaseException):
    """Ctrl-C, or a polite request to end."""


class Demo:
    """One run of the demo."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.run = RunFile(folders.demo / "run.json")
        self.provider = Service("login service", folders.logs / "provider.log")
        self.university = Service("university's login service", folders.logs / "university.log")
        self.catalogues = Service("catalogues", folders.logs / "catalogues.log")
        self.hub = Service("hub", folders.logs / "hub.log")
        self.signals: list[bool] = []

    def serve(self) -> None:
        """Start everything, say so, and wait until it is stopped or breaks."""
        self._refuse_second()
        ports = choose_ports(self.folders)
        try:
            self._prepare(ports)
            self._start(ports)
            print(welcome(ports, self.folders), flush=True)
            print(f"ready http://127.0.0.1:{ports.public}/", flush=True)
            self._wait()
        finally:
            self._stop()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first signal ends the demo in order; at the second, nobody is waited for."""
        del number, frame
        self.signals.append(True)
        if len(self.signals) == 1:
            raise Stopped
        print("Stopping at once.", flush=True)

    def _refuse_second(self) -> None:
        running, port = self.run.read()
        if "demo" in running:
            raise DemoError(
                f"A demo already runs here (process {running['demo'].pid}): http://127.0.0.1:{port}/\n"
                "Use that one, or stop it with Ctrl-C where it was started."
            )
        if running:
            with step("Stopping what an earlier demo left behind"):
                stop(running.values(), 20)
        self.run.clear()

    def _prepare(self, ports: Ports) -> None:
        for folder in (self.folders.demo, self.folders.homes, self.folders.logs):
            folder.mkdir(parents=True, exist_ok=True)
        # Other accounts of this machine have no business here; beneath it, teams write to what is everybody's.
        # Containers run as the demo's people, and the portal reads for them as who they are: they pass through, and see no names.
        self.folders.demo.chmod(0o711 if self.folders.spawner == "docker" else 0o700)
        self.run.write({"demo": Process.now(os.getpid())}, ports.public)
        make_sample_data(self.folders.data)
        demo_site.ensure_secret(self.folders.client_secret)
        demo_site.write_site(self.folders, ports, datetime.now().astimezone(), more_of_site())

    def _start(self, ports: Ports) -> None:
        with step("Login services"):
            services = login_services(self.folders, ports)
            for service, which in zip((self.provider, self.university), services, strict=True):
                service.start(which.command, os.environ, self.folders.demo)
                self._remember(ports)
            for service, which in zip((self.provider, self.university), services, strict=True):
                self._until(f"{which.issuer}/.well-known/openid-configuration", service, 90)
        with step("Catalogues"):
            command = [sys.executable, demo_site.HERE / "demo_catalogues.py", "--ports", ports.photons, ports.neutrons]
            self.catalogues.start([str(word) for word in command], os.environ, self.folders.demo)
            self._remember(ports)
        with step("Hub, portal and proxy"):
            path = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
            env = os.environ | {
                "PATH": path,
                "PANOSC_SITE": str(self.folders.site),
                "PANOSC_PROXY_COMMAND": proxy_command(path),
            }
            self.hub.start(
                [sys.executable, "-m", "jupyterhub", "-f", ROOT / "jupyterhub_config.py"], env, self.folders.demo
            )
            self._remember(ports)
            self._until(f"http://127.0.0.1:{ports.public}/hub/login", self.hub, 180)
            # Not its health: its supervisor answers at once, with a page that tries again until the portal itself is loaded.
            self._until(f"http://127.0.0.1:{ports.public}/services/portal/", self.hub, 180)

    def _remember(self, ports: Ports) -> None:
        mine = {"demo": Process.now(os.getpid()), "hub": self.hub.process}
        mine |= {"provider": self.provider.process, "university": self.university.process}
        mine |= {"catalogues": self.catalogues.process}
        self.run.write(mine, ports.public)

    def _until(self, url: str, service: Service, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not answers(url):
            if ended := service.ended():
                raise DemoError(ended)
            if time.monotonic() > deadline:
                raise DemoError(f"The {service.name} did not answer within {seconds:.0f} s. Its log: {service.log}")
            time.sleep(0.1)

    def _services(self) -> tuple[Service, ...]:
        return self.hub, self.provider, self.university, self.catalogues

    def _wait(self) -> None:
        while True:
            for service in self._services():
                if ended := service.ended():
                    raise DemoError(ended)
            time.sleep(0.5)

    def _stop(self) -> None:
        # Not while stopping: from here on, a signal only says to hurry.
        if not self.signals:
            self.signals.append(True)
        running = [service.process for service in self._services() if service.process]
        if running:
            with step("Stopping the hub, its servers, the login services and the catalogues"):
                stop(running, 30, hurry=lambda: len(self.signals) > 1)
                end_descendants()
        for service in self._services():
            service.reap()
        if self.folders.spawner == "docker":
            remove_network(self.folders.hub_id)
        self.run.clear()


@contextlib.contextmanager
def step(words: str) -> Iterator[None]:
    """One line of progress, with its seconds."""
    print(f"  {words} … ", end="", flush=True)
    begin = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f"{time.monotonic() - begin:.1f} s", flush=True)


def proxy_command(path: str) -> str:
    """The proxy that the environment holds, quoted as a command.

    Raises:
        DemoError: if there is none.
    """
    found = shutil.which("configurable-http-proxy", path=path)
    if not found:
        raise DemoError("The hub's proxy is not installed here. Run: python3 deploy/bootstrap.py")
    return shlex.quote(found)


def choose_ports(folders: Folders) -> Ports:
    """The public port as asked for; the others as last time where they are free, so that logins stay valid."""
    public = public_port(os.environ.get("PANOSC_DEMO_PORT", "8000"))
    if not is_free(public):
        raise DemoError(
            f"Port {public} is taken by another program. Stop that, or choose another port:\n"
            f"  PANOSC_DEMO_PORT={public + 100} make demo"
        )
    file = folders.demo / "ports.json"
    kept: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(file.read_text())
    chosen: dict[str, int] = {}
    for name in ("provider", "hub", "proxy_api", "university", "portal", "photons", "neutrons"):
        port = kept.get(name, 0)
        chosen[name] = port if port and port != public and is_free(port) else free_port({public, *chosen.values()})
    folders.demo.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(chosen))
    return Ports(public, **chosen)


def more_of_site() -> str:
    """What the file ``PANOSC_DEMO_SITE_MORE`` adds to the demo's ``site.toml``: to try a setting out.

    Raises:
        DemoError: if it cannot be read.
    """
    file = os.environ.get("PANOSC_DEMO_SITE_MORE")
    try:
        return Path(file).read_text() if file else ""
    except (OSError, UnicodeError) as error:
        raise DemoError(f"PANOSC_DEMO_SITE_MORE names a file that cannot be read: {error}") from error


def public_port(text: str) -> int:
    """The port of ``PANOSC_DEMO_PORT``. An address is refused: the demo has no passwords, so nobody else may reach it."""
    if not (text.isascii() and text.isdigit() and 1024 <= int(text) <= 65535):
        raise DemoError(
            f"PANOSC_DEMO_PORT is a port from 1024 to 65535, not {text!r}. "
            "The demo listens on 127.0.0.1 only: anybody who reaches it can be anybody."
        )
    return int(text)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: set[int]) -> int:
    """A free port of the loopback that is none of those."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port not in taken:
            return port


def make_sample_data(data: Path) -> None:
    """Make the sample data that are not there, in a process of its own: its libraries are of no use afterwards."""
    command = [sys.executable, demo_site.HERE / "sample_data.py", data]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise DemoError(f"The sample data could not be made:\n{done.stderr.strip()[-2000:]}")


def main(arguments: list[str]) -> int:
    """``demo.py [local|docker]``."""
    spawner = arguments[0] if arguments else "local"
    demo = Demo(Folders(Path(os.environ.get("PANOSC_DEMO_FOLDER") or ROOT / ".demo").resolve(), spawner))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, demo.on_signal)
    print(f"PaNOSC Hub, demo with {'containers' if spawner == 'docker' else 'local processes'}", flush=True)
    adopt_orphans()
    try:
        if spawner == "docker" and (problem := docker_problem()):
            raise DemoError(problem)
        demo.serve()
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except Stopped:
        print("Stopped.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
