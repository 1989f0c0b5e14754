"""An environment whose image is not on this machine is neither suggested nor started, and the pages say so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from docker.errors import DockerException, NotFound
from launch_support import SITE, SP, decide, grant, site

from panosc_spawner.facilities.model import Environment
from panosc_spawner.facilities.site import Site
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal, Selection
from panosc_spawner.launch.plan import suggested_environment
from panosc_spawner.pages.choose import offer
from panosc_spawner.spawners import images_here
from panosc_spawner.spawners.images_here import AllHere, DockerImages, Here, LocalImages

BASE, SANS = "panosc/base:1", "panosc/sans:1"


class TestPlan:
    @pytest.mark.parametrize(
        ("absent", "asked", "expected"),
        [
            ((), "", "spallation/sans"),
            ((SANS,), "", "spallation/base"),
            ((BASE,), "", "spallation/sans"),
            ((SANS,), "spallation/base", "spallation/base"),
        ],
    )
    def test_only_what_is_here_is_suggested(self, absent: tuple[str, ...], asked: str, expected: str) -> None:
        made = decide(grant(), ask=Selection((SP,), asked), absent=absent)
        assert isinstance(made, LaunchPlan)
        assert made.environment_id == expected

    def test_asked_for_by_name_it_is_refused_in_words(self) -> None:
        refusal = decide(grant(), ask=Selection((SP,), "spallation/sans"), absent=(SANS,))
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.MISSING_IMAGE
        assert refusal.message == "“SANS” is not on this machine."
        assert refusal.remedy == "Choose one that is: Base. The people who run this hub can add it."

    def test_nothing_is_here(self) -> None:
        refusal = decide(grant(), absent=(SANS, BASE))
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.MISSING_IMAGE
        assert refusal.remedy == "The people who run this hub can add it."
        assert suggested_environment([grant()], SITE, SITE.config.resources.default, (SANS, BASE)) == "spallation/sans"

    def test_one_that_needs_more_memory_than_the_person_may_have_is_not_suggested(self) -> None:
        most, facility = SITE.config.resources.default, SITE.facilities["spallation"]
        big = facility.environments["sans"].model_copy(update={"minimum_memory": most.memory + 1})
        changed = facility.model_copy(update={"environments": {**facility.environments, "sans": big}})
        site = replace(SITE, facilities={**SITE.facilities, "spallation": changed})
        assert suggested_environment([grant()], SITE, most) == "spallation/sans"
        assert suggested_environment([grant()], site, most) == "spallation/base"


class FakeClient:
    """A daemon that knows some images, and counts who asks."""

    def __init__(self, *images: str, wait: float = 0.0) -> None:
        self.images, self.wait, self.asked, self.closed = images, wait, 0, 0
        self.threads: set[int] = set()

    def __call__(self) -> Any:
        return self

    def inspect_image(self, name: str) -> dict[str, int]:
        self.asked += 1
        self.threads.add(threading.get_ident())
        time.sleep(self.wait)
        if name not in self.images:
            raise NotFound(name)
        return {"Size": 700_000_000}

    def close(self) -> None:
        self.closed += 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_docker_has() -> None:
    client = FakeClient(BASE)
    here = await DockerImages(SITE, client).look()
    assert (here.absent, here.sizes, here.unknown) == ({SANS}, {BASE: 700_000_000}, "")
    assert client.closed == 1
    assert client.threads.isdisjoint({threading.get_ident()}), "the event loop waited for Docker"


async def test_it_is_asked_now_and_then() -> None:
    client, clock = FakeClient(BASE), Clock()
    images = DockerImages(SITE, client, clock)
    await asyncio.gather(*(images.look(2.0) for _ in range(60)))
    assert client.asked == 2, "sixty starts at once are one question for each image"
    clock.now = 29.0
    await images.look()
    assert client.asked == 2
    client.images = (BASE, SANS)
    assert not (await images.look(2.0)).absent, "a start sees at once what was built since"


async def test_what_is_downloaded_is_never_absent() -> None:
    facility = SITE.facilities["spallation"]
    pulled = facility.environments["sans"].model_copy(update={"pull": "if-missing"})
    environments = {**facility.environments, "sans": pulled}
    facilities = {"spallation": facility.model_copy(update={"environments": environments})}
    here = await DockerImages(Site(SITE.folder, SITE.config, facilities), FakeClient()).look()
    assert here.absent == {BASE}


class TestDockerIsDown:
    async def test_before_it_ever_answered_nothing_is_hidden(self) -> None:
        def refuse() -> Any:
            raise DockerException("Connection refused")

        here = await DockerImages(SITE, refuse).look()
        assert (here.absent, here.unknown) == (frozenset(), "Docker does not answer")

    async def test_what_was_known_is_kept_and_it_is_asked_again_soon(self) -> None:
        client, clock = FakeClient(BASE), Clock()
        up: list[Callable[[], Any]] = [client]
        images = DockerImages(SITE, lambda: up[0](), clock)
        await images.look()
        up[0] = _raise
        clock.now = 31.0
        assert await images.look() == Here(frozenset({SANS}), {BASE: 700_000_000}, unknown="Docker does not answer")
        up[0] = client
        clock.now = 37.0
        assert not (await images.look()).unknown

    async def test_nobody_waits_long_for_one_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(images_here, "_PATIENCE", 0.05)
        images = DockerImages(SITE, FakeClient(BASE, wait=2.0))
        begin = time.monotonic()
        found = await asyncio.gather(*(images.look() for _ in range(5)))
        assert time.monotonic() - begin < 2.0
        assert {here.unknown for here in found} == {"Docker does not answer in time"}
        for _ in range(200):  # its answer counts when it comes
            if (here := await images.look()).absent:
                break
            await asyncio.sleep(0.1)
        assert here.absent == {SANS}


def _raise() -> Any:
    raise OSError("no such socket")


class TestLocal:
    """Servers are processes of the hub's Python: only what that has is offered."""

    def environments(self, **changes: object) -> Site:
        made = site()
        facility = made.facilities["spallation"]
        other = facility.environments["sans"].model_copy(update=changes)
        facilities = {
            "spallation": facility.model_copy(update={"environments": {**facility.environments, "sans": other}})
        }
        return Site(made.folder, made.config, facilities)

    @pytest.mark.parametrize(
        ("changes", "absent"),
        [
            ({"packages": ("pydantic 1.0", "httpx")}, set()),
            ({"packages": ("pydantic", "no-such-package 3")}, {SANS}),
            ({"packages": ()}, {SANS}),
            ({"packages": ("pydantic",), "desktop": True}, {SANS}),
        ],
    )
    async def test_what_is_installed(self, changes: dict[str, object], absent: set[str]) -> None:
        here = await LocalImages(self.environments(**changes)).look()
        assert (here.absent, here.containers) == (absent, False)

    async def test_the_versions_shown_are_those_that_run(self) -> None:
        here = await LocalImages(self.environments(packages=("pytest 1.0",))).look()
        assert here.packages[SANS] == (f"pytest {pytest.__version__}",)


async def test_where_nobody_looks_everything_may_be_here() -> None:
    assert await AllHere().look() == Here()


class TestOffer:
    offered: ClassVar = {
        "ill/base": Environment(title="HDF5", image=BASE, packages=("h5py 3",)),
        "ill/sans": Environment(title="SANS", image="panosc/ill:1", formats=("NXcanSAS",)),
        "ill/desktop": Environment(title="Desktop", image="example/desktop:1", desktop=True),
    }

    def test_those_that_are_not_here_come_below(self) -> None:
        here = Here(frozenset({"panosc/ill:1", "example/desktop:1"}), {BASE: 700_000_000})
        found = offer(self.offered, "ill/base", "ill/sans", "ill/sans", here)
        assert [card.title for card in found.cards] == ["HDF5"]
        assert found.chosen and found.chosen.suggested, "what is not here is not what would start"
        assert ("Size", "700 MB") in found.cards[0].facts
        assert [(card.title, card.brought_by, card.checked) for card in found.absent] == [
            ("Desktop", "docker pull example/desktop:1", False),
            ("SANS", "panosc-hub images build --verify ill", False),
        ]
        assert found.missed == "SANS"

    def test_all_are_here(self) -> None:
        found = offer(self.offered, "ill/sans", "", "ill/sans")
        assert (found.missed, found.absent) == ("", ())
        assert [card.desktop for card in found.cards] == [False, True, False]
        assert ("Formats", "NXcanSAS") in found.cards[0].facts

    def test_no_command_helps_where_servers_are_no_containers(self) -> None:
        here = Here(frozenset({"panosc/ill:1"}), packages={BASE: ("h5py 4",)}, containers=False)
        found = offer(self.offered, "ill/base", "", "ill/sans", here)
        assert found.absent[0].brought_by == ""
        assert ("Packages", "h5py 4") in found.cards[0].facts

    def test_nothing_is_here(self) -> None:
        every = frozenset(environment.image for environment in self.offered.values())
        found = offer(self.offered, "ill/base", "", "ill/base", Here(every, unknown="Docker does not answer"))
        assert (found.cards, found.chosen, found.unknown) == ((), None, "Docker does not answer")
