"""Whoever reloads a page that is dear to answer, or closes it, takes nobody else's turn."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from launch_support import SITE
from tornado import web

from panosc_spawner.pages import explain as explain_page
from panosc_spawner.pages.explain import ExplainHandler
from panosc_spawner.pages.looks import Looks


class Hub:
    """A hub whose looks take as long as the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, looks: Looks) -> None:
        self.looking: list[str] = []
        self.most, self.go_on, self.looks = 0, asyncio.Event(), looks
        monkeypatch.setattr(explain_page, "explain", self.explain)

    async def explain(self, person: str) -> None:
        self.looking.append(person)
        self.most = max(self.most, len(self.looking))
        try:
            await self.go_on.wait()
        finally:
            self.looking.remove(person)

    def page(self, person: str) -> asyncio.Task[str]:
        """Somebody opens the page; what is answered: "shown", or the words of the error."""
        handler = SimpleNamespace(
            current_user=SimpleNamespace(name=person),
            pages=SimpleNamespace(context=SimpleNamespace(site=SITE)),
            looks=self.looks,
            require=lambda scope: None,
            get_query_argument=lambda *_: "spallation/sp7",
            _meant=lambda found: _later(found),
            _question=lambda proposal: _later(person),
            show=lambda *_, **__: _later(None),
        )

        async def answer() -> str:
            try:
                await ExplainHandler.get(handler)  # type: ignore[arg-type]
            except web.HTTPError as error:
                return f"{error.status_code} {error.log_message}"
            return "shown"

        return asyncio.create_task(answer())


async def _later(value: Any) -> Any:
    return value


async def test_one_look_of_each_person_and_the_others_have_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(monkeypatch, Looks(2, patience=0.2))
    async with asyncio.timeout(10):
        ada = [hub.page("p-ada") for _ in range(20)]
        bea = hub.page("p-bea")
        while len(hub.looking) < 2:
            await asyncio.sleep(0.01)
        assert hub.looking == ["p-ada", "p-bea"]
        refused = await asyncio.gather(*ada[1:])
        assert set(refused) == {"503 Too much is being looked up at the moment. Try again in a minute."}
        hub.go_on.set()
        assert [await ada[0], await bea] == ["shown", "shown"]
        assert await hub.page("p-ada") == "shown"
    assert not hub.looks._own, "nothing is kept of who looked once"


async def test_nobody_waits_for_long_while_all_looks_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(monkeypatch, Looks(2, patience=0.2))
    async with asyncio.timeout(10):
        hanging = [hub.page(f"p-{number}") for number in range(2)]
        late = [hub.page(f"p-late-{number}") for number in range(5)]
        assert all(answer.startswith("503 ") for answer in await asyncio.gather(*late))
        hub.go_on.set()
        assert await asyncio.gather(*hanging) == ["shown", "shown"]
        assert await asyncio.gather(*(hub.page(f"p-late-{number}") for number in range(5))) == ["shown"] * 5
    assert hub.most == 2


async def test_who_is_cancelled_while_waiting_gives_the_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(monkeypatch, Looks(1, patience=5))
    async with asyncio.timeout(10):
        first, second, third = hub.page("p-ada"), hub.page("p-bea"), hub.page("p-bea")
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0)
        hub.go_on.set()
        assert [await first, await third] == ["shown", "shown"]
        assert second.cancelled()
