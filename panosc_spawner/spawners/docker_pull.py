"""Downloading an environment's image: once for all who wait for it, with progress in words.

dockerspawner cannot pull an image that is pinned by digest, shows no progress, and stops everything while it pulls.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from docker import APIClient
from docker.errors import DockerException
from requests.exceptions import RequestException

from panosc_spawner.errors import PanoscError

Say = Callable[[int, str], None]

FIRST, LAST = 16, 60
"""Percent of a whole start between which a download lies."""

_MB = 1_000_000


class PullError(PanoscError):
    """An image could not be downloaded."""


class PullProgress:
    """What the daemon's events say, summed over the image's layers."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._unpacking = False

    def read(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the daemon's.

        Raises:
            PullError: if it is an error.
        """
        if problem := event.get("error"):
            raise PullError(str(problem))
        layer, status = str(event.get("id") or ""), event.get("status")
        detail = event.get("progressDetail") or {}
        total = int(detail.get("total") or 0)
        if status == "Downloading" and total > 0:
            self._layers[layer] = (min(int(detail.get("current") or 0), total), total)
        elif status in ("Download complete", "Extracting", "Pull complete") and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
            self._unpacking = self._unpacking or status == "Extracting"

    def words(self) -> tuple[int, str]:
        """Percent of the start, and a sentence."""
        got = sum(current for current, _ in self._layers.values())
        total = sum(total for _, total in self._layers.values())
        if not total:
            return FIRST, "Looking for the environment's files"
        if got >= total and self._unpacking:
            return LAST, f"Unpacking the environment ({_mb(total)} MB)"
        percent = FIRST + (LAST - FIRST) * got // total
        return percent, f"Downloading the environment: {_mb(got)} of {_mb(total)} MB"


def _mb(size: int) -> int:
    return max(1, round(size / _MB))


class Pulls:
    """The downloads that are under way, one for each image however many wait for it.

    A download runs in a thread of its own, off the pools that starts and polls need. It goes on when nobody waits any
    more: the next start finds what it brought.

    Args:
        make_client: makes the client of one download.
    """

    def __init__(self, make_client: Callable[[], APIClient]) -> None:
        self._make_client = make_client
        self._under_way: dict[str, _Pull] = {}

    async def pull(self, image: str, say: Say) -> None:
        """Download an image, or wait for the download that is under way.

        Raises:
            PullError: if it cannot be had.
        """
        pull = self._under_way.get(image)
        if pull is None:
            pull = self._under_way[image] = _Pull(image, self._make_client, asyncio.get_running_loop())
            pull.done.add_done_callback(lambda _: self._under_way.pop(image, None))
        pull.listeners.append(say)
        say(*pull.now)
        try:
            await asyncio.shield(pull.done)
        finally:
            pull.listeners.remove(say)


class _Pull:
    """One download, and who wants to hear of it."""

    def __init__(self, image: str, make_client: Callable[[], APIClient], loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        # Without waiters, nobody else would look at the error.
        self.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.listeners: list[Say] = []
        self.now = PullProgress().words()
        self._image, self._make_client, self._loop = image, make_client, loop
        threading.Thread(target=self._run, name=f"pull {image}", daemon=True).start()

    def _run(self) -> None:
        try:
            client = self._make_client()
            try:
                self._follow(client.pull(self._image, stream=True, decode=True))
            finally:
                client.close()
        except (PullError, DockerException, RequestException, OSError, ValueError) as error:
            self._later(self._finish, PullError(str(error)))
        except BaseException as error:
            self._later(self._finish, PullError(repr(error)))
            raise
        else:
            self._later(self._finish, None)

    def _follow(self, events: Iterable[Mapping[str, Any]]) -> None:
        progress, last = PullProgress(), self.now
        for event in events:
            progress.read(event)
            if (now := progress.words()) != last:
                last = now
                self._later(self._tell, now)

    def _tell(self, now: tuple[int, str]) -> None:
        self.now = now
        for say in self.listeners:
            say(*now)

    def _finish(self, error: PullError | None) -> None:
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)

    def _later(self, function: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the hub has stopped meanwhile, and its loop is closed
            self._loop.call_soon_threadsafe(function, *args)
