"""Which of the site's environments can start on this machine: whose image is here, asked of Docker now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, Protocol

from docker import APIClient
from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

from panosc_spawner.facilities.model import Environment
from panosc_spawner.facilities.site import Site
from panosc_spawner.spawners.docker_engine import environment_client

FRESH = 30.0
"""Seconds an answer may be old on a page. A start asks anew."""

_FAILED = 5.0  # seconds after which a daemon that did not answer is asked again
_PATIENCE = 2.0  # seconds somebody waits for the answer
_CALL_SECONDS = 5


@dataclass(frozen=True)
class Here:
    """What is known of the site's images. An image of which nothing is known may be here."""

    absent: frozenset[str] = frozenset()
    """Images that are not here, and that nothing brings: nothing starts with them."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the images that are here."""
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What is installed instead of what the environment says, by image."""
    unknown: str = ""
    """Why it could not be looked up just now, for people; the rest is then the last that was known."""
    containers: bool = True
    """Whether servers are containers: only then does an image that is built or pulled bring an environment."""


class Images(Protocol):
    """Who knows which images are here."""

    async def look(self, max_age: float = FRESH) -> Here:
        """What is here, as it was ``max_age`` seconds ago at most. Never raises, and never waits long."""


class AllHere:
    """For where nobody looks: every image may be here."""

    async def look(self, max_age: float = FRESH) -> Here:
        """Nothing is known."""
        return Here()


class LocalImages:
    """For servers that are processes of the hub's own Python: what it has is here, and nothing else.

    A facility's default environment always is. Another one is, where all the packages that it names are installed.
    """

    def __init__(self, site: Site) -> None:
        default = {
            facility.environments[facility.default_environment].image
            for facility in site.facilities.values()
            if facility.default_environment
        }
        absent, packages = set(), {}
        for environment in _environments(site):
            installed = _installed(environment.packages)
            complete = bool(installed) and len(installed) == len(environment.packages)
            if environment.image in default or (complete and not environment.desktop):
                packages[environment.image] = installed
            else:
                absent.add(environment.image)
        self._here = Here(frozenset(absent), packages=packages, containers=False)

    async def look(self, max_age: float = FRESH) -> Here:
        """What was installed when the hub started."""
        return self._here


class DockerImages:
    """Asks the Docker daemon, off the event loop, one question at a time.

    Args:
        site: whose images matter.
        make_client: makes a client of the daemon.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        site: Site,
        make_client: Callable[[], APIClient] = lambda: environment_client(timeout=_CALL_SECONDS),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        environments = list(_environments(site))
        self._images = frozenset(environment.image for environment in environments)
        self._pulled = frozenset(environment.image for environment in environments if environment.pull != "never")
        self._make_client, self._clock = make_client, clock
        self._here, self._asked_at = Here(), float("-inf")
        self._asking: asyncio.Task[Here] | None = None

    async def look(self, max_age: float = FRESH) -> Here:
        """What is here. Where Docker does not answer in time: what was known before, and that it is not known now."""
        if self._clock() - self._asked_at <= (min(max_age, _FAILED) if self._here.unknown else max_age):
            return self._here
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            return await asyncio.wait_for(asyncio.shield(self._asking), _PATIENCE)
        except TimeoutError:
            self._keep(replace(self._here, unknown="Docker does not answer in time"))
            return self._here

    async def _ask(self) -> Here:
        try:
            sizes = await asyncio.to_thread(self._sizes)
        except (DockerException, RequestException, OSError, KeyError, ValueError):
            self._keep(replace(self._here, unknown="Docker does not answer"))
        else:
            self._keep(Here(self._images - sizes.keys() - self._pulled, sizes))
        return self._here

    def _keep(self, here: Here) -> None:
        self._here, self._asked_at = here, self._clock()

    def _sizes(self) -> dict[str, int]:
        client = self._make_client()
        try:
            found = ((image, _size(client, image)) for image in sorted(self._images))
            return {image: size for image, size in found if size is not None}
        finally:
            client.close()


def _size(client: APIClient, image: str) -> int | None:
    """Bytes of an image; None if it is not here."""
    try:
        found: Mapping[str, Any] = client.inspect_image(image)  # type: ignore[no-untyped-call]
    except NotFound:
        return None
    return int(found.get("Size") or 0)


def _environments(site: Site) -> Iterable[Environment]:
    return (environment for facility in site.facilities.values() for environment in facility.environments.values())


def _installed(packages: Iterable[str]) -> tuple[str, ...]:
    """Those of the packages that this Python has, with the versions that it has."""
    found = []
    for name in (words.split()[0] for words in packages if words.strip()):
        with suppress(metadata.PackageNotFoundError, ValueError):
            found.append(f"{name} {metadata.version(name)}")
    return tuple(found)
