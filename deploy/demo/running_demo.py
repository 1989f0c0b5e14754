"""A demo that another program starts and stops: the browser tests and the benchmarks."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from demo_process import answers

DEMO = Path(__file__).with_name("demo.py")


class RunningDemo:
    """A running demo, as ``make demo`` starts it.

    Args:
        spawner: ``local`` or ``docker``.
        folder: where it keeps everything, instead of ``.demo``.
        more: TOML for the end of its ``site.toml``.
    """

    def __init__(self, spawner: str, folder: Path, more: str = "") -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.url = ""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        env = {**os.environ, "PANOSC_DEMO_PORT": str(port), "PANOSC_DEMO_FOLDER": str(self.folder)}
        if more:
            addition = folder.with_name(f"{folder.name}-more.toml")
            addition.write_text(more)
            env["PANOSC_DEMO_SITE_MORE"] = str(addition)
        self.process = subprocess.Popen(
            [sys.executable, DEMO, spawner],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)/\n", line):
                self.url = match.group(1)

    def wait(self, seconds: float = 420) -> None:
        """Until it says that it is ready, and its portal, which is loaded meanwhile, answers itself."""
        deadline = time.monotonic() + seconds
        while not self.url or not answers(f"{self.url}/services/portal/health"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the demo is not ready:\n{''.join(self.lines)}\n{self.logs()}")
            time.sleep(0.1)

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=240)
        self._reader.join(10)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def logs(self) -> str:
        """The last lines of each log."""
        texts = []
        for file in sorted((self.folder / "logs").glob("*.log")):
            lines = file.read_text(errors="replace").splitlines()[-60:]
            texts.append("\n".join([f"--- {file.name}", *lines]))
        return "\n".join(texts)
