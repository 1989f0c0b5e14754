"""The pages of staging and of jobs in a browser: accessible, within 320 px, with scripts and without, from the button to the data."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.async_playwright import Axe
from dav_peer import DavPeer
from panosc_portal.hub import OwnProposal, PersonReport
from panosc_portal.moving.jobs import State
from panosc_portal.moving.runner import Runner
from playwright.async_api import Browser, Page, async_playwright
from running import Running, running
from staging_support import REF, VISIT, data_of, remote, tree_of, with_remotes, write_tree
from support import FakeHub, make_portal, make_site

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
LOOKS = [("dark", 1280), ("light", 320)]
PARTS = ("search.pages", "opening.pages", "software.pages", "moving.staging_pages", "moving.job_pages")
LONG = "Storage of a facility with a rather long name, and of its 12 partners"


@pytest.fixture
async def at(tmp_path: Path, peer: DavPeer, root: Path) -> AsyncIterator[Running]:
    """A portal with staging, and ada's login."""
    write_tree(tmp_path / "elsewhere" / VISIT, files=12)
    site = with_remotes(make_site(tmp_path / "made"), root, remote(peer.url, title=LONG, timeout="300s"))
    hub = FakeHub(people={"ada": PersonReport((OwnProposal(REF, "Ceria", "pi", "ESRF's list"),))})
    hub.directories = {("ada", REF): data_of(root)}
    hub.tokens = {("ada", "elsewhere"): "token-for-elsewhere"}
    async with running(make_portal(site, hub), hub, PARTS) as made:
        made.log_in("ada")
        yield made


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        await made.close()


@asynccontextmanager
async def a_page(
    browser: Browser, at: Running, scheme: str = "light", width: int = 1280, *, scripts: bool = True
) -> AsyncIterator[Page]:
    """A page of ada's, on which no script may fail."""
    context = await browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        java_script_enabled=scripts,
    )
    cookies = [{"name": one.name, "value": one.value, "url": at.address} for one in at.client.cookies.jar]
    await context.add_cookies(cookies)  # type: ignore[arg-type]
    page = await context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    yield page
    await context.close()
    assert broken == []


@contextmanager
def held(peer: DavPeer) -> Iterator[None]:
    """Within the block, some files do not come: the job is not over before the page was looked at."""
    go_on = threading.Event()

    def wait(method: str, path: str, *_more: object) -> None:
        if method == "GET" and "/scan2/" in path:
            go_on.wait(300)

    peer.guard.hook = wait
    try:
        yield
    finally:
        go_on.set()


async def _looks_well(browser: Browser, at: Running, address: str, name: str, words: str) -> None:
    """It says so, nothing that axe finds, and nothing beside the page, however wide, light or dark."""
    for scheme, width in LOOKS:
        async with a_page(browser, at, scheme, width) as page:
            await page.goto(at.address + address)
            assert words in await page.locator("main").inner_text(), name
            await page.screenshot(path=_shot(f"staging-{name}-{scheme}-{width}"), full_page=True)
            found = (await Axe().run(page)).response["violations"]
            assert not found, (name, scheme, width, [(one["id"], one["nodes"][0]["html"]) for one in found])
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, scheme, width)


async def test_each_page_at_each_step_is_accessible_and_fits(at: Running, peer: DavPeer, browser: Browser) -> None:
    runner = at.portal.part(Runner)
    await _looks_well(browser, at, "jobs", "none", "Nothing is under way")
    await _looks_well(browser, at, f"stage/{REF}", "elsewhere", "Bring the data here")
    with held(peer):
        job = await _begun(at)
        async with asyncio.timeout(60):
            async for found in runner.watch(job, "ada", every=0.05):
                assert not found.state.over, found
                if found.progress.done_files:
                    break
        await _looks_well(browser, at, f"stage/{REF}", "coming", "How far it is")
        await _looks_well(browser, at, f"jobs/{job}", "job-runs", "of 16 files")
        await _looks_well(browser, at, "jobs", "under-way", "running")
        await runner.cancel(job, "ada")
    at.hub.directories.clear()  # a right that is gone: refused in the hub's words
    await at.client.post(f"jobs/{job}/again", data={"_xsrf": at.xsrf})
    async with asyncio.timeout(60):
        assert [found async for found in runner.watch(job, "ada", every=0.05)][-1].state is State.FAILED
    await _looks_well(browser, at, f"jobs/{job}", "job-failed", "You are not on proposal")


async def test_from_the_button_to_the_data_while_the_page_follows(
    at: Running, peer: DavPeer, browser: Browser, root: Path
) -> None:
    async with a_page(browser, at) as page:
        with held(peer):
            await page.goto(f"{at.address}stage/{REF}")
            await page.get_by_role("button", name="Bring the data here").press("Enter")
            await page.locator("#job-amount", has_text="of 16 files").wait_for()
            assert await page.get_by_role("button", name="Cancel").is_visible()
        await page.get_by_role("link", name="Open the proposal").wait_for()  # by itself, when all is here
        assert await page.locator("#job-state").inner_text() == "done"
    assert len(tree_of(root / VISIT)) == 16
    await _looks_well(browser, at, f"stage/{REF}", "here", "Here since")


async def test_what_somebody_came_for_opens_when_it_is_here(
    at: Running, peer: DavPeer, browser: Browser, root: Path
) -> None:
    wanted = urlencode({"pid": str(root / VISIT / "notes.txt")})
    async with a_page(browser, at) as page:
        with held(peer):
            await page.goto(f"{at.address}open?{wanted}")
            await page.get_by_role("link", name="Bring it here").first.click()
            await page.get_by_role("button", name="Bring the data here, then open").click()
            await page.locator("#job[data-events]").wait_for()
        await page.wait_for_url("**/hub/spawn-pending/ada/p-ma1234?**", timeout=60_000)
    assert [asked for asked in at.hub.asked if asked[0] == "start"]
    assert len(tree_of(root / VISIT)) == 16


async def test_a_link_to_what_is_here_opens_nothing_by_itself(at: Running, browser: Browser, root: Path) -> None:
    job = await _begun(at)
    async with asyncio.timeout(60):
        assert [found async for found in at.portal.part(Runner).watch(job, "ada", every=0.05)][-1].state is State.DONE
    wanted = urlencode({"pid": str(root / VISIT / "notes.txt")})
    async with a_page(browser, at, scripts=False) as page:
        await page.goto(f"{at.address}jobs/{job}?{wanted}")
        assert await page.get_by_role("button", name="Open in JupyterLab").is_visible()
    async with a_page(browser, at) as page:
        await page.goto(f"{at.address}jobs/{job}?{wanted}")
        await page.wait_for_timeout(500)
        assert not [asked for asked in at.hub.asked if asked[0] == "start"]
        await page.get_by_role("button", name="Open in JupyterLab").click()
        await page.wait_for_url("**/hub/spawn-pending/ada/p-ma1234?**")


async def test_without_scripts_it_is_begun_and_cancelled(at: Running, peer: DavPeer, browser: Browser) -> None:
    async with a_page(browser, at, width=320, scripts=False) as page:
        with held(peer):
            await page.goto(f"{at.address}stage/{REF}")
            await page.get_by_role("button", name="Bring the data here").click()
            await page.get_by_role("button", name="Cancel").click()
            assert await page.locator("#job-state").inner_text() == "cancelled"
            assert await page.get_by_role("button", name="Try again").is_visible()


async def _begun(at: Running) -> str:
    answer = await at.client.post(f"stage/{REF}", data={"remote": "elsewhere", "_xsrf": at.xsrf})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"]).rpartition("/")[2]


def _shot(name: str) -> Path:
    folder = Path(os.environ.get("PANOSC_TEST_OUTPUT", Path(__file__).parents[4] / ".test")) / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.png"
