"""Questions that ended workers are not asked again for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from panosc_hdf5.core.errors import Unreadable
from panosc_hdf5.server.parts import Question

TWICE = 2
HUNG_SECONDS = 60.0
MAX_ENTRIES = 1000

Key = tuple[object, ...]


class Quarantine:
    """Counts by file, object and operation; a file that has changed since is another file.

    Args:
        seconds: how long a question is refused after the last time, and remembered at all.
        clock: for tests.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._found: OrderedDict[Key, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        now = self._clock()
        return sum(1 for count, until in self._found.values() if count >= TWICE and until > now)

    def check(self, question: Question) -> None:
        """Let a question pass.

        Raises:
            Unreadable: it ended workers twice.
        """
        count, until = self._found.get(_key(question), (0, 0.0))
        left = until - self._clock()
        if count >= TWICE and left > 0:
            raise Unreadable(
                f"Reading this ({question.operation}) ended its reader {count} times, so it is not tried now.",
                f"Check the file; it is tried again in {max(1, round(left / 60))} minutes, or as soon as the file changes.",
                code="quarantined",
                retry_after=round(left, 1),
            )

    def blame(self, question: Question, *, hung: bool = False) -> None:
        """This question ended a worker; or it hung, which is more often the file system's fault than the file's."""
        key, now = _key(question), self._clock()
        count, until = self._found.pop(key, (0, 0.0))
        seconds = min(self._seconds, HUNG_SECONDS) if hung else self._seconds
        self._found[key] = ((count if until > now else 0) + 1, max(until, now + seconds))
        while len(self._found) > MAX_ENTRIES:
            self._found.popitem(last=False)


def _key(question: Question) -> Key:
    return (question.operation, question.parameters.get("h5path", ""), question.file)
