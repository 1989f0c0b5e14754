"""Connections, sessions and kept answers under many questions at once."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from fake_mymdc import MyMdc
from pydantic import SecretStr
from world import person

from panosc_spawner.proposals.http.base import all_of
from panosc_spawner.proposals.http.recent import Recent
from panosc_spawner.proposals.http.sessions import Session, SessionOverError, Sessions


async def test_two_hundred_questions_at_once_are_answered_over_eight_connections(serve, make) -> None:
    service = serve(MyMdc())
    source = make(service.rule)
    seen = set()
    real = service.answer

    async def answer(asked):
        seen.add(asked.headers["Connection"])
        return await real(asked)

    service.answer = answer
    answers = await asyncio.gather(*(source.grants(person(mymdc=658)) for _ in range(100)))
    assert all(len(answer) == 2 for answer in answers)
    assert 1 <= len(source.client._lanes._free) <= 8
    assert seen == {"keep-alive"}


async def test_the_first_failure_stops_the_others() -> None:
    begun, ended = [], []

    async def one(number: int) -> int:
        begun.append(number)
        try:
            await asyncio.sleep(0.01 if number == 2 else 30)
        finally:
            ended.append(number)
        raise ValueError(str(number))

    pending = [partial(one, number) for number in range(6)]
    with pytest.raises(ValueError, match="2"):
        await all_of(pending, 3)
    assert begun == ended == [0, 1, 2] or sorted(begun) == sorted(ended)
    assert len(begun) <= 4
    assert await all_of([], 3) == []


async def test_answers_are_kept_for_their_time_and_failures_never() -> None:
    time = 0.0
    asked = 0
    recent: Recent[int] = Recent(10, size=2, now=lambda: time)

    async def ask() -> int:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ValueError("down")
        return asked

    with pytest.raises(ValueError, match="down"):
        await recent.get("a", ask)
    assert [await recent.get("a", ask) for _ in range(3)] == [2, 2, 2]
    time = 9.9
    assert await recent.get("a", ask) == 2
    time = 10.0
    assert await recent.get("a", ask) == 3
    for key in "bc":
        await recent.get(key, ask)
    assert await recent.get("a", ask) == 6  # only two are kept
    recent.forget("a")
    assert await recent.get("a", ask) == 7


class Bench:
    def __init__(self) -> None:
        self.time = 0.0
        self.opened = 0
        self.valid: set[str] = set()
        self.sessions = Sessions(60, size=2, now=lambda: self.time)

    async def begin(self) -> Session:
        self.opened += 1
        await asyncio.sleep(0)
        self.valid.add(str(self.opened))
        return Session(SecretStr(str(self.opened)), "u")

    async def ask(self, login: str = "a") -> str:
        async def question(session: Session) -> str:
            await asyncio.sleep(0)
            if session.id.get_secret_value() not in self.valid:
                raise SessionOverError
            return session.id.get_secret_value()

        return await self.sessions.ask(login, self.begin, question)


async def test_sessions_of_logins_are_their_own_bounded_and_opened_anew_in_time() -> None:
    bench = Bench()
    assert [await bench.ask("a"), await bench.ask("a"), await bench.ask("b")] == ["1", "1", "2"]
    assert await bench.ask("c") == "3"
    assert await bench.ask("a") == "4"  # two are kept
    bench.time = 60.0
    assert await bench.ask("a") == "5"


async def test_fifty_questions_in_a_session_that_is_over_open_one_new_one() -> None:
    bench = Bench()
    await bench.ask()
    bench.valid.clear()
    assert set(await asyncio.gather(*(bench.ask() for _ in range(50)))) == {"2"}
    assert bench.opened == 2


async def test_a_session_that_could_not_be_opened_is_tried_again() -> None:
    bench = Bench()

    async def fails() -> Session:
        raise ValueError("no")

    async def question(session: Session) -> str:
        return "x"

    with pytest.raises(ValueError, match="no"):
        await bench.sessions.ask("a", fails, question)
    assert await bench.ask("a") == "1"
