"""Starts services and closes what was opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from service import Service
from world import Broker, make_sources


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Callable[[Any], Any]]:
    """Starts a service for the test."""
    running: list[Service] = []

    def start(service: Any) -> Any:
        service.start()
        running.append(service)
        return service

    yield start
    for service in running:
        await service.stop()


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Makes a site's sources, and the broker that they ask."""
    made: list[Any] = []

    def build(*rules: dict[str, Any], broker: Broker | None = None) -> Any:
        sources = make_sources(tmp_path, broker or Broker(), *rules)
        made.extend(sources)
        return sources[0] if len(sources) == 1 else sources

    yield build
    for source in made:
        await source.aclose()
