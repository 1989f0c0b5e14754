"""Equal questions share an answer, a slot's latest question wins, and parts are kept until all have sent them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from panosc_hdf5.core.errors import BadRequest, Cancelled, HDF5Error
from panosc_hdf5.server.coalesce import Desk, Flight, Slots
from panosc_hdf5.server.extension import Extension
from panosc_hdf5.server.parts import Part, Question, Sink
from panosc_hdf5.server.pool import Run
from server_helpers import Ask, words


async def test_equal_questions_are_asked_once(ask: Ask, extension: Extension) -> None:
    answers = await asyncio.gather(*(ask("sleepy", seconds=0.3) for _ in range(5)), ask("sleepy", seconds=0.4))
    assert [answer.code for answer in answers] == [200] * 6
    assert len({answer.body for answer in answers[:5]}) == 1
    assert sorted(json.loads(answer.body)["count"] for answer in answers) == [1, 1, 1, 1, 1, 2]
    assert (extension.desk.asked, extension.desk.joined) == (2, 4)


async def test_one_that_leaves_does_not_take_the_answer_with_it(ask: Ask, extension: Extension) -> None:
    stay = asyncio.ensure_future(ask("sleepy", seconds=2))
    leave = asyncio.ensure_future(ask("sleepy", seconds=2, slot="s"))
    await asyncio.sleep(0.1)
    assert (await ask("echo", slot="s")).code == 200
    assert (await leave).code == 409
    assert (await stay).code == 200


async def test_big_answers_are_shared_and_given_back(ask: Ask, extension: Extension) -> None:
    await ask("echo")
    answers = await asyncio.gather(*(ask("array", n=4_000_000) for _ in range(4)))
    assert len({answer.body for answer in answers}) == 1
    assert extension.desk.joined >= 1
    worker = extension.pool.workers[0]
    assert (await worker.measure())["shared_bytes"] == 0


async def test_the_latest_of_a_slot_wins(ask: Ask, file: Path) -> None:
    await ask("echo")
    begin = time.monotonic()
    first = asyncio.ensure_future(ask("sleepy", seconds=10, tag=1, headers={"X-Panosc-Slot": "slider"}))
    while not Path(f"{file}.begun").exists():
        await asyncio.sleep(0.01)
    other = asyncio.ensure_future(ask("sleepy", seconds=0.2, tag=2, slot="another"))
    last = await ask("sleepy", seconds=0.1, tag=3, slot="slider")
    superseded = await first
    assert superseded.code == 409
    assert words(superseded)["code"] == "superseded"
    assert (last.code, (await other).code) == (200, 200)
    assert time.monotonic() - begin < 9
    assert Path(f"{file}.cancelled").exists()


async def test_an_answer_that_is_replaced_while_it_is_sent(
    ask: Ask,
    http_server_client: Any,
    jp_base_url: str,
    jp_auth_header: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its connection is closed, so that nobody takes half of it for all; that is no error of the server."""
    parts = urlsplit(http_server_client.get_url(jp_base_url + "panosc-hdf5/array?path=data.h5&n=14000000&slot=s"))
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**16)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in jp_auth_header.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0]
    assert (await ask("echo", slot="s")).code == 200
    length = 0
    while data := await reader.read(2**20):
        length += len(data)
    assert 0 < length < 56_000_000
    writer.close()
    await asyncio.sleep(0.05)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_slots() -> None:
    slots = Slots()
    told: list[tuple[str, HDF5Error]] = []

    def first(error: HDF5Error) -> None:
        told.append(("first", error))

    def second(error: HDF5Error) -> None:
        told.append(("second", error))

    slots.take(("ada", "x"), first)
    slots.take(("bob", "x"), second)
    assert not told
    slots.take(("ada", "x"), second)
    assert [name for name, _ in told] == ["first"]
    slots.leave(("ada", "x"), first)
    slots.take(("ada", "x"), first)
    assert [name for name, _ in told] == ["first", "second"]


class OnePool:
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.cancelled: list[Run] = []

    def ask(self, question: Question, sink: Sink) -> Run:
        self.sinks.append(sink)
        return Run(question, sink)

    def cancel(self, run: Run) -> None:
        self.cancelled.append(run)


def part(text: bytes, released: list[bytes], last: bool = False) -> Part:
    return Part([memoryview(text)], "x", False, last, give_back=lambda: released.append(text))


async def test_parts_are_released_when_all_have_sent_them() -> None:
    pool, released = OnePool(), list[bytes]()
    desk = Desk(pool)  # type: ignore[arg-type]
    question = Question("view", {}, ("f",))
    slow, quick = desk.ask(question), desk.ask(question)
    flight = pool.sinks[0]
    flight.part(part(b"1", released))
    flight.part(part(b"2", released))
    assert (await quick.next()) is not None
    assert (await quick.next()) is not None
    assert released == []
    late = desk.ask(question)  # nothing is released yet: it can join from the first part
    assert len(pool.sinks) == 1
    assert bytes((await slow.next()).views[0]) == b"1"  # type: ignore[union-attr]
    assert bytes((await late.next()).views[0]) == b"1"  # type: ignore[union-attr]
    await slow.next()
    await late.next()
    assert released == [b"1"]
    desk.ask(question)  # too late
    assert len(pool.sinks) == 2
    desk.leave(quick)
    assert not pool.cancelled
    flight.end(b"trailing")
    assert await slow.next() is None
    assert slow.flight.trailing == b"trailing"
    desk.leave(slow)
    desk.leave(late)
    assert released == [b"1", b"2"]


async def test_without_readers_the_work_is_cancelled_and_what_comes_is_released() -> None:
    pool, released = OnePool(), list[bytes]()
    desk = Desk(pool)  # type: ignore[arg-type]
    reader = desk.ask(Question("view", {}, ("f",)))
    waiting = asyncio.ensure_future(reader.next())
    await asyncio.sleep(0)
    reader.abort(Cancelled("gone"))
    with pytest.raises(Cancelled):
        await waiting
    desk.leave(reader)
    assert len(pool.cancelled) == 1
    pool.sinks[0].part(part(b"late", released))
    assert released == [b"late"]


async def test_a_failure_reaches_all() -> None:
    flight = Flight(lambda: None)
    readers = [flight.join(), flight.join()]
    waiting = [asyncio.ensure_future(reader.next()) for reader in readers]
    await asyncio.sleep(0)
    flight.fail(BadRequest("no"))
    for one in waiting:
        with pytest.raises(BadRequest):
            await one
