"""“My identities” in a real browser: two sign-ins, the question, and back; accessible in both themes and on a phone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from identities_support import TwoLogins
from test_pages_browser import LOOKS, look

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PEOPLE = ("olga", "ada", "bea", "cyd", "dan", "eva")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoLogins]:
    running = TwoLogins(tmp_path_factory.mktemp("identities"), PEOPLE)
    try:
        running.start()
        yield running
    finally:
        with ThreadPoolExecutor(1) as elsewhere:  # Playwright's loop runs in this thread
            elsewhere.submit(running.stop).result()


@pytest.fixture
def page_for(browser: Browser, hub: TwoLogins) -> Iterator[Callable[..., Page]]:
    """A page in a browser of its own, logged in as somebody."""
    contexts, errors = [], []

    def make(person: str, community: str = "demo", theme: str = "light", width: int = 1280, **options: object) -> Page:
        context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 900}, base_url=hub.url, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"/hub/oauth_login?community={community}")
        choose(page, person)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not errors


def choose(page: Page, person: str) -> None:
    """Be somebody, at a login service."""
    page.locator(f"button[value={person}]").click()
    page.wait_for_url("**/hub/**")


def prove(page: Page, person: str, seen: Callable[[str], None]) -> None:
    """Both sign-ins, from the page to the question."""
    page.goto("/hub/account")
    page.get_by_role("button", name="Link a login of My institute").click()
    choose(page, person)
    expect(page.get_by_role("heading", level=1)).to_have_text("Now the other login")
    seen("next")
    page.get_by_role("link", name="Sign in with My institute").click()
    choose(page, person)


@pytest.mark.parametrize(
    ("person", "theme", "width"), [(person, *look) for person, look in zip(PEOPLE[1:], LOOKS, strict=False)]
)
def test_the_pages_are_accessible(
    page_for: Callable[..., Page], hub: TwoLogins, person: str, theme: str, width: int
) -> None:
    page_for(person, "institute")  # so that it has an account of its own, and the question has more to say
    page = page_for(person, theme=theme, width=width)

    def seen(name: str) -> None:
        look(page, f"account-{name}", theme, width)

    page.goto("/hub/account")
    seen("alone")
    prove(page, person, seen)
    expect(page.get_by_role("heading", level=1)).to_have_text("Link these two logins?")
    seen("link-question")
    page.get_by_role("button", name="Yes, link them").click()
    expect(page.get_by_role("status")).to_contain_text("The login is linked.")
    page.locator("details.fold").evaluate("fold => { fold.open = true }")
    seen("linked")
    page.goto("/hub/why")
    seen("why")
    page.goto("/hub/account")
    page.get_by_role("button", name="Unlink… My institute").click()
    choose(page, person)
    expect(page.get_by_role("heading", level=1)).to_have_text("Unlink this login?")
    seen("unlink-question")
    page.get_by_role("button", name="Yes, unlink it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The login is unlinked")
    seen("unlinked")


def test_it_works_by_keyboard_without_scripts_and_the_menu_leads_to_it(page_for: Callable[..., Page]) -> None:
    page = page_for("olga", java_script_enabled=False)
    page.goto("/hub/home")
    page.locator("details.menu summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My identities")
    page.get_by_role("button", name="Link a login of My institute").focus()
    page.keyboard.press("Enter")
    choose(page, "olga")
    page.get_by_role("link", name="Sign in with My institute").focus()
    page.keyboard.press("Enter")
    choose(page, "olga")
    page.get_by_role("button", name="No, change nothing").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Nothing was changed.")
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("My identities")


def test_ids_are_copied_with_one_click(page_for: Callable[..., Page], hub: TwoLogins) -> None:
    page = page_for("eva")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/hub/account")
    page.get_by_role("button", name="Copy this identity").click()
    copied = "async identity => await navigator.clipboard.readText() === identity"
    page.wait_for_function(copied, arg=hub.identity("eva"))
