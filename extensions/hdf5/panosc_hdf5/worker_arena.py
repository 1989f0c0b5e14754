"""The memory that a worker shares with the server: arrays are decoded into it and sent out of it, without a copy between."""

from __future__ import annotations

import bisect
import mmap
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from panosc_hdf5.worker_protocol import JOB, MAX_JOBS, TABLE_BYTES

PAGE = 4096
Array = np.ndarray[Any, Any]


class Arena:
    """Regions of one shared mapping: first fit, so that the same warm pages are used again. Thread safe.

    Args:
        descriptor: of the memory, which the server made.
        size: its bytes.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._memory = mmap.mmap(descriptor, size)
        self._whole = np.frombuffer(self._memory, np.uint8)
        self._address = int(self._whole.ctypes.data)
        self._changed = threading.Condition(threading.RLock())
        self._dead: deque[int] = deque()  # finalizers run anywhere, also while the lock is held: they only note
        self._free: list[tuple[int, int]] = [(TABLE_BYTES, size - TABLE_BYTES)]
        self._users: dict[int, tuple[int, int]] = {}  # offset: bytes, how many hold it
        self._dirty = TABLE_BYTES

    @property
    def capacity(self) -> int:
        """The largest region that there can ever be."""
        return len(self._whole) - TABLE_BYTES

    @property
    def used(self) -> int:
        """Bytes that somebody holds."""
        with self._changed:
            self._bury()
            return sum(size for size, _ in self._users.values())

    def allocate(self, nbytes: int) -> tuple[int, Array] | None:
        """A region as bytes, and its offset; None if there is no room now.

        It is kept for as long as the array (or a view of it) lives, or somebody retains it.
        """
        size = max(PAGE, -(-nbytes // PAGE) * PAGE)
        with self._changed:
            self._bury()
            offset = self._take(size)
            if offset is None:
                return None
            self._users[offset] = (size, 1)
        # A buffer of its own, not a slice of the whole: the arrays made of it have this one as their base.
        array = np.frombuffer(self._memory, np.uint8, nbytes, offset)
        weakref.finalize(array, self._dead.append, offset).atexit = False
        return offset, array

    def wait(self, nbytes: int, check: Callable[[], None]) -> tuple[int, Array]:
        """A region, when there is room; ``check`` is called while waiting and may raise."""
        while True:
            with self._changed:
                found = self.allocate(nbytes)
                if found is not None:
                    return found
                self._changed.wait(0.05)
            check()

    def find(self, data: memoryview) -> int | None:
        """The offset of bytes that lie within the arena; None for others."""
        if not data.nbytes:
            return None
        offset = int(np.frombuffer(data, np.uint8).ctypes.data) - self._address
        return offset if TABLE_BYTES <= offset < len(self._whole) else None

    def retain(self, offset: int) -> int | None:
        """One more holds the region around an offset; gives its own offset, or None if nobody holds any there."""
        with self._changed:
            for begin, (size, users) in self._users.items():
                if begin <= offset < begin + size:
                    self._users[begin] = (size, users + 1)
                    return begin
        return None

    def release(self, offset: int) -> None:
        """One less holds the region that begins at an offset."""
        with self._changed:
            size, users = self._users.pop(offset)
            if users > 1:
                self._users[offset] = (size, users - 1)
                return
            self._give(offset, size)
            self._changed.notify_all()

    def started(self, slot: int, job: int) -> None:
        """Note in the table that a job runs; 0 that it has ended."""
        JOB.pack_into(self._memory, (slot % MAX_JOBS) * JOB.size, job)

    def shrink(self) -> int:
        """Give the pages that nobody holds back to the system; how many bytes were given."""
        remove = getattr(mmap, "MADV_REMOVE", None)
        given = 0
        with self._changed:
            self._bury()
            for offset, size in self._free:
                size = min(size, self._dirty - offset)
                if size > 0 and remove is not None:
                    self._memory.madvise(remove, offset, size)
                    given += size
            self._dirty = max((begin + size for begin, (size, _) in self._users.items()), default=TABLE_BYTES)
        return given

    def _bury(self) -> None:
        while self._dead:
            self.release(self._dead.popleft())

    def _take(self, size: int) -> int | None:
        for index, (offset, room) in enumerate(self._free):
            if room >= size:
                if room == size:
                    del self._free[index]
                else:
                    self._free[index] = (offset + size, room - size)
                self._dirty = max(self._dirty, offset + size)
                return offset
        return None

    def _give(self, offset: int, size: int) -> None:
        index = bisect.bisect(self._free, (offset, size))
        if index < len(self._free) and offset + size == self._free[index][0]:
            size += self._free.pop(index)[1]
        if index and sum(self._free[index - 1]) == offset:
            before, room = self._free[index - 1]
            self._free[index - 1] = (before, room + size)
        else:
            self._free.insert(index, (offset, size))
