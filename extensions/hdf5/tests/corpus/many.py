"""Files with many objects: 100,000 children, 2,000 scans, deep trees."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from corpus.catalogue import recipe

CHILDREN = 100_000
SCANS = 2000
COUNTERS = 300
POINTS = 51


@recipe("children.h5", big=True)
def children(folder: Path) -> None:
    """A group of 100,000 children, beside small ones."""
    with h5py.File(folder / "children.h5", "w", libver="latest") as file:
        file["small/data"] = np.arange(10)
        many = file.create_group("many").id
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        for number in range(CHILDREN):
            h5py.h5d.create(many, b"point_%06d" % number, h5py.h5t.STD_I32LE, space)


@recipe("deep.h5", big=True)
def deep(folder: Path) -> None:
    """38,000 objects in a tree of five levels."""
    with h5py.File(folder / "deep.h5", "w", libver="latest") as file:
        space = h5py.h5s.create_simple((4,))

        def grow(group: h5py.h5g.GroupID, level: int) -> None:
            for number in range(8):
                if level == 4:
                    h5py.h5d.create(group, b"counter_%d" % number, h5py.h5t.IEEE_F64LE, space)
                else:
                    grow(h5py.h5g.create(group, b"level%d_%d" % (level, number)), level + 1)

        grow(file.id, 0)
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["needle_in_the_hay"] = 42


@recipe("bliss.h5", big=True)
def bliss(folder: Path) -> None:
    """2,000 scans as BLISS writes them; the last has 300 counters."""
    scans(folder / "bliss.h5", SCANS)


@recipe("scan.h5")
def scan(folder: Path) -> None:
    """20 scans as BLISS writes them."""
    scans(folder / "scan.h5", 20)


def scans(path: Path, count: int) -> None:
    """A file of BLISS scans: instrument, measurement, sample, plot; counters of the measurement lead to the instrument's."""
    random = np.random.default_rng(3)
    with h5py.File(path, "w", libver=("v108", "latest"), track_order=False) as file:
        file.attrs.update({"NX_class": "NXroot", "creator": "Bliss", "default": f"{count}.1"})
        for number in range(1, count + 1):
            counters = COUNTERS if number == count else 4
            _scan(file, number, counters, random)


def _scan(file: h5py.File, number: int, counters: int, random: np.random.Generator) -> None:
    entry = _group(file, f"{number}.1", "NXentry")
    entry.attrs["default"] = "plot"
    entry["title"] = f"ascan samy {number % 7} {number % 7 + 1} 50 0.1"
    start = np.datetime64("2026-11-20T08:00:00") + np.timedelta64(97 * number, "s")
    entry["start_time"] = f"{start}+01:00"
    entry["end_time"] = f"{start + np.timedelta64(80, 's')}+01:00"
    instrument = _group(entry, "instrument", "NXinstrument")
    measurement = _group(entry, "measurement", "NXcollection")
    motor = _group(instrument, "samy", "NXpositioner")
    motor["value"] = np.linspace(number % 7, number % 7 + 1, POINTS)
    motor["value"].attrs["units"] = "mm"
    measurement["samy"] = motor["value"]
    for counter in range(counters):
        detector = _group(instrument, f"counter{counter:03d}", "NXdetector")
        data = detector.create_dataset("data", data=random.poisson(100 + counter, POINTS).astype("f8"))
        detector["type"] = "0D"
        measurement[f"counter{counter:03d}"] = data
    sample = _group(entry, "sample", "NXsample")
    sample["name"] = f"LaB6 {number % 11}"
    plot = _group(entry, "plot", "NXdata")
    plot.attrs.update({"signal": "counter000", "axes": "samy"})
    for name in ("samy", "counter000"):
        plot[name] = h5py.SoftLink(f"{measurement.name}/{name}")


def _group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    made = parent.create_group(name)
    made.attrs["NX_class"] = nx_class
    return made
