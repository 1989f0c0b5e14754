"""Pages with 10,000 proposals in Chromium: first byte to first paint, the server's time, and a key until it is painted.

The hub, the pages, the file of proposals and the plan are real; only the log-in is by name. Floor, in the same browser and in
turns with ours: a static page with 100 rows, and a key in its search field that changes nothing.
"""

from __future__ import annotations

import argparse
import http.server
import shutil
import statistics
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.report import Row, report, row
from tests.integration.hub_harness import HubUnderTest, entry, many_proposals, proxy_command

PROPOSALS = 10_000
PAINT_TARGET = 0.3
KEY_TARGET = 0.05
TYPED = "magnetic order ma"
HOME, OPEN = "/hub/home", "/hub/open?proposals=esrf/ma1001"
STATIC_ROWS = "".join(f"<tr><td><a href='#{n}'>Proposal {n}</a><td>ID{n % 30}<td>2026<td>Open" for n in range(100))
STATIC = f"<!doctype html><title>Floor</title><input id=q><table>{STATIC_ROWS}</table>".encode()

# From the key's own time stamp until the frame after it is on the screen.
KEYS = """() => {
  const channel = new MessageChannel();
  let begun = 0;
  window.keyTimes = [];
  channel.port1.onmessage = () => window.keyTimes.push((performance.now() - begun) / 1000);
  addEventListener("keydown", (event) => {
    begun = event.timeStamp;
    requestAnimationFrame(() => channel.port2.postMessage(0));
  }, true);
}"""
TIMES = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return paint && [(paint.startTime - page.responseStart) / 1000, (page.responseStart - page.requestStart) / 1000];
}"""


def measure(repetitions: int) -> list[Row]:
    """The rows: medians of interleaved repetitions."""
    chromium = shutil.which("chromium")
    if not chromium or not proxy_command():
        raise SystemExit("Chromium and configurable-http-proxy are needed; make test installs both")
    first = entry("esrf", "MA-1001", "Pigments", "ID22", "2026-03-04", "2026-03-08", [("cleo", "pi")])
    with tempfile.TemporaryDirectory() as folder, static_page() as floor, sync_playwright() as playwright:
        proposals = f"{first}\n{many_proposals(PROPOSALS - 1)}"
        with HubUnderTest(Path(folder), proposals=proposals) as hub:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            found: dict[str, list[float]] = defaultdict(list)
            for _ in range(repetitions):
                one_round(browser, hub.url, floor, found)
            browser.close()
    return rows(found)


def one_round(browser: Browser, hub: str, floor: str, found: dict[str, list[float]]) -> None:
    """Everything once, in a browser that was never here: a first visit, then each page again as one works."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    visit(page, floor, "floor", found)
    visit(page, f"{hub}/hub/who?person=cleo&next=/hub/home", "first visit", found)
    for name, path, field in (("floor", "", "#q"), ("home", HOME, "#filter #q"), ("open", OPEN, "#more-fold #q")):
        visit(page, f"{hub}{path}" if path else floor, name, found)
        if name == "open":
            page.click("#more-fold summary")
        if path:
            page.wait_for_selector("body[data-list=ready]")
            page.wait_for_timeout(500)  # as long as a person takes to reach the field
        found[f"{name} keys"] += type_in(page, field)
    context.close()


def visit(page: Page, url: str, name: str, found: dict[str, list[float]]) -> None:
    """Go there; keep the time to the first paint and the server's time."""
    page.goto(url)
    while not (times := page.evaluate(TIMES)):
        page.wait_for_timeout(20)
    paint, server = times
    found[f"{name} paint"].append(paint)
    found[f"{name} server"].append(server)


def type_in(page: Page, field: str) -> list[float]:
    """Seconds of each key until it was painted."""
    page.focus(field)
    page.evaluate(KEYS)
    for number, character in enumerate(TYPED, 1):
        page.keyboard.press(character)
        page.wait_for_timeout(80)  # a quick typist
        while page.evaluate("window.keyTimes.length") < number:
            page.wait_for_timeout(20)
    return [float(seconds) for seconds in page.evaluate("window.keyTimes")]


def rows(found: dict[str, list[float]]) -> list[Row]:
    """The figures as a table."""
    floor, key_floor = statistics.median(found["floor paint"]), statistics.median(found["floor keys"])
    static, idle = f"{floor:.3f} s, a static page with 100 rows", f"{key_floor:.3f} s, a key that changes nothing"
    words = {"first visit": "home, first visit", "home": "home", "open": "open"}
    made = [
        row(
            f"{words[key]}: first byte to paint",
            statistics.median(found[f"{key} paint"]),
            "s",
            floor=static,
            target=PAINT_TARGET,
        )
        for key in words
    ]
    made += [row(f"{words[key]}: server's time", statistics.median(found[f"{key} server"]), "s") for key in words]
    for key in ("home", "open"):
        times = found[f"{key} keys"]
        name = f"{key}: filter, a key until painted"
        made.append(row(f"{name}, median", statistics.median(times), "s", floor=idle, target=KEY_TARGET))
        made.append(
            row(
                f"{name}, worst of {len(times)}",
                max(times),
                "s",
                floor=f"{max(found['floor keys']):.3f} s",
                target=KEY_TARGET,
            )
        )
    return made


@contextmanager
def static_page() -> Iterator[str]:
    """The address of the floor's page, served from memory."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(STATIC)))
            self.end_headers()
            self.wfile.write(STATIC)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    report(measure(arguments.repetitions), as_json=arguments.json)


if __name__ == "__main__":
    main()
