"""Workers that die, hang or run out of memory, and clients that go away: nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from panosc_hdf5.core.errors import Unreadable
from panosc_hdf5.server.extension import Extension
from panosc_hdf5.server.parts import Question
from panosc_hdf5.server.quarantine import Quarantine
from server_helpers import Ask, settle, words
from tornado.httpclient import AsyncHTTPClient, HTTPClientError


async def until(found: Any, seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


def begun(file: Path) -> bool:
    return Path(f"{file}.begun").exists()


async def test_kill_9_in_the_middle_of_a_request(ask: Ask, extension: Extension, file: Path) -> None:
    request = asyncio.ensure_future(ask("sleepy", seconds=10))
    await until(lambda: begun(file))
    pid = extension.pool.workers[0].pid
    os.kill(pid, signal.SIGKILL)
    response = await request
    assert response.code == 503
    assert words(response)["code"] == "reader_killed"
    after = json.loads((await ask("echo")).body)
    assert after["pid"] != pid


async def test_a_crash_costs_only_its_own_request(ask: Ask, extension: Extension, file: Path) -> None:
    others = [asyncio.ensure_future(ask("sleepy", seconds=0.3, tag=index)) for index in range(2)]
    await until(lambda: begun(file))
    crash = asyncio.ensure_future(ask("crash"))
    answers = await asyncio.gather(*others)
    assert [answer.code for answer in answers] == [200, 200]
    response = await crash
    assert response.code == 503
    assert words(response)["code"] == "reader_crashed"
    assert extension.pool.restarts >= 1


async def test_what_crashes_twice_is_not_tried_again_until_the_file_changes(ask: Ask, file: Path) -> None:
    assert (await ask("crash", h5path="/bad")).code == 503
    assert (await ask("crash", h5path="/bad")).code == 503
    response = await ask("crash", h5path="/bad")
    assert response.code == 422
    assert words(response)["code"] == "quarantined"
    assert int(response.headers["Retry-After"]) > 500
    assert len(Path(f"{file}.crash").read_text().splitlines()) == 2
    assert (await ask("echo", h5path="/bad")).code == 200  # another operation
    assert (await ask("crash", h5path="/other")).code == 503  # another object
    file.write_bytes(b"mended")
    settle(file)
    assert (await ask("crash", h5path="/bad")).code == 503


async def test_who_is_ended_from_outside_twice_is_tried_again(ask: Ask) -> None:
    """Memory was short, perhaps for a kernel's sake: the file is a good one."""
    for _ in range(3):
        response = await ask("crash", how="kill")
        assert response.code == 503
        assert words(response)["code"] == "reader_killed"


async def test_the_neighbour_of_a_stuck_request_is_not_blamed(ask: Ask, extension: Extension, file: Path) -> None:
    await ask("echo")
    stuck = asyncio.ensure_future(ask("deaf", seconds=10))
    await until(lambda: begun(file))
    neighbour = await ask("sleepy", seconds=3)
    assert neighbour.code == 200
    assert (await stuck).code == 504
    assert [count for count, _ in extension.pool.quarantine._found.values()] == [1]


async def test_a_suspect_is_tried_where_nobody_else_can_end_it(ask: Ask, extension: Extension, file: Path) -> None:
    await ask("echo")
    innocent = asyncio.ensure_future(ask("sleepy", seconds=2))
    await until(lambda: begun(file))
    first = asyncio.ensure_future(ask("crash", h5path="/a"))
    await until(lambda: extension.pool._on_trial is not None and extension.pool._on_trial.worker is not None)
    assert (await ask("crash", h5path="/b")).code == 503
    assert (await innocent).code == 200
    assert (await first).code == 503
    blamed = {key[:2] for key in extension.pool.quarantine._found}
    assert blamed == {("crash", "/a"), ("crash", "/b")}
    await until(lambda: extension.pool._workers[extension.pool._bench] is None)


def test_quarantine_ends() -> None:
    now = 0.0
    quarantine = Quarantine(60, lambda: now)
    question = Question("view", {"h5path": "/x"}, ("file", 1))
    quarantine.blame(question)
    quarantine.check(question)
    quarantine.blame(question)
    with pytest.raises(Unreadable, match="2 times"):
        quarantine.check(question)
    assert len(quarantine) == 1
    now = 61.0
    quarantine.check(question)
    quarantine.blame(question)
    quarantine.check(question)


def test_what_hung_is_tried_again_soon() -> None:
    """The file system answers again; nobody waits ten minutes for a good file."""
    now = 0.0
    quarantine = Quarantine(600, lambda: now)
    question = Question("view", {"h5path": "/x"}, ("file", 1))
    for _ in range(2):
        quarantine.blame(question, hung=True)
    with pytest.raises(Unreadable):
        quarantine.check(question)
    now = 61.0
    quarantine.check(question)


async def test_a_stopped_worker_is_replaced(ask: Ask, extension: Extension, file: Path) -> None:
    await ask("echo")
    pid = extension.pool.workers[0].pid
    os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    response = await ask("echo", text="asked while it is stopped")
    assert time.monotonic() - begin < 30
    # It had not begun with this one, so it is asked again.
    assert response.code == 200
    assert json.loads(response.body)["pid"] != pid
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_who_stops_its_worker_is_told_so(ask: Ask) -> None:
    response = await ask("crash", how="stop")
    assert response.code == 504
    assert words(response)["code"] == "stuck"


async def test_deadline_of_what_listens(ask: Ask, extension: Extension) -> None:
    extension.settings.deadline_factor = 0.1  # of 20 s
    await ask("echo")
    begin = time.monotonic()
    response = await ask("sleepy", seconds=10)
    assert 1.9 < time.monotonic() - begin < 9
    assert response.code == 504
    assert words(response)["code"] == "deadline"
    assert extension.pool.restarts == 0


async def test_deadline_of_what_does_not(ask: Ask, extension: Extension) -> None:
    await ask("echo")
    begin = time.monotonic()
    response = await ask("deaf", seconds=10)  # may take 1 s and 0.5 s of grace
    assert 1.4 < time.monotonic() - begin < 9
    assert response.code == 504
    assert words(response)["code"] == "stuck"
    assert (await ask("echo")).code == 200


async def leave_in_the_middle(extension: Extension, file: Path, url: str, headers: dict[str, str]) -> None:
    """Ask over a connection that is closed as soon as the work has begun."""
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    lines = [
        f"GET {parts.path}?{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await until(lambda: begun(file))
    writer.close()
    await writer.wait_closed()


@pytest.fixture
def url(http_server_client: AsyncHTTPClient, jp_base_url: str) -> str:
    return str(http_server_client.get_url(jp_base_url + "panosc-hdf5/"))  # type: ignore[attr-defined]


async def test_a_client_that_goes_away_cancels_the_work(
    extension: Extension, file: Path, url: str, jp_auth_header: dict[str, str]
) -> None:
    await leave_in_the_middle(extension, file, url + "sleepy?path=data.h5&seconds=10", jp_auth_header)
    await until(lambda: Path(f"{file}.cancelled").exists())
    await until(lambda: not extension.pool.workers[0].runs)
    assert extension.pool.restarts == 0


async def test_a_client_that_goes_away_from_what_cannot_be_cancelled(
    ask: Ask, extension: Extension, file: Path, url: str, jp_auth_header: dict[str, str]
) -> None:
    extension.settings.deadline_factor = 100
    await leave_in_the_middle(extension, file, url + "deaf?path=data.h5&seconds=10", jp_auth_header)
    pid = extension.pool.workers[0].pid
    await until(lambda: not any(worker.pid == pid for worker in extension.pool.workers))
    assert json.loads((await ask("echo")).body)["pid"] != pid
    assert len(extension.pool.quarantine) == 0


@pytest.mark.parametrize("hdf5_settings", [{"memory_mib": 1024}])
async def test_memory_limit(ask: Ask, extension: Extension) -> None:
    response = await ask("greedy", bytes=3 * 1024**3)
    assert response.code == 413
    assert "memory" in words(response)["message"]
    assert (await ask("greedy", bytes=1024**2)).code == 200
    assert extension.pool.restarts == 0


@pytest.mark.parametrize("hdf5_settings", [{"idle_seconds": 0.3}])
async def test_idle_workers_end(ask: Ask, extension: Extension) -> None:
    pid = json.loads((await ask("echo")).body)["pid"]
    await until(lambda: not extension.pool.workers)
    await until(lambda: not Path(f"/proc/{pid}").exists())
    assert json.loads((await ask("echo")).body)["pid"] != pid


async def test_a_worker_ends_with_its_server(ask: Ask, extension: Extension) -> None:
    """Its socket is all that tells it, as when the server is killed."""
    pid = json.loads((await ask("echo")).body)["pid"]
    transport = extension.pool.workers[0]._transport
    assert transport is not None
    transport.abort()
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_the_kernel_takes_a_worker_before_the_server(ask: Ask) -> None:
    pid = json.loads((await ask("echo")).body)["pid"]
    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) > int(Path("/proc/self/oom_score_adj").read_text())
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.parametrize("hdf5_settings", [{"preload": ["no.such.module", "operations_preload"]}])
async def test_a_module_that_cannot_be_preloaded_is_no_harm(ask: Ask) -> None:
    assert (await ask("echo")).code == 200


async def test_a_worker_that_cannot_start(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    response = await ask("echo")
    assert response.code == 503
    assert words(response)["code"] == "no_reader"


@pytest.mark.parametrize("hdf5_settings", [{"cache_dir": ""}])
async def test_nobody_has_a_home(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user is a mere number."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    assert (await ask("echo")).code == 200


async def test_settings_that_cannot_be_told(ask: Ask, extension: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise ValueError("no settings")

    monkeypatch.setattr(extension.pool, "_settings", fail)
    response = await ask("echo")
    assert (response.code, words(response)["code"]) == (503, "no_reader")


async def test_a_worker_that_dies_at_once(ask: Ask, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    response = await ask("echo")
    assert response.code == 503
    assert words(response)["code"] == "no_reader"
    with pytest.raises(HTTPClientError, match="503"):
        await jp_fetch("panosc-hdf5", "status")


@pytest.mark.parametrize("hdf5_settings", [{"jobs": 1}])
async def test_who_waits_too_long_behind_others_is_told_so(ask: Ask, extension: Extension, file: Path) -> None:
    first = asyncio.ensure_future(ask("sleepy", seconds=3))
    await until(lambda: begun(file))
    response = await ask("deaf")
    assert response.code == 503
    assert words(response)["message"] == "Too many other requests were before this one."
    assert (await first).code == 200
    assert extension.pool.restarts == 0


async def test_long_work_does_not_keep_short_work_waiting(ask: Ask, extension: Extension) -> None:
    long = [asyncio.ensure_future(ask("slow", seconds=4, tag=index)) for index in range(6)]
    await ask("echo")
    await until(lambda: len(extension.pool.workers[0].running()) == 3)  # of four threads
    assert (await ask("echo")).code == 200
    assert not any(one.done() for one in long)
    for one in long:
        one.cancel()
    await asyncio.gather(*long, return_exceptions=True)


@pytest.mark.parametrize("hdf5_settings", [{"stall_seconds": 2.0}])
async def test_a_client_that_takes_nothing_is_left(
    extension: Extension, file: Path, url: str, jp_auth_header: dict[str, str], ask: Ask
) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    assert host is not None
    assert port is not None
    await ask("echo")
    with socket.create_connection((host, port)) as client:
        header = jp_auth_header["Authorization"]
        client.sendall(
            f"GET {parts.path}array?path=data.h5&n=14000000 HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {header}\r\n\r\n".encode()
        )
        worker = extension.pool.workers[0]
        begin = time.monotonic()
        while not (await worker.measure()).get("shared_bytes"):
            assert time.monotonic() - begin < 30, "nothing was made for it"
            await asyncio.sleep(0.02)
        begin = time.monotonic()
        while (await worker.measure())["shared_bytes"]:
            assert time.monotonic() - begin < 30
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("hdf5_settings", [{"preload": ["slow_preload", "operations_preload"], "silence_seconds": 0.3}])
async def test_a_worker_that_starts_slowly_is_waited_for(ask: Ask, extension: Extension) -> None:
    extension.settings.deadline_factor = 0.1
    begin = time.monotonic()
    assert (await ask("echo")).code == 200  # may take 0.5 s, and 0.5 s of grace
    assert time.monotonic() - begin > 1.5
    assert extension.pool.restarts == 0
