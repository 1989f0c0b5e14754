"""Threads for looking at data and homes: a file system that hangs holds these, and nothing else of the hub.

The event loop's own threads are few, and what logins and sources need is done there, too: names of hosts are looked up, files are
read. A thread that waits for a file server that is gone ends when it comes back, so each place has threads of its own,
and none of them keeps the hub from ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.spawners.daemon_pool import DaemonPool
from panosc_spawner.spawners.refused import Refused

HOMES = "homes"
PATIENCE = 30.0
"""Seconds. A file system that wakes its disks up has answered by then."""

_THREADS = 8
_SEVERAL = "several facilities"
_pools: dict[str, DaemonPool] = {}
T = TypeVar("T")


def place_of(facilities: Iterable[str]) -> str:
    """Where the data of these facilities are looked at."""
    different = sorted(set(facilities))
    return f"data of {different[0]}" if len(different) == 1 else _SEVERAL


async def in_file_thread(place: str, work: Callable[..., T], *arguments: object) -> T:
    """The result of work on a file system.

    Args:
        place: :data:`HOMES`, or :func:`place_of` facilities.
        work: is called with the arguments in one of the place's threads.
        arguments: of the work.

    Raises:
        Refused: if it takes longer than :data:`PATIENCE`.
        Exception: of the work.
    """
    pool = _pools.get(place)
    if pool is None:
        pool = _pools[place] = DaemonPool(_THREADS, "panosc-files")
    done = asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
    try:
        async with asyncio.timeout(PATIENCE):
            return await done
    except TimeoutError as error:
        if not done.cancelled():
            raise  # the work's own
        what = "your home" if place == HOMES else "the data"
        raise Refused(
            Refusal(
                Reason.MISSING_DIRECTORY,
                f"The file system with {what} does not answer.",
                "Try again in a few minutes; if it stays like this, tell the people who run this hub.",
            )
        ) from error
