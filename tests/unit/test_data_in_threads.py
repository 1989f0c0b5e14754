"""The hub's loop never asks a file system of data anything itself: one whose server is gone would stop the whole hub."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from launch_support import PERSON, SP, SPALL, grant, site

from panosc_spawner.facilities.model import Area, Environment, Role
from panosc_spawner.facilities.site import Limits, Site
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.model import HomeMount, LaunchPlan, Mount, Reason, Refusal
from panosc_spawner.portal.desk import PortalDesk
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.model import Grant
from panosc_spawner.spawners import base, docker
from panosc_spawner.spawners.base import PlannedSpawner, start_url
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.docker import PanoscDockerSpawner
from panosc_spawner.spawners.refused import Refused

HOME = PurePosixPath("/home/ada")


class Asked:
    """Who asked the file system for something beneath the data."""

    def __init__(self) -> None:
        self.by: list[threading.Thread] = []

    @property
    def in_threads_alone(self) -> bool:
        """Whether it was asked, and never by the loop."""
        return bool(self.by) and threading.main_thread() not in self.by


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two areas of one proposal, one of them with a page to start with."""
    for area in (Area.RAW, Area.PROCESSED):
        (tmp_path / "data" / SP.id / area).mkdir(parents=True)
    (tmp_path / "data" / SP.id / "processed/start.ipynb").write_text("{}")
    return tmp_path / "data"


@pytest.fixture
def asked(data: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **more: Any) -> Any:
            if isinstance(path, str | os.PathLike) and str(path).startswith(str(data)):
                asked.by.append(threading.current_thread())
            return real(path, *rest, **more)

        return call

    for name in ("stat", "lstat", "readlink"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    return asked


@pytest.fixture
def where(data: Path) -> Site:
    made = site(account={"kind": "shared"}, home={"source": "/home/{user}"})
    facility = made.facilities[SPALL]
    assert facility.paths
    paths = facility.paths.model_copy(update={"root": PurePosixPath(data)})
    return replace(made, facilities={**made.facilities, SPALL: facility.model_copy(update={"paths": paths})})


def mounted(data: Path, area: Area) -> Mount:
    target = HOME / "proposals" / str(SP) / area
    return Mount(
        PurePosixPath(data, SP.id, area), PurePosixPath(data), target, read_only=area is Area.RAW, required=True,
        proposal=SP, area=area,
    )  # fmt: skip


def plan_of(data: Path) -> LaunchPlan:
    mounts = tuple(mounted(data, area) for area in (Area.RAW, Area.PROCESSED))
    return LaunchPlan(
        username="p-ada",
        proposals=(SP,),
        environment_id="spallation/base",
        environment=Environment(title="Base", image="panosc/base:1"),
        account=Account("ada", 20001, 20001),
        home=HomeMount("path", "/home/ada", HOME, True),
        mounts=mounts,
        start_pages=(mounts[1].target.relative_to(HOME) / "start.ipynb",),
        variables={},
        limits=Limits(),
        labels={},
        warnings=(),
        ends_at=datetime.now(UTC) + timedelta(hours=1),
    )


async def test_a_start(data: Path, where: Site, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = PlannedSpawner(context=HubContext(where, GrantBook(where, sources=[])))

    async def decide() -> LaunchPlan:
        return plan_of(data)

    monkeypatch.setattr(spawner, "decide", decide)
    monkeypatch.setattr(spawner, "_write_down", lambda *_: None)
    monkeypatch.setattr(base, "token_number", lambda *_: 0)
    _, mounts = await spawner.decide_and_look()
    assert list(mounts.values()) == [data / SP.id / "raw", data / SP.id / "processed"]
    assert spawner.default_url == f"/lab/tree/proposals/{SP}/processed/start.ipynb"
    assert asked.in_threads_alone


def test_a_start_page_that_may_not_be_looked_at_is_none(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    plan = plan_of(data)
    monkeypatch.setattr(Path, "is_file", refuse)
    assert start_url(plan, {mount: Path(mount.source) for mount in plan.mounts}) == f"/lab/tree/proposals/{SP}"


class Office:
    """Says that ada is on the proposal."""

    name, facilities = "office", frozenset({SPALL})

    async def grants(self, person: Any) -> list[Grant]:
        return [grant(SP, role=Role.MEMBER, seen_at=datetime.now(UTC))]

    async def check(self) -> str:
        return ""


@pytest.mark.parametrize("purpose", ["download", "stage"])
async def test_the_portals_question_where_data_are(where: Site, data: Path, asked: Asked, purpose: str) -> None:
    desk = PortalDesk(HubContext(where, GrantBook(where, sources=[Office()])), None, {})  # type: ignore[arg-type]
    told = await desk.data(PERSON, str(SP), purpose)
    assert {area["root"] for area in told["areas"]} == {str(data)}
    assert {area["path"] for area in told["areas"]} == {f"{data}/{SP.id}/raw", f"{data}/{SP.id}/processed"}
    assert asked.in_threads_alone


async def test_the_look_at_what_docker_mounted(where: Site, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place's own threads: not in the loop's few, which names of hosts are looked up in, too."""
    looked: list[str] = []

    def differ(pid: int, container: str, mounts: Any) -> Refusal:
        looked.append(threading.current_thread().name)
        return Refusal(Reason.BAD_PATH, f"{pid} {container} {len(mounts)}", "")

    class Engine:
        async def call(self, *_: Any) -> dict[str, Any]:
            networks = {"hub": {"IPAddress": "192.0.2.7"}}
            return {"NetworkSettings": {"Networks": networks}, "State": {"Pid": 7}}

    monkeypatch.setattr(docker, "mounts_differ", differ)
    monkeypatch.setattr(PanoscDockerSpawner, "engine", Engine())
    spawner = PanoscDockerSpawner(
        context=HubContext(where, None),  # type: ignore[arg-type]
        user=SimpleNamespace(name="p-ada"),
        network_name="hub",
        object_id="c1",
    )
    with pytest.raises(Refused, match="7 c1 2"):
        await spawner._address({mount: Path(mount.source) for mount in plan_of(data).mounts})
    [thread] = looked
    assert thread.startswith("panosc-files")
    assert await spawner._address({}) == "192.0.2.7"
    assert len(looked) == 1, "without data there is nothing to look at"
