"""Stopping and starting servers from inside of the hub, while their owners do the same."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from panosc_spawner.access import hands
from panosc_spawner.spawners.interrupt import interrupt
from panosc_spawner.spawners.refused import Refused


class Started:
    """JupyterHub's object of one start. Whether a server is there is told by the row that all starts of a name share."""

    def __init__(self, row: SimpleNamespace, token: str) -> None:
        self.row, self.api_token, self.pending = row, token, ""

    @property
    def active(self) -> bool:
        return bool(self.pending) or self.row.server


async def test_a_start_right_after_the_stop_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    row = SimpleNamespace(server=True)
    user = SimpleNamespace(spawners={"p-ma1": Started(row, "first")})
    stopped = []

    class Inside:
        def __init__(self, *_: Any) -> None: ...

        async def stop_single_user(self, user: Any, name: str) -> None:
            stopped.append(user.spawners[name].api_token)
            user.spawners[name].api_token = ""
            user.spawners[name] = Started(row, "second")  # its owner was waiting for this moment

    monkeypatch.setattr(hands, "_Inside", Inside)
    assert await hands.Hands(None).stop(user, "p-ma1")
    assert stopped == ["first"]
    assert user.spawners["p-ma1"].active


async def test_a_stop_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    row = SimpleNamespace(server=True)
    user = SimpleNamespace(spawners={"p-ma1": Started(row, "first")})
    tries = []

    class Inside:
        def __init__(self, *_: Any) -> None: ...

        async def stop_single_user(self, user: Any, name: str) -> None:
            tries.append(name)
            row.server = len(tries) < 3  # the proxy did not answer; JupyterHub swallows that

    monkeypatch.setattr(hands, "_Inside", Inside)
    assert await hands.Hands(None).stop(user, "p-ma1")
    assert len(tries) == 3


class SlowStart:
    """JupyterHub's start of a server that takes long; ``slow``: longer than JupyterHub waits for it in the request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
        self.spawner = spawner = SimpleNamespace(_spawn_future=None)
        self.user = SimpleNamespace(spawners={"p-ma1": spawner})

        class Inside:
            def __init__(self, *_: Any) -> None: ...

            async def spawn_single_user(self, user: Any, name: str, options: dict[str, Any]) -> None:
                spawner._spawn_future = asyncio.ensure_future(asyncio.sleep(60))
                if not slow:
                    await asyncio.wait([spawner._spawn_future])  # as ``jupyterhub.utils.wait_for_shielded`` does
                    await spawner._spawn_future

        monkeypatch.setattr(hands, "_Inside", Inside)
        self.starting = asyncio.create_task(hands.Hands(None).start(self.user, "p-ma1", {}))


@pytest.mark.parametrize("slow", [True, False])
async def test_a_start_that_its_owner_cancels_is_an_ordinary_error_for_who_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    """A CancelledError passes by every ``except Exception``, and would end whatever loop had started the server."""
    start = SlowStart(monkeypatch, slow)
    await asyncio.sleep(0)
    await interrupt(start.spawner)
    with pytest.raises(Refused, match="The start was cancelled"):
        await start.starting


@pytest.mark.parametrize("slow", [True, False])
async def test_who_waits_for_a_start_can_still_be_ended(monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    start = SlowStart(monkeypatch, slow)
    await asyncio.sleep(0.01)
    start.starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start.starting
    start.spawner._spawn_future.cancel()
