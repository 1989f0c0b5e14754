"""A hub whose people lose access while they work: what their servers can still read, from inside, is what counts."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from benchmarks.access_stack import DAY, INSTRUMENT, Stack
from benchmarks.hubs import Session

RAW = f"raw/{INSTRUMENT.upper()}-{DAY}/measured.txt"

# Reads as long as it lives: it ignores what asks it to end, in a session of its own, and writes down when it could.
STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork():
    os._exit(0)
os.setsid()
file, log = sys.argv[1:]
while True:
    try:
        open(file).read()
        with open(log + ".new", "w") as new:
            new.write(repr(time.time()))
        os.replace(log + ".new", log)
    except OSError:
        pass
    time.sleep(0.05)
"""


class AtWork:
    """Somebody at work: a session in a browser, a server, and a program in it that reads as long as it can."""

    def __init__(self, stack: Stack, person: str) -> None:
        self.stack, self.person = stack, person
        self.session: Session = stack.session(person)
        self.user = self.session.user

    def start(self, name: str, *proposals: str) -> None:
        """Start a server."""
        self.session.start(name, {"proposals": [f"esrf/{proposal}" for proposal in proposals]})
        self.open(name)

    def open(self, name: str) -> httpx.Response:
        """Open JupyterLab in the browser, as a click or a reload does."""
        return self.server(name, "lab", headers={"Sec-Fetch-Mode": "navigate"})

    def server(self, name: str, path: str, **kwargs: object) -> httpx.Response:
        """Ask the server's own API, as JupyterLab does."""
        return self.session.http.get(f"{self.stack.url}/user/{self.user}/{name}/{path}", **kwargs)  # type: ignore[arg-type]

    def reads(self, name: str, proposal: str) -> bool:
        """Whether JupyterLab can read the proposal's file now."""
        try:
            self.open(name)
            answer = self.server(name, f"api/contents/{self.path(name, proposal)}?content=1", follow_redirects=False)
        except (httpx.TransportError, ValueError):
            return False
        return answer.status_code == 200 and f"{proposal} RAW_DATA" in answer.text

    def path(self, name: str, proposal: str) -> str:
        """The proposal's file, relative to the home."""
        directory = f"proposals/esrf/{proposal}/raw"
        answer = self.server(name, f"api/contents/{directory}", follow_redirects=False)
        found = (answer.json().get("content") if answer.status_code == 200 else None) or []
        names = [entry["name"] for entry in found]
        return (
            f"{directory}/measured.txt"
            if "measured.txt" in names
            else f"{directory}/{(names or ['x'])[0]}/measured.txt"
        )

    def read_on(self, name: str, proposal: str) -> None:
        """Start the stubborn program in the server, by a terminal, as an attacker would."""
        home = self.home()
        (home / "stubborn.py").write_text(STUBBORN)
        self.run(name, f"python3 ~/stubborn.py ~/{self.path(name, proposal)} ~/last-read")
        wait_for(lambda: self.last_read() > time.time() - 2, "the program in the server reads", 60)

    def run(self, name: str, command: str) -> None:
        """Type a command in a terminal of the server."""
        asyncio.run(self._type(name, f"{command}\r"))

    def last_read(self) -> float:
        """When the stubborn program could last read."""
        try:
            return float((self.home() / "last-read").read_text() or 0)
        except (OSError, ValueError):
            return 0.0

    def home(self) -> Path:
        """The person's home on this machine."""
        return self.stack.folder / "homes" / self.user

    def headers(self, name: str) -> dict[str, str]:
        """Of a request that carries the browser's cookies to a server."""
        path = f"/user/{self.user}/{name}/"
        cookies = [c for c in self.session.http.cookies.jar if path.startswith(c.path)]
        xsrf = max((c for c in cookies if c.name == "_xsrf"), key=lambda c: len(c.path), default=None)
        cookie = "; ".join(f"{c.name}={c.value}" for c in sorted(cookies, key=lambda c: -len(c.path)))
        return {"Cookie": cookie, "X-XSRFToken": str(xsrf.value) if xsrf else "", "Origin": self.stack.url}

    def socket(self, name: str, path: str) -> HTTPRequest:
        """A request for a websocket of the server."""
        url = f"{self.stack.url}/user/{self.user}/{name}/{path}".replace("http://", "ws://")
        return HTTPRequest(url, headers=self.headers(name))

    def post(self, server: str, path: str, **body: object) -> httpx.Response:
        """Ask the server's own API to do something."""
        url = f"{self.stack.url}/user/{self.user}/{server}/{path}"
        headers = {"X-XSRFToken": self.headers(server)["X-XSRFToken"]}
        return self.session.http.post(url, json=body, headers=headers)

    def problem(self, name: str) -> str:
        """Why the server ended, as the home page shows it."""
        return self.session.http.get(f"{self.stack.url}/hub/home").text

    async def _type(self, name: str, command: str) -> None:
        terminal = self.post(name, "api/terminals").json()["name"]
        socket: WebSocketClientConnection = await websocket_connect(
            self.socket(name, f"terminals/websocket/{terminal}")
        )
        await asyncio.sleep(1)
        await socket.write_message(json.dumps(["stdin", command]))
        await asyncio.sleep(1)
        socket.close()
        while await socket.read_message() is not None:
            pass


class Kernel:
    """An open notebook: the websocket to its kernel, held by a thread as a browser holds it."""

    def __init__(self, who: AtWork, name: str) -> None:
        kernel = who.post(name, "api/kernels", name="python3").json()["id"]
        self.alive, self._opened = False, threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._hold(who.socket(name, f"api/kernels/{kernel}/channels")),), daemon=True
        )
        self._thread.start()
        assert self._opened.wait(60), "no kernel channel"

    async def _hold(self, request: HTTPRequest) -> None:
        socket: WebSocketClientConnection = await websocket_connect(request)
        self.alive = True
        self._opened.set()
        while await socket.read_message() is not None:
            pass
        socket.close()  # the server's end closed it; ours warns until it is told, too
        self.alive = False


def wait_for(holds: Callable[[], bool], what: str, seconds: float) -> float:
    """Wait until something holds; how many seconds it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - begun
