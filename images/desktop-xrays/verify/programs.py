"""Dioptas on the desktop: its window by the icon, an image in it, words about what is no image, and a start with a home that cannot be written to."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import fabio
import numpy as np
import websocket
from PIL import Image

sys.path.append("/inside")
from on_desktop import PORT, TOKEN, display, end, picture, start, wait_for_window, wait_until_gone, windows

WINDOW = r'"Dioptas 0\.11[^"]*"'
WITH_IMAGE = r'"rings\.edf \| Dioptas 0\.11[^"]*"'


def run(environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
    """A program in a session of its own, so that all of it can be ended."""
    return subprocess.Popen(command, env=environment, cwd=home, start_new_session=True, stdout=sys.stderr)


def rings(file: Path) -> None:
    """An image with five rings, as a detector writes it."""
    y, x = np.mgrid[:1000, :1000]
    radius = np.hypot(x - 480, y - 520)
    expected = 5 + sum(400 * np.exp(-(((radius - 90 * n) / 4) ** 2)) for n in range(1, 6))
    fabio.edfimage.EdfImage(data=np.random.default_rng(1).poisson(expected).astype("uint16")).write(str(file))


def centres(shown: np.ndarray) -> set[int]:
    """The distances of five rings that lie around one point of a picture at equal distances: light there, dark between them."""
    bright = (np.ptp(shown, axis=2) < 3) & (shown[:, :, 0] > 90)
    found = set()
    for distance in range(20, 90):
        around = np.ones(bright.shape, dtype=bool)
        for number, axis, side in itertools.product(range(1, 6), (0, 1), (-1, 1)):
            near = [np.roll(bright, side * number * distance + step, axis) for step in (-1, 0, 1)]
            between = np.roll(bright, side * int((number - 0.5) * distance), axis)
            around &= np.any(near, axis=0) & ~between
        if around.any():
            found.add(distance)
    return found


def stop(program: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    """It still ran; now it is gone."""
    assert program.poll() in (None, 0), f"Dioptas ended by itself: {program.returncode}"
    end(program)
    wait_until_gone("Dioptas", environment)


def check_icon(environment: dict[str, str]) -> None:
    """As a double-click on the icon does it."""
    icon = run(environment, "gio", "open", str(home / "Desktop/Dioptas"))
    print(f"result: Dioptas' window, by its icon = {wait_for_window(WINDOW, environment, icon):.1f} s")
    stop(icon, environment)


def check_image(environment: dict[str, str]) -> None:
    """The rings are drawn, and no window with an error comes."""
    dioptas = run(environment, "panosc-xrays", str(home / "rings.edf"))
    print(f"result: a diffraction image in Dioptas = {wait_for_window(WITH_IMAGE, environment, dioptas):.1f} s")
    picture(os.environ["PANOSC_PICTURE"], environment)
    shown = np.asarray(Image.open(os.environ["PANOSC_PICTURE"]).convert("RGB")).astype(int)
    places = centres(shown)
    print(f"result: distance of the image's rings on the screen = {sorted(places)} pixels")
    assert places, "the image is not drawn: nowhere on the screen are five rings around one point"
    assert "Error" not in windows(environment), windows(environment)
    assert dioptas.poll() is None, f"Dioptas ended by itself: {dioptas.returncode}"
    stop(dioptas, environment)


def check_what_is_no_image(environment: dict[str, str]) -> None:
    """It says so, and goes on."""
    notes = home / "notes.edf"
    notes.write_text("Ask about the beam stop.\n")
    dioptas = run(environment, "panosc-xrays", str(notes))
    wait_for_window(r'"Error"', environment, dioptas)
    assert dioptas.poll() is None, f"Dioptas ended by itself: {dioptas.returncode}"
    stop(dioptas, environment)
    print("result: files that are no image, told in words = 1 of 1")


def check_closed_home(environment: dict[str, str]) -> None:
    """As when the home is full."""
    closed = home / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    dioptas = run(environment | {"HOME": str(closed)}, "panosc-xrays", str(home / "rings.edf"))
    wait_for_window(WITH_IMAGE, environment, dioptas)
    assert dioptas.poll() is None, f"Dioptas ended by itself: {dioptas.returncode}"
    stop(dioptas, environment)
    print("result: starts with a home that cannot be written to = 1 of 1")


home = Path.home()
home.mkdir(parents=True, exist_ok=True)
rings(home / "rings.edf")
server = start(home)
try:
    socket = websocket.create_connection(
        f"ws://127.0.0.1:{PORT}/desktop/socket?token={TOKEN}", timeout=30, suppress_origin=True
    )
    shown_on = display()
    check_icon(shown_on)
    check_image(shown_on)
    check_what_is_no_image(shown_on)
    check_closed_home(shown_on)
    socket.close()
finally:
    server.send_signal(signal.SIGTERM)
    server.wait(20)
