"""The hub's proxy, without its word on when a server was last used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy

_PRELOAD = Path(__file__).with_name("whole_or_broken.cjs")


def never_half(command: Sequence[str]) -> list[str]:
    """The proxy's command, so that an answer which breaks off behind the proxy breaks off before it.

    The proxy (5.3 with http-proxy-3) leaves the reader waiting for the rest for ever: a download that was ended, since a file
    changed or a right was lost, would look as if it were slow.
    """
    options = f'{os.environ.get("NODE_OPTIONS", "")} --require="{_PRELOAD}"'.strip()
    return ["env", f"NODE_OPTIONS={options}", *command]


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
