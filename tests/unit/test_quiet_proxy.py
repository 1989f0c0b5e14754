"""What the proxy counts as use is no use."""

from __future__ import annotations

from typing import Any

import pytest
from jupyterhub.proxy import ConfigurableHTTPProxy

from panosc_spawner.spawners.quiet_proxy import QuietProxy


async def test_traffic_is_not_activity(monkeypatch: pytest.MonkeyPatch) -> None:
    async def routes(*_: object, **__: object) -> dict[str, Any]:
        data = {"user": "ada", "server_name": "p-1", "last_activity": "2026-11-26T00:00:00.000Z"}
        return {"/user/ada/p-1/": {"target": "http://10.0.0.2:8888", "data": data}, "/": {"target": "x", "data": {}}}

    monkeypatch.setattr(ConfigurableHTTPProxy, "get_all_routes", routes)
    found = await QuietProxy().get_all_routes()
    assert found["/user/ada/p-1/"] == {"target": "http://10.0.0.2:8888", "data": {"user": "ada", "server_name": "p-1"}}
