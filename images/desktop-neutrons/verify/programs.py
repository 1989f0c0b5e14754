"""The programs on the desktop: a window of SasView with data, of McStas' interface with an instrument, and of its plots."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import websocket
from PIL import Image

sys.path.append("/inside")
from on_desktop import PORT, TOKEN, display, end, picture, start, wait_for_window, wait_until_gone

EXAMPLE = Path("/usr/share/mcstas/resources/examples/Templates/templateSANS/templateSANS.instr")
SITE = Path(sys.prefix) / "lib/python3.13/site-packages"
DATA = SITE / "sas/example_data/1d_data/cyl_400_20.txt"


def screen(name: str, environment: dict[str, str]) -> Image.Image:
    """What is on the display, once the programs have drawn."""
    picture(name, environment)
    shown = Image.open(name).convert("RGB")
    colours = len(shown.getcolors(maxcolors=1 << 24))
    assert colours > 100, f"{name}: only {colours} colours"
    return shown


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
    environment = display() | {"BROWSER": "panosc-address"}
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
    wait_until_gone('"mcgui-py', environment)

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
for row, shown in enumerate(pictures):
    joined.paste(shown, (0, row * height))
joined.save(os.environ["PANOSC_PICTURE"])
