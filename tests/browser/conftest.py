"""Fixtures of the browser tests. A failing test leaves a screenshot and prints the hub's logs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect
from support import OUTPUT, RunningDemo, chromium, screenshot

expect.set_options(
    timeout=30_000
)  # as for actions: Playwright's own five seconds are short for a machine that does much else


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def local_hub() -> Iterator[RunningDemo]:
    """The demo with local processes."""
    yield from _running("local")


@pytest.fixture(scope="session")
def docker_hub() -> Iterator[RunningDemo]:
    """The demo with containers."""
    yield from _running("docker")


def _running(spawner: str) -> Iterator[RunningDemo]:
    hub = RunningDemo(spawner, OUTPUT / f"demo-{spawner}")
    try:
        hub.wait()
        yield hub
    finally:
        hub.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has never been here."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Its first page."""
    return context.new_page()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        arguments = getattr(item, "funcargs", {})
        name = re.sub(r"\W+", "-", item.nodeid)
        for context in (value for value in arguments.values() if isinstance(value, BrowserContext)):
            for number, open_page in enumerate(context.pages):
                with contextlib.suppress(Error):  # of a page that crashed: the test's own failure is what is to be read
                    screenshot(open_page, f"failed-{name}-{number}")
                    text = open_page.inner_text("body")[:3000]
                    report.sections.append((f"page {number}", f"{open_page.url}\n{text}"))
        for hub in (value for value in arguments.values() if isinstance(value, RunningDemo)):
            report.sections.append(("hub", hub.logs()))
    return report
