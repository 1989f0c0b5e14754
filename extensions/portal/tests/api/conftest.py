"""A portal that serves the search API over a small facility."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "index"))

from index_graph import fill
from panosc_portal.context import Portal
from panosc_portal.index.part import index_of
from support import PortalUnderTest

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def parts() -> tuple[str, ...]:
    return ("api.routes",)


@pytest.fixture
def portal(portal: Portal) -> Portal:
    fill(index_of(portal))
    return portal


@pytest.fixture
def ask(portal_client: PortalUnderTest) -> Ask:
    """``await ask("Datasets", filter={…})``."""

    async def asked(path: str, headers: dict[str, str] | None = None, **given: Any) -> httpx.Response:
        query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
        return await portal_client.client.get(f"api/{path}", params=query, headers=headers)

    return asked
