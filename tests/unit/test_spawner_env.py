"""What a server is told by its environment variables."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from jupyterhub.spawner import Spawner

from panosc_spawner.spawners.base import PlannedSpawner


@pytest.mark.parametrize(
    ("planned", "expected"), [({}, "60"), ({"JUPYTERHUB_ACTIVITY_INTERVAL": "30"}, "30"), (None, "60")]
)
def test_a_server_speaks_every_minute(monkeypatch: pytest.MonkeyPatch, planned: dict[str, str] | None, expected: str):
    monkeypatch.setattr(Spawner, "get_env", lambda self: {})
    spawner = PlannedSpawner()
    spawner.plan = None if planned is None else SimpleNamespace(variables=planned)  # type: ignore[assignment]
    assert spawner.get_env()["JUPYTERHUB_ACTIVITY_INTERVAL"] == expected
