"""The pages in a real browser: accessible in both themes and on a phone, usable by keyboard, fast with 10,000 proposals."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from hub_harness import HubUnderTest, entry, many_proposals, proxy_command

SCREENSHOTS = Path(__file__).parents[2] / ".test" / "screenshots"
AXE = {"rules": {"target-size": {"enabled": True}}}  # WCAG 2.2, off unless asked for
LOOKS = [("light", 1280), ("dark", 1280), ("light", 320), ("dark", 320)]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not proxy_command(), reason="the hub's proxy (configurable-http-proxy) is not installed"),
]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubUnderTest]:
    warning = "On this machine everybody's servers can read each other's files."
    with HubUnderTest(tmp_path_factory.mktemp("hub"), demo=True, isolation_warning=warning) as running:
        yield running


@pytest.fixture
def page_for(browser: Browser, hub: HubUnderTest) -> Iterator[Callable[..., object]]:
    """A page in a browser of its own, logged in as somebody; what it starts is stopped afterwards."""
    contexts, errors = [], []

    def make(person: str = "", theme: str = "light", width: int = 1280, **options: object) -> object:
        context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 900}, base_url=hub.url, **options
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("requestfailed", lambda request: print("failed:", request.url, request.failure))
        page.on("response", lambda answer: print(answer.status, answer.url) if answer.status >= 400 else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        if person:
            page.goto(f"/hub/who?person={person}&next=/hub/home")
        return page

    yield make
    for context in contexts:
        page = context.new_page()
        page.goto("/hub/home")
        while (
            button := page.locator("form[action*='/panosc/stop/'] button, form[action*='/dismiss/'] button")
        ).count():
            with page.expect_navigation():
                button.first.evaluate("button => button.form.submit()")
            page.goto("/hub/home")
        context.close()
    assert not errors


def look(page: object, name: str, theme: str, width: int) -> None:
    """Take the screenshot and let axe look: no violation, and nothing sticks out sideways."""
    page.wait_for_timeout(250)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SCREENSHOTS / f"pages-{name}-{theme}-{width}.png"), full_page=True)
    found = Axe().run(page, options=AXE).response["violations"]
    assert not [(v["id"], v["help"], [node["html"][:150] for node in v["nodes"]]) for v in found], name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {width} px"


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_every_page_is_accessible(page_for: Callable[..., object], theme: str, width: int) -> None:
    page = page_for(theme=theme, width=width)

    def seen(name: str) -> None:
        look(page, name, theme, width)

    page.goto("/hub/login")
    assert page.locator("html").get_attribute("data-bs-theme") == theme
    seen("login")
    page.goto("/hub/who?person=dan&next=/hub/home")
    seen("empty")
    page.goto("/hub/who?person=ada&next=/hub/home")
    seen("home")
    page.goto("/hub/why")
    seen("why")
    page.goto("/hub/open?proposals=esrf/ma1009")
    seen("refused")
    page.goto("/hub/nothing")
    seen("404")
    page.goto("/hub/token")
    seen("token")
    page.goto("/hub/open?proposals=esrf/ma1001,ill/8-04-923&memory=99G")
    seen("open-several-refused")
    page.goto("/hub/open?proposals=esrf/ma1001")
    seen("open")
    for fold in page.locator("details.fold").all():
        fold.evaluate("fold => { fold.open = true }")
    page.wait_for_selector("body[data-list=ready]")
    seen("open-unfolded")
    page.click("#start")
    page.wait_for_url("**/user/ada/p-ma1001/**")
    page.goto("/hub/open?proposals=esrf/ma1003")
    page.click("#start")
    page.wait_for_selector("a:has-text('Try again') >> visible=true")
    seen("failed")
    page.reload()  # the same in the hub's own page, which a late visitor gets
    page.wait_for_selector("#start:has-text('Try again')")
    seen("failed-reloaded")
    page.goto("/hub/open?proposals=esrf/ma1002")
    page.click("#start")
    page.wait_for_selector("#now:has-text('of 706 MB')")
    seen("starting")
    page.goto("/hub/home")
    page.click("details.ask summary")
    if width > 320:  # there the open menu lies over a link, as menus do
        page.click("details.menu summary")
    page.locator("details.ask").evaluate("ask => { ask.open = true }")
    seen("home-servers")
    page.goto("/hub/user/ada/p-ma1009/")
    seen("not-running")


def test_three_clicks_to_a_start_and_one_to_return(page_for: Callable[..., object]) -> None:
    page = page_for()
    page.goto("/hub/login")
    page.goto("/hub/who?person=ada&next=/hub/home")
    page.click("tr:has-text('ma1001') .btn")
    page.click("#start")
    page.wait_for_url("**/user/ada/p-ma1001/**")
    page.goto("/hub/home")
    page.click("tr:has-text('ma1001') .btn")
    page.wait_for_url("**/user/ada/p-ma1001/**")


def test_by_keyboard_alone(page_for: Callable[..., object]) -> None:
    page = page_for("ada")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("altarpiece")
    page.wait_for_selector("#found:has-text('1 of 9 proposals')")
    page.locator("#rows a.title").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/hub/open?proposals=esrf/ma1001")
    page.locator("#start").focus()
    assert page.locator("#start").evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/user/ada/p-ma1001/**")
    page.goto("/hub/home")
    page.locator("details.ask summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("text=Stop this server?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("text=Stop this server?")).to_be_hidden()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Your files are kept.")


def test_the_filter_is_in_the_address_and_stays(page_for: Callable[..., object]) -> None:
    page = page_for("ada")
    page.wait_for_selector("body[data-list=ready]")
    page.fill("#q", "id22")
    page.select_option("#f-role", "Main proposer")
    page.wait_for_selector("#found:has-text('2 of 9 proposals')")
    page.reload()
    expect(page.locator("#q")).to_have_value("id22")
    expect(page.locator("#rows tr")).to_have_count(2)
    page.click("#clear")
    page.wait_for_selector("#found:text-is('9 proposals')")
    assert "q=" not in page.url


def test_rows_of_the_browser_are_those_of_the_server(page_for: Callable[..., object]) -> None:
    page = page_for("ada")
    page.wait_for_selector("body[data-list=ready]")
    text = "() => [...document.querySelectorAll('#rows tr')].map(r => r.innerText.replace(/\\s+/g, ' '))"
    server = page.evaluate(text)
    page.fill("#q", "x")
    page.fill("#q", "")
    assert page.evaluate(text) == server
    assert page.title() == "My proposals · PaNOSC Hub"  # a hostile title did not run


def test_more_proposals_in_one_server(page_for: Callable[..., object]) -> None:
    page = page_for("ada")
    page.goto("/hub/open?proposals=esrf/ma1001")
    page.click("#more-fold summary")
    page.wait_for_selector("body[data-list=ready]")
    page.fill("#more-fold #q", "micelles")
    page.keyboard.press("Enter")  # searches, and starts nothing
    page.check("#picks input")
    page.fill("#more-fold #q", "water")
    assert page.locator("#picks input:checked").get_attribute("value") == "ill/8-04-923"
    page.click("text=Show with these")
    page.wait_for_selector("h1:has-text('Open 2 proposals together')")
    assert page.url.endswith("/hub/open?proposals=esrf/ma1001,ill/8-04-923")


def test_progress_then_cancel(page_for: Callable[..., object]) -> None:
    page = page_for("ada")
    page.goto("/hub/open?proposals=esrf/ma1002")
    page.click("#start")
    page.wait_for_selector("#now:has-text('of 706 MB')")
    assert 0 < int(page.locator("#bar").get_attribute("aria-valuenow")) < 100
    page.click("text=Cancel")
    page.wait_for_selector("text=nothing is left running")
    expect(page.locator(".server")).to_have_count(0)


def test_a_failure_is_told_with_its_log_folded(page_for: Callable[..., object]) -> None:
    page = page_for("ada")
    page.goto("/hub/open?proposals=esrf/ma1003")
    page.click("#start")
    page.wait_for_selector("text=used more than its 4 GB of memory")
    assert not page.locator("pre").is_visible()
    page.click("text=Last lines of the log")
    assert "<b>no</b>" in page.locator("pre").inner_text()
    assert page.locator("text=Refused(").count() == 0
    page.click("text=Try again")
    page.wait_for_url("**/hub/open?proposals=esrf/ma1003")


def test_the_home_page_follows_a_start(page_for: Callable[..., object]) -> None:
    page = page_for("ada")
    page.goto("/hub/open?proposals=esrf/ma1002")
    page.click("#start")
    page.wait_for_selector("#progress")
    page.goto("/hub/home")
    page.wait_for_selector(".server-starting")
    page.wait_for_selector(".server-running", timeout=60_000)


def test_without_javascript(page_for: Callable[..., object]) -> None:
    page = page_for("ada", java_script_enabled=False)
    page.fill("#q", "altarpiece")
    page.click("text=Search")
    expect(page.locator("#found")).to_have_text("1 of 9 proposals")
    page.click("#rows .btn")
    page.click("#start")
    page.wait_for_url("**/user/ada/p-ma1001/**")
    page.goto("/hub/home")
    page.click("details.ask summary")
    page.click("text=Yes, stop it")
    page.wait_for_selector("text=Your files are kept.")


def test_the_theme_can_be_chosen_and_stays(page_for: Callable[..., object]) -> None:
    page = page_for("ada", theme="light")
    page.click("#dark-theme-toggle")
    page.reload()
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"


@pytest.mark.slow
def test_ten_thousand_proposals(browser: Browser, tmp_path: Path) -> None:
    """All are there, and found while somebody types. How fast: ``benchmarks/choose.py``."""
    more = entry("esrf", "MA-1001", "Pigments", "ID22", "2026-03-04", "2026-03-08", [("cleo", "pi")])
    others = many_proposals(9999)
    with HubUnderTest(tmp_path, proposals=f"{more}\n{others}") as hub:
        page = browser.new_page(base_url=hub.url, viewport={"width": 1280, "height": 900})
        page.goto("/hub/who?person=cleo&next=/hub/home")
        page.wait_for_selector("body[data-list=ready]")
        assert page.locator("#found").inner_text() == "10,000 proposals"
        for path, fold, field, all_of_them in (
            ("/hub/home", "", "#filter #q", "10,000"),
            ("/hub/open?proposals=esrf/ma1001", "#more-fold summary", "#more-fold #q", "9,999"),
        ):
            page.goto(path)
            if fold:
                page.click(fold)
            page.wait_for_selector("body[data-list=ready]")
            page.locator(field).press_sequentially("honeycomb")
            expect(page.locator("body")).to_contain_text(f"{others.count('honeycomb'):,} of {all_of_them} proposals")
        page.close()
