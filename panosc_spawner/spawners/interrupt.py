"""Ending a start that is under way."""

from __future__ import annotations

import asyncio
from typing import Any

from panosc_spawner.launch.model import Reason, Refusal

CANCELLED = Refusal(Reason.SERVER_FAILED, "The start was cancelled.", "Start it again when you like.")


async def interrupt(spawner: Any, seconds: float = 10) -> None:
    """Cancel a server's start and wait until it has cleaned up after itself, so that a stop after it finds what is left.

    Args:
        spawner: the server's.
        seconds: how long the clean-up may take.
    """
    starting: asyncio.Future[None] | None = getattr(spawner, "_spawn_future", None)
    if starting and not starting.done():
        starting.cancel()
        await asyncio.wait([starting], timeout=seconds)
        await asyncio.sleep(0)  # its callbacks clear the hub's flags
