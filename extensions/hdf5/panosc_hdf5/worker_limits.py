"""What keeps a worker from harming others: a bound on its memory, a lower priority, and the first place before the OOM killer."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

OOM_SCORE = 800


def address_space() -> int:
    """Bytes of address space that this process has; 0 where the system does not say."""
    return _statm(0)


def resident() -> int:
    """Bytes of memory that this process has in use, shared memory included; 0 where the system does not say."""
    return _statm(1)


def _statm(field: int) -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[field])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()


def bound_memory(beyond: int) -> None:
    """Allow so many bytes of address space beyond what is used now, so that a runaway allocation is a MemoryError."""
    if beyond <= 0:
        return
    wanted = address_space() + beyond
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def step_back(nice: int) -> None:
    """Let the server and kernels go first."""
    with contextlib.suppress(OSError):
        os.nice(nice)


def volunteer_for_oom() -> None:
    """Tell Linux to end this process before the Jupyter server or a kernel when memory is short."""
    with contextlib.suppress(OSError, ValueError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(max(OOM_SCORE, int(score.read_text()))))


def no_core_dumps() -> None:
    """A crash on a corrupt file must not write gigabytes into somebody's home."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
