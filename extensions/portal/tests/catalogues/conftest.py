"""Fixtures of the catalogues' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest


@pytest.fixture
async def keep() -> AsyncIterator[Callable[[Any], Any]]:
    """Gives back a catalogue, and closes it after the test."""
    kept: list[Any] = []

    def take(catalogue: Any) -> Any:
        kept.append(catalogue)
        return catalogue

    yield take
    for catalogue in kept:
        await catalogue.aclose()
