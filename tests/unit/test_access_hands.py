"""Stopping and starting servers from inside of the hub, while their owners do the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from panosc_spawner.access import hands


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
