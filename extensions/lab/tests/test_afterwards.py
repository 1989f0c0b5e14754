"""A cell goes on with the page closed, and its output is in the notebook afterwards: a real server, kernel and websocket."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from panosc_lab import afterwards
from panosc_lab.afterwards import Afterwards
from panosc_lab.connection import KEY, Execution, read_execution

Fetch = Callable[..., Awaitable[Any]]
LONG = "import time\nprint('begun', flush=True)\ntime.sleep(2)\nprint('ended')\n6 * 7"


def notebook(*codes: str) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "id": f"cell-{n}", "metadata": {}, "execution_count": None, "outputs": [], "source": code}
        for n, code in enumerate(codes)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


class Page:
    """What a browser's page does with a notebook: opens it, runs cells, and is closed."""

    def __init__(self, jp_fetch: Fetch, jp_ws_fetch: Fetch, home: Path, *codes: str) -> None:
        self._fetch, self._ws_fetch, self.file = jp_fetch, jp_ws_fetch, home / "fit.ipynb"
        self.file.write_text(json.dumps(notebook(*codes)))
        os.utime(self.file, (time.time() - 60,) * 2)
        self.kernel, self.session, self.codes = "", uuid.uuid4().hex, codes
        self.socket: Any = None

    async def open(self) -> None:
        body = {"path": "fit.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}}
        made = await self._fetch("api", "sessions", method="POST", body=json.dumps(body))
        self.kernel = json.loads(made.body)["kernel"]["id"]
        await self.connect()

    async def connect(self) -> None:
        self.socket = await self._ws_fetch(
            "api", "kernels", self.kernel, "channels", params={"session_id": self.session}
        )

    def run(self, number: int, code: str | None = None) -> str:
        msg_id = uuid.uuid4().hex
        header = {
            "msg_id": msg_id,
            "msg_type": "execute_request",
            "session": self.session,
            "username": "",
            "version": "5.3",
            "date": "",
        }
        content = {
            "code": code or self.codes[number],
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = {
            "channel": "shell",
            "header": header,
            "parent_header": {},
            "metadata": {"cellId": f"cell-{number}"},
            "content": content,
        }
        self.socket.write_message(json.dumps(message))
        return msg_id

    async def until(self, text: str) -> None:
        async with asyncio.timeout(60):
            while text not in str(await self.socket.read_message()):
                pass

    async def close(self) -> None:
        """As a browser does when its page is closed."""
        self.socket.close(1001)
        async with asyncio.timeout(10):
            while await self.socket.read_message() is not None:
                pass

    def break_line(self) -> None:
        """Nobody says goodbye."""
        self.socket.protocol.stream.close()
        self.socket.close()

    def outputs(self, number: int = 0) -> list[dict[str, Any]]:
        try:
            return list(json.loads(self.file.read_text())["cells"][number]["outputs"])
        except ValueError:  # it is being written
            return []

    def text(self, number: int = 0) -> str:
        joined = ("".join(output.get("text", "")) for output in self.outputs(number))
        return "".join(joined)


@pytest.fixture
def page(home: Path, jp_fetch: Fetch, jp_ws_fetch: Fetch, jp_serverapp: Any) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []

    def make(*codes: str) -> Page:
        pages.append(Page(jp_fetch, jp_ws_fetch, home, *codes))
        return pages[-1]

    yield make
    for made in pages:
        made.socket.close()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def all_done(jp_serverapp: Any) -> None:
    """Until the kernel has done all that it was asked."""
    kept = jp_serverapp.web_app.settings[KEY]._cells
    await until(lambda: all(cell.done_at for cells in kept.values() for cell in cells.values()))


async def test_the_output_is_there_afterwards(page: Callable[..., Page]) -> None:
    mine = page(LONG)
    await mine.open()
    mine.run(0)
    await mine.until("begun")
    await mine.close()
    await until(lambda: len(mine.outputs()) == 2)
    first, second = mine.outputs()
    assert "".join(first["text"]) == "begun\nended\n"
    assert second["data"]["text/plain"] in ("42", ["42"]) and second["execution_count"] == 1


async def test_cells_that_were_done_and_not_saved_and_those_that_wait_come_too(page: Callable[..., Page]) -> None:
    mine = page("print('one')", LONG, "print('three')", "print('never run')")
    await mine.open()
    for number in range(3):
        mine.run(number)
    await mine.until("begun")
    await mine.close()
    await until(lambda: mine.text(2) == "three\n")
    assert (mine.text(0), mine.text(1), mine.text(3)) == ("one\n", "begun\nended\n", "")


async def test_what_comes_while_the_file_is_written_is_not_forgotten(
    page: Callable[..., Page], jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second cell ends while the first one's output is being saved, on slow storage."""
    keeper, manager = jp_serverapp.web_app.settings[KEY], jp_serverapp.contents_manager
    save = manager.save

    async def slowly(model: dict[str, Any], path: str) -> Any:
        await all_done(jp_serverapp)
        return await save(model, path)

    monkeypatch.setattr(manager, "save", slowly)
    mine = page(LONG, "print('two')")
    await mine.open()
    mine.run(0)
    mine.run(1)
    await mine.until("begun")
    await mine.close()
    await until(lambda: mine.text(1) == "two\n")
    await keeper.round()
    assert (mine.text(0), mine.text(1)) == ("begun\nended\n", "two\n")
    assert keeper._cells == {mine.kernel: {}}


async def test_while_the_page_is_open_nothing_is_written(page: Callable[..., Page], jp_serverapp: Any) -> None:
    mine = page("print('seen')")
    await mine.open()
    mine.run(0)
    await mine.until("idle")
    await jp_serverapp.web_app.settings[KEY].round()
    assert mine.outputs() == []
    await mine.close()
    await until(lambda: mine.text() == "seen\n")


async def test_what_the_page_saved_is_left_alone(page: Callable[..., Page], jp_serverapp: Any) -> None:
    mine = page("print('seen')")
    await mine.open()
    mine.run(0)
    await mine.until("seen")
    await all_done(jp_serverapp)
    saved = notebook("print('seen')  # and worked on since")
    mine.file.write_text(json.dumps(saved))
    await mine.close()
    await jp_serverapp.web_app.settings[KEY].round()
    assert json.loads(mine.file.read_text()) == saved


async def test_somebody_elses_change_meanwhile_is_left_alone(page: Callable[..., Page], jp_serverapp: Any) -> None:
    mine = page(LONG)
    await mine.open()
    mine.run(0)
    await mine.until("begun")
    mine.file.write_text(json.dumps(notebook("x = 1  # a colleague's")))
    await mine.close()
    await all_done(jp_serverapp)
    await jp_serverapp.web_app.settings[KEY].round()
    assert (mine.outputs(), json.loads(mine.file.read_text())["cells"][0]["source"]) == ([], "x = 1  # a colleague's")


async def test_code_that_was_run_and_never_saved_is_not_lost(page: Callable[..., Page]) -> None:
    mine = page("print('old')")
    await mine.open()
    mine.run(0, LONG)
    await mine.until("begun")
    await mine.close()
    await until(lambda: mine.text() == "begun\nended\n")
    assert "".join(json.loads(mine.file.read_text())["cells"][0]["source"]) == LONG


async def test_a_broken_line_may_come_back(page: Callable[..., Page], jp_serverapp: Any, home: Path) -> None:
    told = home / "told"
    waits = f"while not pathlib.Path({str(told)!r}).exists(): time.sleep(0.05)"
    mine = page(f"import pathlib, time\nprint('begun', flush=True)\n{waits}\nprint('ended')")
    keeper = jp_serverapp.web_app.settings[KEY]
    await mine.open()
    mine.run(0)
    await mine.until("begun")
    mine.break_line()
    await until(lambda: jp_serverapp.kernel_manager._kernel_connections[mine.kernel] == 0)
    told.touch()
    await all_done(jp_serverapp)
    await keeper.round()
    assert mine.outputs() == [], "the page still waits, and shows it when the line is back"
    await mine.connect()
    await mine.until("ended")
    keeper._clock = lambda: time.time() + 3600
    await keeper.round()
    assert mine.outputs() == []


async def test_a_line_that_stays_broken(page: Callable[..., Page], jp_serverapp: Any) -> None:
    mine, keeper = page(LONG), jp_serverapp.web_app.settings[KEY]
    await mine.open()
    mine.run(0)
    await mine.until("begun")
    mine.break_line()
    await all_done(jp_serverapp)
    keeper._clock = lambda: time.time() + 3600
    await keeper.round()
    assert mine.text() == "begun\nended\n"


async def test_progress_is_saved_while_it_runs(page: Callable[..., Page], jp_serverapp: Any) -> None:
    mine = page("import time\nprint('half', flush=True)\ntime.sleep(60)")
    await mine.open()
    mine.run(0)
    await mine.until("half")
    await mine.close()
    await until(lambda: mine.text() == "half\n")
    await jp_serverapp.kernel_manager.shutdown_kernel(mine.kernel, now=True)
    await jp_serverapp.web_app.settings[KEY].round()
    assert mine.text() == "half\n"
    assert jp_serverapp.web_app.settings[KEY]._streams == {}


async def test_a_notebook_that_was_deleted_harms_nobody(page: Callable[..., Page], jp_serverapp: Any) -> None:
    mine = page(LONG)
    await mine.open()
    mine.run(0)
    await mine.until("begun")
    mine.file.unlink()
    await mine.close()
    await all_done(jp_serverapp)
    await jp_serverapp.web_app.settings[KEY].round()
    assert not mine.file.exists()


async def test_a_line_that_ends_after_its_successor_began(page: Callable[..., Page], jp_serverapp: Any) -> None:
    """The page is back on a new connection; the old one, that nobody answers on, is given up by the server later."""
    mine, keeper = page(LONG), jp_serverapp.web_app.settings[KEY]
    await mine.open()
    mine.run(0)
    await mine.until("begun")
    old = mine.socket
    old.protocol._handle_message = lambda opcode, data: None
    await mine.connect()
    old.protocol.stream.close()
    old.close()
    await until(lambda: jp_serverapp.kernel_manager._kernel_connections[mine.kernel] == 1)
    await all_done(jp_serverapp)
    keeper._clock = lambda: time.time() + 3600
    await keeper.round()
    assert mine.outputs() == [], "its page is open"


async def test_a_page_that_was_opened_later_has_no_output_to_save(page: Callable[..., Page], jp_serverapp: Any) -> None:
    mine, keeper = page(LONG), jp_serverapp.web_app.settings[KEY]
    await mine.open()
    mine.run(0)
    await mine.until("begun")
    mine.break_line()
    mine.session = uuid.uuid4().hex
    await mine.connect()
    await all_done(jp_serverapp)
    mine.file.write_text(json.dumps(notebook(LONG)))
    os.utime(mine.file, (time.time() + 60,) * 2)
    keeper._clock = lambda: time.time() + 3600
    await keeper.round()
    assert mine.text() == "begun\nended\n"


async def test_under_an_open_page_it_is_written_once(page: Callable[..., Page], jp_serverapp: Any) -> None:
    """A page is reloaded while a cell runs."""
    mine, keeper = page("import time\nprint('half', flush=True)\ntime.sleep(60)"), jp_serverapp.web_app.settings[KEY]
    await mine.open()
    mine.run(0)
    await mine.until("half")
    old, mine.session = mine.socket, uuid.uuid4().hex
    await mine.connect()
    old.close(1001)
    await until(lambda: jp_serverapp.kernel_manager._kernel_connections[mine.kernel] == 1)
    await keeper.round()
    assert mine.outputs() == []
    await jp_serverapp.kernel_manager.get_kernel(mine.kernel).interrupt_kernel()
    await until(lambda: len(mine.outputs()) == 2)
    assert mine.text() == "half\n" and mine.outputs()[1]["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize("codes", [("print('seen')", "2"), ("print('seen')", "print('seen')")])
async def test_a_notebook_whose_cells_have_no_names(
    page: Callable[..., Page], jp_serverapp: Any, caplog: pytest.LogCaptureFixture, codes: tuple[str, str]
) -> None:
    mine = page(*codes)
    old = notebook(*codes) | {"nbformat_minor": 4}
    for cell in old["cells"]:
        del cell["id"]
    mine.file.write_text(json.dumps(old))
    os.utime(mine.file, (time.time() - 60,) * 2)
    await mine.open()
    mine.run(0)
    await mine.until("execute_reply")
    await all_done(jp_serverapp)
    await mine.close()
    if len(set(codes)) == 2:
        await until(lambda: mine.text() == "seen\n")
    else:
        await until(lambda: "The output of a cell is lost" in caplog.text)
        assert json.loads(mine.file.read_text()) == old, "either could be meant"


async def test_what_a_page_saved_and_what_is_run_again_is_not_kept(
    page: Callable[..., Page], jp_serverapp: Any
) -> None:
    mine, keeper = page("print('a')", "print('b')"), jp_serverapp.web_app.settings[KEY]
    await mine.open()
    for number in (0, 1, 0):
        mine.run(number)
        await mine.until("execute_reply")
        await all_done(jp_serverapp)
    kept = keeper._cells[mine.kernel]
    assert [cell.execution.cell for cell in kept.values()] == ["cell-1", "cell-0"]
    await keeper.round()
    assert len(kept) == 2, "nobody has saved it"
    os.utime(mine.file, (time.time() + 60,) * 2)
    await keeper.round()
    assert kept == {}


def test_all_cells_together_are_bounded(jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(afterwards, "MOST_BYTES", 2500)
    clock = iter(range(10**6))
    keeper = Afterwards(jp_serverapp, lambda: float(next(clock)))
    for number in range(6):
        kernel = f"kernel-{number % 2}"
        keeper.asked(kernel, f"{number}", Execution(f"m{number}", f"c{number}", "1"))
        cell = keeper._cells[kernel][f"m{number}"]
        cell.outputs.take("stream", {"name": "stdout", "text": "x" * 1000})
        if number == 0:
            cell.left_at = 0.0  # nobody has it on a page
        if number != 1:  # which runs
            cell.done_at = keeper._clock()
        keeper._forget_most()
    assert [set(cells) for cells in keeper._cells.values()] == [set(), {"m1", "m5"}]
    keeper._cells["kernel-1"]["m5"].outputs.take("stream", {"name": "stdout", "text": "x" * 9000})
    keeper._forget_most()
    assert set(keeper._cells["kernel-1"]) == {"m1", "m5"}, "the last one stays"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        '{"header": {"msg_type": "execute_request"}}',
        '"execute_request"',
        'null "execute_request"',
        b"\x00\x01",
    ],
)
@pytest.mark.parametrize("protocol", [None, "v1.kernel.websocket.jupyter.org"])
def test_rubbish_is_no_cell(message: object, protocol: str | None) -> None:
    assert read_execution(message, protocol) is None


def test_a_cell_of_the_newer_protocol() -> None:
    from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

    header = {"msg_id": "m", "msg_type": "execute_request"}
    parts = [json.dumps(part).encode() for part in (header, {}, {"cellId": "c"}, {"code": "1 + 1"})]
    message = serialize_msg_to_ws_v1(parts, "shell")
    assert read_execution(message, "v1.kernel.websocket.jupyter.org") == Execution("m", "c", "1 + 1")
