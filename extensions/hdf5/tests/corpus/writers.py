"""Processes that write while others read.

::

    python -m corpus.writers swmr FILE --rate 20 --frames 200    # single writer, many readers
    python -m corpus.writers flush FILE                          # appends and flushes, without SWMR
    python -m corpus.writers lock FILE --seconds 30              # holds the file open and locked

Each prints ``ready`` when the file can be opened, then for each frame ``<number> <seconds since 1970>`` once it is flushed.
Frame n is filled with n, and the first pixel of a line tells the same: a reader knows what it should see.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import h5py
import numpy as np

SHAPE = (64, 80)


def write(path: Path, *, swmr: bool, rate: float, frames: int) -> None:
    """Append frames at a rate, in Hz."""
    with h5py.File(path, "w", libver="latest" if swmr else ("v108", "latest")) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry"})
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "frames"})
        stack = data.create_dataset("frames", (0, *SHAPE), "<u2", chunks=(1, *SHAPE), maxshape=(None, *SHAPE))
        line = entry.create_dataset("line", (0,), "<f8", chunks=(256,), maxshape=(None,))
        file.flush()
        if swmr:
            file.swmr_mode = True
        print("ready", flush=True)
        due = time.monotonic()
        for number in range(frames):
            due += 1 / rate
            time.sleep(max(0.0, due - time.monotonic()))
            stack.resize(number + 1, axis=0)
            stack[number] = np.full(SHAPE, number, "<u2")
            line.resize(number + 1, axis=0)
            line[number] = number
            stack.flush()
            line.flush()
            if not swmr:
                file.flush()
            print(number, time.time(), flush=True)


def lock(path: Path, seconds: float) -> None:
    """Hold a file open for writing, locked as HDF5 does by default."""
    with h5py.File(path, "w", locking=True) as file:
        file["data"] = np.arange(10)
        file.flush()
        print("ready", flush=True)
        time.sleep(seconds)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("swmr", "flush", "lock"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=float, default=10.0, help="frames a second")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    if arguments.kind == "lock":
        lock(arguments.file, arguments.seconds)
    else:
        write(arguments.file, swmr=arguments.kind == "swmr", rate=arguments.rate, frames=arguments.frames)


if __name__ == "__main__":
    main()
