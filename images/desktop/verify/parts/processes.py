"""Processes in the container: the X server, what all hold, and where something listens."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path


def stop(process: subprocess.Popen[bytes]) -> float:
    """Seconds until the server and its X server are gone."""
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    while x_servers():
        assert time.monotonic() - asked < 10, "the X server outlives the Jupyter server"
        time.sleep(0.02)
    return time.monotonic() - asked


def x_servers() -> list[int]:
    """Their process ids."""
    return [pid for pid, name in names().items() if name == "Xtigervnc"]


def names() -> dict[int, str]:
    """Of all living processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text()
            except OSError:
                continue
            if fields.rpartition(")")[2].split()[0] != "Z":
                found[int(entry.name)] = fields.partition("(")[2].rpartition(")")[0]
    return found


def memory_mb() -> float:
    """What the server and everything it started hold, each shared page counted once; without this script."""
    total = 0
    for pid in names():
        if pid == os.getpid():
            continue
        try:
            total += int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
        except OSError:
            continue
    return total * 1024 / 1e6


def listening() -> set[int]:
    """TCP ports on which something listens."""
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {int(fields[1].rpartition(":")[2], 16) for fields in lines if fields[3] == "0A"}


def end(*programs: str) -> None:
    """All of them that are open."""
    for pid, name in names().items():
        if name in programs:
            os.kill(pid, signal.SIGTERM)
