"""What the proxy counts as use is no use."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from panosc_spawner.spawners.quiet_proxy import QuietProxy

ROUTES = {
    "/user/ada/p-1": {
        "jupyterhub": True,
        "target": "http://10.0.0.2:8888",
        "user": "ada",
        "server_name": "p-1",
        "last_activity": "2026-11-26T00:00:00.000Z",
    },
    "/": {"jupyterhub": True, "hub": True, "target": "http://127.0.0.1:8081"},
    "/elsewhere": {"target": "http://127.0.0.1:1"},
}


async def test_traffic_is_not_activity(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JupyterHub's own class reads the answer of configurable-http-proxy."""

    async def answer(_: QuietProxy, path: str) -> Any:
        async def routes() -> dict[str, Any]:
            return ROUTES

        return SimpleNamespace(json=routes)

    monkeypatch.setattr(QuietProxy, "api_request", answer)
    found = await QuietProxy().get_all_routes()
    assert set(found) == {"/user/ada/p-1/", "/"}
    server = found["/user/ada/p-1/"]
    assert (server["target"], server["data"]["user"]) == ("http://10.0.0.2:8888", "ada")
    assert "last_activity" not in server["data"]
