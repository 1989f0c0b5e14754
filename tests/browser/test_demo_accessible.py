"""The demo's own pages are accessible in both themes: the persona page, and the hub's pages with real people and failures."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from support import RunningDemo, log_in, screenshot, visit

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

AXE = {"rules": {"target-size": {"enabled": True}}}  # WCAG 2.2, off unless asked for

pytestmark = pytest.mark.browser


@pytest.fixture(params=["light", "dark"])
def themed(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser that has never been here, with a theme."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    context.set_default_timeout(30_000)
    yield context
    context.close()


def look(page: Page, name: str) -> None:
    """Let axe look: no violation; no word of the machinery; and on a phone nothing sticks out sideways."""
    page.wait_for_timeout(250)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    screenshot(page, f"demo-{name}-{'dark' if dark else 'light'}")
    found = axe_playwright.Axe().run(page, options=AXE).response["violations"]
    assert not [(v["id"], v["help"], [node["html"][:150] for node in v["nodes"]]) for v in found], name
    words = page.locator("body").inner_text()
    assert not re.search(r"\b(?:(?i:spawn\w*|server options|oauth|mount\w*|token)|None)\b", words), words
    assert not page.title().startswith(("None", "·", " ")), page.title()
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than 320 px"
    page.set_viewport_size({"width": 1280, "height": 900})


def test_the_persona_page_and_what_comes_of_it(local_hub: RunningDemo, themed: BrowserContext) -> None:
    page = themed.new_page()
    visit(page, f"{local_hub.url}/")
    look(page, "login")
    page.get_by_role("link", name="Log in with Demo people").click()
    expect(page.get_by_role("heading", name="Who do you want to be?")).to_be_visible()
    look(page, "personas")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="The login was not finished")).to_be_visible()
    look(page, "cancelled")
    log_in(page, local_hub, "Tom")
    page.go_back()
    page.get_by_role("button", name=re.compile("Emil")).click()
    expect(page.get_by_text("You are still logged in here, as Tom")).to_be_visible()
    page.get_by_role("link", name="Log out").last.click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    look(page, "logged-out")
    log_in(page, local_hub, "Olga")
    expect(page.get_by_role("link", name="Administer this hub")).to_be_visible()
    look(page, "olga")
    visit(page, f"{local_hub.url}/hub/why")
    look(page, "why")


def test_pages_about_a_proposal_whose_data_are_gone(local_hub: RunningDemo, themed: BrowserContext) -> None:
    page = themed.new_page()
    let_it_be_emils_last_day(local_hub)
    log_in(page, local_hub, "Emil")
    row = page.get_by_role("row").filter(has_text="until today")
    for _ in range(60):  # the hub asks the user office again within a minute
        if row.count():
            break
        page.wait_for_timeout(2000)
        page.reload()
    expect(row).to_be_visible()
    look(page, "ends-today")
    page.get_by_role("link", name=re.compile("^Open sc5678")).click()
    look(page, "open")
    raw = _raw(local_hub.folder / "data", "sc5678")
    gone = raw.rename(raw.with_name("gone"))
    try:
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("alert")).to_contain_text("The raw data of sc5678 are not there")
        look(page, "no-data")
        assert page.url.endswith("/hub/open?proposals=esrf/sc5678")
    finally:
        gone.rename(raw)
    page.reload()  # looks again, and starts nothing
    expect(page.get_by_role("alert")).to_have_count(0)
    visit(page, f"{local_hub.url}/hub/home")
    expect(page.get_by_role("heading", name="Not running any more")).to_be_visible()
    look(page, "ended")
    user = page.evaluate("window.jhdata.user")
    visit(page, f"{local_hub.url}/hub/user/{user}/p-sc5678/lab")
    expect(page.get_by_role("heading", name=re.compile("sc5678 could not be started"))).to_be_visible()
    expect(page.get_by_text("The raw data of sc5678 are not there")).to_be_visible()
    look(page, "not-started")
    visit(page, f"{local_hub.url}/hub/home")
    page.get_by_role("button", name=re.compile("Dismiss")).click()
    expect(page.locator(".server")).to_have_count(0)


def test_the_progress_page(local_hub: RunningDemo, themed: BrowserContext) -> None:
    page = themed.new_page()
    log_in(page, local_hub, "Tom")
    page.get_by_role("link", name=re.compile("^Open demo-002")).click()
    page.route(re.compile(r"/progress(\?|$)"), lambda route: None)  # no event comes: it stays as it is while axe looks
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/spawn-pending/**")
    look(page, "progress")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url("**/hub/home*")
    expect(page.locator(".server")).to_have_count(0, timeout=15_000)


def let_it_be_emils_last_day(hub: RunningDemo) -> None:
    """His access ends a minute before the midnight of the day on which the demo began: of today, where midnight has passed since.

    The last minutes before midnight are waited for, so that it does not end while the test looks.
    """
    while (end := _end_of_today()) - datetime.now().astimezone() < timedelta(minutes=5):
        time.sleep(1)
    file = hub.folder / "site" / "proposals.toml"
    before = file.read_text()
    (written,) = re.findall(r"^ends = (.+)$", before, re.MULTILINE)
    if datetime.fromisoformat(written) < end:
        new = file.with_name(".proposals.toml.new")
        new.write_text(before.replace(f"ends = {written}", f"ends = {end.isoformat()}"))
        new.replace(file)


def _end_of_today() -> datetime:
    return datetime.now().astimezone().replace(hour=23, minute=59, second=0, microsecond=0)


def _raw(data: Path, proposal: str) -> Path:
    return next(folder for folder in data.rglob("RAW_DATA") if proposal in folder.parts)
