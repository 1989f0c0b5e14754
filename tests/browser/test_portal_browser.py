"""The portal as a person meets it, in the demo: from words to a data set plotted in a notebook; every page accessible in both themes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from support import RunningDemo, log_in, screenshot, visit

axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")

AXE = {"rules": {"target-size": {"enabled": True}}}  # WCAG 2.2, off unless asked for
DATASET = "data?source=esrf&pid=10.5072/demo-esrf-0101"
NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"
pytestmark = pytest.mark.browser


@pytest.fixture(params=["light", "dark"])
def themed(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser that has never been here, with a theme."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def plain(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that runs no scripts, once somebody is logged in."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    context.set_default_timeout(30_000)
    yield context
    context.close()


def portal(hub: RunningDemo, page: str) -> str:
    return f"{hub.url}/services/portal/{page}"


def look(page: Page, name: str) -> None:
    """Let axe look: no violation; no word of the machinery; and on a phone nothing sticks out sideways."""
    page.wait_for_timeout(250)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == ("dark" if dark else "light")
    screenshot(page, f"portal-{name}-{'dark' if dark else 'light'}")
    found = axe_playwright.Axe().run(page, options=AXE).response["violations"]
    assert not [(v["id"], v["help"], [node["html"][:150] for node in v["nodes"]]) for v in found], name
    words = page.locator("body").inner_text()
    assert not re.search(r"\b(?:(?i:spawn\w*|server options|traceback)|None|undefined)\b", words), words
    assert not page.title().startswith(("None", "·", " ")), page.title()
    page.set_viewport_size({"width": 320, "height": 900})
    sideways = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    screenshot(page, f"portal-{name}-320")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert not sideways, f"{name} is wider than 320 px"


def test_every_page_is_accessible(local_hub: RunningDemo, themed: BrowserContext) -> None:
    page = themed.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    log_in(page, local_hub, "Ada")
    page.get_by_role("link", name="Search", exact=True).click()
    expect(page.get_by_role("heading", name="Search data")).to_be_visible()
    look(page, "search-empty")
    for name, address, words in (
        ("search", "search?q=ferrofluid", "Ferrofluid under X-rays"),
        ("search-nothing", "search?q=nothingofthekind", "Nothing was found"),
        ("dataset", DATASET, "How to cite it"),
        ("proposal", "proposal/esrf/ma1234", "Sessions"),
        ("open", "open?pid=10.5072/demo-esrf-0101", "Open in JupyterLab"),
        ("open-not", "open?pid=10.5072/demo-esrf-0102", "How this was found"),
        ("download", "download/esrf/ma1234", "Take it"),
        ("transfers", "transfers", "Nothing is under way"),
        ("software", "software", "Software"),
        ("software-entry", "software/esrf/base", "How to cite"),
        ("open-name", "open", "DOI, PID, or path"),
        ("data-mine", "data/mine?source=esrf&pid=10.5072/demo-esrf-0101", "It is here"),
    ):
        visit(page, portal(local_hub, address))
        expect(page.locator("main")).to_contain_text(words)
        look(page, name)
    assert not [text for text in complaints if "Content Security Policy" in text], complaints
    visit(page, portal(local_hub, "nowhere"))
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    look(page, "error")


def test_from_words_to_a_notebook_with_the_data_set_plotted(local_hub: RunningDemo, page: Page) -> None:
    log_in(page, local_hub, "Ada")
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_role("searchbox").first.fill("ceria heated")
    page.get_by_role("button", name="Search").first.click()
    page.get_by_role("link", name="Ceria, heated in situ", exact=True).first.click()
    expect(page.get_by_text("proposals/esrf/ma1234/raw").first).to_be_visible()
    page.get_by_role("link", name="Open in JupyterLab").or_(
        page.get_by_role("button", name="Open in JupyterLab")
    ).first.click()
    if "/services/portal/open" in page.url:
        page.get_by_role("button", name="Open in JupyterLab").first.click()
    page.wait_for_url(re.compile(r"/user/.*/lab.*\.ipynb"), timeout=90_000)
    expect(page.locator(NOTEBOOK)).to_be_visible(timeout=60_000)
    expect(page.locator(NOTEBOOK)).to_contain_text("Ceria, heated in situ")
    expect(page.locator("#jp-bottom-panel, #jp-main-statusbar").get_by_text("Idle")).to_be_visible(timeout=90_000)
    page.get_by_text("import h5py").last.click()
    for _ in range(5):  # a notebook draws what is in view: it follows the cell that runs
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(400)
    picture = page.locator(f"{NOTEBOOK} .jp-OutputArea-output img").first
    expect(picture).to_be_attached(timeout=90_000)
    picture.scroll_into_view_if_needed()
    screenshot(page, "portal-notebook")
    visit(page, f"{local_hub.url}/hub/home")
    page.get_by_text("Stop …").first.click()
    page.get_by_role("button", name=re.compile("^Yes, stop it")).click()
    expect(page.locator(".server-running")).to_have_count(0, timeout=30_000)


def test_without_scripts(local_hub: RunningDemo, plain: BrowserContext) -> None:
    page = plain.new_page()
    log_in(page, local_hub, "Ada")
    visit(page, portal(local_hub, "search"))
    page.get_by_role("searchbox").first.fill("ferrofluid")
    page.get_by_role("button", name="Search").first.click()
    expect(page.get_by_role("link", name="Ferrofluid under X-rays", exact=True)).to_be_visible()
    page.get_by_role("link", name="Ferrofluid under X-rays", exact=True).click()
    expect(page.get_by_role("heading", name="Ferrofluid under X-rays")).to_be_visible()
    screenshot(page, "portal-without-scripts")


def test_logging_out_at_the_hub_is_logging_out_here(local_hub: RunningDemo, page: Page) -> None:
    log_in(page, local_hub, "Marie")
    visit(page, portal(local_hub, "proposal/esrf/hc4711"))
    expect(page.get_by_role("heading", name="Gadolinium-doped ceria for fuel cells")).to_be_visible()
    cookies = page.context.cookies()
    visit(page, f"{local_hub.url}/hub/logout")
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    visit(page, portal(local_hub, "proposal/esrf/hc4711"))
    expect(page).to_have_url(re.compile("/hub/login"))
    # Somebody who kept a copy of all cookies is nobody, too.
    page.context.add_cookies(cookies)
    visit(page, portal(local_hub, "proposal/esrf/hc4711"))
    expect(page.get_by_role("heading", name="Gadolinium-doped ceria for fuel cells")).to_have_count(0)
