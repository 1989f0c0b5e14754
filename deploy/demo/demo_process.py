"""The demo's processes: started apart from the terminal, remembered in a file, stopped by number and birth."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from panosc_spawner.spawners.local_process import Process, descendants, end, open_log, tail

_PR_SET_CHILD_SUBREAPER = 36


class Service:
    """A long-running part of the demo, and its log."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._popen: subprocess.Popen[bytes] | None = None
        self.process: Process | None = None
        self._offset = 0

    def start(self, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> None:
        """Start it in a session of its own: Ctrl-C is ours to pass on, in the right order."""
        log = open_log(self.log)
        try:
            self._offset = os.lseek(log, 0, os.SEEK_END)
            self._popen = subprocess.Popen(
                [str(word) for word in command],
                **{"env": dict(env), "cwd": cwd, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log},
                start_new_session=True,
            )
        finally:
            os.close(log)
        self.process = Process.now(self._popen.pid)

    def ended(self) -> str:
        """Empty while it runs, else that it ended, with the last lines of its log."""
        if self._popen is None or self._popen.poll() is None:
            return ""
        lines = "\n".join("    " + line for line in tail(self.log, self._offset).splitlines())
        return f"The {self.name} ended with exit code {self._popen.returncode}. Its log {self.log} ends:\n{lines}"

    def reap(self) -> None:
        """Let the kernel forget it once it has ended."""
        if self._popen:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout=1)


class RunFile:
    """Which processes the demo that runs now, or crashed before, consists of."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, processes: Mapping[str, Process | None], port: int) -> None:
        """Remember them."""
        kept = {name: asdict(process) for name, process in processes.items() if process}
        self._file.write_text(json.dumps({"port": port, "processes": kept}))

    def read(self) -> tuple[dict[str, Process], int]:
        """Those of them that still run, and the port."""
        try:
            kept = json.loads(self._file.read_text())
            found = {str(name): Process(int(p["pid"]), str(p["born"])) for name, p in kept["processes"].items()}
            return {name: process for name, process in found.items() if process.alive()}, int(kept["port"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}, 0

    def clear(self) -> None:
        """Forget them."""
        self._file.unlink(missing_ok=True)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind: a hub that is killed leaves its servers."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants() -> None:
    """Kill whatever is still below this process."""
    asyncio.run(end(descendants(os.getpid()), 5))


def stop(processes: Iterable[Process], seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
    """Ask each to end, wait, and kill what is left of them and of what they started.

    Args:
        processes: in the order in which they are asked.
        seconds: how long each has.
        hurry: when it says so, nobody is waited for any more.
    """
    for process in processes:
        family = descendants(process.pid) if process.alive() else []
        process.send(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while process.alive() and time.monotonic() < deadline and not hurry():
            time.sleep(0.05)
        left = [member for member in family if member.alive()] if not process.alive() else descendants(process.pid)
        asyncio.run(end([process, *family, *left], 5))


def answers(url: str) -> bool:
    """Whether a page of this machine answers well."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, urllib.error.URLError):
        return False
