"""How much the server's processes compute, from Linux's /proc. Elsewhere nothing is known, and nothing is counted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_PROC = Path("/proc")
_MOST = 20_000


@dataclass(frozen=True)
class Process:
    """One line of /proc/<pid>/stat, as far as it matters; times in clock ticks."""

    pid: int
    parent: int
    own: int
    """Its own processor time."""
    children: int
    """That of its children that have ended."""


def parse_stat(text: str) -> Process | None:
    """Read the kernel's line (proc(5)); the program's name in it may hold anything, brackets too."""
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    pid = head.partition(" ")[0]
    try:
        user, system, children_user, children_system = (int(field) for field in fields[11:15])
        return Process(int(pid), int(fields[1]), user + system, children_user + children_system)
    except (ValueError, IndexError):
        return None


def processes() -> list[Process]:
    """All processes that can be seen."""
    found = []
    with suppress(OSError):
        for directory in islice(_PROC.iterdir(), _MOST):
            if not directory.name.isdigit():
                continue
            with suppress(OSError):  # it has ended meanwhile
                process = parse_stat((directory / "stat").read_text(errors="replace"))
                found += [process] if process else []
    return found


def seconds_computed(found: Iterable[Process], server: int, alone: bool) -> float:
    """Processor seconds of all that the server started, but not its own.

    Args:
        found: the processes.
        server: pid of the server.
        alone: whether nobody else's processes can be seen (a container); then those count, too, that were left by their parent.
    """
    every = {process.pid: process for process in found}
    ticks = 0
    for process in every.values():
        if process.pid == server:
            ticks += process.children
        elif alone or _descends(process, server, every):
            ticks += process.own + process.children
    return ticks / os.sysconf("SC_CLK_TCK")


def is_alone() -> bool:
    """Whether the first process is the person's own, as in a container: on a whole machine it is root's."""
    try:
        return os.getuid() != 0 and (_PROC / "1").stat().st_uid == os.getuid()
    except OSError:
        return False


def _descends(process: Process, ancestor: int, every: dict[int, Process]) -> bool:
    seen: set[int] = set()
    while process.parent not in seen:
        if process.parent == ancestor:
            return True
        seen.add(process.parent)
        parent = every.get(process.parent)
        if parent is None:
            return False
        process = parent
    return False
