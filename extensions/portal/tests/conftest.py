"""Fixtures of all the portal's tests.

``async def test_…(portal_client): portal_client.log_in("ada"); answer = await portal_client.client.get("search")``

A test of one part names it: ``pytestmark = pytest.mark.parametrize("parts", [("software.pages",)])``; it then gets a portal that
has that part alone. By default a portal has none.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from panosc_portal.context import Portal
from support import FakeHub, PortalUnderTest, make_portal, make_site, serve

from panosc_spawner.facilities.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with ESRF and ILL."""
    return make_site(tmp_path)


@pytest.fixture
def hub() -> FakeHub:
    """The hub behind it."""
    return FakeHub()


@pytest.fixture
def portal(site: Site, hub: FakeHub) -> Portal:
    """What the parts share."""
    return make_portal(site, hub)


@pytest.fixture
def parts() -> tuple[str, ...]:
    """The parts that the portal has."""
    return ()


@pytest.fixture
async def portal_client(portal: Portal, hub: FakeHub, parts: tuple[str, ...]) -> AsyncIterator[PortalUnderTest]:
    """The portal, running, and a browser at it."""
    async with serve(portal, hub, parts) as running:
        yield running
