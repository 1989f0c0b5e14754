"""What could be left of a server after the hub has stopped it, and ending it by force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from panosc_spawner.spawners.local_process import Process, end

KILL_SECONDS = 5.0


class Remains(Protocol):
    """Everything of one server that could still read its data, as it was at one moment."""

    async def end(self) -> bool:
        """End what is left of it by force; True if nothing is left. May be called again and again; never raises."""
        ...


class Nothing:
    """Of a server that is no process and no container."""

    async def end(self) -> bool:
        """See :class:`Remains`."""
        return True


class ProcessRemains:
    """Processes, each told apart from whoever has its number later.

    Under bubblewrap the first process of the server's own namespace is among them: the kernel ends all others with it, those
    that were started to outlive the server too.
    """

    def __init__(self, processes: Sequence[Process]) -> None:
        self._left = list(processes)

    async def end(self) -> bool:
        """See :class:`Remains`."""
        await end(self._left, KILL_SECONDS)
        self._left = [process for process in self._left if process.alive()]
        return not self._left
