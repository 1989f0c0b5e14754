"""One person's desktop: an X server that speaks VNC on a unix socket, and the programs in it.

It starts when it is first asked for, so that nobody pays for a desktop they do not open, and ends with Jupyter's server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import struct
import tempfile
from pathlib import Path

COMMAND = ("bash", str(Path(__file__).parent / "run.sh"))
X_SERVER = "Xtigervnc"
START_SECONDS = 20.0
STOP_SECONDS = 2.0
_FAMILY_WILD = 0xFFFF
"""In an Xauthority file: an entry for any host (libXau, ``Xauth.h``)."""


class SessionError(Exception):
    """Why there is no desktop, in words for the person."""


class Session:
    """Starts the desktop once, says where its socket is, and ends it.

    Args:
        log: the server's.
        folder: where the socket and the lock files lie; a new one of one's own in the temporary directory by default.
    """

    def __init__(self, log: logging.Logger | logging.LoggerAdapter[logging.Logger], folder: Path | None = None) -> None:
        self.log = log
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    @property
    def running(self) -> bool:
        """Whether there is one now."""
        return self._process is not None and self._process.returncode is None

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to show its windows on this desktop.

        Raises:
            SessionError: if there is no desktop.
        """
        if not self.running or self._folder is None:
            raise SessionError("The desktop is not running.")
        display = (self._folder / "number").read_text().strip()
        return {
            "DISPLAY": f":{display}",
            "XAUTHORITY": str(self._folder / "Xauthority"),
            "XDG_RUNTIME_DIR": str(self._folder / "run"),
        }

    async def ensure(self) -> Path:
        """The VNC socket of a desktop that answers; starts one if there is none.

        Raises:
            SessionError: if it cannot be started.
        """
        async with self._starting:
            if self.running and self._folder is not None:
                return self._folder / "rfb"
            return await self._start()

    async def ended(self, within: float) -> bool:
        """Whether the desktop ends in that many seconds; its socket closes a moment before it does."""
        process = self._process
        if process is None:
            return True
        try:
            async with asyncio.timeout(within):
                await process.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End the desktop and every program in it."""
        async with self._starting:
            process, self._process = self._process, None
            if process is not None:
                await _end(process)

    def close(self) -> None:
        """Leave nothing behind when the server ends: the closed pipe tells the script, even if the server is killed."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _start(self) -> Path:
        if shutil.which(X_SERVER) is None:
            raise SessionError("This environment has no desktop. Start one that has: your page of proposals names it.")
        folder = self._prepare()
        self.log.info("Starting the desktop")
        with (folder / "log").open("wb") as log:
            # A session of its own, so that its end is the end of all its processes; a pipe that closes when we are gone.
            process = await asyncio.create_subprocess_exec(
                *COMMAND, str(folder), stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(START_SECONDS):
                await _until_it_answers(folder / "rfb", process)
        except (TimeoutError, ChildProcessError):
            await _end(process)
            raise SessionError(_why_not(folder)) from None
        self._process = process
        return folder / "rfb"

    def _prepare(self) -> Path:
        try:
            if self._folder is None or not self._folder.is_dir():
                self._folder = Path(tempfile.mkdtemp(prefix="panosc-desktop-"))
            self._folder.chmod(0o700)
            for left in ("rfb", "number"):
                (self._folder / left).unlink(missing_ok=True)
            (self._folder / "run").mkdir(mode=0o700, exist_ok=True)
            _write_cookie(self._folder / "Xauthority")
        except OSError as error:
            raise SessionError(
                f"The desktop needs a little room for its lock files in /tmp: {error.strerror}."
            ) from error
        return self._folder


async def _until_it_answers(path: Path, process: asyncio.subprocess.Process) -> None:
    while True:
        if process.returncode is not None:
            raise ChildProcessError(process.returncode)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as trial:
            trial.connect(str(path))
            return
        await asyncio.sleep(0.02)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End all of it: an X server that is still leaving would take the next one's socket with it."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        for _ in range(int(STOP_SECONDS / 0.02)):
            if process.returncode is not None and not _has_members(process.pid):
                return
            await asyncio.sleep(0.02)


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _write_cookie(path: Path) -> None:
    """Whoever reads this file may connect to the X server: MIT-MAGIC-COOKIE-1, for whatever number the display gets."""
    name, cookie = b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16)
    entry = struct.pack(">HHHH", _FAMILY_WILD, 0, 0, len(name)) + name + struct.pack(">H", len(cookie)) + cookie
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - an open descriptor with its mode
        file.write(entry)


def _why_not(folder: Path) -> str:
    lines = (folder / "log").read_text(errors="replace").strip().splitlines()
    last = lines[-1][:300] if lines else "it said nothing"
    return f"The desktop did not start: {last}"
