"""Calls to the Docker daemon, off the event loop: quick ones and slow ones in threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

P = ParamSpec("P")
T = TypeVar("T")

CALL_SECONDS = 30
"""How long the daemon may take over one call. A stop may take its own time on top of this."""


class Engine:
    """The Docker daemon, as all spawners of one hub use it.

    Calls that only ask or begin something run in one small pool, those that wait for a container to end in another: sixty
    servers that take ten seconds each to stop delay nobody's start and nobody's poll. Each thread has a client of its own,
    since a client's connections are not made to be shared.

    Args:
        threads: threads of each pool.
        make_client: makes a client for an API version; the environment's daemon (``DOCKER_HOST``) when not given.
    """

    def __init__(self, threads: int, make_client: Callable[[str], APIClient] | None = None) -> None:
        self.quick = ThreadPoolExecutor(threads, thread_name_prefix="docker")
        self._slow = ThreadPoolExecutor(threads, thread_name_prefix="docker-slow")
        self._make_client = make_client or environment_client
        self._version = "auto"
        self._mine = threading.local()
        self._clients: list[APIClient] = []

    def close(self) -> None:
        """Wait for the calls under way, and close all connections."""
        for pool in (self.quick, self._slow):
            pool.shutdown(cancel_futures=True)
        while self._clients:
            self._clients.pop().close()

    def client(self) -> APIClient:
        """This thread's client.

        Raises:
            DockerException: if the daemon does not answer.
        """
        client: APIClient | None = getattr(self._mine, "client", None)
        if client is None:
            client = self._mine.client = self._make_client(self._version)
            self._clients.append(client)
            self._version = client.api_version
        return client

    async def run(self, function: Callable[Concatenate[APIClient, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function(client, …)`` in a thread for quick calls."""
        return await self._in(self.quick, lambda: function(self.client(), *args, **kwargs))

    async def run_slow(self, function: Callable[Concatenate[APIClient, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function(client, …)`` in a thread for calls that wait."""
        return await self._in(self._slow, lambda: function(self.client(), *args, **kwargs))

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the client in a thread for quick calls."""
        return await self._in(self.quick, lambda: getattr(self.client(), method)(*args, **kwargs))

    async def _in(self, pool: Executor, function: Callable[[], T]) -> T:
        return await asyncio.wrap_future(pool.submit(_readable, function))


def _readable(function: Callable[[], T]) -> T:
    """docker-py fails with a KeyError on an error that is not the daemon's own, from a proxy before it for example."""
    try:
        return function()
    except KeyError as error:
        raise DockerException(f"an answer that is not Docker's (without {error})") from error


def environment_client(version: str = "auto", timeout: float = CALL_SECONDS) -> APIClient:
    """A client of the daemon that the environment names, else of the local one.

    Raises:
        DockerException: if it does not answer.
    """
    return APIClient(version=version, timeout=int(timeout), **kwargs_from_env())


def is_engine_down(error: BaseException) -> bool:
    """Whether this error says something about the daemon, and nothing about the container that was asked about."""
    if isinstance(error, APIError):
        return error.status_code is None or error.status_code >= 500
    return isinstance(error, DockerException | RequestException | ConnectionError | TimeoutError)


def is_status(error: BaseException, status: int) -> bool:
    """Whether the daemon answered with this HTTP status."""
    return isinstance(error, APIError) and error.status_code == status
