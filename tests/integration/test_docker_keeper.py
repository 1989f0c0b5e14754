"""The keeper against a real daemon, with a hub that says what the test wants."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from docker_support import HUB_ID, IMAGE, Bench, find_docker

from panosc_spawner.spawners.keeper import Keeper, KeeperError, Server

pytestmark = pytest.mark.docker
LATER = timedelta(minutes=10)


class FakeHub:
    """Says which servers there are, or fails."""

    def __init__(self) -> None:
        self.known: list[Server] = []
        self.missed: list[Server] = []  # left out of the list, because it moved between two pages
        self.stopped: list[Server] = []
        self.fails = False

    def servers(self) -> list[Server]:
        if self.fails:
            raise KeeperError("the hub does not answer")
        return self.known

    def servers_of(self, person: str) -> list[Server]:
        return [server for server in (*self.known, *self.missed) if server.person == person]

    def stop(self, server: Server) -> None:
        self.stopped.append(server)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def keeper(bench: Bench, hub: FakeHub) -> Keeper:
    return Keeper(bench.site, hub, find_docker, lambda: datetime.now(UTC) + LATER)  # type: ignore[arg-type]


@pytest.fixture
def make(bench: Bench):
    made: list[str] = []

    def make(**labels: str) -> str:
        wanted = {f"org.panosc.{key}": value for key, value in labels.items()}
        made.append(bench.client.create_container(IMAGE, command=["sleep", "60"], labels=wanted)["Id"])
        return made[-1]

    yield make
    for container in made:
        if exists(bench, container):
            bench.client.remove_container(container, force=True)


def exists(bench: Bench, container: str) -> bool:
    return bool(bench.client.containers(all=True, filters={"id": container}))


def test_only_ownerless_containers_of_this_hub_are_removed(
    bench: Bench, hub: FakeHub, keeper: Keeper, make: Callable[..., str]
):
    owned = make(hub=HUB_ID, person="ada", server="p-1")
    starting = make(hub=HUB_ID, person="ada", server="p-2")
    renamed = make(hub=HUB_ID, person="ada", server="p-3")
    orphan = make(hub=HUB_ID, person="eve", server="p-1")
    helper = make(hub=HUB_ID, helper="prepare-home")
    others, unlabelled = make(hub=f"{HUB_ID}-other", person="eve", server="p-1"), make()
    hub.known = [
        Server("ada", "p-1", owned, False, None),
        Server("ada", "p-2", "", True, None),
        Server("ada", "p-4", renamed, False, None),
    ]
    keeper.round()
    assert exists(bench, orphan), "seen ownerless once is not enough"
    keeper.round()
    assert not exists(bench, orphan) and not exists(bench, helper)
    assert all(exists(bench, container) for container in (owned, starting, renamed, others, unlabelled))


def test_a_hub_that_does_not_answer_proves_nothing(
    bench: Bench, hub: FakeHub, keeper: Keeper, make: Callable[..., str]
):
    orphan = make(hub=HUB_ID, person="eve", server="p-1")
    keeper.round()
    hub.fails = True
    keeper.round()
    hub.fails = False
    keeper.round()
    assert exists(bench, orphan), "after a failure, two rounds in a row are needed again"
    keeper.round()
    assert not exists(bench, orphan)


def test_a_server_that_the_list_missed_is_asked_about_again(
    bench: Bench, hub: FakeHub, keeper: Keeper, make: Callable[..., str]
):
    owned = make(hub=HUB_ID, person="eve", server="p-1")
    hub.missed = [Server("eve", "p-1", owned, False, None)]
    keeper.round()
    keeper.round()
    assert exists(bench, owned)


def test_a_container_younger_than_the_grace_stays(bench: Bench, hub: FakeHub, make: Callable[..., str]):
    orphan = make(hub=HUB_ID, person="eve", server="p-1")
    keeper = Keeper(bench.site, hub, find_docker)  # type: ignore[arg-type]
    keeper.round()
    keeper.round()
    assert exists(bench, orphan)


def test_overlays_without_a_container_are_removed(bench: Bench, keeper: Keeper):
    overlays = bench.site.config.hub.state_dir / "overlays"
    for name in ("gone", "new"):
        (overlays / name).mkdir(parents=True)
    soon = (datetime.now(UTC) + LATER).timestamp()
    os.utime(overlays / "new", (soon, soon))
    keeper.round()
    assert bench.overlays() == ["new"]


def test_servers_whose_time_is_over_are_stopped(hub: FakeHub, keeper: Keeper):
    over = Server("ada", "p-1", "x", False, datetime.now(UTC))
    hub.known = [over, Server("ada", "p-2", "y", False, datetime.now(UTC) + 2 * LATER)]
    keeper.round()
    assert hub.stopped == [over]
