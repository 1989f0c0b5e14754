"""A digest-pinned image is really pulled, from a registry on loopback, with progress on the page."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import docker
import pytest
from docker_support import IMAGE, Bench
from registry_support import registry

from panosc_spawner.facilities.model import Environment
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal
from panosc_spawner.spawners.refused import Refused

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


async def test_a_digest_pinned_image_is_pulled_once_for_two_starts(bench: Bench):
    with registry(bench.client, IMAGE) as served:
        image = served.image("panosc/test")
        plan = bench.plan(environment=Environment(title="Test", image=image, pull="if-missing"))
        one, two = bench.spawner(plan, "one"), bench.spawner(plan, "two")
        try:
            await asyncio.gather(one.start(), two.start())
            assert bench.inside(one, "test -s /etc/pulled")[0] == 0
            for spawner in (one, two):
                words = [step["message"] for step in spawner.steps._steps]
                assert any(line.startswith("Downloading the environment: ") for line in words), words
            layers = [path for path in served.asked if "/blobs/" in path]
            assert len(layers) == len(set(layers)), "downloaded once"
            await asyncio.gather(one.stop(), two.stop())
        finally:
            for container in bench.containers():
                bench.client.remove_container(container["Id"], force=True)
            with suppress(docker.errors.ImageNotFound):
                bench.client.remove_image(image, force=True)


async def test_a_right_that_ends_while_the_image_is_downloaded_opens_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    with registry(bench.client, IMAGE) as served:
        image = served.image("panosc/late")
        plan = bench.plan(bench.data("ma1234"), environment=Environment(title="Test", image=image, pull="if-missing"))
        spawner = bench.spawner(plan)

        async def decide() -> LaunchPlan:
            if served.asked:
                raise Refused(Refusal(Reason.ENDED, "Your access to ma1234 has ended.", "Ask."))
            return plan

        monkeypatch.setattr(spawner, "decide", decide)
        try:
            with pytest.raises(Refused) as caught:
                await spawner.start()
        finally:
            with suppress(docker.errors.ImageNotFound):
                bench.client.remove_image(image, force=True)
    assert caught.value.refusal.reason is Reason.ENDED
    assert bench.containers() == []


async def test_an_image_that_the_registry_does_not_have_is_refused_in_words(bench: Bench):
    with registry(bench.client, IMAGE) as served:
        image = f"127.0.0.1:{served.port}/panosc/none@sha256:{'0' * 64}"
        plan = bench.plan(environment=Environment(title="Test", image=image, pull="if-missing"))
        with pytest.raises(Refused) as caught:
            await bench.spawner(plan).start()
    assert caught.value.refusal.reason is Reason.MISSING_IMAGE
    assert "could not be downloaded" in caught.value.refusal.message
    assert caught.value.refusal.details
