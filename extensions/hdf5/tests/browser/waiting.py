"""Waiting for what has no event of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Page


def eventually(page: Page, true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until it holds, for what a canvas shows or what was asked: a busy machine takes its time.

    Raises:
        AssertionError: if it still does not.
    """
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        page.wait_for_timeout(100)
