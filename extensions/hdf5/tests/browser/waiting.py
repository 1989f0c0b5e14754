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


def clipboard(page: Page, holds: str) -> str:
    """What is on the clipboard, as soon as this is in it: it is written a moment after the click.

    Raises:
        AssertionError: if it does not come.
    """
    eventually(page, lambda: holds in page.evaluate("navigator.clipboard.readText()"))
    return str(page.evaluate("navigator.clipboard.readText()"))
