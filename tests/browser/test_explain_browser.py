"""Why a proposal cannot be opened, who opened my data, news and outages, in a real browser: accessible, on a phone, without JavaScript."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from hub_harness import HubUnderTest, proxy_command
from test_pages_browser import LOOKS, look

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not proxy_command(), reason="the hub's proxy (configurable-http-proxy) is not installed"),
]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubUnderTest]:
    with HubUnderTest(tmp_path_factory.mktemp("words")) as running:
        yield running


@pytest.fixture
def page_for(browser: Browser, hub: HubUnderTest) -> Iterator[Callable[..., Page]]:
    """A page in a browser of its own, logged in as somebody."""
    contexts, errors = [], []

    def make(person: str, theme: str = "light", width: int = 1280, **options: object) -> Page:
        context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 900}, base_url=hub.url, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"/hub/who?person={person}&next=/hub/home")
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_every_page_is_accessible(page_for: Callable[..., Page], theme: str, width: int) -> None:
    page = page_for("ada", theme, width)

    def seen(name: str) -> None:
        look(page, f"words-{name}", theme, width)

    page.goto("/hub/explain")
    seen("explain-asks")
    page.goto("/hub/explain?proposal=esrf/ma1001")
    seen("explain-in-order")
    page.goto("/hub/explain?proposal=esrf/ma1009")
    seen("explain-not-granted")
    page.goto("/hub/explain?proposal=esrf/hg77")
    seen("explain-no-data")
    page.goto("/hub/explain?proposal=nonsense")
    seen("explain-nonsense")
    page.goto("/hub/open?proposals=esrf/ma1001")
    if page.locator("#start").count():  # else it runs since the look before
        page.click("#start")
        page.wait_for_url("**/user/ada/p-ma1001/**")
    page.goto("/hub/access")
    seen("access")
    for address in (
        "kind=added&ref=esrf/ma1002&text=You can open ma1002 (ESRF) now: you are listed on its team (User office list).",
        "kind=revoked&ref=esrf/ma1003&text=ma1003 (ESRF) was taken away from what you have open: its user office says that "
        "you are not on its team any more. Your files are kept.",
        "login=test&source=User office list",
    ):
        page.goto(f"/hub/tell?{address}")
    page.goto("/hub/home")
    seen("home-news")
    page.goto("/hub/tell?up-login=test&up-source=User office list")
    page.goto("/hub/home")
    for _ in range(2):
        page.locator("form[action*='/panosc/notice/'] button").first.click()
    expect(page.locator(".told")).to_have_count(0)


def test_from_the_question_to_the_answer_without_javascript(page_for: Callable[..., Page]) -> None:
    page = page_for("ada", java_script_enabled=False)
    page.goto("/hub/why")
    page.get_by_label("Number of the proposal you miss").fill("ma1009")
    page.get_by_role("button", name="Look what is missing").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("you cannot open it")
    expect(page.locator(".refusal")).to_contain_text("You are not on proposal ma1009")
    page.get_by_label("Number of the proposal you miss").fill("MA-1001")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Pigments")


def test_the_menu_leads_to_who_opened_my_data(page_for: Callable[..., Page]) -> None:
    page = page_for("dan")
    page.click("details.menu summary")
    page.get_by_role("link", name="Who opened my data?").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who opened my data?")
