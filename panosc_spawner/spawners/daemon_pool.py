"""Threads that do not keep the hub's process from ending: ``ThreadPoolExecutor``'s are joined when it ends, however they hang."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from functools import partial
from typing import Any, TypeVar

LAST_SECONDS = 5.0
"""How long the end of the process waits for what is being done just then, such as a home that is made."""

T = TypeVar("T")


class DaemonPool(Executor):
    """An executor of daemon threads, which are started as they are needed and stay.

    What nobody waits for any more (its future was cancelled) is dropped from the queue, also while all threads hang.

    Args:
        most: threads at a time; what comes while all are busy waits for its turn.
        name: of the threads.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._running: set[Future[Any]] = set()
        self._threads = self._idle = 0
        atexit.register(self._let_finish)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a thread call this.

        Raises:
            RuntimeError: if the system gives the first thread to nobody.
        """
        future: Future[T] = Future()
        with self._changed:
            while self._waiting and self._waiting[0][0].cancelled():
                self._waiting.popleft()
            self._waiting.append((future, partial(fn, *args, **kwargs)))
            if len(self._waiting) > self._idle and self._threads < self._most:
                self._start_another()
            self._changed.notify()
        return future

    def _start_another(self) -> None:
        try:
            threading.Thread(target=self._run, name=f"{self._name}_{self._threads}", daemon=True).start()
        except RuntimeError:  # the system has no more of them; those that are there do it in turn
            if not self._threads:
                self._waiting.pop()
                raise
        else:
            self._threads += 1

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._waiting:
                    self._changed.wait()
                self._idle -= 1
                future, work = self._waiting.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                self._running.add(future)
            _finish(future, work)
            with self._changed:
                self._running.discard(future)
            del future, work  # what it held is not kept until the next work comes

    def _let_finish(self) -> None:
        with self._changed:
            running = set(self._running)
        wait(running, LAST_SECONDS)


def _finish(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
