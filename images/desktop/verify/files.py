"""Files and icons on the desktop: HDF5 files open in silx view by a double-click, each icon opens, and files of others run nothing."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from parts import processes
from parts.rfb import ALT, ESCAPE, F9, Desktop, colours, icons
from PIL import Image

sys.path.append("/inside")
from on_desktop import PORT, TOKEN, display, start, wait_for_window, wait_until_gone, windows

SILX = r'"Silx viewer"|"silx view[^"]*":\s*\("silx'
# The windows of the icons on the desktop, from the top.
ICONS = (r'"home":\s*\("pcmanfm', r'"proposals":\s*\("pcmanfm', r'"PyMca[^"]*"', SILX, r'\("xterm"')


def make_rings(file: Path) -> None:
    """An HDF5 file with a ring as its default plot."""
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    with h5py.File(file, "w") as made:
        made.attrs["default"] = "entry"
        entry = made.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "counts"})
        data["counts"] = 1000 * np.exp(-60 * (np.hypot(x, y) - 0.6) ** 2)


def check_types(home: Path) -> None:
    """Each ending of HDF5's is HDF5."""
    for ending in ("h5", "hdf5", "nxs", "nx5", "cxi"):
        make_rings(home / f"rings.{ending}")
        command = ["gio", "info", "-a", "standard::content-type", f"{home}/rings.{ending}"]
        kind = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "application/x-hdf5" in kind, f"{ending}: {kind}"


def check_silx(home: Path, desktop: Desktop, environment: dict[str, str]) -> None:
    """What a double-click on an HDF5 file does."""
    silx = subprocess.Popen(["gio", "open", str(home / "rings.nxs")], env=environment)
    seconds = wait_for_window(SILX, environment)
    print(f"result: an HDF5 file in silx view = {seconds:.1f} s")
    time.sleep(4)
    shown = desktop.picture()
    assert colours(shown) > 300, f"silx view shows no colour map: {colours(shown)} colours"
    Image.fromarray(shown).save(os.environ["PANOSC_PICTURE"])
    silx.wait(20)
    processes.end("silx")


def named(environment: dict[str, str]) -> dict[str, str]:
    """Windows that have a title of their own; not hints, which have the program's."""
    found = dict(re.findall(r'(0x[0-9a-f]+) "([^"]+)":\s*\("', windows(environment)))
    return {window: title for window, title in found.items() if title != "pcmanfm"}


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
    processes.end("silx", "pymca", "xterm")
    wait_until_gone(rf"{SILX}|{ICONS[2]}", environment, seconds=40)


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
    processes.end("silx")
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


def check_files_of_others(home: Path, desktop: Desktop, environment: dict[str, str]) -> None:
    """An HDF5 file opens at once; what runs a command does not, without a question."""
    shared = home / "proposals" / "demo" / "visit-1" / "shared"
    data = shared / "data"
    data.mkdir(parents=True)
    for number in range(40):
        (data / f"run_{number}.nxs").hardlink_to(home / "rings.nxs")
    assert re.search("silx", title := double_click_in(desktop, data, environment), re.I), title
    ran = home / "ran"
    asked = [double_click_in(desktop, folder, environment) for folder in hostile(shared, ran)]
    assert not ran.exists(), f"somebody else's file ran by a double-click: {asked}"
    print(f"result: files of others that a double-click ran = 0 of {len(asked)} kinds")


home = Path.home()
(home / "proposals").mkdir(parents=True, exist_ok=True)
server = start(home)
try:
    check_types(home)
    desktop = Desktop(f"ws://127.0.0.1:{PORT}/desktop/socket?token={TOKEN}")
    desktop.wait_until_drawn()
    environment = display()
    check_silx(home, desktop, environment)
    click_icons(desktop, environment)
    check_files_of_others(home, desktop, environment)
finally:
    processes.stop(server)
