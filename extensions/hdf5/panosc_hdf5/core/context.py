"""What an operation works with: where it may read, what it may use, and whether anybody still waits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from panosc_hdf5.core.errors import Cancelled, DeadlineExceeded

MIB = 1024**2


def beneath(path: str, root: str) -> bool:
    """Whether a real path lies in a folder, or is it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def user_cache() -> Path | None:
    """Where a person's readers keep smaller versions of big images, server and notebook alike; None where nobody is at home."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (home if home.is_absolute() else Path.home() / ".cache") / "panosc-hdf5"
    except RuntimeError:
        return None


@dataclass(frozen=True)
class Limits:
    """Budgets in bytes and counts. Sizes are computed before any I/O and refused above these."""

    reply_bytes: int = 64 * MIB
    decoded_cache_bytes: int = 96 * MIB
    pyramid_cache_bytes: int = 2048 * MIB
    open_files: int = 64
    cells: int = 20_000
    page: int = 1000
    search_results: int = 5000


class Ticket:
    """One request's life: cancelled by whoever asked, or over at its deadline. Long work calls :meth:`check` often."""

    def __init__(self, seconds: float = 600.0) -> None:
        self._cancelled = threading.Event()
        self._deadline = time.monotonic() + seconds

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._cancelled.set()

    def check(self) -> None:
        """Go on, or raise.

        Raises:
            Cancelled: nobody waits any more.
            DeadlineExceeded: it took too long.
        """
        if self._cancelled.is_set():
            raise Cancelled("The request was cancelled.")
        if time.monotonic() > self._deadline:
            raise DeadlineExceeded(
                "This takes longer than a request may.", "Ask for less: a slice, a stride or a tile."
            )


@dataclass
class Services:
    """What lives as long as the process: caches, threads, and the roots. One for each worker, or kernel.

    Attributes:
        roots: real paths; whatever is opened, also through links, must lie beneath one of them. Empty: no bounds.
        limits: budgets.
        cache_dir: where pyramids are kept; None keeps none.
        threads: how many threads decode chunks at once.
    """

    roots: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)
    cache_dir: Path | None = None
    threads: int = field(default_factory=lambda: max(1, min(4, os.cpu_count() or 1)))

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """Decodes chunks outside of HDF5's lock. Never waits for itself: only leaf work goes in."""
        return ThreadPoolExecutor(self.threads, thread_name_prefix="decode")

    @cached_property
    def files(self) -> Any:
        """The open files."""
        from panosc_hdf5.core.files import FileCache

        return FileCache(self.roots, self.limits.open_files)

    @cached_property
    def decoded(self) -> Any:
        """The decoded chunks and frames."""
        from panosc_hdf5.core.decoded import DecodedCache

        return DecodedCache(self.limits.decoded_cache_bytes)


def _plain_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.empty(shape, dtype)


@dataclass
class Context:
    """One request: the process's services, its ticket, and where its answer's arrays should be made.

    ``empty`` gives an array for the answer. In a worker it lies in the memory shared with the server, so that decoding into
    it saves a copy; anything else is copied there when the answer is sent.
    """

    services: Services
    ticket: Ticket = field(default_factory=Ticket)
    empty: Callable[[tuple[int, ...], np.dtype[Any]], np.ndarray[Any, Any]] = _plain_empty

    def check(self) -> None:
        """Go on, or raise :class:`Cancelled` or :class:`DeadlineExceeded`."""
        self.ticket.check()
