"""A Lab and a browser. Run them in a network namespace of their own (``tests/own_network.py``): Chromium drops its requests
whenever a network interface comes or goes. A failing test leaves a screenshot in ``.test/screenshots``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from running_lab import Lab, running_lab

OUTPUT = Path(os.environ.get("PANOSC_TEST_OUTPUT", Path(__file__).resolve().parents[4] / ".test"))
SCREENSHOTS = OUTPUT / "screenshots"
expect.set_options(timeout=20_000)  # software WebGL on a busy machine
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One JupyterLab for all tests; put files into ``lab.root``."""
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser, lab: Lab) -> Iterator[BrowserContext]:
    """A browser that has never been here, and a Lab with nothing open."""
    lab.forget_layout()
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Its first page; what goes wrong in it is printed when the test fails."""
    page = context.new_page()
    page.on("pageerror", lambda error: print("page error:", error))
    page.on("console", lambda message: message.type == "error" and print("console:", message.text))
    return page


@pytest.fixture
def shot(page: Page) -> Callable[[str], None]:
    """Keep a picture of the page under a name."""

    def keep(name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"hdf5-{name}.png")

    return keep


@pytest.fixture(scope="session")
def stack(lab: Lab) -> str:
    """A NeXus file with a stack of images and a curve."""
    name = "stack.nxs"
    y, x = np.mgrid[0:300, 0:400]
    frames = np.stack([np.hypot(y - 150, x - 200 - 10 * i) for i in range(8)]).astype("f4")
    with h5py.File(lab.root / name, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        entry["title"] = "Rings that move"
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "frames", "axes": ["time", "y", "x"]})
        data.create_dataset("frames", data=frames, chunks=(1, 300, 400), compression="gzip", shuffle=True)
        data["time"] = np.arange(8) * 0.5
        data["time"].attrs["units"] = "s"
        data["x"] = np.arange(400.0)
        data["y"] = np.arange(300.0)
        entry["curve"] = np.sin(np.linspace(0, 20, 500))
        entry["soft"] = h5py.SoftLink("/entry/curve")
        entry["dangling"] = h5py.SoftLink("/nowhere")
    return name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        found = getattr(item, "funcargs", {})
        if isinstance(page := found.get("page"), Page):
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"\W+", "-", item.name)
            page.screenshot(path=SCREENSHOTS / f"failed-{name}.png")
            report.sections.append(("page", f"{page.url}\n{page.inner_text('body')[:2000]}"))
        if isinstance(lab := found.get("lab"), Lab):
            report.sections.append(("lab", lab.log.read_text()[-3000:]))
    return report
