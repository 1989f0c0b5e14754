"""What counts as activity, and what does not: above all an open tab that nobody looks at."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from panosc_lab import activity
from panosc_lab.activity import PERSON, is_a_persons, is_running, running_simulation
from panosc_lab.processes import Process, parse_stat, processes, seconds_computed
from traitlets.config import Config

Fetch = Callable[..., Awaitable[Any]]
LONG_AGO = 1_000_000.0


@pytest.fixture
def quiet(home: Path, jp_serverapp: Any) -> Any:
    """A server in which nothing has happened for ages; its ``Activity``."""
    found = jp_serverapp.web_app.last_activity.__self__
    settings = jp_serverapp.web_app.settings
    for key in [key for key in settings if key.endswith("_last_activity")]:
        del settings[key]
    settings["started"] = settings["started"].replace(year=2001)
    settings.pop(PERSON, None)
    found._latest = LONG_AGO
    return found


def is_quiet(found: Any) -> bool:
    return bool(found.last().timestamp() < time.time() - 3600)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_an_open_tab_does_not_count(quiet: Any, jp_fetch: Fetch) -> None:
    for path in (
        "api/kernels",
        "api/sessions",
        "api/terminals",
        "api/contents",
        "api/status",
        "api/kernelspecs",
        "api/me",
    ):
        await jp_fetch(*path.split("/"))
    assert is_quiet(quiet)


async def test_a_save_counts(quiet: Any, jp_fetch: Fetch) -> None:
    await jp_fetch("api", "contents", "a.txt", method="PUT", body='{"type": "file", "format": "text", "content": "x"}')
    assert not is_quiet(quiet)


async def test_strangers_do_not_count(quiet: Any, jp_fetch: Fetch) -> None:
    with pytest.raises(Exception, match="403"):
        await jp_fetch("api", "contents", "a.txt", method="DELETE", headers={"Authorization": "token wrong"})
    assert is_quiet(quiet)


@pytest.mark.parametrize(
    ("method", "path", "status", "counts"),
    [
        ("GET", "lab/tree/a.ipynb", 200, True),
        ("GET", "panosc-hdf5/frame", 200, True),
        ("GET", "panosc-hdf5/frame", 404, False),
        ("POST", "api/sessions", 201, True),
        ("PATCH", "api/contents/a", 200, True),
        ("PATCH", "api/contents/a", 403, False),
        ("GET", "api/contents/a", 200, False),
        ("GET", "api/metrics/v1", 200, False),
        ("GET", "static/lab/main.js", 200, False),
        ("GET", "desktop/", 200, False),
        ("GET", "desktop-websockify", 101, False),
        ("HEAD", "api/status", 200, False),
        ("GET", "proxy/8050/_dash-update", 200, False),
        ("POST", "proxy/8050/_dash-update-component", 200, False),
        ("POST", "proxy/absolute/8050/poll", 200, False),
    ],
)
def test_requests(method: str, path: str, status: int, counts: bool) -> None:
    assert is_a_persons(method, path, status) is counts


async def test_what_another_extension_saw_counts(quiet: Any, jp_serverapp: Any) -> None:
    jp_serverapp.web_app.settings[PERSON] = time.time() - 5
    assert time.time() - quiet.last().timestamp() < 10
    jp_serverapp.web_app.settings[PERSON] = "rubbish"
    quiet._latest = LONG_AGO
    assert is_quiet(quiet)


async def test_nothing_happens_in_the_future(quiet: Any, jp_serverapp: Any) -> None:
    jp_serverapp.web_app.settings[PERSON] = time.time() + 10**6
    assert quiet.last().timestamp() <= time.time()


async def test_a_busy_kernel_counts_and_a_quiet_one_does_not(quiet: Any, jp_serverapp: Any) -> None:
    manager = jp_serverapp.kernel_manager
    kernel_id = await manager.start_kernel(kernel_name="python3")
    kernel = manager.get_kernel(kernel_id)
    client = kernel.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        client.execute("import time; time.sleep(2)")
        await until(lambda: kernel.execution_state == "busy")
        kernel.last_activity = kernel.last_activity.replace(year=2001)  # it has been silent for long
        quiet._latest = LONG_AGO
        assert not is_quiet(quiet)
        await until(lambda: kernel.execution_state == "idle")
        kernel.last_activity = kernel.last_activity.replace(year=2001)
        quiet._latest = LONG_AGO
        assert is_quiet(quiet)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(kernel_id, now=True)


@pytest.mark.parametrize(
    "file",
    [
        "images/base/files/opt/venv/etc/jupyter/jupyter_server_config.json",
        "panosc_spawner/spawners/local_config/jupyter_server_config.json",
    ],
)
async def test_a_panel_that_asks_kernels_for_their_memory_does_not_count(file: str) -> None:
    """JupyterLab's kernel usage panel asks every five seconds."""
    told = json.loads((Path(__file__).parents[3] / file).read_text())["MappingKernelManager"]
    manager = AsyncMappingKernelManager(config=Config(MappingKernelManager=told))
    assert not manager.track_message_type("usage_request") and not manager.track_message_type("usage_reply")
    assert manager.track_message_type("execute_request")
    assert set(AsyncMappingKernelManager().untracked_message_types) < set(manager.untracked_message_types)


@pytest.fixture
def terminal(jp_serverapp: Any) -> Iterator[Any]:
    manager = jp_serverapp.web_app.settings["terminal_manager"]
    _, made = manager.new_named_terminal()
    yield made
    made.ptyproc.terminate(force=True)


def forget(quiet: Any, jp_serverapp: Any) -> None:
    jp_serverapp.web_app.settings.pop("terminal_last_activity", None)
    quiet._latest = LONG_AGO


async def test_a_silent_command_in_a_terminal_counts(quiet: Any, jp_serverapp: Any, terminal: Any) -> None:
    await asyncio.sleep(0.5)  # its prompt
    forget(quiet, jp_serverapp)
    await until(lambda: is_quiet(quiet))
    terminal.ptyproc.write("sleep 60\n")
    await until(lambda: activity.runs_a_command(terminal))
    forget(quiet, jp_serverapp)
    assert not is_quiet(quiet)
    terminal.ptyproc.sendintr()
    await until(lambda: not activity.runs_a_command(terminal))
    await asyncio.sleep(0.3)
    forget(quiet, jp_serverapp)
    assert is_quiet(quiet), "a shell at its prompt waits for somebody"


async def test_an_editor_that_waits_does_not_count(quiet: Any, jp_serverapp: Any, terminal: Any) -> None:
    key_by_key = "import sys, tty; tty.setcbreak(0); sys.stdin.read(1)"
    terminal.ptyproc.write(f'{sys.executable} -c "{key_by_key}"\n')
    await until(lambda: os.tcgetpgrp(terminal.ptyproc.fd) != terminal.ptyproc.pid)
    await until(lambda: not activity.runs_a_command(terminal))
    await asyncio.sleep(0.3)
    forget(quiet, jp_serverapp)
    assert is_quiet(quiet)


async def test_a_program_that_computes_counts(quiet: Any) -> None:
    await quiet.look()
    assert is_quiet(quiet), "the first look has nothing to compare with"
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            await asyncio.sleep(1)
            await quiet.look()
        finally:
            process.kill()
    assert not is_quiet(quiet)


async def test_one_that_waits_does_not(quiet: Any) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            await quiet.look()
            await asyncio.sleep(0.5)
            await quiet.look()
        finally:
            process.kill()
    assert is_quiet(quiet)


async def test_a_running_simulation_counts(quiet: Any, home: Path) -> None:
    run = home / "simulations/powder-1"
    run.mkdir(parents=True)
    await quiet.look()
    (run / "status.json").write_text(json.dumps({"state": "running", "heartbeat": time.time()}))
    quiet._latest = LONG_AGO
    await quiet.look()
    assert not is_quiet(quiet)


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        ({"state": "running", "heartbeat": 990.0}, True),
        ({"state": "running", "heartbeat": 930.0}, False),
        ({"state": "running", "heartbeat": 10**9}, False),
        ({"state": "done", "heartbeat": 1000.0}, False),
        ({"state": "running"}, False),
        ({"state": "running", "heartbeat": True}, False),
        ({"state": "running", "heartbeat": "990"}, False),
        ({"state": "running", "heartbeat": 10**400}, False),
        ({"state": "running", "heartbeat": -(10**400)}, False),
        ({"state": "running", "heartbeat": float("nan")}, False),
        ([], False),
        (None, False),
    ],
)
def test_what_a_status_says(status: object, runs: bool) -> None:
    assert is_running(status, 1000.0) is runs


def test_odd_runs_break_nothing(home: Path) -> None:
    runs = home / "simulations"
    for name, text in (("a", "{"), ("b", "[" * 5000), ("c", "x" * 100_000), ("d", "\0")):
        (runs / name).mkdir(parents=True)
        (runs / name / "status.json").write_text(text)
    (runs / "e").mkdir()
    os.mkfifo(runs / "e/status.json")
    (runs / "f").symlink_to(runs / "f")
    (runs / "g").write_text("x")
    assert not running_simulation(home, time.time())
    (runs / "z").mkdir()
    (runs / "z/status.json").write_text(json.dumps({"state": "running", "heartbeat": time.time()}))
    assert running_simulation(home, time.time())


class TestProcesses:
    def test_the_kernels_line(self) -> None:
        line = "42 (a ) (b) 7) S 1 42 42 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 100 0 0"
        assert parse_stat(line) == Process(42, 1, 33, 77)
        for broken in ("", "42", "x (y) S 1", "(x)", "42 (x) S one two"):
            assert parse_stat(broken) is None

    def test_whose_time_it_is(self) -> None:
        tick = os.sysconf("SC_CLK_TCK")
        found = [
            Process(1, 0, 7 * tick, 0),
            Process(10, 1, 1000 * tick, 5 * tick),  # the server itself
            Process(11, 10, 2 * tick, 0),
            Process(12, 11, 3 * tick, 0),
            Process(20, 1, 100 * tick, 0),  # its parent has ended
        ]
        assert seconds_computed(found, 10, alone=False) == 5 + 2 + 3
        assert seconds_computed(found, 10, alone=True) == 5 + 2 + 3 + 7 + 100

    def test_parents_that_go_round(self) -> None:
        assert seconds_computed([Process(2, 3, 1, 0), Process(3, 2, 1, 0)], 10, alone=False) == 0

    def test_our_own_is_among_them(self) -> None:
        assert os.getpid() in {process.pid for process in processes()}
