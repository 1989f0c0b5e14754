"""When somebody, or something of theirs, last did anything here: what the hub is told, and idle servers are judged by.

Jupyter's own answer counts every request, and JupyterLab asks something every few seconds as long as a tab is open, in
whatever drawer its laptop lies. Here counts:

- a person: a request that only a hand makes (a save, a page, a look into a file), what is typed into a terminal or a desktop;
- a kernel: one that computes, and the end of what it computed;
- a terminal: what it writes, and a command that runs in it, silent or not;
- a run of a simulation: ``~/simulations/<run>/status.json`` says "running" and its heartbeat is fresh;
- any program that computes: a tenth of a core over a minute, wherever it was started.

An open tab does not, nor does an open desktop page, nor what the pages of proxied programs (``proxy/<port>/``) ask for.
"""

from __future__ import annotations

import asyncio
import json
import os
import termios
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.ioloop import PeriodicCallback

from panosc_lab.processes import is_alone, processes, seconds_computed
from panosc_lab.reading import read_regular

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp
    from tornado.web import RequestHandler

PERSON = "panosc_person_at"
"""Setting of the web application: Unix time at which somebody last did something. Other extensions may set it."""

LOOK_SECONDS = 60.0
COMPUTES = 0.1
"""Of a core: more, and something computes. A quiet kernel takes a hundredth."""

HEARTBEAT_SECONDS = 60.0
MOST_RUNS = 500
_STATUS_BYTES = 64 * 1024
_POLLED = ("api/", "lab/api/", "lab/extensions/", "static/", "metrics", "kernelspecs/", "panosc/", "desktop", "custom/")
"""Beginnings of paths that pages ask for by themselves, or that belong to a page."""


def is_a_persons(method: str, path: str, status: int) -> bool:
    """Whether a request was made by hand: everything that changes something, and what pages do not ask for by themselves.

    Args:
        method: of HTTP.
        path: beneath the server's own address, without a slash at the beginning.
        status: of the answer.
    """
    if not 200 <= status < 400 or path.startswith("proxy/"):  # pages of proxied programs ask by themselves, in any way
        return False
    return method not in ("GET", "HEAD", "OPTIONS") or not path.startswith(_POLLED)


def running_simulation(home: Path, now: float) -> bool:
    """Whether one of the home's runs is under way."""
    try:
        with os.scandir(home / "simulations") as found:
            runs = [Path(entry.path) for entry in islice(found, MOST_RUNS)]
    except OSError:
        return False
    return any(is_running(_read_status(run / "status.json"), now) for run in runs)


def is_running(status: object, now: float) -> bool:
    """Whether a run's status says that it runs; one that was killed beats no more."""
    if not isinstance(status, Mapping) or status.get("state") != "running":
        return False
    beat = status.get("heartbeat")
    if not isinstance(beat, int | float) or isinstance(beat, bool):
        return False
    return now - HEARTBEAT_SECONDS < beat < now + HEARTBEAT_SECONDS  # compared, since a large integer is no float


def runs_a_command(terminal: Any) -> bool:
    """Whether a command runs in a terminal that waits for nobody.

    A shell at its prompt is in the foreground itself. Programs that are used with the keyboard (editors, pagers, prompts) read
    key by key; what runs by itself leaves the terminal reading lines.
    """
    process = getattr(terminal, "ptyproc", None)
    try:
        if process is None or os.tcgetpgrp(process.fd) == process.pid:
            return False
        return bool(termios.tcgetattr(process.fd)[3] & termios.ICANON)
    except (OSError, termios.error, ValueError):
        return False


class Activity:
    """Takes the place of the server's own ``last_activity``.

    Args:
        server_app: the server.
    """

    def __init__(self, server_app: ServerApp) -> None:
        self._app, self._web = server_app, server_app.web_app
        self._base = str(self._web.settings["base_url"]).strip("/")
        self._latest = time.time()
        self._computed: tuple[float, float] | None = None  # when, and processor seconds until then
        self._looks = PeriodicCallback(self.look, LOOK_SECONDS * 1000)

    def listen(self) -> None:
        """Hear of every request, and answer for the server."""
        heard = self._web.log_request

        def log_request(handler: RequestHandler) -> None:
            self._hear(handler)
            heard(handler)

        self._web.log_request = log_request  # type: ignore[method-assign]
        self._web.last_activity = self.last  # type: ignore[method-assign]

    def begin(self) -> None:
        """Look around every minute, so that what ended between two questions of the hub is not missed."""
        self._looks.start()

    def last(self) -> datetime:
        """When something last happened; now, while something goes on."""
        now = time.time()
        if self._goes_on(now):
            self._latest = now
        self._latest = max(self._latest, min(now, self._last_event()))
        return datetime.fromtimestamp(self._latest, UTC)

    async def look(self) -> None:
        """Take in what takes a moment to find out."""
        try:
            computes = await asyncio.to_thread(self._computes)
            simulates = await asyncio.to_thread(running_simulation, Path.home(), time.time())
        except (OSError, ValueError):  # one look that failed is not the last one
            self._app.log.exception("Activity could not be looked at")
            return
        if computes or simulates:
            self._latest = time.time()
        self.last()

    def _hear(self, handler: RequestHandler) -> None:
        path = handler.request.path.strip("/").removeprefix(self._base).lstrip("/")
        if handler.request.arguments.get("no_track_activity"):
            return
        if is_a_persons(handler.request.method or "", path, handler.get_status()) and _is_known(handler):
            self._web.settings[PERSON] = time.time()

    def _goes_on(self, now: float) -> bool:
        kernels = getattr(self._web.settings.get("kernel_manager"), "_kernels", {})
        if any(getattr(kernel, "execution_state", "") == "busy" for kernel in list(kernels.values())):
            return True
        return any(runs_a_command(terminal) for terminal in self._terminals())

    def _terminals(self) -> Iterable[Any]:
        manager = self._web.settings.get("terminal_manager")
        return list(getattr(manager, "terminals", {}).values())

    def _last_event(self) -> float:
        """The last of what is not going on any more."""
        settings = self._web.settings
        person = settings.get(PERSON)
        moments = [float(person)] if isinstance(person, int | float) else []
        found = [settings.get("started"), settings.get("terminal_last_activity")]
        kernels = getattr(settings.get("kernel_manager"), "_kernels", {})
        found += [getattr(kernel, "last_activity", None) for kernel in list(kernels.values())]
        moments += [moment.timestamp() for moment in found if isinstance(moment, datetime)]
        return max(moments, default=0.0)

    def _computes(self) -> bool:
        """Whether much was computed since the last look."""
        now, computed = time.monotonic(), seconds_computed(processes(), os.getpid(), is_alone())
        before, self._computed = self._computed, (now, computed)
        return before is not None and now > before[0] and computed - before[1] > COMPUTES * (now - before[0])


def _is_known(handler: RequestHandler) -> bool:
    """Whether the request was somebody's who may; as the handler found out, without asking again."""
    return bool(getattr(handler, "_jupyter_current_user", None) or getattr(handler, "_current_user", None))


def _read_status(file: Path) -> object:
    try:
        return json.loads(read_regular(file, _STATUS_BYTES) or b"null")
    except (ValueError, RecursionError):
        return None
