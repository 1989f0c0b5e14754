"""What a person waits for in a browser: from the click to the picture, to the next frame, to a plot among 2,000 scans.

Ours and jupyterlab-h5web in turn, each in JupyterLab, in Debian's headless Chromium and a network namespace of its own. Painted
means: the first frame that WebGL has drawn with the data, read back so that it is really there. Screenshots are left in
``.test/screenshots``::

    .venv/bin/python -m benchmarks.hdf5_browser [--json] [--turns 5] [--only picture,next,scans,image] [--slow-peer]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.hdf5_servers import CORPUS, ROOT, WORK, Server, peer_python
from benchmarks.report import Row, report, row

sys.path.insert(0, str(ROOT / "extensions" / "hdf5" / "tests"))
from corpus import make  # isort: skip - beneath the extension's tests

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

PARTS = ("picture", "next", "scans", "image")
PROBE = Path(__file__).with_name("hdf5_probe.js").read_text()
SCREENSHOTS = WORK / "screenshots"
ROUTES = {"ours": "/panosc-hdf5/", "peer": "/h5web/"}
SLIDERS = {"ours": ".ph5-slider input[type=range]", "peer": "[role=slider][aria-orientation=vertical]"}
INSIDE = "PANOSC_OWN_NETWORK"
QUIET_SECONDS = 1.0
PIXELS = 64 * 64  # a texture with data, not a colour map; three's geometries are smaller than
POINTS_BYTES = 400  # the points of a line


@dataclass
class Visit:
    """One click and what came of it; times in seconds since the click."""

    first: float = 0.0
    last: float = 0.0
    requests: int = 0
    nbytes: int = 0
    failed: bool = False


@dataclass
class Tab:
    """A page in Lab, with what it asked its server."""

    page: Page
    kind: str
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: ROUTES[self.kind] in request.url and self.asked.append(request))

    def settle(self, limit: float) -> None:
        """Until nothing was asked or painted for a while."""
        until, seen, since = time.monotonic() + limit, (-1, -1), time.monotonic()
        while time.monotonic() < until:
            now = (len(self.asked), len(self.page.evaluate("window.__paints.painted")))
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > QUIET_SECONDS:
                return
            self.page.wait_for_timeout(100)

    def visit(self, what: str, limit: float) -> Visit:
        """What was painted since the last click or key."""
        from playwright.sync_api import TimeoutError as TooLate

        painted = f"window.__paints.since('{what}').length > 0"
        try:
            self.page.wait_for_function(painted, timeout=1000 * limit, polling=50)
        except TooLate as error:
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SCREENSHOTS / "benchmark-hdf5-nothing.png")
            if self.kind == "ours":
                raise SystemExit(f"nothing was painted within {limit} s of a {what}") from error
            return Visit(limit, limit, len(self.asked), failed=True)
        self.settle(limit)
        times = self.page.evaluate(f"window.__paints.since('{what}')")
        return Visit(times[0] / 1e3, times[-1] / 1e3, len(self.asked), sum(_size(request) for request in self.asked))


def _size(request: Request) -> int:
    try:
        return int(request.sizes()["responseBodySize"])
    except Exception:  # a request that was cancelled has none
        return 0


def open_lab(browser: Browser, server: Server, kind: str, folder: str) -> Tab:
    """Lab, showing a folder's files."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(PROBE.replace("PIXELS", str(PIXELS)).replace("POINTS_BYTES", str(POINTS_BYTES)))
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"http://127.0.0.1:{server.port}/lab/tree/{folder}?reset&token={server.token}")
    page.wait_for_selector(".jp-DirListing-item")
    page.wait_for_timeout(1500)  # Lab's own start is not what is measured
    return Tab(page, kind)


def double_click(tab: Tab, name: str) -> None:
    """Open a file from the file browser."""
    item = tab.page.locator(f'.jp-DirListing-item:has-text("{name}")').first
    item.click()
    tab.asked.clear()
    item.dblclick()


def shoot(tab: Tab, name: str) -> float:
    """Keep a screenshot, and say how much its pixels differ: nothing for a uniform picture."""
    import numpy as np
    from PIL import Image

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"benchmark-hdf5-{name}-{tab.kind}.png"
    canvas = tab.page.locator("canvas").first
    canvas.screenshot(path=path)
    return float(np.asarray(Image.open(path).convert("L"), dtype=float).std())


@dataclass
class Bench:
    """A browser and two servers."""

    browser: Browser
    servers: dict[str, Server]
    turns: int
    slow_peer: bool

    def visits(self, file: str, limit: float, *, peer: bool = True) -> tuple[dict[str, list[Visit]], dict[str, Tab]]:
        """Open a file in turn, each time in a new page; the last pages stay open."""
        found: dict[str, list[Visit]] = {"ours": [], "peer": []}
        tabs: dict[str, Tab] = {}
        folder, name = file.split("/")
        for turn in range(self.turns + 1):
            for kind, server in self.servers.items():
                if kind == "peer" and not peer:
                    continue
                if kind in tabs:
                    tabs[kind].page.context.close()
                tabs[kind] = open_lab(self.browser, server, kind, folder)
                double_click(tabs[kind], name)
                visit = tabs[kind].visit("dblclick", limit)
                if turn:
                    found[kind].append(visit)
        return found, tabs


def _median(visits: list[Visit], what: str = "first") -> float:
    return statistics.median(getattr(visit, what) for visit in visits)


def _words(visits: list[Visit]) -> str | None:
    if not visits:
        return None
    if visits[-1].failed:
        return f"peer: nothing within {visits[-1].first:.0f} s and {visits[-1].requests} requests"
    return f"peer {_median(visits):.2f} s, {visits[-1].requests} requests, {visits[-1].nbytes / 1e6:.2f} MB"


def eiger(bench: Bench, only: list[str]) -> Iterator[Row]:
    """The first picture of a 4M stack, and the next frames."""
    found, tabs = bench.visits("eiger/eiger.h5", 60)
    ours = found["ours"]
    differ = {kind: shoot(tab, "eiger") for kind, tab in tabs.items()}
    yield row("4M stack: click to picture", _median(ours), "s", target=0.5, peer=_words(found["peer"]))
    yield row("  until nothing changes any more", _median(ours, "last"), "s")
    yield row("  requests", ours[-1].requests, "", peer=f"{ours[-1].nbytes / 1e6:.2f} MB")
    yield row("  contrast of the picture", differ["ours"], "grey", peer=f"peer {differ['peer']:.1f}")
    if "next" in only:
        steps = {kind: [step(tab) for _ in range(bench.turns + 1)][1:] for kind, tab in tabs.items()}
        median = {kind: statistics.median(values) for kind, values in steps.items()}
        yield row("4M stack: next frame", median["ours"], "s", target=0.1, peer=f"peer {median['peer']:.3f} s")
    for tab in tabs.values():
        tab.page.context.close()


def step(tab: Tab) -> float:
    """To the next frame by key; seconds until it is painted."""
    slider = tab.page.locator(SLIDERS[tab.kind]).first
    slider.focus()
    tab.page.keyboard.press("ArrowRight" if tab.kind == "ours" else "ArrowUp")
    return tab.visit("keydown", 30).first


def scans(bench: Bench) -> Iterator[Row]:
    """A plot among 2,000 scans."""
    found, tabs = bench.visits("bliss/bliss.h5", 60)
    for tab in tabs.values():
        shoot(tab, "scans")
        tab.page.context.close()
    yield row("2,000 scans: click to plot", _median(found["ours"]), "s", target=1.5, peer=_words(found["peer"]))
    yield row("  requests", found["ours"][-1].requests, "", target=5)


def image(bench: Bench) -> Iterator[Row]:
    """An image of 20,000 x 20,000."""
    path = CORPUS / "image20k" / "image20k.h5"
    os.utime(path)  # nothing is kept of it
    turns, bench.turns = bench.turns, 0 if bench.slow_peer else 1
    found, tabs = bench.visits("image20k/image20k.h5", 180, peer=False)
    ours = found["ours"] or [Visit()]
    bench.turns = turns
    yield row("20,000 x 20,000: click to preview", ours[-1].first, "s", peer="kept on disk" if ours[-1].first else None)
    yield row("  contrast of the picture", shoot(tabs["ours"], "image20k"), "grey")
    tabs["ours"].page.context.close()
    os.utime(path)
    tab = open_lab(bench.browser, bench.servers["ours"], "ours", "image20k")
    double_click(tab, "image20k.h5")
    visit = tab.visit("dblclick", 180)
    yield row("20,000 x 20,000, never seen: click to preview", visit.first, "s")
    yield row("  until it is complete", visit.last, "s")
    yield row("  requests", visit.requests, "", peer=f"{visit.nbytes / 1e6:.2f} MB")
    tab.page.context.close()
    if bench.slow_peer:
        tab = open_lab(bench.browser, bench.servers["peer"], "peer", "image20k")
        double_click(tab, "image20k.h5")
        visit = tab.visit("dblclick", 240)
        yield row(
            "  peer: click to picture",
            visit.first,
            "s",
            peer=f"{visit.nbytes / 1e6:.0f} MB, contrast {shoot(tab, 'image20k'):.1f}",
        )
        tab.page.context.close()


def measure(only: list[str], turns: int, slow_peer: bool) -> Iterator[Row]:
    """Start the servers and a browser, take turns, stop all."""
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hdf5-browser-")))
        servers = {
            "ours": Server(Path(sys.executable), CORPUS, state / "ours", "panosc_hdf5", "lab"),
            "peer": Server(peer_python(), CORPUS, state / "peer", "jupyterlab_h5web", "lab"),
        }
        for server in servers.values():
            stack.callback(server.stop)
        servers["ours"].wait("/panosc-hdf5/status")
        servers["peer"].wait()
        playwright = stack.enter_context(sync_playwright())
        flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
        browser = playwright.chromium.launch(executable_path=_chromium(), args=flags)
        stack.callback(browser.close)
        bench = Bench(browser, servers, turns, slow_peer)
        if {"picture", "next"} & set(only):
            yield from eiger(bench, only)
        if "scans" in only:
            yield from scans(bench)
        if "image" in only:
            yield from image(bench)


def _chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        raise SystemExit("Debian's chromium is needed: apt-get install chromium")
    return found


def _into_own_network() -> None:
    """Again, where there is nothing but loopback: Chromium drops its requests whenever a network interface comes or goes."""
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    inside = [sys.executable, str(ROOT / "tests" / "own_network.py"), sys.executable, "-m", "benchmarks.hdf5_browser"]
    os.execvpe(unshare[0], [*unshare, *inside, *sys.argv[1:]], os.environ | {INSIDE: "1"})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turns", type=int, default=5, help="of each")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument(
        "--slow-peer", action="store_true", help="open the 20,000 x 20,000 image in the peer, too: a minute, 2.3 GB"
    )
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    if unknown := sorted(set(only) - set(PARTS)):
        parser.error(f"unknown: {', '.join(unknown)}")
    if os.environ.get(INSIDE) != "1":
        for name in ("eiger", "bliss", "image20k"):
            make(CORPUS, name)
        peer_python()
        _into_own_network()
    rows: list[Any] = []
    for item in measure(only, arguments.turns, arguments.slow_peer):
        rows.append(item)
        print(f"{item.name}: {item.value} {item.unit}", file=sys.stderr, flush=True)
    report(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
