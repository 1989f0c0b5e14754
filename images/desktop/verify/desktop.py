"""Open the desktop as a browser does: refused without a log-in and to other origins, the picture through the proxy, an HDF5 file opened by its type in silx view, little memory, and an end with the server."""

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
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
    opener = subprocess.Popen(["gio", "open", str(home / "rings.nxs")], env=environment)
    seconds = wait_for_window(r'"Silx viewer"|"silx view[^"]*":\s*\("silx', environment)
    print(f"result: an HDF5 file in silx view = {seconds:.1f} s")
    time.sleep(4)
    shown = desktop.picture()
    assert colours(shown) > 300, f"silx view shows no colour map: {colours(shown)} colours"
    Image.fromarray(shown).save(os.environ["PANOSC_PICTURE"])
    fit = subprocess.Popen(
        [shutil.which("pymca")], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seconds = wait_for_window(r'"PyMca[^"]*"', environment)
    print(f"result: PyMca's window = {seconds:.1f} s")
    fit.terminate()
    fit.wait(20)
    opener.wait(20)
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
