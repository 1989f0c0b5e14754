"""Open the desktop as a browser does: refused without a log-in and to other origins, the picture through the proxy, little memory, an end with the server, and a home that cannot be written to."""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import websocket
from parts import processes
from parts.rfb import Desktop
from PIL import Image

sys.path.append("/inside")
from on_desktop import PORT, TOKEN, display, start

BASE = "/user/ada/desk/"
HTTP = f"http://127.0.0.1:{PORT}{BASE}"
SOCKET = f"ws://127.0.0.1:{PORT}{BASE}desktop/socket"
MOST_MEMORY_MB = 220


def status(path: str, headers: dict[str, str] | None = None) -> int:
    """The status of an answer, redirects not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    try:
        request = urllib.request.Request(HTTP + path, headers=headers or {})
        with urllib.request.build_opener(Stay).open(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def refused(url: str, **options: object) -> int:
    """The status with which a websocket is refused."""
    try:
        websocket.create_connection(url, timeout=20, **options).close()
    except websocket.WebSocketBadStatusException as error:
        return int(error.status_code)
    raise AssertionError(f"{url} let us in: {options}")


def check_who_is_refused() -> None:
    """Before anything has started; nothing starts by it."""
    assert status("desktop/") == 302, "the page without a log-in"
    assert refused(SOCKET, suppress_origin=True) == 403, "the socket without a log-in"
    assert refused(f"{SOCKET}?token=wrong", suppress_origin=True) == 403, "the socket with a wrong token"
    assert not processes.x_servers(), "a refused request started a desktop"
    with urllib.request.urlopen(f"{HTTP}desktop/?token={TOKEN}", timeout=20) as answer:
        page, cookies = answer.read().decode(), answer.headers.get_all("Set-Cookie")
    cookie = "; ".join(line.split(";")[0] for line in cookies)
    assert refused(SOCKET, cookie=cookie, origin="https://elsewhere.example") == 403, "a page of another origin"
    assert 'id="screen"' in page and status("desktop/static/desktop.js") == 200


def check_a_click() -> None:
    """From nothing to a picture, as one click does it; then what it costs."""
    urllib.request.urlopen(
        urllib.request.Request(f"{HTTP}desktop/restart?token={TOKEN}", method="POST", data=b""), timeout=20
    ).close()
    clicked = time.monotonic()
    desktop = Desktop(f"{SOCKET}?token={TOKEN}")
    desktop.wait_until_drawn()
    seconds = time.monotonic() - clicked
    print(f"result: from nothing to the desktop = {seconds:.2f} s")
    assert processes.listening() == {PORT}, f"something listens on {processes.listening() - {PORT}}"
    display()

    time.sleep(2)
    memory = processes.memory_mb()
    print(f"result: server and idle desktop = {memory:.0f} MB")
    assert memory <= MOST_MEMORY_MB, f"{memory:.0f} MB"
    Image.fromarray(desktop.picture()).save(os.environ["PANOSC_PICTURE"])


def check_a_home_that_cannot_be_written_to() -> None:
    """The page says what is wrong, and the desktop starts."""
    with urllib.request.urlopen(f"{HTTP}desktop/?token={TOKEN}", timeout=20) as answer:
        assert "Your home cannot be written to" in answer.read().decode(), "no words about the home"
    Desktop(f"{SOCKET}?token={TOKEN}").wait_until_drawn()


home = Path.home()
home.mkdir(parents=True, exist_ok=True)
server = start(home, BASE)
try:
    check_who_is_refused()
    check_a_click()
finally:
    seconds = processes.stop(server)
print(f"result: the server and its desktop stopped in = {seconds:.2f} s")

closed = home / "closed"
closed.mkdir()
closed.chmod(0o500)
server = start(closed, BASE)
try:
    check_a_home_that_cannot_be_written_to()
finally:
    processes.stop(server)
print("result: desktops with a home that cannot be written to = 1 of 1")
