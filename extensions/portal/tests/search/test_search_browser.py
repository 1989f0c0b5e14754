"""The search in a browser: what is read does not move, a catalogue is asked again, back goes back, and all of it without scripts."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from panosc_portal.app import make_app
from panosc_portal.catalogues.model import Kind
from panosc_portal.errors import CatalogueError, Outcome
from panosc_portal.search.federation import Federation
from playwright.sync_api import Browser, Page, sync_playwright
from search_fakes import FakeCatalogue, rich
from support import FakeHub, make_portal, make_site

from panosc_spawner.facilities.portal_search_rules import SearchRules
from panosc_spawner.panet import techniques

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
RULES = SearchRules(
    public=True, wait=timedelta(seconds=10), wait_in_all=timedelta(seconds=20), results=30, fresh=timedelta()
)
DOWN = CatalogueError("xfel", Outcome.DOWN, "no connection (it is down)")


class Served:
    """A portal on loopback with three catalogues: quick, slow, and one that is down."""

    def __init__(self, folder: Path) -> None:
        self.esrf = FakeCatalogue("esrf", [rich("esrf", n) for n in range(24)], frozenset({"esrf"}), title="ESRF")
        self.ill = FakeCatalogue("ill", [rich("ill", n, "ill") for n in range(24)], frozenset({"ill"}), title="ILL")
        self.ill.datasets = [replace(one, doi=f"10.1000/{n}") for n, one in enumerate(self.ill.datasets)]
        self.xfel = FakeCatalogue("xfel", [rich("xfel", n, "") for n in range(3)], title="European XFEL")
        site, hub = make_site(folder), FakeHub()
        portal = make_portal(site, hub)
        self.federation = Federation(site, hub, [self.esrf, self.ill, self.xfel], RULES)
        portal.add(self.federation)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = uvicorn.Config(make_app(portal, ("search.pages",)), host="127.0.0.1", port=port, log_level="warning")
        self.server = uvicorn.Server(config)
        self.url = f"http://127.0.0.1:{port}/services/portal/"
        self.thread = threading.Thread(target=self.server.run)

    def reset(self) -> None:
        """As at the beginning of a test: ILL answers after a while, the European XFEL not at all."""
        self.ill.delay, self.xfel.failure = 0.4, DOWN
        self.federation.kept._answers.clear()
        for source in self.federation.sources.values():
            source._breaker._failures, source._breaker._pause = 0, 0.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("search"))
    served.thread.start()
    for _ in range(200):
        if served.server.started:
            break
        time.sleep(0.05)
    yield served
    served.server.should_exit = True
    served.thread.join(timeout=10)


@pytest.fixture
def served(running: Served) -> Served:
    running.reset()
    return running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def a_page(browser: Browser, width: int = 1280, *, scripts: bool = True, dark: bool = False) -> Iterator[Page]:
    """A page on which no script may fail."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, java_script_enabled=scripts, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    yield page
    context.close()
    assert broken == []


def ids(page: Page) -> list[str]:
    return [str(one) for one in page.eval_on_selector_all(".hit", "all => all.map(one => one.id)")]


def ended(page: Page) -> None:
    page.locator("#status", has_text=re.compile(r"answered(\.|; results)")).wait_for()


def test_nothing_that_is_read_moves_and_what_waits_is_put_in_its_place_on_demand(
    served: Served, browser: Browser
) -> None:
    with a_page(browser) as page:
        page.goto(f"{served.url}search?q=run")
        page.wait_for_selector(".hit")
        before, top = ids(page), page.locator(".hit").first.bounding_box()
        assert len(before) == 10
        ended(page)
        now = ids(page)
        assert now[:4] == before[:4] and page.locator(".hit").first.bounding_box() == top
        button = page.locator(".more-bar button")
        assert re.fullmatch(r"Show \d+ more results?", button.inner_text())
        page.screenshot(path=_shot("search-waiting"))
        button.click()
        assert len(ids(page)) == 20 and not button.is_visible()
        assert page.evaluate("document.activeElement.id") == "results-h"
        facilities = page.locator(".hit .tag").all_inner_texts()
        assert facilities[:4] == ["ESRF", "ILL", "ESRF", "ILL"], "the best of each, in turn"
        assert "European XFEL" in page.locator("#status").inner_text()
        page.screenshot(path=_shot("search-results"))


def test_retry_asks_the_one_that_failed_and_the_next_page_repeats_nothing(served: Served, browser: Browser) -> None:
    with a_page(browser) as page:
        page.goto(f"{served.url}search?q=run")
        page.locator("#source-xfel .retry").wait_for()
        ended(page)
        served.xfel.failure = None
        asked = len(served.esrf.asked)
        page.locator("#source-xfel .retry").click()
        page.locator("#source-xfel", has_text="3").wait_for()
        page.locator("#source-xfel .retry").wait_for(state="detached")
        if page.locator(".more-bar button").is_visible():
            page.locator(".more-bar button").click()
        first = ids(page)
        assert len(first) == 23 and len(served.esrf.asked) == asked
        page.locator("#next a").click()
        page.wait_for_selector(".hit")
        ended(page)
        if page.locator(".more-bar button").is_visible():
            page.locator(".more-bar button").click()
        second = ids(page)
        assert len(second) == 20 and not set(first) & set(second)
        assert "on page 2" in page.locator("#status").inner_text()


def test_a_condition_is_in_the_address_and_back_goes_back(served: Served, browser: Browser) -> None:
    with a_page(browser) as page:
        page.goto(f"{served.url}search")
        page.get_by_role("searchbox").fill("run")
        page.get_by_role("button", name="Search", exact=True).click()
        page.wait_for_url("**/search?q=run")
        ended(page)
        page.locator("#facets").get_by_role("link", name=re.compile("x-ray tomography")).click()
        page.wait_for_url("**/search?q=run&technique=PaNET01207")
        ended(page)
        assert page.locator(".chips").inner_text().startswith("x-ray tomography")
        assert set(page.locator(".hit h3").all_inner_texts()) and all(
            text.startswith("Bone") for text in page.locator(".hit h3").all_inner_texts()
        )
        page.get_by_role("link", name="Without x-ray tomography").click()
        page.wait_for_url("**/search?q=run")
        page.go_back()
        page.wait_for_url("**/search?q=run&technique=PaNET01207")
        ended(page)
        again = page.locator(".hit h3").all_inner_texts()
        assert again and all(text.startswith("Bone") for text in again)


def test_the_same_without_scripts(served: Served, browser: Browser) -> None:
    with a_page(browser, scripts=False) as page:
        page.goto(f"{served.url}search?q=run")
        page.locator(".hit").first.wait_for()
        assert page.locator(".hit").count() == 20
        assert "Retry" in page.locator("#source-xfel").inner_text()
        page.screenshot(path=_shot("search-without-scripts"))
        page.get_by_role("link", name="Next page").click()
        page.get_by_text("on page 2").wait_for()
        page.goto(f"{served.url}search?technique=SAXS")
        page.get_by_role("button", name="Choose from the list of techniques").click()
        page.get_by_role("checkbox", name=re.compile("^small angle x-ray scattering")).uncheck()
        page.locator("summary", has_text="Kinds of absorption technique").click()
        kind = techniques().children("PaNET00202")[0]
        page.get_by_role("checkbox", name=re.compile(f"^{kind.label}")).check()
        page.get_by_role("button", name="Search with these").click()
        page.wait_for_url(f"**/search?technique={kind.id}**")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (320, True)])
def test_pages_are_for_everybody(served: Served, browser: Browser, width: int, dark: bool) -> None:
    """axe-core (WCAG 2.2 AA), and no sideways scrolling at 320 px, on each page with everything unfolded."""
    served.esrf.applied = frozenset({Kind.TEXT})
    with a_page(browser, width, dark=dark) as page:
        for name, path in (
            ("start", "search"),
            ("results", "search?q=run&sample_temperature.low=290&sample_temperature.unit=K&from=2019"),
            ("refused", "search?q=run&cursor=AAAA"),
            ("mistyped", "search?from=soon&technique=knitting&incident_wavelength.low=x"),
            ("techniques", "search/techniques?technique=SAXS"),
        ):
            page.goto(served.url + path)
            if name == "results":
                ended(page)
            page.eval_on_selector_all(
                "details", "all => all.forEach(one => { if (!one.closest('nav, .tree')) one.open = true; })"
            )
            wrong = Axe().run(
                page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
            )
            assert wrong.violations_count == 0, wrong.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            page.screenshot(path=_shot(f"search-{name}-{width}-{'dark' if dark else 'light'}"), full_page=True)
    served.esrf.applied = frozenset(Kind)


def _shot(name: str) -> Path:
    folder = Path(__file__).resolve().parents[4] / ".test" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"portal-{name}.png"
