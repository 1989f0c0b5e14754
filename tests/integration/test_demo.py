"""The demo as `make demo` runs it: from the first line to nothing left behind."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from local_support import running

from panosc_spawner.spawners.bubblewrap import bubblewrap_works

ROOT = Path(__file__).resolve().parents[2]
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("configurable-http-proxy", path=_PATH), reason="the hub's proxy is not installed"
    ),
]


@dataclass
class Running:
    """A demo that runs."""

    process: subprocess.Popen[str]
    folder: Path
    port: int
    said: str
    seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pid(self, name: str) -> int:
        return int(json.loads((self.folder / "run.json").read_text())["processes"][name]["pid"])

    def end(self, number: signal.Signals = signal.SIGINT) -> str:
        self.process.send_signal(number)
        return self.rest()

    def rest(self) -> str:
        said, _ = self.process.communicate(timeout=240)
        return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@contextlib.contextmanager
def demo(folder: Path) -> Iterator[Running]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    env = os.environ | {"PANOSC_DEMO_FOLDER": str(folder), "PANOSC_DEMO_PORT": str(port), "PATH": _PATH}
    begin = time.monotonic()
    command = [sys.executable, "-u", str(ROOT / "deploy" / "demo" / "demo.py")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = []
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready "):
                break
        try:
            assert said[-1] == f"ready http://127.0.0.1:{port}/\n", "".join(said)
            yield Running(process, folder, port, "".join(said), time.monotonic() - begin)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=240)


class Visitor:
    """Somebody's browser, as far as a test needs one."""

    def __init__(self, base: str, name: str) -> None:
        self.base = base
        self.client = httpx.Client(follow_redirects=True, timeout=60)
        page = self.client.get(f"{base}/hub/oauth_login?community=demo")
        form = re.search(r"<form.*?</form>", page.text, re.DOTALL)
        assert form, page.text
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form[0]))
        action = html.unescape(re.search(r'action="([^"]*)"', form[0])[1])  # type: ignore[index]
        home = self.client.post(urljoin(str(page.url), action), data=fields | {"persona": name})
        assert home.status_code == 200 and home.url.path == "/hub/home", home.text
        self.name = self.client.get(f"{base}/hub/api/user", headers=self.headers()).json()["name"]

    def headers(self, path: str = "/hub/") -> dict[str, str]:
        token = [cookie.value for cookie in self.client.cookies.jar if cookie.name == "_xsrf" and cookie.path == path]
        return {"X-XSRFToken": str(token[-1]), "Referer": f"{self.base}{path}"} if token else {}

    def close(self) -> None:
        self.client.close()

    def start(self, *proposals: str) -> httpx.Response:
        """Start a server and wait until its start is over."""
        server = f"{self.base}/hub/api/users/{self.name}/servers/p-test"
        options = {"user_options": {"proposals": list(proposals)}, "display_name": ""}
        answer = self.client.post(server, json=options, headers=self.headers())
        if answer.status_code == 202:
            return self.client.get(f"{server}/progress", headers=self.headers())
        return answer

    def get(self, path: str) -> httpx.Response:
        return self.client.get(f"{self.base}/user/{self.name}/p-test/{path}")

    def put(self, path: str) -> httpx.Response:
        where = f"/user/{self.name}/p-test/"
        content = {"type": "file", "format": "text", "content": "mine"}
        return self.client.put(f"{self.base}{where}api/contents/{path}", json=content, headers=self.headers(where))


def test_a_scientists_way_and_nothing_is_left_behind(folder: Path):
    with demo(folder) as running_demo, contextlib.closing(Visitor(running_demo.url, "ada")) as ada:
        refused = ada.start("esrf/sc5678")
        assert "You are not on proposal sc5678" in refused.text
        started = ada.start("esrf/ma1234", "ill/8-04-923")
        assert started.status_code in (200, 201) and "failed" not in started.text, started.text
        lab = ada.get("lab")
        assert lab.status_code == 200 and "jupyter" in lab.text.lower()
        page = ada.get("api/contents/proposals/esrf/ma1234/processed/id31-20250915/start-here.ipynb")
        assert page.json()["content"]["cells"]
        raw = ada.get("api/contents/proposals/ill/8-04-923/raw/d22-232").json()["content"]
        assert "ferritin.h5" in [entry["name"] for entry in raw]
        assert ada.put("proposals/esrf/ma1234/processed/id31-20250915/mine.txt").status_code == 201
        if bubblewrap_works():
            assert "Read-only" in ada.put("proposals/esrf/ma1234/raw/id31-20250915/mine.txt").text
            found = ada.get("api/contents/proposals/esrf").json()["content"]
            assert [entry["name"] for entry in found] == ["ma1234"]
        said = running_demo.end()
        assert "Stopped." in said and running_demo.process.returncode == 0
    assert not running(str(folder))
    secret = (folder / "secrets" / "client-secret").read_text()
    for log in folder.rglob("*.log"):
        assert secret not in log.read_text()


def test_a_second_start_takes_seconds_and_a_hub_that_dies_is_told(folder: Path):
    with demo(folder) as running_demo:
        assert running_demo.seconds < 120
        with contextlib.closing(Visitor(running_demo.url, "marie")) as marie:
            assert marie.start("demo/demo-001").status_code in (200, 201)
        os.kill(running_demo.pid("hub"), signal.SIGKILL)
        said = running_demo.rest()
        assert "The hub ended with exit code -9" in said
        assert running_demo.process.returncode == 1
    assert not running(str(folder))


def test_what_a_killed_demo_leaves_is_stopped_by_the_next(folder: Path):
    with demo(folder) as first:
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        assert running(str(folder / "site")) or running("provider.py")
        with demo(folder) as second:
            assert "Stopping what an earlier demo left behind" in second.said
            second.end(signal.SIGTERM)
    assert not running(str(folder))
