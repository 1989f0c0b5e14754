"""Fixtures: each provider with a hub of its own, once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub_process import Hub, Pair
from idp import MEMBERS, free_port
from idp_embedded import EmbeddedProvider
from idp_panva import PanvaProvider
from idp_satosa import SatosaProvider

PROVIDERS = (EmbeddedProvider, PanvaProvider, SatosaProvider)


@pytest.fixture(scope="module", params=PROVIDERS, ids=lambda kind: kind.id)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp(request.param.id)
    hub = Hub(folder, free_port())
    provider = request.param(folder / "provider", hub.url)
    try:
        provider.start()
        hub.write_site(provider, required=MEMBERS)
        hub.start()
        yield Pair(provider, hub)
    finally:
        hub.stop()
        provider.stop()
