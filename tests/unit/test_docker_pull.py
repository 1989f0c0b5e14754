"""Downloads: their progress in words, one for all who wait, and failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from panosc_spawner.spawners.docker_pull import FIRST, LAST, PullError, PullProgress, Pulls

MB = 1_000_000


def event(layer: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current * MB, "total": total * MB} if total else {}
    return {"id": layer, "status": status, "progressDetail": detail}


def test_progress_sums_the_layers():
    progress = PullProgress()
    assert progress.words() == (FIRST, "Looking for the environment's files")
    for item in (
        {"status": "Pulling from panosc/base", "id": "2026.11"},
        event("a", "Pulling fs layer"),
        event("z", "Already exists"),
        event("a", "Downloading", 6, 6),
        event("b", "Downloading", 406, 700),
    ):
        progress.read(item)
    assert progress.words()[1] == "Downloading the environment: 412 of 706 MB"
    assert FIRST < progress.words()[0] < LAST
    progress.read(event("b", "Download complete"))
    progress.read(event("a", "Extracting", 1, 6))
    assert progress.words() == (LAST, "Unpacking the environment (706 MB)")


def test_the_registrys_error_is_raised():
    with pytest.raises(PullError, match="manifest unknown"):
        PullProgress().read({"error": "manifest unknown", "errorDetail": {}})


class FakeClient:
    def __init__(self, events: list[dict[str, Any]], go: threading.Event) -> None:
        self.events, self.go, self.pulled, self.closed = events, go, [], 0

    def pull(self, image: str, **kwargs: Any) -> Iterator[dict[str, Any]]:
        self.pulled.append(image)
        self.go.wait(5)
        yield from self.events

    def close(self) -> None:
        self.closed += 1


async def test_those_who_wait_for_one_image_share_a_download():
    go = threading.Event()
    client = FakeClient([event("a", "Downloading", 3, 9)], go)
    pulls, said = Pulls(lambda: client), []  # type: ignore[arg-type, return-value]
    waiting = [asyncio.create_task(pulls.pull("x@sha256:1", lambda *step: said.append(step))) for _ in range(3)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    go.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, type(None), type(None)]
    assert client.pulled == ["x@sha256:1"] and client.closed == 1
    assert [words for _, words in said].count("Downloading the environment: 3 of 9 MB") == 2
    await pulls.pull("x@sha256:1", lambda *step: None)
    assert len(client.pulled) == 2, "a later one is a new download"


async def test_a_failed_download_fails_for_all_who_wait():
    go = threading.Event()
    go.set()
    client = FakeClient([{"error": "no space left on device"}], go)
    pulls = Pulls(lambda: client)  # type: ignore[arg-type, return-value]
    for result in await asyncio.gather(
        *(pulls.pull("x", lambda *step: None) for _ in range(2)), return_exceptions=True
    ):
        assert isinstance(result, PullError) and "no space" in str(result)
