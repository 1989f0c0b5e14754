"""For scripts in ``verify/`` of images with a desktop: a Jupyter server, its display, and the windows on it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

PORT = 8888
TOKEN = "verify"
_RUN = Path("/tmp")
_GRAB = """
import sys
from PySide6.QtGui import QGuiApplication
application = QGuiApplication([])
assert application.primaryScreen().grabWindow(0).save(sys.argv[1], "png")
"""


def start(home: Path, base: str = "/") -> subprocess.Popen[bytes]:
    """A Jupyter server whose person lives there; ``base`` is its address's first part, with slashes around it."""
    command = [sys.executable, "-sP", "-m", "jupyter_server", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={PORT}",
               "--ServerApp.port_retries=0", f"--ServerApp.base_url={base}", f"--IdentityProvider.token={TOKEN}",
               f"--ServerApp.root_dir={home}"]  # fmt: skip
    process = subprocess.Popen(command, env=os.environ | {"HOME": str(home)}, cwd=home, stdout=sys.stderr)
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}{base}api/status?token={TOKEN}", timeout=20).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise AssertionError("the server does not answer")


def display() -> dict[str, str]:
    """The environment of a program on the desktop, once there is one."""
    for _ in range(200):
        for number in _RUN.glob("panosc-desktop-*/number"):
            folder = number.parent
            assert folder.stat().st_mode & 0o777 == 0o700, "others may enter the socket's folder"
            if text := number.read_text().strip():
                return os.environ | {
                    "DISPLAY": f":{text}",
                    "XAUTHORITY": str(folder / "Xauthority"),
                    "XDG_RUNTIME_DIR": str(folder / "run"),
                }
        time.sleep(0.1)
    raise AssertionError("no display")


def windows(environment: dict[str, str]) -> str:
    """The titles of all windows, as xwininfo writes them."""
    command = ["xwininfo", "-root", "-tree"]
    for _ in range(50):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        # A window that goes while it looks is an error to it, and the rest of the list is then missing.
        time.sleep(0.02)
    raise AssertionError(f"no list of windows: {done.stderr.strip()}")


def wait_for_window(
    pattern: str, environment: dict[str, str], program: subprocess.Popen[bytes] | None = None, seconds: float = 60
) -> float:
    """Seconds until a window's title matches; the program that shows it may hand over to another, but not fail."""
    began = time.monotonic()
    while not re.search(pattern, windows(environment)):
        assert program is None or program.poll() in (None, 0), f"the program ended: {program.returncode}"
        assert time.monotonic() - began < seconds, f"no window {pattern}:\n{windows(environment)}"
        time.sleep(0.1)
    return time.monotonic() - began


def wait_until_gone(pattern: str, environment: dict[str, str], seconds: float = 20) -> None:
    """Until no window's title matches."""
    began = time.monotonic()
    while re.search(pattern, windows(environment)):
        assert time.monotonic() - began < seconds, f"a window {pattern} stays:\n{windows(environment)}"
        time.sleep(0.1)


def picture(file: str, environment: dict[str, str]) -> None:
    """Write what is on the display as PNG, once the programs have drawn."""
    time.sleep(4)
    subprocess.run([sys.executable, "-c", _GRAB, file], env=environment, check=True)


def end(program: subprocess.Popen[bytes]) -> None:
    """End a program that was started in a session of its own, with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(10)
