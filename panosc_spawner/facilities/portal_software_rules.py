"""The software catalogue (``[portal.software]`` of ``site.toml``)."""

from __future__ import annotations

from pydantic import Field

from panosc_spawner.facilities.base import Model


class SoftwareRules(Model):
    """Who may see which software this hub has, and what harvesters are told."""

    public: bool = Field(
        default=True,
        description="Everybody may read the software catalogue and harvest it (OAI-PMH), without a login. It names programs, their "
        "versions and licences: whoever looks for a version with a known hole finds it here. false: only who is logged in.",
    )
    publisher: str = Field(
        default="",
        max_length=200,
        description="Publisher in harvested records, as 'European Synchrotron Radiation Facility'; empty: the hub's title.",
    )
