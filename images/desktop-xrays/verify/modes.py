"""Each mode of Dioptas' window on a real display: a calibrated image is integrated there, its rings are peaks where they belong, and nothing fails."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import fabio
import numpy as np
import websocket

sys.path.append("/inside")
from on_desktop import PORT, TOKEN, display, start

DISTANCE, PIXEL, CENTRE = 0.2, 172e-6, (500, 450)  # m, m, pixels (column, row from below)
RADII = (120, 200, 280, 360)  # pixels
PONI = f"""poni_version: 2
Detector: Detector
Detector_config: {{"pixel1": {PIXEL}, "pixel2": {PIXEL}, "max_shape": null}}
Distance: {DISTANCE}
Poni1: {(CENTRE[1] + 0.5) * PIXEL}
Poni2: {(CENTRE[0] + 0.5) * PIXEL}
Rot1: 0
Rot2: 0
Rot3: 0
Wavelength: 4.133e-11
"""
# As a person does it, with Dioptas' own buttons; run on the desktop.
PERSON = """
import faulthandler, sys, time
faulthandler.dump_traceback_later(60, exit=True)  # a question that nobody answers
import numpy as np
import dioptas
from dioptas.controller.MainController import MainController
from qtpy import QtWidgets

application = QtWidgets.QApplication([])
dioptas._apply_application_stylesheet(application)
failed = []
sys.excepthook = lambda kind, error, trace: (failed.append(error), sys.__excepthook__(kind, error, trace))


def wait(seconds, until=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        application.processEvents()
        time.sleep(0.01)


dioptas_window = MainController(use_settings=False)
dioptas_window.show_window()
dioptas_window.widget.resize(1200, 740)
model = dioptas_window.model
model.img_model.load("rings.edf")
model.calibration_model.load("rings.poni")
for mode in ("calibration", "mask", "map", "integration"):
    getattr(dioptas_window.widget, f"{mode}_mode_btn").click()
    wait(1)
    assert not failed, f"{mode}: {failed}"
    print("mode:", mode)
wait(20, lambda: len(model.pattern.x) > 100 and np.max(model.pattern.y) > 100)
wait(2)
np.savetxt("pattern.xy", np.transpose(model.pattern.data))
assert dioptas_window.widget.grab().save(sys.argv[1], "png")
assert not failed, failed
"""


def make_image(file: Path) -> None:
    """Rings around a beam that meets the detector at a right angle."""
    row, column = np.mgrid[:1000, :1000]
    # Dioptas shows the first row at the bottom of its picture; fabio's first row is Dioptas' last.
    radius = np.hypot(column - CENTRE[0], (999 - row) - CENTRE[1])
    expected = 5 + sum(400 * np.exp(-(((radius - ring) / 3) ** 2)) for ring in RADII)
    fabio.edfimage.EdfImage(data=np.random.default_rng(1).poisson(expected).astype("uint16")).write(str(file))


def peaks(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Centres of what is higher than half of the highest point."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], y > y.max() / 2, [0]]).astype(int)))
    return np.array([np.average(x[a:b], weights=y[a:b]) for a, b in zip(edges[::2], edges[1::2])])


home = Path.home()
home.mkdir(parents=True, exist_ok=True)
make_image(home / "rings.edf")
(home / "rings.poni").write_text(PONI)
server = start(home)
try:
    socket = websocket.create_connection(
        f"ws://127.0.0.1:{PORT}/desktop/socket?token={TOKEN}", timeout=30, suppress_origin=True
    )
    done = subprocess.run(
        [sys.executable, "-c", PERSON, os.environ["PANOSC_PICTURE"]],
        env=display(), cwd=home, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    print(done.stderr[-4000:], file=sys.stderr)
    assert done.returncode == 0, f"Dioptas failed:\n{done.stderr[-2000:]}"
    socket.close()
finally:
    server.send_signal(signal.SIGTERM)
    server.wait(20)

modes = [line for line in done.stdout.splitlines() if line.startswith("mode: ")]
print(f"result: modes of Dioptas' window that open = {len(modes)} of 4")
assert len(modes) == 4, modes
found = peaks(*np.loadtxt(home / "pattern.xy").T)
expected = np.degrees(np.arctan(np.array(RADII) * PIXEL / DISTANCE))
assert len(found) == len(expected), f"peaks at {found}°, rings at {expected}°"
print(
    f"result: rings integrated in the window, farthest from where they belong = {np.abs(found - expected).max():.4f}°"
)
assert np.abs(found - expected).max() < 0.01, (found, expected)
