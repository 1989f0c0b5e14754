"""The portal: a service of the hub in which people find data, and move it (``[portal]`` of ``site.toml``)."""

from __future__ import annotations

from pydantic import Field

from panosc_spawner.facilities.base import Model


class PortalRules(Model):
    """Whether this hub has a portal, and where (``[portal]``). Each part of it has a table of its own beneath."""

    enabled: bool = Field(
        default=False,
        description="Start the portal with the hub, at /services/portal/. It needs the package panosc-portal (extensions/portal).",
    )
    port: int = Field(default=8082, ge=1, le=65535, description="Where the portal listens, on loopback only.")
