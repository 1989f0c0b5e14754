"""The demo and a browser, for tests that do what a person does."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = Path(os.environ.get("PANOSC_TEST_OUTPUT", ROOT / ".test"))
SCREENSHOTS = OUTPUT / "screenshots"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


class DemoHub:
    """A running demo, as ``make demo`` starts it, in a folder of its own."""

    def __init__(self, spawner: str) -> None:
        self.folder = OUTPUT / f"demo-{spawner}"
        self.lines: list[str] = []
        self.url = ""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "deploy/demo/demo.py", spawner],
            env={**os.environ, "PANOSC_DEMO_PORT": str(port), "PANOSC_DEMO_FOLDER": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.fullmatch(r"ready (http://127\.0\.0\.1:\d+)/\n", line):
                self.url = match.group(1)

    def wait(self, seconds: float = 180) -> None:
        """Until it says that it is ready."""
        deadline = time.monotonic() + seconds
        while not self.url:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the demo is not ready:\n{''.join(self.lines)}\n{self.logs()}")
            time.sleep(0.1)

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=90)

    def logs(self) -> str:
        """The last lines of each log."""
        texts = []
        for file in sorted((self.folder / "logs").glob("*.log")):
            lines = file.read_text(errors="replace").splitlines()[-60:]
            texts.append("\n".join([f"--- {file.name}", *lines]))
        return "\n".join(texts)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def visit(page: Page, url: str) -> None:
    """Go to a page; again if Chromium dropped the request because containers came or went."""
    for last in (False, False, True):
        try:
            page.goto(url)
        except Error as error:
            if last or "ERR_NETWORK_CHANGED" not in str(error):
                raise
            time.sleep(0.5)
        else:
            return


def log_in(page: Page, hub: DemoHub, persona: str) -> None:
    """Log in as one of the demo's people, the way they would; ends on their page."""
    visit(page, f"{hub.url}/")
    page.get_by_role("link", name=re.compile("log in", re.IGNORECASE)).or_(
        page.get_by_role("button", name=re.compile("log in", re.IGNORECASE))
    ).first.click()
    page.get_by_role("button", name=re.compile(persona)).click()
    page.wait_for_url("**/hub/home")


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
