"""Keeps the portal running, and answers for it while it does not: whatever happens to the portal, the hub goes on.

JupyterHub ends itself when a service that it starts does not come up, and looks after one that ended only every half minute. So
the hub starts this, which listens at once. The portal takes over the listening socket when it is ready; until then, and whenever
it has ended, a page here says so. The standard library alone: this must not fail for what the portal may fail for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

HEALTH_EVERY = 20.0
HEALTH_SECONDS = 15.0
HEALTH_MISSES = 3
STOP_SECONDS = 8.0
START_SECONDS = 60.0
_PAUSES = (0.5, 1, 2, 5, 10, 20, 30)
_WELL = 60.0
"""Seconds after which a portal that ran is taken for one that works: the next restart comes at once again."""
_PR_SET_PDEATHSIG = 1
_SECRETS = ("JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN")
_PIPE = "PANOSC_PORTAL_SECRET_PIPE"
_HEAD_BYTES = 64 * 1024
_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
    "<title>Not available just now</title></head><body><main><h1>Not available just now</h1>"
    "<p>The search and what belongs to it are being started. This page tries again by itself. "
    'Your proposals and your servers are not touched by this: <a href="{home}">My proposals</a>.</p></main></body></html>'
)
log = logging.getLogger("portal")


class Supervisor:
    """One portal.

    Args:
        command: starts it; ``--socket N --ready N`` are appended, the numbers of inherited descriptors.
        listening: where it is to answer.
        base: its path at the hub.
        home: where people find their proposals.
        secret: of the portal at the hub. The portal reads it from a pipe (``--secret N``): a process's environment, as it was at its
            start, stays readable in ``/proc`` for its account for as long as it runs.
        clock: for tests.
    """

    def __init__(
        self,
        command: Sequence[str],
        listening: socket.socket,
        base: str = "/services/portal/",
        home: str = "/hub/home",
        secret: bytes = b"",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._socket, self._base, self._clock = list(command), listening, base, clock
        self._secret = secret
        self._page = _PAGE.format(home=home).encode()
        self._ending = asyncio.Event()
        self._standing_in: socket.socket | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self.child: asyncio.subprocess.Process | None = None
        self.starts = 0

    def end(self) -> None:
        """End the portal, then :meth:`run`."""
        self._ending.set()

    async def run(self) -> None:
        """Until :meth:`end`."""
        failures = 0
        try:
            while not self._ending.is_set():
                self._stand_in()
                begun = self._clock()
                await self._once()
                failures = 0 if self._clock() - begun > _WELL else failures + 1
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                if not self._ending.is_set():
                    log.error("The portal ended; it is started again in %g s", pause)
                    self._stand_in()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._ending.wait(), pause)
        finally:
            self._stand_back()

    async def _once(self) -> None:
        """Start it, let it take over, and watch it until it ends."""
        read, write = os.pipe()
        numbers = ["--socket", str(self._socket.fileno()), "--ready", str(write)]
        passed = [self._socket.fileno(), write]
        if self._secret:
            passed.append(_in_pipe(self._secret))
            numbers += ["--secret", str(passed[-1])]
        self.starts += 1
        try:
            self.child = await asyncio.create_subprocess_exec(
                *self._command,
                *numbers,
                pass_fds=passed,
                stdin=asyncio.subprocess.DEVNULL,
                preexec_fn=_end_with_parent,
            )
        except OSError as error:
            log.error("The portal cannot be started: %s", error)
            os.close(read)
            return
        finally:
            for number in passed[1:]:
                os.close(number)
        ended = asyncio.ensure_future(self.child.wait())
        ending = asyncio.ensure_future(self._ending.wait())
        watch = asyncio.ensure_future(self._take_over_and_watch(read))
        await asyncio.wait((ended, ending, watch), return_when=asyncio.FIRST_COMPLETED)
        for task in (ending, watch):
            task.cancel()
        await asyncio.gather(ending, watch, return_exceptions=True)
        await self._stop_child(ended)

    async def _take_over_and_watch(self, read: int) -> None:
        """Returns when it has to be started anew."""
        if not await _became_ready(read):
            log.error("The portal was not ready within %g s", START_SECONDS)
            return
        self._stand_back()
        misses = 0
        while misses < HEALTH_MISSES:
            await asyncio.sleep(HEALTH_EVERY)
            misses = 0 if await self._healthy() else misses + 1
        log.error("The portal has not answered for %g s", HEALTH_MISSES * (HEALTH_EVERY + HEALTH_SECONDS))

    async def _healthy(self) -> bool:
        host, port = self._socket.getsockname()[:2]
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(
                        f"GET {self._base}health HTTP/1.1\r\nHost: portal\r\nConnection: close\r\n\r\n".encode()
                    )
                    line = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError):
            return False
        return b" 200 " in line

    async def _stop_child(self, ended: asyncio.Future[int]) -> None:
        assert self.child  # noqa: S101 - made before
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not ended.done():
                with contextlib.suppress(ProcessLookupError):
                    self.child.send_signal(number)
                await asyncio.wait((ended,), timeout=STOP_SECONDS)
        self.child = None

    # --- While there is no portal -----------------------------------------------------------------------------------

    def _stand_in(self) -> None:
        """Answer from here.

        Not by ``asyncio.start_server``: who is accepted in the moment in which such a server is closed gets neither an answer nor
        an end (Python 3.11 drops the connection without closing it), and would wait for as long as they care to.
        """
        if self._standing_in is None:
            self._standing_in = self._socket.dup()
            asyncio.get_running_loop().add_reader(self._standing_in, self._accept, self._standing_in)

    def _stand_back(self) -> None:
        """Leave it to the portal; who was accepted before is answered from here."""
        if self._standing_in is not None:
            asyncio.get_running_loop().remove_reader(self._standing_in)
            self._standing_in.close()
            self._standing_in = None

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError as error:  # the portal was faster, or the caller is gone
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._rest(listening)
            return
        task = asyncio.get_running_loop().create_task(self._answer(connection))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def _rest(self, listening: socket.socket) -> None:
        """Too many open files: look again in a second, not all the time."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def again() -> None:
            if listening is self._standing_in:
                loop.add_reader(listening, self._accept, listening)

        loop.call_later(1, again)

    async def _answer(self, connection: socket.socket) -> None:
        """That the portal is not there. Its first page answers well all the same: by that, the hub sees that somebody listens."""
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection, limit=_HEAD_BYTES)
        try:
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].split(b"?")[0].decode("ascii", "replace")
                status = "200 OK" if path == self._base else "503 Service Unavailable"
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(self._page)}\r\n"
                    "Cache-Control: no-store\r\nRetry-After: 5\r\nX-Content-Type-Options: nosniff\r\n"
                    "Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n".encode()
                )
                if not head.startswith(b"HEAD "):
                    writer.write(self._page)
                await writer.drain()
        except (OSError, TimeoutError, EOFError, ValueError, IndexError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()


def _end_with_parent() -> None:
    """In the child: when this process ends, however it does, so does the portal."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _became_ready(read: int) -> bool:
    """Whether the portal said so in time; false if it ended before."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb"))
    try:
        async with asyncio.timeout(START_SECONDS):
            return await reader.read(1) == b"1"
    except TimeoutError:
        return False
    finally:
        transport.close()


def listen(url: str) -> socket.socket:
    """A listening socket at a loopback address as the hub gives it: ``http://127.0.0.1:8082``.

    Raises:
        OSError: if the port is taken.
    """
    parts = urlsplit(url)
    family = socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((parts.hostname or "127.0.0.1", parts.port or 80))
    made.listen(1024)
    made.setblocking(False)
    return made


def _in_pipe(secret: bytes) -> int:
    """A descriptor that it can be read from, once."""
    read, write = os.pipe()  # holds 64 KiB: nobody has to read meanwhile
    os.write(write, secret)
    os.close(write)
    return read


def _out_of_environment() -> bytes:
    """The portal's secret, which the hub gives its services in the environment.

    With it there, this does not return: the program begins again without it, as the same process, and finds it in a pipe.
    """
    found = ""
    for name in _SECRETS:
        found = os.environ.pop(name, "") or found
    if found:
        pipe = _in_pipe(found.encode())
        os.set_inheritable(pipe, True)
        os.environ[_PIPE] = str(pipe)
        os.execv(sys.executable, [sys.executable, "-m", "panosc_spawner.portal.supervisor", *sys.argv[1:]])  # noqa: S606 - itself
    number = os.environ.pop(_PIPE, "")
    if not number.isdigit():
        return b""  # no hub started it; the portal says so
    with os.fdopen(int(number), "rb") as reader:
        return reader.read()


async def _main(folder: Path, secret: bytes) -> int:
    url = os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    if not url:
        print("The hub starts this, and tells it where to listen (JUPYTERHUB_SERVICE_URL).", file=sys.stderr)  # noqa: T201
        return 2
    listening = listen(url)
    base = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/services/portal/")
    home = f"{os.environ.get('JUPYTERHUB_PUBLIC_HUB_URL', '/hub/').rstrip('/')}/home"
    command = [sys.executable, "-m", "panosc_portal", "serve", str(folder)]
    supervisor = Supervisor(command, listening, base, home if _plain(home) else "", secret)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.end)
    await supervisor.run()
    return 0


def _plain(text: str) -> bool:
    return text.isascii() and not set(text) & set("\"'<>& ")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="[%(levelname)1.1s %(asctime)s %(name)s] %(message)s")
    sys.exit(asyncio.run(_main(Path(sys.argv[1]), _out_of_environment())))
