"""Threads of staging's own: a storage that is away holds these up, and nobody else's.

asyncio's default threads are as many as the processors and four: names are looked up and searches answered in them, and a few
hung or long calls would take them all. Reading whole files has its own, so that a job that verifies does not hold up the ones
that write.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

R = TypeVar("R")
Args = TypeVarTuple("Args")

_SHORT = ThreadPoolExecutor(32, thread_name_prefix="staging")
_READING = ThreadPoolExecutor(8, thread_name_prefix="staging-reads")


async def in_staging_thread(work: Callable[[*Args], R], *args: *Args) -> R:
    """Do what changes something, to its end: a cancellation goes on only then, so nothing is closed or removed beneath it."""
    return await _done(_SHORT, work, *args, stop=lambda: None)


async def asked_in_staging_thread(work: Callable[[*Args], R], *args: *Args) -> R:
    """Ask what changes nothing: a cancellation does not wait for the answer."""
    return await asyncio.shield(_begun(_SHORT, work, *args))


async def in_reading_thread(work: Callable[[*Args], R], *args: *Args, stop: Callable[[], None]) -> R:
    """Do what takes long: ``stop`` asks it to end, and a cancellation goes on when it has."""
    return await _done(_READING, work, *args, stop=stop)


def _begun(threads: Executor, work: Callable[[*Args], R], *args: *Args) -> asyncio.Future[R]:
    context = contextvars.copy_context()
    return asyncio.wrap_future(threads.submit(lambda: context.run(work, *args)))


async def _done(threads: Executor, work: Callable[[*Args], R], *args: *Args, stop: Callable[[], None]) -> R:
    running = _begun(threads, work, *args)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop()
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:  # once more; that is known
                continue
        raise
