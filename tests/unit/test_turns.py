"""Starts take turns: never more at a time than may, in the order in which they came, whoever gives up meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from panosc_spawner.facilities.site import Docker
from panosc_spawner.spawners.docker_shared import starts_at_a_time
from panosc_spawner.spawners.turns import Turns, place_in_words


class Start:
    """One start that lasts until it is let go."""

    def __init__(self, turns: Turns) -> None:
        self.places: list[int] = []
        self.waited: bool | None = None
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self._run(turns))

    async def _run(self, turns: Turns) -> None:
        async with turns.turn(self.places.append) as waited:
            self.waited = waited
            await self.go.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def cancel(start: Start) -> None:
    start.task.cancel()
    await asyncio.gather(start.task, return_exceptions=True)
    await settle()


async def test_first_come_first_served_and_each_knows_its_place() -> None:
    turns = Turns(2)
    starts = [Start(turns) for _ in range(5)]
    await settle()
    assert [start.waited for start in starts] == [False, False, None, None, None]
    assert [start.places for start in starts[2:]] == [[0], [1], [2]]
    starts[1].go.set()
    await settle()
    assert [start.waited for start in starts] == [False, False, True, None, None]
    assert [start.places for start in starts[3:]] == [[1, 0], [2, 1]]
    for start in starts:
        start.go.set()
    await asyncio.gather(*(start.task for start in starts))
    again = Start(turns)
    await settle()
    assert again.waited is False
    await cancel(again)


async def test_who_gives_up_while_waiting_leaves_the_place_to_the_next() -> None:
    turns = Turns(1)
    first, second, third = (Start(turns) for _ in range(3))
    await settle()
    await cancel(second)
    assert third.places == [1, 0]
    await cancel(first)
    assert third.waited is True
    await cancel(third)


async def test_a_turn_given_to_somebody_who_gives_up_at_that_moment_goes_on() -> None:
    turns = Turns(1)
    first, second, third = (Start(turns) for _ in range(3))
    await settle()
    first.go.set()
    second.task.cancel()  # before it has learnt of its turn
    await asyncio.gather(first.task, second.task, return_exceptions=True)
    await settle()
    assert (second.waited, third.waited) == (None, True)
    await cancel(third)


async def test_a_start_that_fails_gives_its_turn_back() -> None:
    turns = Turns(1)
    with pytest.raises(RuntimeError):
        async with turns.turn(lambda before: None):
            raise RuntimeError
    async with turns.turn(lambda before: None) as waited:
        assert not waited


def test_words_for_the_tens_and_the_last_five() -> None:
    told = [before for before in range(41) if place_in_words(before)]
    assert told == [0, 1, 2, 3, 4, 5, 10, 20, 30, 40]
    assert "1 is before yours" in place_in_words(1)
    assert "40 are before yours" in place_in_words(40)


def test_the_site_may_say_how_many() -> None:
    assert starts_at_a_time(Docker(starts=7)) == 7
    assert starts_at_a_time(Docker()) >= 2
