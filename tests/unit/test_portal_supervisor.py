"""The portal ends, hangs, or never begins: somebody answers all the same, and it comes back."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from panosc_spawner.portal import supervisor as module
from panosc_spawner.portal.supervisor import Supervisor, listen

# A portal of a few lines: says who it is, and does on demand what a portal must not do.
PORTAL = """
import os, select, socket, sys, time
listening, ready = (int(sys.argv[sys.argv.index(name) + 1]) for name in ("--socket", "--ready"))
at = socket.socket(fileno=listening)
{before}
os.write(ready, b"1")
os.close(ready)
while True:
    select.select([at], [], [])
    try:
        there, _ = at.accept()
    except BlockingIOError:
        continue
    there.setblocking(True)
    path = there.recv(65536).split(b" ")[1].decode()
    if path == "/services/portal/end":
        os._exit(3)
    if path == "/services/portal/hang":
        time.sleep(1000)
    body = str(os.getpid()).encode()
    there.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
    there.close()
"""


def get(port: int, path: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/services/portal/{path}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


async def ask(port: int, path: str = "") -> tuple[int, str]:
    return await asyncio.to_thread(get, port, path)


@contextlib.asynccontextmanager
async def running(tmp_path: Path, before: str = "") -> AsyncIterator[tuple[Supervisor, int]]:
    program = tmp_path / "portal.py"
    program.write_text(PORTAL.format(before=before))
    listening = listen("http://127.0.0.1:0")
    kept = Supervisor([sys.executable, str(program)], listening)
    task = asyncio.create_task(kept.run())
    try:
        yield kept, listening.getsockname()[1]
    finally:
        kept.end()
        await asyncio.wait_for(task, 20)
        listening.close()


async def until(port: int, wanted: Any, path: str = "x") -> tuple[int, str]:
    """Ask until the answer is as wanted; ten seconds at most."""
    answer = (0, "")
    for _ in range(200):
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = await ask(port, path)
        if wanted(answer):
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(answer)


def from_portal(answer: tuple[int, str]) -> bool:
    return answer[0] == 200 and answer[1].isdigit()


async def test_it_answers_before_the_portal_does_and_then_lets_that_answer(tmp_path: Path) -> None:
    async with running(tmp_path, "time.sleep(1)") as (_, port):
        first = await until(port, lambda answer: answer[0] != 0, "")
        assert first[0] == 200  # the hub only looks for somebody who listens
        assert "being started" in first[1]
        assert (await ask(port, "search"))[0] == 503
        assert from_portal(await until(port, from_portal))


async def test_a_portal_that_ends_is_there_again(tmp_path: Path) -> None:
    async with running(tmp_path) as (kept, port):
        first = await until(port, from_portal)
        with contextlib.suppress(OSError, http.client.HTTPException):
            await ask(port, "end")
        between = await until(port, lambda answer: answer[0] == 503)
        assert "Your proposals and your servers are not touched" in between[1]
        second = await until(port, lambda answer: from_portal(answer) and answer != first)
        assert second != first
        assert kept.starts == 2


async def test_a_portal_that_never_begins_is_tried_ever_more_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.01, 0.02, 0.04, 60))
    async with running(tmp_path, "raise SystemExit('no module named x')") as (kept, port):
        await until(port, lambda answer: answer[0] == 503)
        for _ in range(100):
            if kept.starts == 3:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert kept.starts == 3
        assert (await ask(port, "search"))[0] == 503


async def test_a_portal_that_hangs_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HEALTH_EVERY", 0.1), ("HEALTH_SECONDS", 0.2), ("STOP_SECONDS", 0.3)):
        monkeypatch.setattr(module, name, value)
    async with running(tmp_path) as (_, port):
        first = await until(port, from_portal)
        hung = asyncio.create_task(ask(port, "hang"))
        await until(port, lambda answer: from_portal(answer) and answer != first)
        with contextlib.suppress(OSError, http.client.HTTPException):
            await hung


async def test_a_portal_that_is_never_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.2)
    async with running(tmp_path, "time.sleep(1000)") as (kept, port):
        await until(port, lambda answer: kept.starts >= 2, "")


async def test_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, port):
        number = int((await until(port, from_portal))[1])
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


async def test_the_portal_ends_with_who_keeps_it(tmp_path: Path) -> None:
    """Also when that is killed: the port must be free for the next."""
    program = tmp_path / "portal.py"
    program.write_text(PORTAL.format(before=""))
    outer = tmp_path / "outer.py"
    outer.write_text(
        "import asyncio, sys\nfrom panosc_spawner.portal.supervisor import Supervisor, listen\n"
        "async def main():\n"
        "    at = listen('http://127.0.0.1:0')\n"
        "    print(at.getsockname()[1], flush=True)\n"
        f"    await Supervisor([sys.executable, {str(program)!r}], at).run()\n"
        "asyncio.run(main())\n"
    )
    keeper = await asyncio.create_subprocess_exec(
        sys.executable, str(outer), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert keeper.stdout
    port = int(await keeper.stdout.readline())
    number = int((await until(port, from_portal))[1])
    keeper.send_signal(signal.SIGKILL)
    await keeper.wait()
    for _ in range(100):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.05)
    os.kill(number, signal.SIGKILL)
    raise AssertionError("it was still there")


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", b"GET\r\n\r\n", b"x" * 100_000, b"GET / HTTP/1.1\r\n"])
async def test_what_is_no_request_breaks_nothing(tmp_path: Path, sent: bytes) -> None:
    async with running(tmp_path, "time.sleep(1000)") as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        assert (await ask(port, "x"))[0] == 503


# In place of the portal's package: says what it was given, and what anybody of its account can read of it and of its parent.
_TOLD = """
import json, os, sys
number = int(sys.argv[sys.argv.index("--secret") + 1])
read = os.fdopen(number, "rb").read().decode()
seen = "".join(open(f"/proc/{pid}/{what}").read() for pid in (os.getpid(), os.getppid()) for what in ("environ", "cmdline"))
with open(sys.argv[2] + "/told.part", "w") as file:
    json.dump({"read": read, "seen": seen, "parent": os.getppid()}, file)
os.rename(sys.argv[2] + "/told.part", sys.argv[2] + "/told")
"""


async def test_the_portals_secret_is_in_no_environment_that_can_be_looked_at(tmp_path: Path) -> None:
    package = tmp_path / "panosc_portal"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(_TOLD)
    given = {"JUPYTERHUB_API_TOKEN": "s3cret-of-the-portal", "JPY_API_TOKEN": "s3cret-of-the-portal"}
    listening = listen("http://127.0.0.1:0")
    port = listening.getsockname()[1]
    listening.close()
    paths = os.pathsep.join((str(tmp_path), str(Path(module.__file__).parents[2])))
    environment = {**os.environ, **given, "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}", "PYTHONPATH": paths}
    program = (sys.executable, "-m", "panosc_spawner.portal.supervisor", str(tmp_path))
    process = await asyncio.create_subprocess_exec(*program, env=environment)
    try:
        async with asyncio.timeout(30):
            while not (tmp_path / "told").exists():
                await asyncio.sleep(0.05)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)
    told = json.loads((tmp_path / "told").read_text())
    assert told["read"] == "s3cret-of-the-portal"
    assert told["parent"] == process.pid  # the hub's own child still: it ends it by that number
    assert "JUPYTERHUB_SERVICE_URL" in told["seen"]
    assert "s3cret" not in told["seen"]


async def test_nobody_who_comes_in_the_moment_of_a_hand_over_is_left_without_an_answer() -> None:
    """Accepted here, and then it is the portal's turn: that this one answers those who were accepted before is its part."""
    listening = listen("http://127.0.0.1:0")
    address = listening.getsockname()[:2]
    kept = Supervisor(["true"], listening)

    async def status() -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(b"GET /services/portal/search HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(5):
                return (await reader.read())[:12]
        finally:
            writer.close()

    try:
        for turns in range(40):
            kept._stand_in()
            asked = [asyncio.create_task(status()) for _ in range(3)]
            for _ in range(turns % 8):
                await asyncio.sleep(0)
            kept._stand_back()
            await asyncio.sleep(0.001)
            kept._stand_in()  # who is still in the queue is the next one's
            assert await asyncio.gather(*asked) == [b"HTTP/1.1 503"] * 3
            kept._stand_back()
    finally:
        listening.close()
