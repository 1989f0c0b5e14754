"""Which worker reads which file: always the same one, since it has the file open and its chunks decoded; unless it is full."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

MAX_FILES = 1024


class Routes:
    """Remembers for each file the worker that read it last.

    Args:
        workers: how many there are.
    """

    def __init__(self, workers: int) -> None:
        self._known: OrderedDict[object, int] = OrderedDict()
        self._workers = workers
        self._next = 0

    def choose(self, file: object, loads: Sequence[int], jobs: int) -> int:
        """The worker to ask.

        Args:
            file: which file.
            loads: requests that each worker has now.
            jobs: requests that a worker works on at once.
        """
        least = min(range(self._workers), key=lambda index: loads[index])
        index = self._known.get(file)
        if index is None:
            index = least if loads[self._next] > loads[least] else self._next
            self._next = (index + 1) % self._workers
        self._known[file] = index
        self._known.move_to_end(file)
        while len(self._known) > MAX_FILES:
            self._known.popitem(last=False)
        # Beyond what it works on at once, a cold worker is faster than waiting. The file's own worker stays what it is.
        return least if loads[index] >= jobs > loads[least] else index
