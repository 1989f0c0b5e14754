"""Open the desktop as a browser does: refused without a log-in and to other origins, the picture through the proxy, an HDF5 file opened by a double-click in silx view, icons that open, files of others that do not run, little memory, and an end with the server."""

import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import websocket
from PIL import Image

PORT = 8888
TOKEN = "verify"
BASE = "/user/ada/desk/"
HTTP = f"http://127.0.0.1:{PORT}{BASE}"
SOCKET = f"ws://127.0.0.1:{PORT}{BASE}desktop/socket"
MOST_MEMORY_MB = 220
RUN = Path("/tmp")
SILX = r'"Silx viewer"|"silx view[^"]*":\s*\("silx'
# The windows of the icons on the desktop, from the top.
ICONS = (r'"home":\s*\("pcmanfm', r'"proposals":\s*\("pcmanfm', r'"PyMca[^"]*"', SILX, r'\("xterm"')
BACKGROUND = (0x2B, 0x3A, 0x47)
ALT, ESCAPE, F9 = 0xFFE9, 0xFF1B, 0xFFC6


class Desktop:
    """What noVNC does, in a few lines: RFB 3.8 without encoding (RFC 6143)."""

    def __init__(self, url: str = f"{SOCKET}?token={TOKEN}") -> None:
        self.socket = websocket.create_connection(url, timeout=20, suppress_origin=True)
        self.waiting = b""
        version = self.read(12)
        assert version == b"RFB 003.008\n", version
        self.send(version)
        kinds = self.read(self.read(1)[0])
        assert 1 in kinds, f"security types {list(kinds)}: None is missing"
        self.send(b"\x01")
        assert self.read(4) == bytes(4), "refused after the handshake"
        self.send(b"\x01")
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.name = self.read(struct.unpack(">I", self.read(4))[0]).decode()
        # 32 bits, little-endian, red in the third byte; only raw rectangles.
        self.send(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.send(struct.pack(">BxHi", 2, 1, 0))

    def send(self, data: bytes) -> None:
        """Bytes for the X server."""
        self.socket.send_binary(data)

    def read(self, count: int) -> bytes:
        """That many of the X server's bytes; the page's words between them are text messages."""
        while len(self.waiting) < count:
            message = self.socket.recv()
            if isinstance(message, bytes):
                self.waiting += message
        data, self.waiting = self.waiting[:count], self.waiting[count:]
        return data

    def picture(self) -> np.ndarray:
        """The whole screen: height x width x RGB."""
        self.send(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        screen = np.zeros((self.height, self.width, 4), dtype=np.uint8)
        while (kind := self.read(1)[0]) != 0:
            assert kind == 2, f"unexpected message {kind}"  # a bell
        rectangles = struct.unpack(">xH", self.read(3))[0]
        for _ in range(rectangles):
            x, y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
            assert encoding == 0, f"encoding {encoding}"
            pixels = np.frombuffer(self.read(width * height * 4), dtype=np.uint8)
            screen[y : y + height, x : x + width] = pixels.reshape(height, width, 4)
        return screen[:, :, 2::-1]

    def double_click(self, x: int, y: int) -> None:
        """With the left button."""
        for pressed in (0, 1, 0, 1, 0):
            self.send(struct.pack(">BBHH", 5, pressed, x, y))
            time.sleep(0.05)

    def press(self, *keysyms: int) -> None:
        """Keys held together."""
        for down, keys in ((1, keysyms), (0, keysyms[::-1])):
            for key in keys:
                self.send(struct.pack(">BBxxI", 4, down, key))


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


def start(home: Path) -> subprocess.Popen[bytes]:
    """A Jupyter server whose person lives there."""
    command = [sys.executable, "-sP", "-m", "jupyter_server", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={PORT}",
               "--ServerApp.port_retries=0", f"--ServerApp.base_url={BASE}", f"--IdentityProvider.token={TOKEN}",
               f"--ServerApp.root_dir={home}"]  # fmt: skip
    process = subprocess.Popen(command, env=os.environ | {"HOME": str(home)}, cwd=home, stdout=sys.stderr)
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            status("api/status")
        except OSError:
            time.sleep(0.05)
        else:
            return process
    raise AssertionError("the server does not answer")


def stop(process: subprocess.Popen[bytes]) -> float:
    """Seconds until the server and its X server are gone."""
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    while x_servers():
        assert time.monotonic() - asked < 10, "the X server outlives the Jupyter server"
        time.sleep(0.02)
    return time.monotonic() - asked


def x_servers() -> list[int]:
    """Their process ids."""
    return [pid for pid, name in names().items() if name == "Xtigervnc"]


def names() -> dict[int, str]:
    """Of all living processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text()
            except OSError:
                continue
            if fields.rpartition(")")[2].split()[0] != "Z":
                found[int(entry.name)] = fields.partition("(")[2].rpartition(")")[0]
    return found


def memory_mb() -> float:
    """What the server and everything it started hold, each shared page counted once; without this script."""
    total = 0
    for pid in names():
        if pid == os.getpid():
            continue
        try:
            total += int(re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
        except OSError:
            continue
    return total * 1024 / 1e6


def listening() -> set[int]:
    """TCP ports on which something listens."""
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {int(fields[1].rpartition(":")[2], 16) for fields in lines if fields[3] == "0A"}


def on_the_display() -> dict[str, str]:
    """The environment of a program on the desktop."""
    (folder,) = RUN.glob("panosc-desktop-*")
    assert folder.stat().st_mode & 0o777 == 0o700, "others may enter the socket's folder"
    return os.environ | {
        "DISPLAY": f":{(folder / 'number').read_text().strip()}",
        "XAUTHORITY": str(folder / "Xauthority"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
    }


def windows(environment: dict[str, str]) -> str:
    """The titles of all windows."""
    # Not checked: a window that goes while it looks is an error to it.
    command = ["xwininfo", "-root", "-tree"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def wait_for_window(pattern: str, environment: dict[str, str]) -> float:
    """Seconds until a window's title matches."""
    began = time.monotonic()
    while not re.search(pattern, windows(environment)):
        assert time.monotonic() - began < 60, f"no window {pattern}:\n{windows(environment)}"
        time.sleep(0.1)
    return time.monotonic() - began


def named(environment: dict[str, str]) -> dict[str, str]:
    """Windows that have a title of their own; not hints, which have the program's."""
    found = dict(re.findall(r'(0x[0-9a-f]+) "([^"]+)":\s*\("', windows(environment)))
    return {window: title for window, title in found.items() if title != "pcmanfm"}


def icons(picture: np.ndarray) -> list[tuple[int, int]]:
    """Where they are on the desktop, from the top: blocks at the left that no letter is as solid as."""
    column = np.any(np.abs(picture[:, :120].astype(int) - BACKGROUND) > 40, axis=2)
    solid = [max((len(run) for run in bytes(row).split(b"\0")), default=0) >= 20 for row in column[:-40]]
    edges = np.flatnonzero(np.diff([0, *solid, 0]))
    blocks = [(top, end) for top, end in zip(edges[::2], edges[1::2], strict=True) if end - top >= 12]
    return [(int(np.flatnonzero(column[(top + end) // 2]).mean()), int(top + end) // 2) for top, end in blocks]


def end(*programs: str) -> None:
    """All of them that are open."""
    for pid, name in names().items():
        if name in programs:
            os.kill(pid, signal.SIGTERM)


def click_icons(desktop: Desktop, environment: dict[str, str]) -> None:
    """Open each icon on the desktop; what covers the next one goes out of the way."""
    began = time.monotonic()
    while len(places := icons(before := desktop.picture())) != len(ICONS):
        assert time.monotonic() - began < 20, f"icons on the desktop at {places}"
        time.sleep(0.2)
    # PyMca last: its windows come one after the other.
    for number in (0, 1, 3, 4, 2):
        x, y = places[number]
        began = time.monotonic()
        while not np.array_equal(*(shown[y - 8 : y + 8, x - 8 : x + 8] for shown in (before, desktop.picture()))):
            assert time.monotonic() - began < 20, f"the icon at {x}, {y} stays covered"
            desktop.press(ALT, F9)
            time.sleep(0.5)
        desktop.double_click(x, y)
        seconds = wait_for_window(ICONS[number], environment)
        time.sleep(1)
    print(f"result: PyMca's window after a double-click on its icon = {seconds:.1f} s")
    print(f"result: icons on the desktop that open = {len(ICONS)} of {len(ICONS)}")
    end("silx", "pymca", "xterm")
    while re.search(rf"{SILX}|{ICONS[2]}", windows(environment)):
        assert time.monotonic() - began < 40, "programs stay"
        time.sleep(0.1)


def double_click_in(desktop: Desktop, folder: Path, environment: dict[str, str]) -> str:
    """Open a file of a folder that is full of its like; the title of the window that this brings, which is closed again."""
    subprocess.run(["pcmanfm", str(folder)], env=environment, check=True, timeout=20)
    wait_for_window(f'"{folder.name}":', environment)
    time.sleep(1)
    before = named(environment)
    (window,) = (window for window, title in before.items() if title == folder.name)
    said = subprocess.run(
        ["xwininfo", "-id", window], env=environment, capture_output=True, text=True, check=True
    ).stdout
    left, top = (int(re.search(rf"Absolute upper-left {axis}:\s+(-?\d+)", said)[1]) for axis in "XY")
    desktop.double_click(left + 235, top + 300)
    began = time.monotonic()
    while not (new := {window: title for window, title in named(environment).items() if window not in before}):
        assert time.monotonic() - began < 20, f"a double-click in {folder} did nothing"
        time.sleep(0.1)
    time.sleep(2)
    end("silx")
    while set(named(environment)) & set(new):
        assert time.monotonic() - began < 40, f"{new} stays"
        desktop.press(ESCAPE)
        time.sleep(0.3)
    return next(iter(new.values()))


def hostile(folder: Path, ran: Path) -> Iterator[Path]:
    """Folders as a colleague may fill them, each full of one kind of file that would run a command of theirs."""
    entry = f"[Desktop Entry]\nType=Application\nName=run_0042.nxs\nIcon=application-x-hdf5\nExec=touch {ran}\n"
    program = folder / "program.desktop"
    program.write_text(entry)
    link = "[Desktop Entry]\nType=Link\nName=run_0042.nxs\nIcon=application-x-hdf5\nURL=/usr/share/../.."
    kinds = {
        "program": ("x{}.desktop", entry),
        "no-ending": ("run_{}", entry),
        "link": ("x{}.desktop", f"{link}{program}\n"),
        "link-no-ending": ("run_{}", f"{link}{program}\n"),
        "script": ("run_{}", f"#!/bin/sh\ntouch {ran}\n"),
        "symlink": ("run_{}.nxs", None),
    }
    for kind, (name, content) in kinds.items():
        (folder / kind).mkdir()
        for number in range(40):
            file = folder / kind / name.format(number)
            if content is None:
                file.symlink_to(program)
            else:
                file.write_text(content)
                file.chmod(0o755)
        yield folder / kind


def is_drawn(picture: np.ndarray) -> bool:
    """Whether the panel is there: blue, at the bottom."""
    row = picture[-6].astype(int)
    return float(np.mean(row[:, 2] - row[:, 0] > 45)) > 0.5


def colours(picture: np.ndarray) -> int:
    """How many different ones."""
    red, green, blue = (picture[:, :, channel].astype(np.uint32) for channel in range(3))
    return len(np.unique(red << 16 | green << 8 | blue))


home = Path.home()
home.mkdir(parents=True, exist_ok=True)
server = start(home)
try:
    # Who is refused, before anything has started.
    assert status("desktop/") == 302, "the page without a log-in"
    assert refused(SOCKET, suppress_origin=True) == 403, "the socket without a log-in"
    assert refused(f"{SOCKET}?token=wrong", suppress_origin=True) == 403, "the socket with a wrong token"
    assert not x_servers(), "a refused request started a desktop"
    with urllib.request.urlopen(f"{HTTP}desktop/?token={TOKEN}", timeout=20) as answer:
        page, cookies = answer.read().decode(), answer.headers.get_all("Set-Cookie")
    cookie = "; ".join(line.split(";")[0] for line in cookies)
    assert refused(SOCKET, cookie=cookie, origin="https://elsewhere.example") == 403, "a page of another origin"
    assert 'id="screen"' in page and status("desktop/static/desktop.js") == 200

    # From nothing to a picture, as one click does it.
    urllib.request.urlopen(
        urllib.request.Request(f"{HTTP}desktop/restart?token={TOKEN}", method="POST", data=b""), timeout=20
    ).close()
    clicked = time.monotonic()
    desktop = Desktop()
    while not is_drawn(desktop.picture()):
        assert time.monotonic() - clicked < 20, "the screen stays empty"
        time.sleep(0.05)
    seconds = time.monotonic() - clicked
    print(f"result: from nothing to the desktop = {seconds:.2f} s")
    assert listening() == {PORT}, f"something listens on {listening() - {PORT}}"

    time.sleep(2)
    memory = memory_mb()
    print(f"result: server and idle desktop = {memory:.0f} MB")
    assert memory <= MOST_MEMORY_MB, f"{memory:.0f} MB"

    # A file by its type, for each ending; then what a double-click does.
    for ending in ("h5", "hdf5", "nxs", "nx5", "cxi"):
        command = ["gio", "info", "-a", "standard::content-type", f"{home}/rings.{ending}"]
        y, x = np.mgrid[-1:1:300j, -1:1:300j]
        with h5py.File(home / f"rings.{ending}", "w") as file:
            file.attrs["default"] = "entry"
            entry = file.create_group("entry")
            entry.attrs.update({"NX_class": "NXentry", "default": "data"})
            data = entry.create_group("data")
            data.attrs.update({"NX_class": "NXdata", "signal": "counts"})
            data["counts"] = 1000 * np.exp(-60 * (np.hypot(x, y) - 0.6) ** 2)
        kind = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "application/x-hdf5" in kind, f"{ending}: {kind}"
    environment = on_the_display()
    silx = subprocess.Popen(["gio", "open", str(home / "rings.nxs")], env=environment)
    seconds = wait_for_window(SILX, environment)
    print(f"result: an HDF5 file in silx view = {seconds:.1f} s")
    time.sleep(4)
    shown = desktop.picture()
    assert colours(shown) > 300, f"silx view shows no colour map: {colours(shown)} colours"
    Image.fromarray(shown).save(os.environ["PANOSC_PICTURE"])
    silx.wait(20)
    end("silx")

    # Icons open at once; so does an HDF5 file. What runs a command does not, without a question.
    shared = home / "proposals" / "demo" / "visit-1" / "shared"
    shared.mkdir(parents=True)
    click_icons(desktop, environment)
    data = shared / "data"
    data.mkdir()
    for number in range(40):
        (data / f"run_{number}.nxs").hardlink_to(home / "rings.nxs")
    assert re.search("silx", title := double_click_in(desktop, data, environment), re.I), title
    ran = home / "ran"
    asked = [double_click_in(desktop, folder, environment) for folder in hostile(shared, ran)]
    assert not ran.exists(), f"somebody else's file ran by a double-click: {asked}"
    print(f"result: files of others that a double-click ran = 0 of {len(asked)} kinds")
finally:
    seconds = stop(server)
print(f"result: the server and its desktop stopped in = {seconds:.2f} s")

# A home that cannot be written to, as a full one: the desktop starts, and the page says what is wrong.
closed = home / "closed"
closed.mkdir()
closed.chmod(0o500)
server = start(closed)
try:
    with urllib.request.urlopen(f"{HTTP}desktop/?token={TOKEN}", timeout=20) as answer:
        assert "Your home cannot be written to" in answer.read().decode(), "no words about the home"
    desktop = Desktop()
    began = time.monotonic()
    while not is_drawn(desktop.picture()):
        assert time.monotonic() - began < 20, "no desktop without a home"
        time.sleep(0.1)
finally:
    stop(server)
print("result: desktops with a home that cannot be written to = 1 of 1")
