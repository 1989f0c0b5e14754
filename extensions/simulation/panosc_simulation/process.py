"""Programs that are stopped for sure: each in a process group of its own, killed with all its children."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRESS = "PANOSC_PROGRESS"


class Process:
    """A running program, its output in a file, the number of rays that it has traced in another."""

    def __init__(
        self, command: Sequence[str], cwd: Path, scratch: Path, environment: Mapping[str, str], log: str = "log"
    ) -> None:
        self._progress = scratch / "progress"
        self.log = scratch / log
        with self.log.open("wb") as written:
            self._popen = subprocess.Popen(
                command,
                cwd=cwd,
                env={**environment, PROGRESS: str(self._progress)},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is its group's, too."""
        return self._popen.pid

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._popen.poll()

    def rays(self) -> int:
        """How many rays it has traced so far."""
        try:
            return int(struct.unpack("=Q", self._progress.read_bytes()[:8])[0])
        except (OSError, struct.error):
            return 0

    def kill(self) -> None:
        """End it and its children at once. Not by a polite signal: McStas answers that one by writing half a result."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def output(self) -> str:
        """What it printed, at most the last megabyte."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 1_000_000))
            return file.read().decode(errors="replace")
