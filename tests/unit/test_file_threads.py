"""A file system that hangs holds up nobody but those who want something of it."""

import asyncio
import threading

import pytest

from panosc_spawner.spawners import file_threads
from panosc_spawner.spawners.file_threads import HOMES, in_file_thread, place_of
from panosc_spawner.spawners.refused import Refused


async def test_a_file_system_that_hangs_leaves_the_loops_threads_and_other_places_alone(monkeypatch):
    monkeypatch.setattr(file_threads, "PATIENCE", 0.3)
    gone = threading.Event()
    hanging = [asyncio.create_task(in_file_thread(place_of(["esrf"]), gone.wait)) for _ in range(40)]
    await asyncio.sleep(0.05)
    try:
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            assert await in_file_thread(place_of(["ill"]), lambda: "there") == "there"
            outcomes = await asyncio.gather(*hanging, return_exceptions=True)
    finally:
        gone.set()
    assert all(isinstance(outcome, Refused) for outcome in outcomes)
    assert "The file system with the data does not answer." in str(outcomes[0])
    assert await in_file_thread(place_of(["esrf"]), lambda: "back") == "back"


async def test_what_the_work_raises_is_passed_on():
    def work():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await in_file_thread(HOMES, work)


def test_several_facilities_are_one_place():
    assert place_of(["esrf", "esrf"]) == "data of esrf" != place_of(["esrf", "ill"]) == place_of(["ill", "xfel"])
