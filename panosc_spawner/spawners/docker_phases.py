"""Where the time of a start goes."""

from __future__ import annotations

import time


class Phases:
    """A stopwatch of named phases, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def end(self, name: str) -> None:
        """What went on since the last end, or since the beginning, was this phase."""
        now = time.monotonic()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + now - self._since, 4)
        self._since = now

    def __str__(self) -> str:
        total = sum(self.seconds.values())
        return f"{total:.2f} s: " + ", ".join(f"{name} {seconds:.3f}" for name, seconds in self.seconds.items())
