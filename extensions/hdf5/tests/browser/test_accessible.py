"""No finding of axe, in both themes and on a narrow screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from running_lab import Lab

OURS = {"include": [[".ph5-viewer"], [".ph5-sidebar"]]}
OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PAGE_LEVEL = {"page-has-heading-one", "region", "landmark-one-main", "skip-link"}
"""Lab's page, not ours."""


def findings(page: Page) -> list[str]:
    """What axe says about our parts."""
    answer: dict[str, Any] = Axe().run(page, context=OURS, options=OPTIONS).response
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for rule in answer["violations"]
        if rule["id"] not in PAGE_LEVEL
        for node in rule["nodes"]
    ]


def open_everything(lab: Lab, page: Page, stack: str) -> None:
    page.goto(lab.address(stack, h5path="/entry/data", slice="2,:,:"))
    viewer = page.locator(".ph5-viewer")
    expect(viewer.locator("canvas >> visible=true").first).to_be_visible()
    viewer.get_by_role("button", name="Details").click()
    expect(viewer.get_by_role("complementary", name="Details")).to_be_visible()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe(lab: Lab, page: Page, stack: str, theme: str, shot: Callable[[str], None]) -> None:
    open_everything(lab, page, stack)
    page.get_by_role("menuitem", name="Settings").click()
    page.locator(".lm-Menu-item", has_text="Theme").first.hover()
    page.locator(".lm-Menu-item", has_text=theme).first.click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    page.wait_for_timeout(500)
    shot(f"viewer-{theme.split()[-1].lower()}")
    assert findings(page) == []
    page.get_by_role("tab", name="HDF5", exact=True).click()
    page.locator(".ph5-sidebar").get_by_role("searchbox").fill("a")
    expect(page.locator(".ph5-sidebar .ph5-match").first).to_be_visible()
    page.locator(".ph5-viewer").get_by_role("tab", name="Overview").click()
    expect(page.locator(".ph5-card").first).to_be_visible()
    page.wait_for_timeout(500)
    shot(f"overview-{theme.split()[-1].lower()}")
    assert findings(page) == []


def test_a_narrow_screen(lab: Lab, page: Page, stack: str, shot: Callable[[str], None]) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(lab.address(stack, h5path="/entry/data"))
    viewer = page.locator(".ph5-viewer")
    expect(viewer).to_be_attached()
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    page.keyboard.press("Control+b")  # Lab's sidebar away
    expect(viewer.get_by_role("tab", name="Heat map")).to_be_visible()
    shot("narrow")
    wider = viewer.evaluate("element => element.scrollWidth - element.clientWidth")
    assert wider <= 0
    viewer.get_by_role("button", name="Tree").click()
    expect(viewer.get_by_role("treeitem").first).to_be_visible()
    shot("narrow-tree")
