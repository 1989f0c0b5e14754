"""Containers that a server is, or could have left behind, and ending them by force."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from panosc_spawner.spawners import docker_failures as failures
from panosc_spawner.spawners.docker_container import HUB_LABEL, PERSON_LABEL, SERVER_LABEL
from panosc_spawner.spawners.docker_engine import Engine, is_status

_LIST_SECONDS = 5.0
log = logging.getLogger(__name__)


def stop_and_remove(client: APIClient, container: str, seconds: int) -> None:
    """End a container, gracefully if it can do so in time, and remove it. One that is gone already is fine."""
    try:
        if seconds:
            client.stop(container, timeout=seconds)
        client.remove_container(container, force=True, v=True)
    except APIError as error:
        if not is_status(error, 404) and not (is_status(error, 409) and "in progress" in failures.docker_said(error)):
            raise


class ContainerRemains:
    """Containers by their ids: one that is started later for the same server is not among them."""

    def __init__(self, engine: Engine, containers: Iterable[str]) -> None:
        self._engine = engine
        self._left = set(containers)

    async def end(self) -> bool:
        """See :class:`~.remains.Remains`."""
        for container in tuple(self._left):
            try:
                if await self._engine.run_slow(_killed, container):
                    self._left.discard(container)
            except (DockerException, RequestException, ConnectionError) as error:
                log.warning("The container %.12s could not be removed yet: %s", container, failures.docker_said(error))
        return not self._left


def _killed(client: APIClient, container: str) -> bool:
    """Kill and remove; whether nothing runs in it any more. It is killed first: a removal can be refused or hang."""
    try:
        found = client.inspect_container(container)
        if found["State"].get("Running"):
            client.kill(container)
    except APIError as error:
        if not is_status(error, 404) and not is_status(error, 409):
            raise
    stop_and_remove(client, container, 0)
    try:
        return not client.inspect_container(container)["State"].get("Running")
    except NotFound:
        return True


async def find_remains(engine: Engine, known: str, hub: str, person: str, server: str) -> ContainerRemains:
    """A server's containers now: the one that the hub knows, and any other that carries its labels.

    Where the daemon does not answer, the one that the hub knows is all there is to go by.
    """
    wanted = {HUB_LABEL: hub, PERSON_LABEL: person, SERVER_LABEL: server}
    found: list[dict[str, object]] = []
    try:
        async with asyncio.timeout(_LIST_SECONDS):
            labels = [f"{key}={value}" for key, value in wanted.items()]
            found = await engine.call("containers", all=True, filters={"label": labels})
    except (DockerException, RequestException, ConnectionError, TimeoutError) as error:
        log.warning("Docker could not list the containers of %s of %s: %s", server, person, failures.docker_said(error))
    # The filter is trusted to find them, and not to find only them.
    theirs = {str(item["Id"]) for item in found if wanted.items() <= dict(item.get("Labels") or {}).items()}  # type: ignore[call-overload]
    return ContainerRemains(engine, theirs | ({known} if known else set()))
