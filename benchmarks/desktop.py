"""From the click on *Desktop* to the desktop's picture, in a server that a person started from the hub.

Needs Docker, root, Debian's chromium, and ``panosc-hub images build desktop``. Takes two minutes::

    .venv/bin/python -m benchmarks.desktop [--json] [--clicks 8]

The floor is the same page from the same click with the X server and its programs already running: a new connection.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import time

from benchmarks.hubs import WORK
from benchmarks.report import Row, report, row

from running_demo import RunningDemo  # isort: skip - beneath deploy/demo, which benchmarks.hubs put on the path

from playwright.sync_api import Error, Page, sync_playwright

PROPOSAL = "demo/demo-001"
TARGET_SECONDS = 1.0
PATIENCE_MS = 60_000
# The desktop's panel is drawn last: the row above the lower edge is then of its colour, over more than half its width.
PANEL = """() => {
    const canvas = document.querySelector('#screen canvas');
    if (!canvas || !canvas.width || document.body.dataset.state !== 'connected') return false;
    const row = canvas.getContext('2d').getImageData(0, canvas.height - 6, canvas.width, 1).data;
    let panel = 0;
    for (let i = 0; i < row.length; i += 4) if (row[i + 2] - row[i] > 45) panel += 1;
    return panel > canvas.width / 2;
}"""


def measure(clicks: int) -> list[Row]:
    """Click, end the desktop, click again; and between, click while it runs."""
    WORK.mkdir(parents=True, exist_ok=True)
    demo = RunningDemo("docker", WORK / "demo-desktop")
    try:
        demo.wait()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.set_default_timeout(PATIENCE_MS)
            server = _start(page, demo.url)
            new, running = [], []
            for _ in range(clicks):
                new.append(_click(page, demo.url))
                running.append(_click(page, demo.url))
                _end(page, server)
            browser.close()
    finally:
        demo.stop()
    floor = f"one that runs already: {statistics.median(running):.2f} s"
    return [
        row("click to desktop, the first in a new server", new[0], "s", target=TARGET_SECONDS),
        row("click to a new desktop, median", statistics.median(new[1:]), "s", floor=floor, target=TARGET_SECONDS),
        row("click to a new desktop, slowest", max(new[1:]), "s", target=TARGET_SECONDS),
        row("click to a desktop that runs, median", statistics.median(running), "s", target=TARGET_SECONDS),
    ]


def _start(page: Page, hub: str) -> str:
    """Log in as Marie and start a server with a desktop; its address."""
    _visit(page, f"{hub}/")
    log_in = re.compile("log in", re.IGNORECASE)
    page.get_by_role("link", name=log_in).or_(page.get_by_role("button", name=log_in)).first.click()
    page.get_by_role("button", name=re.compile("Marie")).click()
    page.wait_for_url("**/hub/home")
    _visit(page, f"{hub}/hub/open?proposals={PROPOSAL}")
    page.locator("#environments > summary").click()
    page.get_by_role("radio", name=re.compile("With a desktop")).check()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile(r"/user/[^/]+/.*lab"))
    return page.url.split("/lab")[0] + "/"


def _click(page: Page, hub: str) -> float:
    """Seconds from the click on my proposals' page."""
    _visit(page, f"{hub}/hub/home")
    button = page.get_by_role("link", name=re.compile("^Desktop"))
    button.wait_for()
    began = time.perf_counter()
    button.click()
    page.wait_for_function(PANEL, polling=20)
    return time.perf_counter() - began


def _end(page: Page, server: str) -> None:
    """End the desktop, so that the next click starts one."""
    cookies = page.context.cookies(server)
    xsrf = next(str(one["value"]) for one in cookies if one["name"] == "_xsrf" and str(one["path"]) in server)
    answer = page.request.post(f"{server}desktop/restart", headers={"X-XSRFToken": xsrf})
    if not answer.ok:
        raise SystemExit(f"the desktop could not be ended: {answer.status} {answer.text()[:300]}")


def _visit(page: Page, url: str) -> None:
    """Go to a page; again if Chromium dropped the request because containers came or went."""
    for attempt in range(3):
        try:
            page.goto(url)
        except Error as error:
            if attempt == 2 or "ERR_NETWORK_CHANGED" not in str(error):
                raise
            time.sleep(0.5)
        else:
            return


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--clicks", type=int, default=8, help="desktops that are started")
    arguments = parser.parse_args()
    report(measure(arguments.clicks), as_json=arguments.json)


if __name__ == "__main__":
    main()
