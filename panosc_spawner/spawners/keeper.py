"""The hub's housekeeper: ends servers whose time is over or that nobody uses, and removes containers that no server owns.

A service of the hub, in a process of its own, that asks the hub's API every 30 seconds. When the API does not answer, or not
as expected, it does nothing: a container is only removed on the hub's word that it is nobody's.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from docker import APIClient
from docker.errors import DockerException

from panosc_spawner.errors import ConfigurationError, PanoscError
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import SHORTEST_IDLE, Site
from panosc_spawner.spawners.docker_container import HUB_LABEL, PERSON_LABEL, SERVER_LABEL
from panosc_spawner.spawners.docker_engine import environment_client
from panosc_spawner.spawners.docker_remains import stop_and_remove
from panosc_spawner.spawners.docker_shared import OVERLAYS

ROUND_SECONDS = 30
GRACE = timedelta(seconds=120)
_PAGINATED = "application/jupyterhub-pagination+json"
_MAX_PAGES = 1000
_MOST_SILENCE = timedelta(minutes=5)
"""Between two answers of the hub; after more, the machine slept, or nobody asked, and it is listened to anew."""

log = logging.getLogger("panosc.keeper")


class KeeperError(PanoscError):
    """The hub did not answer, or not as expected; nothing may be concluded from it."""


@dataclass(frozen=True)
class Server:
    """A server that the hub knows: running, starting or stopping."""

    person: str
    name: str
    container: str  # id; empty where the hub does not know it yet
    pending: bool
    ends_at: datetime | None
    last_activity: datetime | None = None
    idle: timedelta | None = None  # nothing may happen in it for so long; None: for ever

    def why_over(self, now: datetime, heard_since: datetime | None) -> str:
        """Why it is to be stopped, in words; empty while it may run.

        Args:
            now: the time.
            heard_since: since when the hub hears what its servers do. After an outage all that it knows of them is old, so
                silence only counts once each server has had the time to speak.
        """
        if self.ends_at and self.ends_at <= now:
            return "its time is over"
        listened = heard_since is not None and now - heard_since >= SHORTEST_IDLE
        if listened and self.idle and self.last_activity and self.last_activity + self.idle <= now:
            return f"nothing has happened in it since {self.last_activity:%Y-%m-%d %H:%M} UTC"
        return ""


@dataclass(frozen=True)
class Container:
    """A container with this hub's label."""

    id: str
    name: str
    person: str
    server: str
    created_at: datetime


def orphans(containers: Iterable[Container], servers: Iterable[Server], now: datetime) -> frozenset[str]:
    """Ids of the containers that no server owns, and that are older than the grace.

    A server owns the container whose id the hub has kept for it, and any that carries its person and name: the latter
    while it is being started, the former also after it was renamed.
    """
    known = list(servers)
    ids = {server.container for server in known if server.container}
    names = {(server.person, server.name) for server in known}
    return frozenset(
        container.id
        for container in containers
        if container.id not in ids
        and (container.person, container.server) not in names
        and now - container.created_at > GRACE
    )


def overdue(servers: Iterable[Server], now: datetime, heard_since: datetime | None) -> list[Server]:
    """The servers whose time is over, or that nobody uses. One that is starting or stopping is left to the next round."""
    return [server for server in servers if not server.pending and server.why_over(now, heard_since)]


def read_servers(users: object) -> list[Server]:
    """The servers in an answer of the hub's ``GET /users``.

    Raises:
        KeeperError: if it is not such an answer.
    """
    try:
        return [_read_server(user["name"], server) for user in _list(users) for server in user["servers"].values()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KeeperError(f"the hub's answer cannot be read: {error!r}") from error


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _read_server(person: str, server: Mapping[str, Any]) -> Server:
    state = server["state"] or {}
    summary = state.get("panosc") or {}
    idle = summary.get("idle")
    if not isinstance(person, str) or not isinstance(server["name"], str):
        raise TypeError("a name is not a text")
    return Server(
        person=person,
        name=server["name"],
        container=str(state.get("object_id") or ""),
        pending=bool(server["pending"]),
        ends_at=_moment(summary.get("ends_at")),
        last_activity=_moment(server.get("last_activity")),
        idle=timedelta(seconds=idle) if idle else None,
    )


def _moment(text: str | None) -> datetime | None:
    when = datetime.fromisoformat(text) if text else None
    return when.replace(tzinfo=UTC) if when and when.tzinfo is None else when


def read_container(found: Mapping[str, Any]) -> Container:
    """A container from Docker's list."""
    labels = found.get("Labels") or {}
    return Container(
        id=found["Id"],
        name=str(found["Names"][0]).lstrip("/") if found.get("Names") else "",
        person=labels.get(PERSON_LABEL, ""),
        server=labels.get(SERVER_LABEL, ""),
        created_at=datetime.fromtimestamp(found["Created"], UTC),
    )


class HubApi:
    """The hub's API, as far as the keeper needs it.

    Args:
        url: of the API (``JUPYTERHUB_API_URL``).
        token: with the scopes list:users, read:servers, admin:server_state, delete:servers.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between us and the hub
        self._session.headers["Authorization"] = f"token {token}"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def servers(self) -> list[Server]:
        """All servers that are running, starting or stopping.

        Raises:
            KeeperError: if the hub does not answer in full.
        """
        return [server for page in self._pages() for server in read_servers(page)]

    def servers_of(self, person: str) -> list[Server]:
        """The servers of one person that are running, starting or stopping; none if the hub does not know the person.

        Raises:
            KeeperError: if the hub does not answer.
        """
        answer = self._ask("GET", f"{self._url}/users/{quote(person, safe='@')}", expected=(200, 404))
        try:
            return read_servers([answer.json()]) if answer.status_code == 200 else []
        except ValueError as error:
            raise KeeperError(f"the hub's answer cannot be read: {error!r}") from error

    def stop(self, server: Server) -> None:
        """Stop a server.

        Raises:
            KeeperError: if the hub does not do it.
        """
        path = f"server{'s/' + quote(server.name, safe='') if server.name else ''}"
        self._ask("DELETE", f"{self._url}/users/{quote(server.person, safe='@')}/{path}", expected=(202, 204))

    def _pages(self) -> Iterator[object]:
        offset: int | None = 0
        for _ in range(_MAX_PAGES):
            answer = self._ask("GET", f"{self._url}/users", {"state": "active", "offset": str(offset), "limit": "200"})
            try:
                page = answer.json()
                yield page["items"]
                following = page["_pagination"]["next"]
                offset = int(following["offset"]) if following else None
            except (KeyError, TypeError, ValueError) as error:
                raise KeeperError(f"the hub's answer cannot be read: {error!r}") from error
            if offset is None:
                return
        raise KeeperError("the hub's list of servers does not end")

    def _ask(
        self, method: str, url: str, query: Mapping[str, str] | None = None, expected: Sequence[int] = (200,)
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method, url, params=query, headers={"Accept": _PAGINATED}, timeout=30, allow_redirects=False
            )
        except requests.RequestException as error:
            raise KeeperError(f"the hub does not answer: {error}") from error
        if answer.status_code not in expected:
            raise KeeperError(f"the hub answered {method} with {answer.status_code}")
        return answer


class Keeper:
    """The rounds of one hub's keeper.

    Args:
        site: whose servers.
        api: the hub's.
        docker: makes a client; None where servers are not containers.
        clock: the time, with zone.
    """

    def __init__(
        self,
        site: Site,
        api: HubApi,
        docker: Callable[[], APIClient] | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hub = site.config.hub.id
        self._overlays = site.config.hub.state_dir / OVERLAYS
        self._api, self._docker, self._clock = api, docker, clock
        self._seen: frozenset[str] = frozenset()
        self._heard_since: datetime | None = None
        self._heard_at: datetime | None = None

    def round(self) -> None:
        """One round. What goes wrong is logged, and makes the next round begin anew."""
        try:
            # Asked first: a container of a server that starts in between is then younger than the grace.
            containers = self._containers()
            servers = self._api.servers()
            self._heard(self._clock())
            self._stop(overdue(servers, self._clock(), self._heard_since))
            self._reap(containers, servers)
        except (KeeperError, DockerException, requests.RequestException, OSError) as error:
            self._seen = frozenset()
            if isinstance(error, KeeperError):
                self._heard_since = self._heard_at = None
            log.warning("Nothing was tidied up: %s", error)

    def _heard(self, now: datetime) -> None:
        """The hub answered, so its servers could reach it, too."""
        if self._heard_at is None or not timedelta(0) <= now - self._heard_at <= _MOST_SILENCE:
            self._heard_since = now
        self._heard_at = now

    def _stop(self, servers: Iterable[Server]) -> None:
        for server in servers:
            why = server.why_over(self._clock(), self._heard_since)
            log.info("Stopping %s of %s: %s", server.name or "the server", server.person, why)
            try:
                self._api.stop(server)
            except KeeperError as error:
                log.warning("It could not be stopped: %s", error)

    def _containers(self) -> list[Container]:
        if self._docker is None:
            return []
        client = self._docker()
        try:
            found = client.containers(all=True, filters={"label": [f"{HUB_LABEL}={self._hub}"]})
        finally:
            client.close()
        # Docker's filter is trusted to find them, and not to find only them.
        return [read_container(item) for item in found if (item.get("Labels") or {}).get(HUB_LABEL) == self._hub]

    def _reap(self, containers: Sequence[Container], servers: Sequence[Server]) -> None:
        if self._docker is None:
            return
        now = self._clock()
        ownerless = orphans(containers, servers, now)
        remove, self._seen = ownerless & self._seen, ownerless
        client = self._docker()
        try:
            for container in containers:
                if container.id in remove and self._is_nobodys(container, now):
                    log.warning("Removing %s, which no server owns", container.name)
                    stop_and_remove(client, container.id, 8)
        finally:
            client.close()
        self._remove_overlays({container.name for container in containers}, now)

    def _is_nobodys(self, container: Container, now: datetime) -> bool:
        """Ask again about this one: the hub's list comes in pages, and may have moved between two of them."""
        return not container.person or bool(orphans([container], self._api.servers_of(container.person), now))

    def _remove_overlays(self, containers: set[str], now: datetime) -> None:
        if not self._overlays.is_dir():
            return
        for directory in self._overlays.iterdir():
            age = now - datetime.fromtimestamp(directory.lstat().st_mtime, UTC)
            if directory.name not in containers and age > GRACE and directory.is_dir() and not directory.is_symlink():
                shutil.rmtree(directory, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run as the hub's service until it, or the hub, is ended; returns the exit code."""
    parser = argparse.ArgumentParser(prog="panosc-hub keeper", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("site", type=Path, help="the site's folder")
    folder = parser.parse_args(argv).site
    logging.basicConfig(level=logging.INFO, format="[keeper] %(levelname)s %(message)s")
    try:
        site = load_site(folder)
        api = HubApi(os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"])
    except ConfigurationError as error:
        log.error("%s", error)
        return 2
    except KeyError as error:
        log.error("%s is not set: the keeper is started by the hub, as its service", error)
        return 2
    keeper = Keeper(site, api, environment_client if site.config.hub.spawner == "docker" else None)
    # The hub ends its services with SIGINT, which is ignored where the hub was started in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hub = os.getppid()
    with suppress(KeyboardInterrupt):
        while os.getppid() == hub:  # a hub that was killed is started again with a keeper of its own
            keeper.round()
            time.sleep(ROUND_SECONDS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
