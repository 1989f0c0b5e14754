"""A browser, for tests that do what a person does."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy/demo"))

from running_demo import RunningDemo  # noqa: E402 - a script's folder, not a package

OUTPUT = Path(os.environ.get("PANOSC_TEST_OUTPUT", ROOT / ".test"))
SCREENSHOTS = OUTPUT / "screenshots"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(page: Page, url: str) -> None:
    """Go to a page; again if Chromium dropped the request because containers came or went."""
    for last in (False, False, True):
        try:
            page.goto(url)
        except Error as error:
            if last or "ERR_NETWORK_CHANGED" not in str(error):
                raise
            time.sleep(0.5)
        else:
            return


def reload_if_requests_were_dropped(page: Page) -> None:
    """Lab does not ask twice for what Chromium dropped while its page loaded."""
    dropped: list[str] = []
    page.on("requestfailed", lambda request: dropped.append(request.failure or ""))
    for _ in range(3):
        page.wait_for_load_state("networkidle", timeout=120_000)
        failed = page.get_by_role("dialog", name=re.compile("Error")).count()
        if not failed and not any("ERR_NETWORK_CHANGED" in reason for reason in dropped):
            return
        dropped.clear()
        page.reload()


def log_in(page: Page, hub: RunningDemo, persona: str) -> None:
    """Log in as one of the demo's people, the way they would; ends on their page."""
    visit(page, f"{hub.url}/")
    page.get_by_role("link", name=re.compile("log in", re.IGNORECASE)).or_(
        page.get_by_role("button", name=re.compile("log in", re.IGNORECASE))
    ).first.click()
    page.get_by_role("button", name=re.compile(persona)).click()
    page.wait_for_url("**/hub/home")


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
