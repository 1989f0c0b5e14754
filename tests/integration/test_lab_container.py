"""The person's server in its real container: own environments as kernels, examples in the home, work that outlives its page."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import docker
import pytest
import requests
from docker_support import find_docker
from tornado.websocket import WebSocketClientConnection, websocket_connect

IMAGE = "panosc/base:2026.11"
HOME = "/home/ada"
TOKEN = secrets.token_hex(16)
USER = "20123:20123"

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ENVIRONMENT = """
set -e
python -m venv ~/envs/mine
site=$(echo ~/envs/mine/lib/python3.*/site-packages)
# What `pip install ipykernel` does, where there is no network.
echo /opt/venv/lib/python3.13/site-packages > "$site/ipykernel.pth"
echo 'x = 42' > "$site/only_mine.py"
~/envs/mine/bin/python -m ipykernel install --prefix ~/envs/mine >/dev/null
~/envs/mine/bin/pip --version
"""

HOSTILE = """
set -e
mkdir -p ~/envs ~/.conda ~/.local/share/jupyter/kernels/broken
ln -s ~/envs ~/envs/round
ln -s ~/.conda/envs ~/.conda/envs
mkfifo ~/envs/pipe
mkdir -p ~/envs/halfway/share/jupyter/kernels/python3
echo '{' > ~/envs/halfway/share/jupyter/kernels/python3/kernel.json
echo '{' > ~/.local/share/jupyter/kernels/broken/kernel.json
cd ~/envs && seq -f 'e%05.0f' 10000 | xargs mkdir
"""


@dataclass
class Lab:
    """A person's servers, one after another, with one home."""

    client: docker.DockerClient
    volume: str
    options: dict[str, Any] = field(default_factory=dict)
    container: Any = None
    url: str = ""

    def start(self) -> float:
        """A new container, as hard as the hub's; returns the seconds until it answers."""
        begin = time.monotonic()
        self.container = self.client.containers.run(
            IMAGE,
            ["jupyter", "lab", "--no-browser", "--ip=0.0.0.0", f"--IdentityProvider.token={TOKEN}"],
            detach=True,
            user=USER,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            environment={"HOME": HOME},
            working_dir=HOME,
            ports={"8888/tcp": ("127.0.0.1", None)},
            **(self._home() | self.options),
        )
        for _ in range(300):
            self.container.reload()
            assert self.container.status in ("created", "running"), self.container.logs().decode()
            if binding := self.container.ports.get("8888/tcp"):
                self.url = f"http://127.0.0.1:{binding[0]['HostPort']}"
                if self._answers():
                    return time.monotonic() - begin
            time.sleep(0.1)
        raise AssertionError(self.container.logs().decode())

    def _home(self) -> dict[str, Any]:
        mount = docker.types.Mount(HOME, self.volume, type="volume", no_copy=True)
        return {"mounts": [mount], "tmpfs": {"/tmp": "exec,mode=1777"}}

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/status", params={"token": TOKEN}, timeout=2).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """Nothing of it stays but the home."""
        if self.container:
            self.container.remove(force=True)
            self.container = None

    def ask(self, path: str, method: str = "GET", **options: Any) -> Any:
        """The API's answer."""
        headers = {"Authorization": f"token {TOKEN}"}
        answer = requests.request(method, f"{self.url}/{path}", headers=headers, timeout=30, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def opens_on(self) -> str:
        """Where the server's first address leads."""
        headers = {"Authorization": f"token {TOKEN}"}
        return requests.get(f"{self.url}/", headers=headers, timeout=30, allow_redirects=False).headers["Location"]

    def shell(self, script: str) -> str:
        """What a script says in the person's terminal."""
        command = ["docker", "exec", "-u", USER, self.container.id, "bash", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A person with an empty home."""
    if (api := find_docker()) is None:
        pytest.fail("no Docker daemon answers here")
    api.close()
    client = docker.from_env(timeout=60)
    volume = client.volumes.create(f"panosc-test-{secrets.token_hex(4)}").name
    client.containers.run(
        IMAGE, ["chown", USER, HOME], user="0:0", entrypoint=[], remove=True, volumes={volume: {"bind": HOME}}
    )
    made = Lab(client, volume)
    try:
        yield made
    finally:
        if made.container:
            print(made.container.logs(tail=60).decode(errors="replace"))
        made.stop()
        client.volumes.get(volume).remove()
        client.close()


def code_notebook(code: str) -> dict[str, Any]:
    cell = {"cell_type": "code", "id": "long", "metadata": {}, "execution_count": None, "outputs": [], "source": code}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}


async def run(lab: Lab, code: str, kernel_name: str = "python3") -> WebSocketClientConnection:
    """Run a cell of a new notebook from a page; returns its connection."""
    lab.ask("api/contents/fit.ipynb", "PUT", json={"type": "notebook", "content": code_notebook(code)})
    session = {"path": "fit.ipynb", "type": "notebook", "name": "", "kernel": {"name": kernel_name}}
    kernel = lab.ask("api/sessions", "POST", json=session)["kernel"]["id"]
    url = f"{lab.url.replace('http', 'ws')}/api/kernels/{kernel}/channels?session_id=page&token={TOKEN}"
    page = await websocket_connect(url)
    header = {"msg_id": "m1", "msg_type": "execute_request", "session": "page", "username": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {"cellId": "long"}}
    await page.write_message(json.dumps(message | {"content": content}))
    return page


async def until_it_says(page: WebSocketClientConnection, text: str) -> str:
    """Read until a message holds the text; returns that message."""
    for _ in range(1000):
        message = str(await page.read_message())
        if text in message:
            return message
    raise AssertionError(text)


async def close(page: WebSocketClientConnection) -> None:
    """As a browser does when its page is closed."""
    page.close(1001)
    while await page.read_message() is not None:
        pass


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


async def test_an_environment_of_ones_own_outlives_the_server_and_is_a_kernel(lab: Lab) -> None:
    lab.start()
    assert "pip" in lab.shell(ENVIRONMENT)
    lab.stop()
    lab.start()
    specs = lab.ask("api/kernelspecs")["kernelspecs"]
    (name,) = [name for name in specs if name.startswith("own-mine-")]
    assert specs[name]["spec"]["display_name"].endswith("· mine")
    page = await run(lab, "import sys, only_mine; print(sys.prefix, only_mine.x, 'is here')", name)
    assert f"{HOME}/envs/mine 42 is here" in await until_it_says(page, "is here\\n")
    await close(page)


def test_whatever_lies_in_the_home_jupyterlab_starts(lab: Lab) -> None:
    usual = lab.start()
    lab.shell(HOSTILE)
    lab.stop()
    assert lab.start() < 3 * usual + 15
    begin = time.monotonic()
    assert "python3" in lab.ask("api/kernelspecs")["kernelspecs"]
    assert time.monotonic() - begin < 15


def test_the_images_notebook_comes_into_the_home_and_ones_changes_stay(lab: Lab) -> None:
    lab.start()
    assert lab.opens_on() == "/lab/tree/examples/base/start-here.ipynb"
    lab.shell("echo '{}' > ~/examples/base/start-here.ipynb")
    lab.stop()
    lab.start()
    assert lab.opens_on() == "/lab"
    assert lab.shell("cat ~/examples/base/start-here.ipynb") == "{}\n"


def test_a_full_home_starts_and_says_so(lab: Lab) -> None:
    fill = "cat /dev/zero > ~/full 2>/dev/null; exec jupyter lab --no-browser --ip=0.0.0.0 --IdentityProvider.token="
    tmpfs = {"/tmp": "exec,mode=1777", HOME: "size=64k,mode=700,uid=20123,gid=20123"}
    lab.options = {"tmpfs": tmpfs, "mounts": [], "entrypoint": ["sh", "-c", fill + TOKEN]}
    lab.start()
    assert lab.opens_on() == "/panosc/start"
    page = requests.get(f"{lab.url}/panosc/start", headers={"Authorization": f"token {TOKEN}"}, timeout=30).text
    assert "Your home is full" in page
    assert requests.get(f"{lab.url}/lab", headers={"Authorization": f"token {TOKEN}"}, timeout=30).ok


async def test_a_long_cell_goes_on_with_the_page_closed(lab: Lab) -> None:
    lab.start()
    page = await run(lab, "import time\nprint('begun', flush=True)\ntime.sleep(5)\nprint('ended')")
    await until_it_says(page, "begun")
    await close(page)
    assert not any("ended" in json.dumps(cell) for cell in outputs(lab))
    until(lambda: any("ended" in json.dumps(cell) for cell in outputs(lab)))
    assert "".join(outputs(lab)[0]["text"]) == "begun\nended\n"


def outputs(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.ask("api/contents/fit.ipynb")["content"]["cells"][0]["outputs"]
    return found


async def test_what_is_told_to_the_hub_as_activity(lab: Lab) -> None:
    """In the container as it runs: an open tab is nothing, a silent cell and a silent command in a terminal are something."""
    lab.start()
    first = last_activity(lab)
    for _ in range(3):
        for path in (
            "api/contents",
            "api/kernels",
            "api/sessions",
            "api/terminals",
            "api/kernelspecs",
            "api/metrics/v1",
        ):
            lab.ask(path)
        time.sleep(0.5)
    assert last_activity(lab) == first, "a tab that is only open"
    page = await run(lab, "import time\nprint('begun', flush=True)\ntime.sleep(4)\nprint('ended')")
    await until_it_says(page, "begun")
    time.sleep(2.5)
    assert time.time() - last_activity(lab) < 1, "a cell that says nothing"
    await until_it_says(page, "ended")
    await close(page)
    name = lab.ask("api/terminals", "POST")["name"]
    terminal = await websocket_connect(f"{lab.url.replace('http', 'ws')}/terminals/websocket/{name}?token={TOKEN}")
    await until_it_says(terminal, "setup")
    await terminal.write_message(json.dumps(["stdin", "sleep 600\r"]))
    time.sleep(3)
    assert time.time() - last_activity(lab) < 1, "a command that says nothing"
    await terminal.write_message(json.dumps(["stdin", "\x03"]))
    time.sleep(1)
    stopped = last_activity(lab)
    time.sleep(2)
    assert last_activity(lab) == stopped, "a shell that waits"
    await close(terminal)


def last_activity(lab: Lab) -> float:
    return datetime.fromisoformat(lab.ask("api/status")["last_activity"]).timestamp()
