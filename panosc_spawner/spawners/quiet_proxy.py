"""The hub's proxy, without its word on when a server was last used."""

from __future__ import annotations

from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy


class QuietProxy(ConfigurableHTTPProxy):
    """As JupyterHub's own. What it counts as use is any traffic, and a tab that nobody looks at asks every few seconds.

    So only what the servers say of themselves counts (``extensions/lab``).
    """

    async def get_all_routes(self) -> dict[str, Any]:
        """The routes, without their last activity."""
        routes: dict[str, Any] = await super().get_all_routes()
        for route in routes.values():
            route["data"].pop("last_activity", None)
        return routes
