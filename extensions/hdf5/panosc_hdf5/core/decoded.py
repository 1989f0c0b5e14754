"""What was decoded lately: chunks, tiles and the like, within a budget of bytes, made once however many ask at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

CHECK_SECONDS = 0.1
ENTRY_BYTES = 200
"""What an entry costs beside its arrays."""


class DecodedCache:
    """Least recently used first out.

    Args:
        budget: bytes. A value larger than a third of it is not kept.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._making: dict[Hashable, threading.Event] = {}

    @property
    def nbytes(self) -> int:
        """What is kept now."""
        return self._bytes

    def peek(self, key: Hashable) -> Any | None:
        """What is kept under a key, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: Any, nbytes: int) -> None:
        """Keep a value, which nobody changes any more."""
        size = nbytes + ENTRY_BYTES
        if size > self.budget // 3:
            return
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._bytes -= old[1]
            self._entries[key] = (value, size)
            self._bytes += size
            while self._bytes > self.budget:
                self._bytes -= self._entries.popitem(last=False)[1][1]

    def get(
        self,
        key: Hashable,
        make: Callable[[], T],
        size: Callable[[T], int],
        check: Callable[[], None] = lambda: None,
    ) -> T:
        """What is kept under a key, or made now.

        Whoever asks for a value that is being made waits for it, and calls ``check`` meanwhile, which may raise. If making
        fails, each waiting one tries itself, so that a cancelled request does not fail others.
        """
        while True:
            with self._lock:
                entry = self._entries.get(key)
                if entry is not None:
                    self._entries.move_to_end(key)
                    return entry[0]  # type: ignore[no-any-return]
                event = self._making.get(key)
                if event is None:
                    event = self._making[key] = threading.Event()
                    break
            while not event.wait(CHECK_SECONDS):
                check()
            if self.peek(key) is None:
                return make()  # it failed, or is too large to be kept
        try:
            value = make()
            self.put(key, value, size(value))
            return value
        finally:
            with self._lock:
                self._making.pop(key, None)
            event.set()
