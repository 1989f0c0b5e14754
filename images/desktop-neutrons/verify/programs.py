"""The programs on the desktop: a window of SasView with data, of McStas' interface with an instrument, and of its plots."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import websocket
from PIL import Image

PORT = 8888
TOKEN = "verify"
EXAMPLE = Path("/usr/share/mcstas/resources/examples/Templates/templateSANS/templateSANS.instr")
SITE = Path(sys.prefix) / "lib/python3.13/site-packages"
DATA = SITE / "sas/example_data/1d_data/cyl_400_20.txt"
GRAB = """
import sys
from PySide6.QtGui import QGuiApplication
application = QGuiApplication([])
assert application.primaryScreen().grabWindow(0).save(sys.argv[1], "png")
"""


def start(home: Path) -> subprocess.Popen[bytes]:
    """A Jupyter server whose person lives there."""
    command = [sys.executable, "-sP", "-m", "jupyter_server", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={PORT}",
               "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home}"]  # fmt: skip
    process = subprocess.Popen(command, env=os.environ | {"HOME": str(home)}, cwd=home, stdout=sys.stderr)
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/status?token={TOKEN}", timeout=20).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process
    raise AssertionError("the server does not answer")


def display() -> dict[str, str]:
    """The environment of a program on the desktop."""
    for _ in range(200):
        for number in Path("/tmp").glob("panosc-desktop-*/number"):
            folder = number.parent
            if text := number.read_text().strip():
                return os.environ | {
                    "DISPLAY": f":{text}",
                    "XAUTHORITY": str(folder / "Xauthority"),
                    "XDG_RUNTIME_DIR": str(folder / "run"),
                    "BROWSER": "panosc-address",
                }
        time.sleep(0.1)
    raise AssertionError("no display")


def windows(environment: dict[str, str]) -> str:
    """The titles of all windows."""
    command = ["xwininfo", "-root", "-tree"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def wait_for_window(pattern: str, environment: dict[str, str], program: subprocess.Popen[bytes]) -> float:
    """Seconds until a window's title matches."""
    began = time.monotonic()
    while not re.search(pattern, windows(environment)):
        assert program.poll() in (None, 0), f"the program ended: {program.returncode}"
        assert time.monotonic() - began < 60, f"no window {pattern}:\n{windows(environment)}"
        time.sleep(0.1)
    return time.monotonic() - began


def screen(name: str, environment: dict[str, str]) -> Image.Image:
    """What is on the display, once the programs have drawn."""
    time.sleep(4)
    subprocess.run([sys.executable, "-c", GRAB, name], env=environment, check=True)
    picture = Image.open(name).convert("RGB")
    colours = len(picture.getcolors(maxcolors=1 << 24))
    assert colours > 100, f"{name}: only {colours} colours"
    return picture


def end(program: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(10)


home = Path.home()
home.mkdir(parents=True, exist_ok=True)
work = home / "work"
work.mkdir()
shutil.copy(EXAMPLE, work)
server = start(home)
pictures = []
try:
    socket = websocket.create_connection(
        f"ws://127.0.0.1:{PORT}/desktop/socket?token={TOKEN}", timeout=30, suppress_origin=True
    )
    environment = display()
    assert DATA.is_file(), DATA
    sasview = subprocess.Popen(["sasview", str(DATA)], env=environment, cwd=work, start_new_session=True)
    seconds = wait_for_window(r'"SasView 6\.[0-9.]+[^"]*"', environment, sasview)
    print(f"result: SasView's window = {seconds:.1f} s")
    pictures.append(screen("sasview.png", environment))
    assert sasview.poll() is None, "SasView ended by itself"
    assert not (home / ".local/share/SasView/example_data").exists(), "SasView's examples were copied into the home"
    end(sasview)

    # As a double-click on its icon does it.
    icon = subprocess.Popen(
        ["gio", "open", str(home / "Desktop/McStas")], env=environment, cwd=work, start_new_session=True
    )
    seconds = wait_for_window(r'"mcgui-py', environment, icon)
    print(f"result: McStas' interface, by its icon = {seconds:.1f} s")
    end(icon)
    for _ in range(100):
        if '"mcgui-py' not in windows(environment):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the first mcgui did not end")

    mcgui = subprocess.Popen(["mcgui", "templateSANS.instr"], env=environment, cwd=work, start_new_session=True)
    seconds = wait_for_window(r'"mcgui-py', environment, mcgui)
    print(f"result: McStas' interface = {seconds:.1f} s")
    pictures.append(screen("mcgui.png", environment))
    assert mcgui.poll() is None, "mcgui ended by itself"
    end(mcgui)

    subprocess.run(
        ["mcrun", "templateSANS.instr", "-n", "1e5", "-d", "run", "lambda=6"], cwd=work, stdout=sys.stderr, check=True
    )
    plot = subprocess.Popen(["mcplot-pyqtgraph", "run"], env=environment, cwd=work, start_new_session=True)
    seconds = wait_for_window(r'"(?:[^"]*/)?run/?"', environment, plot)
    print(f"result: the plots of a run = {seconds:.1f} s")
    pictures.append(screen("mcplot.png", environment))
    end(plot)
    socket.close()
finally:
    server.send_signal(signal.SIGTERM)
    server.wait(20)

width, height = pictures[0].size
joined = Image.new("RGB", (width, height * len(pictures)))
for row, picture in enumerate(pictures):
    joined.paste(picture, (0, row * height))
joined.save(os.environ["PANOSC_PICTURE"])
