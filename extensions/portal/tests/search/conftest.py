"""Fixtures of the search's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from panosc_portal.catalogues.model import Catalogue
from panosc_portal.search.federation import Federation
from search_fakes import QUICK
from support import FakeHub

from panosc_spawner.facilities.portal_search_rules import SearchRules
from panosc_spawner.facilities.site import Site


@pytest.fixture
def federate(site: Site, hub: FakeHub) -> Callable[..., Federation]:
    """Makes a federation that waits for a fifth of a second."""

    def make(*catalogues: Catalogue, rules: SearchRules = QUICK) -> Federation:
        return Federation(site, hub, catalogues, rules)

    return make
