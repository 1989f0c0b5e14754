"""Fixtures of the checklist: two providers that say what a test tells them, and one hub that people log in to with both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))

from support_checklist import Bench, start_bench


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = start_bench(tmp_path_factory.mktemp("checklist"))
    try:
        yield bench
    finally:
        bench.stop()


@pytest.fixture
def bench(running: Bench) -> Bench:
    """The hub with its providers, which tell the truth again."""
    running.op.reset()
    running.other.reset()
    return running
