"""The desktop as a person uses it, in the image and from the hub: there at once, typing, copy and paste, a lost network, nobody else's."""

from __future__ import annotations

import io
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect
from support import RunningDemo, log_in, screenshot, visit
from test_main_job import START_SECONDS, stop_server

PROPOSAL = "demo/demo-001"
AXE = {"rules": {"target-size": {"enabled": True}}}  # WCAG 2.2, off unless asked for
PANEL_BLUE = 45
"""The desktop is there when its panel is: at the bottom of the screen, by so much more blue than red."""


@pytest.fixture(scope="module")
def server(docker_hub: RunningDemo, browser: Browser) -> Iterator[str]:
    """Marie's server with a desktop; its address."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        log_in(page, docker_hub, "Marie")
        visit(page, f"{docker_hub.url}/hub/open?proposals={PROPOSAL}")
        page.locator("#environments > summary").click()
        page.get_by_role("radio", name=re.compile("With a desktop")).check()
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_url(re.compile(r"/user/[^/]+/.*lab"), timeout=START_SECONDS * 1000)
        yield page.url.split("/lab")[0] + "/"
        stop_server(page, docker_hub)


@pytest.fixture
def marie(docker_hub: RunningDemo, page: Page, server: str) -> Page:
    """Her browser, logged in."""
    log_in(page, docker_hub, "Marie")
    return page


@pytest.fixture
def keys(context: BrowserContext, page: Page) -> CDPSession:
    """Keys of keyboards that Playwright has no layout for."""
    return context.new_cdp_session(page)


def wait_for_desktop(page: Page, seconds: float = 120) -> None:
    """Until its panel is drawn."""
    deadline = time.monotonic() + seconds
    while not panel_is_there(page):
        assert time.monotonic() < deadline, f"no desktop: {page.locator('#status').inner_text()}"
        page.wait_for_timeout(20)


def panel_is_there(page: Page) -> bool:
    """Whether the bottom row of the desktop's picture is the panel's."""
    return bool(
        page.evaluate(
            """blue => {
                const canvas = document.querySelector('#screen canvas');
                if (!canvas || !canvas.width || document.body.dataset.state !== 'connected') return false;
                const row = canvas.getContext('2d').getImageData(0, canvas.height - 6, canvas.width, 1).data;
                let panel = 0;
                for (let i = 0; i < row.length; i += 4) if (row[i + 2] - row[i] > blue) panel += 1;
                return panel > canvas.width / 2;
            }""",
            PANEL_BLUE,
        )
    )


def open_desktop(page: Page, server: str) -> None:
    """Its page, ready for keys."""
    visit(page, f"{server}desktop/")
    wait_for_desktop(page)


def open_terminal(page: Page) -> None:
    """By its key; ready when it draws."""
    before = page.locator("#screen canvas").screenshot()
    page.keyboard.press("Control+Alt+t")
    for _ in range(600):
        page.wait_for_timeout(100)
        if light_pixels(page.locator("#screen canvas").screenshot()) > light_pixels(before) + 100_000:
            page.wait_for_timeout(300)
            return
    raise AssertionError("no terminal")


def light_pixels(png: bytes) -> int:
    """How many are nearly white, as a terminal's."""
    return sum(Image.open(io.BytesIO(png)).convert("L").histogram()[240:])


def type_line(page: Page, line: str) -> None:
    """Type into what has the focus."""
    page.keyboard.type(f"{line}\n", delay=5)


def press(keys: CDPSession, key: str, code: str, **more: Any) -> None:
    """A key that writes a character, wherever it lies."""
    keys.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "code": code, **more})
    keys.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "code": code, **more})


def read_file(page: Page, server: str, name: str, seconds: float = 60) -> str:
    """A file of the person's home, as the server gives it, when it has something in it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = page.request.get(f"{server}api/contents/{name}?content=1&type=file&format=text&no_track_activity=1")
        content = str(answer.json()["content"]) if answer.ok else ""
        if content.endswith("\n"):
            return content
        assert time.monotonic() < deadline, f"{name}: {answer.status} {content!r}"
        page.wait_for_timeout(100)


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_it_is_there_after_one_click_and_again_after_a_restart(
    docker_hub: RunningDemo, marie: Page, server: str
) -> None:
    """From the page of running servers, for the first time in this server: nothing was started before."""
    for first in (True, False):
        visit(marie, f"{docker_hub.url}/hub/home")
        button = marie.get_by_role("link", name=re.compile("^Desktop"))
        expect(button).to_be_visible()
        button.click()
        wait_for_desktop(marie)
        if first:
            restart(marie, server)
    marie.wait_for_timeout(1500)
    screenshot(marie, "desktop-1-there")


def restart(page: Page, server: str) -> None:
    """End the desktop, so that the next click starts one."""
    xsrf = next(c["value"] for c in page.context.cookies(server) if c["name"] == "_xsrf" and c["path"] in server)
    answer = page.request.post(f"{server}desktop/restart", headers={"X-XSRFToken": xsrf})
    assert answer.ok, answer.text()


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_keys_arrive_as_the_persons_keyboard_writes_them(marie: Page, server: str, keys: CDPSession) -> None:
    open_desktop(marie, server)
    open_terminal(marie)
    type_line(marie, "cat > typed.txt")
    # German: z and y have changed places, @ and € are AltGr's. French: é is a key. The last: after a dead key.
    for key, code in (("z", "KeyY"), ("y", "KeyZ"), ("é", "Digit2"), ("ß", "Minus")):
        press(keys, key, code)
    keys.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": "AltGraph", "code": "AltRight"})
    for key, code in (("@", "KeyQ"), ("€", "KeyE")):
        press(keys, key, code)
    keys.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": "AltGraph", "code": "AltRight"})
    press(keys, "Dead", "BracketLeft")
    press(keys, "ê", "KeyE")
    marie.keyboard.press("Enter")
    marie.keyboard.press("Control+d")
    assert read_file(marie, server, "typed.txt") == "zyéß@€ê\n"
    screenshot(marie, "desktop-2-typed")
    type_line(marie, "exit")


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_copy_and_paste_both_ways_without_a_question(
    docker_hub: RunningDemo, context: BrowserContext, marie: Page, server: str
) -> None:
    open_desktop(marie, server)
    open_terminal(marie)
    type_line(marie, "cat > pasted.txt")
    put_on_clipboard(context, marie, "from my computer: 3 µm, naïve, 日本")
    marie.locator("#screen canvas").focus()
    marie.keyboard.press("Control+Shift+V")
    marie.wait_for_timeout(500)
    marie.keyboard.press("Enter")
    marie.keyboard.press("Control+d")
    assert read_file(marie, server, "pasted.txt") == "from my computer: 3 µm, naïve, 日本\n"

    type_line(marie, r"printf 'from the desktop: caf\303\251' | xclip -selection clipboard")
    expect(marie.locator("#status")).to_have_text("Copied to your computer.", timeout=60_000)
    assert read_clipboard(context, marie) == "from the desktop: café"

    # By the panel, as where a browser keeps its clipboard closed.
    marie.get_by_role("button", name="Copy and paste").click()
    expect(marie.get_by_label("The desktop's clipboard")).to_have_value("from the desktop: café")
    marie.get_by_label("The desktop's clipboard").fill("by the panel: ∂x")
    screenshot(marie, "desktop-3-clipboard")
    marie.get_by_role("button", name="Put this on the desktop's clipboard").click()
    marie.wait_for_timeout(300)
    type_line(marie, "(xclip -o -selection clipboard; echo) > panel.txt; exit")
    assert read_file(marie, server, "panel.txt") == "by the panel: ∂x\n"


def put_on_clipboard(context: BrowserContext, page: Page, text: str) -> None:
    """As if the person had copied it elsewhere; the page keeps no permission."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    context.clear_permissions()


def read_clipboard(context: BrowserContext, page: Page) -> str:
    """What a paste elsewhere would bring."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    text = str(page.evaluate("navigator.clipboard.readText()"))
    context.clear_permissions()
    return text


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_it_is_as_large_as_the_window(marie: Page, server: str) -> None:
    open_desktop(marie, server)
    for width, height in ((1000, 600), (1600, 950)):
        marie.set_viewport_size({"width": width, "height": height})
        expect(marie.locator("#screen canvas")).to_have_attribute("width", str(width), timeout=60_000)
        bar = marie.locator("#bar").bounding_box()
        assert bar is not None
        assert marie.locator("#screen canvas").get_attribute("height") == str(round(height - bar["height"]))
        wait_for_desktop(marie)
    screenshot(marie, "desktop-4-large")


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_a_lost_network_comes_back_to_the_same_windows(docker_hub: RunningDemo, marie: Page, server: str) -> None:
    """The proxy stops answering without closing anything, as a network does."""
    open_desktop(marie, server)
    open_terminal(marie)
    type_line(marie, "KEPT=the-same-shell")
    proxy = proxy_of(docker_hub)
    proxy.send_signal(signal.SIGSTOP)
    try:
        expect(marie.get_by_role("heading", name="No connection")).to_be_visible(timeout=60_000)
        expect(marie.locator("#status")).to_contain_text("Trying again")
        screenshot(marie, "desktop-5-lost")
    finally:
        proxy.send_signal(signal.SIGCONT)
    back = time.monotonic()
    wait_for_desktop(marie, 20)
    print(f"back after {time.monotonic() - back:.1f} s")
    expect(marie.locator("#curtain")).to_be_hidden()
    type_line(marie, "echo $KEPT > after.txt; exit")
    assert read_file(marie, server, "after.txt") == "the-same-shell\n"


def proxy_of(hub: RunningDemo) -> psutil.Process:
    """The demo's proxy."""
    mine = psutil.Process(hub.process.pid).children(recursive=True)
    (found,) = (process for process in mine if any("configurable-http-proxy" in word for word in process.cmdline()))
    return found


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_nobody_else_gets_it(docker_hub: RunningDemo, browser: Browser, marie: Page, server: str) -> None:
    open_desktop(marie, server)
    try_socket = """url => new Promise(done => {
        const socket = new WebSocket(url.replace('http', 'ws') + 'desktop/socket');
        socket.onopen = () => done('open'); socket.onclose = () => done('refused');
    })"""
    assert marie.evaluate(try_socket, server) == "open"
    with browser.new_context() as other:
        page = other.new_page()
        visit(page, f"{docker_hub.url}/hub/login")
        assert page.evaluate(try_socket, server) == "refused", "without a log-in"
        log_in(page, docker_hub, "Ada")
        assert page.evaluate(try_socket, server) == "refused", "as another person"
        answer = page.goto(f"{server}desktop/")
        assert answer is not None and answer.status in (403, 404)
        assert page.locator("#screen").count() == 0


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_it_can_be_left_and_started_again_by_keyboard(marie: Page, server: str) -> None:
    open_desktop(marie, server)
    marie.keyboard.press("Control+Alt+Shift+B")
    expect(marie.get_by_role("button", name="Copy and paste")).to_be_focused()
    marie.keyboard.press("Tab")
    marie.keyboard.press("Enter")
    marie.get_by_role("button", name="Restart the desktop").focus()
    marie.keyboard.press("Enter")
    expect(marie.get_by_text("what was not saved in it is lost")).to_be_visible()
    screenshot(marie, "desktop-6-keys")
    look(marie)
    marie.locator("#screen canvas").evaluate("old => old.dataset.old = true")
    marie.keyboard.press("Enter")
    expect(marie.locator("#screen canvas:not([data-old])")).to_be_visible(timeout=60_000)
    wait_for_desktop(marie)
    expect(marie.locator("#curtain")).to_be_hidden()
    # The new one has the keys: nothing was clicked.
    open_terminal(marie)
    type_line(marie, "echo again > restarted.txt; exit")
    assert read_file(marie, server, "restarted.txt") == "again\n"
    # Ended by something else than this page, it says so, and one press starts it.
    restart(marie, server)
    expect(marie.get_by_role("heading", name="You closed the desktop")).to_be_visible(timeout=60_000)
    screenshot(marie, "desktop-7-closed")
    marie.get_by_role("button", name="Start it again").press("Enter")
    wait_for_desktop(marie)


def look(page: Page) -> None:
    """Let axe look at the page around the desktop; on a phone nothing sticks out sideways."""
    found = Axe().run(page, options=AXE).response["violations"]
    assert not [(v["id"], v["help"], [node["html"][:150] for node in v["nodes"]]) for v in found]
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert size is not None
    page.set_viewport_size(size)


@pytest.mark.browser
@pytest.mark.docker
@pytest.mark.slow
def test_an_hdf5_file_opens_from_jupyterlab(marie: Page, server: str) -> None:
    """By the launcher's card, and by the file browser's menu."""
    code = "import h5py; f = h5py.File('opened.h5', 'w'); f['x'] = [[1, 2], [3, 4]]; f.close()"
    open_desktop(marie, server)
    open_terminal(marie)
    type_line(marie, f'python -c "{code}"; echo made > made.txt; exit')
    read_file(marie, server, "made.txt")
    visit(marie, f"{server}lab/tree/made.txt?reset")
    expect(marie.locator(".jp-DirListing-item", has_text="opened.h5")).to_be_visible(timeout=60_000)
    marie.locator("[data-jp-item-name='new-launcher']").first.click()
    expect(marie.locator(".jp-LauncherCard", has_text="Desktop")).to_be_visible(timeout=60_000)
    screenshot(marie, "desktop-8-launcher")
    marie.locator(".jp-DirListing-item", has_text="opened.h5").click(button="right")
    with marie.context.expect_page() as opened:
        marie.get_by_role("menuitem", name="Open on the Desktop (silx view)").click()
    page = opened.value
    wait_for_desktop(page)
    empty = light_pixels(page.locator("#screen canvas").screenshot())
    for _ in range(150):
        page.wait_for_timeout(200)
        if light_pixels(page.locator("#screen canvas").screenshot()) > empty + 100_000:
            break
    else:
        raise AssertionError("silx view did not open")
    page.wait_for_timeout(1500)
    screenshot(page, "desktop-9-silx")
