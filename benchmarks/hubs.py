"""The hubs that are compared: ours as the demo with containers starts it, and plain DockerSpawner as its manual has it."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urljoin

import docker
import httpx

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".test" / "benchmarks"
BIN = Path(sys.executable).parent
BASE_IMAGE = "panosc/base:2026.11"
NAIVE_IMAGE = "panosc/naive:benchmark"
sys.path.insert(0, str(ROOT / "deploy/demo"))

PLAIN_CONFIG = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_ip = "{gateway}"
c.JupyterHub.hub_port = {hub}
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret = bytes(32)
c.JupyterHub.allow_named_servers = True
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.auth_token = "{token}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.allow_all = True
c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = "{image}"
c.DockerSpawner.prefix = "{prefix}"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.http_timeout = 60
"""


class Session:
    """Somebody who is logged in at a hub, and starts and stops servers through its API, as the pages do.

    ``authorities`` is a file of certificates by which the login service is known, instead of the machine's.
    """

    def __init__(self, hub_url: str, log_in_with: str, authorities: Path | None = None) -> None:
        self.hub = hub_url
        verify = ssl.create_default_context(cafile=authorities) if authorities else True
        self.http = httpx.Client(follow_redirects=True, timeout=120, trust_env=False, verify=verify)
        self.user = _log_in(self.http, hub_url, log_in_with)

    def close(self) -> None:
        """Close its connections."""
        self.http.close()

    def start(self, server: str, options: dict[str, object]) -> float:
        """Seconds from the request to the first 200 of the server's own API, asked every 20 ms."""
        began = time.perf_counter()
        self.api("POST", f"users/{self.user}/servers/{server}", json=options)
        url = f"{self.hub}/user/{self.user}/{server}/api"
        while time.perf_counter() - began < 120:
            answer = self.http.get(url, follow_redirects=False)
            if answer.status_code == 200 and "version" in answer.text:
                return time.perf_counter() - began
            time.sleep(0.02)
        raise SystemExit(f"{self.hub}: the server did not start within 120 s")

    def stop(self, server: str) -> None:
        """Stop a server and wait until it is gone."""
        self.api("DELETE", f"users/{self.user}/servers/{server}")
        while self.api("GET", f"users/{self.user}").json().get("servers", {}).get(server, {}).get("pending"):
            time.sleep(0.05)

    def server_state(self, user: str, server: str) -> dict[str, object]:
        """What the hub keeps of a server; for administrators."""
        state = self.api("GET", f"users/{user}").json()["servers"][server]["state"]
        return dict(state or {})

    def api(self, method: str, path: str, **kwargs: object) -> httpx.Response:
        """Ask the hub's API; its refusals end the program in the hub's words."""
        xsrf = next(c.value for c in self.http.cookies.jar if c.name == "_xsrf" and c.path.endswith("/hub/"))
        headers = {"X-XSRFToken": str(xsrf), "Sec-Fetch-Mode": "cors"}
        answer = self.http.request(method, f"{self.hub}/hub/api/{path}", headers=headers, **kwargs)  # type: ignore[arg-type]
        if answer.status_code >= 400:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer


def _log_in(http: httpx.Client, hub_url: str, name: str) -> str:
    page = http.get(f"{hub_url}/hub/login")
    if "oauth_login" in page.text:  # the demo: choose a persona at its login service
        page = http.get(f"{hub_url}/hub/oauth_login?community=demo")
        form = re.search(r'<form[^>]*action="([^"]+)"', page.text)
        fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        action = form.group(1).replace("&amp;", "&") if form else ""
        page = http.post(urljoin(str(page.url), action), data={**fields, "persona": name})
    else:
        xsrf = next(c.value for c in http.cookies.jar if c.name == "_xsrf")
        page = http.post(f"{hub_url}/hub/login", data={"username": name, "password": "x", "_xsrf": str(xsrf)})
    page = http.get(f"{hub_url}/hub/home")
    match = re.search(r'user: "([^"]+)"', page.text)
    if not match:
        raise SystemExit(f"{hub_url}: logging in as {name} did not work ({page.status_code})")
    return match.group(1)


class PlainHub:
    """JupyterHub with plain DockerSpawner and one image."""

    def __init__(self, name: str, image: str) -> None:
        folder = WORK / name
        folder.mkdir(parents=True, exist_ok=True)
        public, hub, api = free_ports(3)
        subnet = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"]
        gateway = next(ipaddress.ip_network(subnet).hosts())
        config = folder / "jupyterhub_config.py"
        proxy = BIN / "configurable-http-proxy"
        values = {
            "public": public,
            "hub": hub,
            "api": api,
            "gateway": gateway,
            "image": image,
            "prefix": f"plain-{name}",
        }
        config.write_text(PLAIN_CONFIG.format(**values, proxy=proxy, folder=folder, token=os.urandom(16).hex()))
        self.url = f"http://127.0.0.1:{public}"
        self._log = (folder / "hub.log").open("w")
        env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
        self._process = subprocess.Popen(command, cwd=folder, env=env, stdout=self._log, stderr=self._log)

    def wait(self) -> None:
        """Until its login page answers."""
        for _ in range(600):
            try:
                if httpx.get(f"{self.url}/hub/login", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"the plain hub did not start; see {self._log.name}")

    def stop(self) -> None:
        """Stop it and its servers."""
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


def build_naive_image() -> None:
    """The image one would write without a second thought."""
    if docker.from_env().images.list(NAIVE_IMAGE):
        return
    print("Building the naive image (once; some minutes)", file=sys.stderr, flush=True)
    _build(NAIVE_IMAGE, ROOT / "benchmarks/naive-image")


def build_naive_layer(name: str, requirements: Iterable[str]) -> str:
    """An image of ours as one would write it on top of the naive one, from the same requirements; returns its name."""
    tag = f"panosc/naive-{name}:benchmark"
    print(f"Building the naive {name} (some minutes the first time)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "benchmarks/naive-image/layer.Dockerfile", Path(folder) / "Dockerfile")
        (Path(folder) / "requirements.txt").write_text("\n".join(requirements) + "\n")
        _build(tag, Path(folder), "--build-arg", f"BASE={NAIVE_IMAGE}")
    return tag


def _build(tag: str, folder: Path, *options: str) -> None:
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    secrets = ["--secret", f"id=ca,src={bundle}"] if bundle else []
    client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    command = [client, "build", *secrets, *options, "-t", tag, str(folder)]
    if subprocess.run(command, env=env, stdout=sys.stderr, check=False).returncode:
        raise SystemExit(f"{tag} could not be built")


def free_ports(number: int) -> list[int]:
    """Free ports of the loopback."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
