"""A site's catalogue: its environments, with what their images say. Images are looked into once, and then known by their digest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata

from docker import APIClient
from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

from panosc_spawner.facilities.site import Site
from panosc_spawner.software.inside import content_of
from panosc_spawner.software.model import Content, Entry, Package
from panosc_spawner.spawners.docker_engine import environment_client

FRESH = 300.0
"""Seconds for which what was found is shown again before Docker is asked anew."""
_FAILED = 20.0
_CALL_SECONDS = 20


def site_entries(site: Site) -> list[Entry]:
    """The environments as the facilities' files describe them, each image once, the most widely offered first."""
    found: dict[str, Entry] = {}
    for facility in site.facilities.values():
        for key, environment in facility.environments.items():
            offer = (facility.id, key)
            if entry := found.get(environment.image):
                found[environment.image] = replace(entry, offered_by=(*entry.offered_by, offer))
            else:
                found[environment.image] = Entry(f"{facility.id}/{key}", environment, (offer,))
    return sorted(found.values(), key=lambda entry: (-len(entry.facilities), entry.environment.title.lower(), entry.id))


class SoftwareCatalogue:
    """The catalogue of a running service, or of a command.

    Args:
        site: whose environments they are.
        make_client: makes a client of the Docker daemon; not used where servers are local processes.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        site: Site,
        make_client: Callable[[], APIClient] = lambda: environment_client(timeout=_CALL_SECONDS),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site, self._make_client, self._clock = site, make_client, clock
        self._plain = site_entries(site)
        self._contents: dict[str, Content] = {}  # by digest
        self._entries, self._asked_at, self._wait = self._plain, float("-inf"), 0.0
        self._asking: asyncio.Task[None] | None = None

    async def entries(self, patience: float | None = 3.0) -> list[Entry]:
        """All entries. Where Docker is slow or away, as they were known before, and each says so.

        Args:
            patience: seconds to wait for Docker; None: until it has answered.
        """
        if self._clock() - self._asked_at > self._wait:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(asyncio.to_thread(self._look))
            await asyncio.wait([self._asking], timeout=patience)
        return self._entries

    def look(self) -> list[Entry]:
        """All entries, asked for now, in this thread."""
        self._look()
        return self._entries

    def _look(self) -> None:
        if self._site.config.hub.spawner == "local":
            self._keep([_installed_here(entry, self._site) for entry in self._plain], FRESH)
            return
        try:
            client = self._make_client()
            try:
                found = [self._with_content(client, entry) for entry in self._plain]
            finally:
                client.close()
        except (DockerException, RequestException, OSError, KeyError, ValueError):
            reason = "Docker does not answer just now, so what is in it could not be looked up."
            self._keep([one if one.content else replace(one, absent=reason) for one in self._entries], _FAILED)
        else:
            self._keep(found, FRESH)

    def _with_content(self, client: APIClient, entry: Entry) -> Entry:
        image = entry.environment.image
        digest = _digest(client, image)
        if digest is None:
            return replace(entry, absent="Its image is not on this machine.")
        if digest not in self._contents and (content := content_of(client, image)):
            self._contents[content.digest] = content
        return replace(entry, content=self._contents.get(digest), absent="")

    def _keep(self, entries: list[Entry], wait: float) -> None:
        self._entries, self._asked_at, self._wait = entries, self._clock(), wait


def _digest(client: APIClient, image: str) -> str | None:
    try:
        found: Mapping[str, object] = client.inspect_image(image)  # type: ignore[no-untyped-call]
    except NotFound:
        return None
    return str(found["Id"])


def _installed_here(entry: Entry, site: Site) -> Entry:
    """Where servers are processes of this machine, the default environment is this Python; the others are not here."""
    for facility, key in entry.offered_by:
        if site.facilities[facility].default_environment == key:
            return replace(entry, content=_this_python())
    return replace(entry, absent="Servers here are processes of this machine, without images; it is not among them.")


def _this_python() -> Content:
    found: dict[str, Package] = {}
    for package in metadata.distributions():
        name, version = package.metadata["Name"], package.version
        if name and version:
            canonical = name.lower().replace("_", "-").replace(".", "-")
            found[canonical] = Package(name, version, f"pkg:pypi/{canonical}@{version}")
    return Content(digest="", packages=tuple(found[name] for name in sorted(found)))
