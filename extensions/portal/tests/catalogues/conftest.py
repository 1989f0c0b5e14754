"""Fixtures of the catalogues' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from panosc_portal.catalogues import panosc


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


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and documents are waited for, however busy the machine is. Tests of that they are not set it back."""
    monkeypatch.setattr(panosc, "COUNT_WAIT", 20.0)
    monkeypatch.setattr(panosc, "DOCUMENTS_WAIT", 20.0)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for people."""
    monkeypatch.undo()
