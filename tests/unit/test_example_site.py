"""The example site that operators copy loads, and names every table and key there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from panosc_spawner.facilities.access_rules import AccessPolicy
from panosc_spawner.facilities.audit_rules import AuditRules
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.model import Model
from panosc_spawner.facilities.site import Docker, Home, Hub, Limits, LocalMode

SITE = Path(__file__).parents[2] / "deploy/docker/site"


def test_it_is_right() -> None:
    site = load_site(SITE)
    assert sorted(site.facilities) == ["esrf", "ill"]
    assert "reduction" in site.facilities["esrf"].environments


@pytest.mark.parametrize("table", [Hub, Login, Home, AccessPolicy, AuditRules, Limits, Docker, LocalMode])
def test_it_names_every_key(table: type[Model]) -> None:
    text = (SITE / "site.toml").read_text()
    assert [key for key in table.model_fields if f"{key} = " not in text and key != "demo"] == []
