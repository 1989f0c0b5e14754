"""The pages on which data leave: downloads, transfers, archives, in a browser: what a person does, wide, dark and at 320 px."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from moving_places import open_dir, person_data
from panosc_portal.hub import AreaDirectory, OwnProposal, PersonReport
from playwright.async_api import Page, async_playwright
from running import FakeHub, Running, make_portal, make_site, running

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SCREENSHOTS = Path(os.environ.get("PANOSC_TEST_OUTPUT", ".test")) / "screenshots"
pytestmark = pytest.mark.browser
RULES = """
[portal.downloads.licences]
esrf = "CC-BY-4.0"
[[portal.transfer.globus]]
facility = "esrf"
title = "ESRF data"
collection = "6c54cade-bde5-45c1-bdea-f4bd71dba2cc"
root = "{root}"
[[portal.archive.sites]]
name = "stfc"
title = "STFC archive"
facilities = ["esrf"]
url = "http://127.0.0.1:9"
token = {{ by = "none" }}
"""
PAGES = {
    "download": "download/esrf/ma1234?path=raw/id31-20250915",
    "transfer": "transfer/esrf/ma1234?path=raw",
    "archive": "archive/esrf/ma1234",
}
LOOKS = [("light", 1100), ("dark", 1100), ("light", 320)]
PARTS = ("moving.download_pages", "moving.transfer_pages", "moving.archive_pages", "moving.job_pages")


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Running]:
    """A portal with a proposal's data, and Ada's login."""
    folder = Path(tempfile.mkdtemp(prefix="panosc-moving-"))
    folder.chmod(0o755)
    raw = open_dir(folder / "raw")
    for name, size in {"scan0001/sample_a_0001.h5": 300_000, "scan0001/notes é.txt": 9, "readme.txt": 20}.items():
        open_dir((raw / name).parent)
        (raw / name).write_bytes(b"x" * size)
        (raw / name).chmod(0o644)
    (raw / "link").symlink_to("/etc")
    data = replace(person_data(raw), areas=(AreaDirectory("raw", raw, folder, "id31-20250915"),))
    own = OwnProposal("esrf/ma1234", "Ferrofluids", "pi", "User office list")
    hub = FakeHub({"ada": PersonReport((own,))})
    hub.directories[("ada", "esrf/ma1234")] = data
    async with running(make_portal(make_site(tmp_path, RULES.format(root=folder)), hub), hub, PARTS) as server:
        server.log_in()
        yield server
    shutil.rmtree(folder)


async def _page(browser: object, at: Running, scheme: str, width: int) -> Page:
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    cookies = [{"name": c.name, "value": c.value, "url": at.address} for c in at.client.cookies.jar]
    await context.add_cookies(cookies)
    return await context.new_page()


async def test_each_page_is_accessible_and_fits(at: Running) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme, width in LOOKS:
            page = await _page(browser, at, scheme, width)
            for name, address in PAGES.items():
                await page.goto(at.address + address)
                await page.screenshot(path=SCREENSHOTS / f"portal-{name}-{scheme}-{width}.png", full_page=True)
                found = (await Axe().run(page)).response["violations"]
                assert not found, (name, scheme, width, [(one["id"], one["nodes"][0]["html"]) for one in found])
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        await browser.close()


async def test_a_person_chooses_a_folder_and_takes_the_zip_and_the_token(at: Running) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await _page(browser, at, "light", 1100)
        await page.goto(at.address + PAGES["download"])
        await page.get_by_label("Choose scan0001").check()
        await page.get_by_role("button", name="Show what the chosen hold").click()
        assert await page.locator("#count").inner_text() == "2"
        async with page.expect_download() as zipped:
            await page.get_by_role("link", name="Download zip").click()
        assert (await zipped.value).suggested_filename == "esrf-ma1234-scan0001.zip"
        await page.get_by_text("With a program").click()
        async with page.expect_download() as token:
            await page.get_by_role("button", name="panosc-esrf-ma1234.token").click()
        assert Path(await (await token.value).path()).read_text().startswith("Authorization: Bearer panosc-dl.")
        await page.get_by_role("button", name="Make a bag").click()
        await page.get_by_role("link", name="Download the bag").wait_for()
        await page.screenshot(path=SCREENSHOTS / "portal-bag.png", full_page=True)
        await browser.close()
