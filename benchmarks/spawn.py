"""From the click to a server that answers: ours against plain DockerSpawner, interleaved; and what a browser paints then.

Needs Docker, root, Debian's chromium, and the base image (``panosc-hub images build base``). Takes about five minutes::

    .venv/bin/python -m benchmarks.spawn [--json] [--starts 8]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from contextlib import ExitStack
from pathlib import Path

from benchmarks.hubs import BASE_IMAGE, NAIVE_IMAGE, WORK, PlainHub, Session, build_naive_image
from benchmarks.report import Row, ratio, report, row

from running_demo import RunningDemo  # isort: skip - beneath deploy/demo, which benchmarks.hubs put on the path

SERVER = "p-ma1234"
SELECTION: dict[str, object] = {"proposals": ["esrf/ma1234"]}
TARGET_SAME_IMAGE, TARGET_NAIVE, TARGET_PAINT_SECONDS = 0.8, 0.5, 0.6


def measure(starts: int) -> list[Row]:
    """Start each hub, take turns, stop all."""
    build_naive_image()
    WORK.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        demo = RunningDemo("docker", WORK / "demo")
        stack.callback(demo.stop)
        plain = {}
        for name, image in (("same", BASE_IMAGE), ("naive", NAIVE_IMAGE)):
            plain[name] = PlainHub(name, image)
            stack.callback(plain[name].stop)
        demo.wait()
        for hub in plain.values():
            hub.wait()
        return _take_turns(demo, plain, starts)


def _take_turns(demo: RunningDemo, plain: dict[str, PlainHub], starts: int) -> list[Row]:
    ours, admin = Session(demo.url, "ada"), Session(demo.url, "olga")
    peers = {name: Session(hub.url, "ada") for name, hub in plain.items()}
    seconds: dict[str, list[float]] = {"ours": [], **{name: [] for name in peers}}
    phases: dict[str, list[float]] = {}
    paints: list[float] = []
    for turn in range(starts + 1):  # the first of each is a warm-up
        taken = {"ours": ours.start(SERVER, SELECTION)}
        if turn:
            for phase, value in _phases(admin.server_state(ours.user, SERVER)).items():
                phases.setdefault(phase, []).append(value)
            paints.append(first_paint(ours))
        ours.stop(SERVER)
        for name, session in peers.items():
            taken[name] = session.start("lab", {})
            session.stop("lab")
        for name, value in taken.items():
            if turn:
                seconds[name].append(value)
    return [
        ratio("start, same image", seconds["ours"], seconds["same"], "plain DockerSpawner", target=TARGET_SAME_IMAGE),
        ratio("start, naive image", seconds["ours"], seconds["naive"], "plain, naive image", target=TARGET_NAIVE),
        row("click to ready", statistics.median(seconds["ours"]), "s"),
        *(row(f"  phase {name}", statistics.median(values), "s") for name, values in phases.items()),
        row("ready to first paint in Lab", statistics.median(paints), "s", target=TARGET_PAINT_SECONDS),
    ]


def _phases(state: dict[str, object]) -> dict[str, float]:
    panosc = state.get("panosc")
    found = panosc.get("phases") if isinstance(panosc, dict) else None
    return {str(name): float(value) for name, value in found.items()} if isinstance(found, dict) else {}


def first_paint(session: Session) -> float:
    """Seconds until a browser that was never here has painted the server's page, from asking for it."""
    from playwright.sync_api import Error, sync_playwright

    url = f"{session.hub}/user/{session.user}/{SERVER}/lab/tree/proposals/esrf/ma1234"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies(
            [
                {"name": cookie.name, "value": cookie.value or "", "domain": "127.0.0.1", "path": cookie.path}
                for cookie in session.http.cookies.jar
            ]
        )
        page = context.new_page()
        for _ in range(3):  # Chromium drops requests while containers come and go
            try:
                page.goto(url, wait_until="commit")
                break
            except Error as error:
                if "ERR_NETWORK_CHANGED" not in str(error):
                    raise
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0", timeout=60_000)
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        browser.close()
    return float(painted) / 1000


def _chromium() -> Path:
    found = shutil.which("chromium")
    if found is None:
        raise SystemExit("Debian's chromium is needed: apt-get install chromium")
    return Path(found)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--starts", type=int, default=8, help="starts of each kind")
    arguments = parser.parse_args()
    report(measure(arguments.starts), as_json=arguments.json)


if __name__ == "__main__":
    main()
