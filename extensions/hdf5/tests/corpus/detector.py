"""Area detectors: an Eiger's stack, a Dectris master with its data files, modules put together virtually."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from corpus.catalogue import recipe
from corpus.nexus import field, group

EIGER_4M = (2167, 2070)
EIGER_1M = (1065, 1030)
FRAMES, DISTINCT = 200, 10
SATURATED = 2**32 - 1
MODULE, GAP = (514, 1030), (37, 10)


def gaps(shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Where a detector of several modules has none."""
    between = np.zeros(shape, bool)
    for y in range(MODULE[0], shape[0], MODULE[0] + GAP[0]):
        between[y : y + GAP[0]] = True
    for x in range(MODULE[1], shape[1], MODULE[1] + GAP[1]):
        between[:, x : x + GAP[1]] = True
    return between


def pixel_mask(shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """NXdetector's pixel_mask: bit 0 a gap, bit 1 dead, bit 4 noisy."""
    random = np.random.default_rng(7)
    mask = gaps(shape).astype("<u4")
    for bit in (1, 4):
        mask.reshape(-1)[random.integers(0, mask.size, 200)] |= 1 << bit
    return mask


def frames(shape: tuple[int, int], count: int, seed: int = 5) -> np.ndarray[Any, Any]:
    """Counts: a falling background with rings, spots that move, dead pixels, and gaps that say 2^32 - 1."""
    random = np.random.default_rng(seed)
    y, x = np.indices(shape, dtype="f4", sparse=True)
    radius = np.hypot(y - shape[0] * 0.51, x - shape[1] * 0.49) / shape[1]
    expected = 3.0 * np.exp(-3 * radius) + 0.2
    for ring in (0.12, 0.21, 0.3, 0.41):
        expected += 2.0 * np.exp(-(((radius - ring) / 0.004) ** 2))
    expected[radius < 0.02] = 0
    table = random.permutation(np.stack([random.poisson(level, 4096) for level in np.linspace(0, 6, 256)]).T).astype(
        "u4"
    )
    levels = np.clip(expected * 255 / 6, 0, 255).astype("u1")
    made = np.empty((count, *shape), "<u4")
    dark = pixel_mask(shape) > 0
    for index in range(count):
        made[index] = table[random.integers(0, 4096, shape, dtype="u2"), levels]
        for spot in range(150):
            cy, cx = random.integers(3, shape[0] - 3), random.integers(3, shape[1] - 3)
            made[index, cy - 1 : cy + 2, cx - 1 : cx + 2] += np.uint32(50 + 20 * spot)
        made[index][dark] = SATURATED
    return made


def write_stack(file: h5py.File | h5py.Group, name: str, images: np.ndarray[Any, Any], total: int) -> h5py.Dataset:
    """Bitshuffle-LZ4 frames, repeated by writing the compressed chunks again."""
    shape = images.shape[1:]
    made = file.create_dataset(
        name,
        (total, *shape),
        images.dtype,
        chunks=(1, *shape),
        maxshape=(None, *shape),
        **hdf5plugin.Bitshuffle(cname="lz4"),
    )
    stored = []
    for index, image in enumerate(images[:total]):
        made[index] = image
        stored.append(made.id.read_direct_chunk((index, 0, 0))[1])
    for index in range(len(stored), total):
        made.id.write_direct_chunk((index, 0, 0), stored[index % len(stored)])
    return made


def describe(entry: h5py.Group, shape: tuple[int, int]) -> h5py.Group:
    """What a detector's file says of its instrument; returns the NXdetector."""
    instrument = group(entry, "instrument", "NXinstrument")
    beam = group(instrument, "beam", "NXbeam")
    field(beam, "incident_wavelength", 0.9763, units="angstrom")
    detector = group(instrument, "detector", "NXdetector")
    field(detector, "description", "Dectris EIGER2 Si 4M")
    field(detector, "beam_center_x", shape[1] * 0.49, units="pixel")
    field(detector, "beam_center_y", shape[0] * 0.51, units="pixel")
    field(detector, "detector_distance", 0.25, units="m")
    field(detector, "x_pixel_size", 7.5e-5, units="m")
    field(detector, "y_pixel_size", 7.5e-5, units="m")
    field(detector, "count_time", 0.01, units="s")
    field(detector, "saturation_value", 65_534)
    specific = group(detector, "detectorSpecific", "NXcollection")
    specific.create_dataset("pixel_mask", data=pixel_mask(shape), **hdf5plugin.Bitshuffle(cname="lz4"), chunks=shape)
    specific["nimages"] = FRAMES
    return detector


def _root(file: h5py.File) -> h5py.Group:
    file.attrs.update({"NX_class": "NXroot", "default": "entry"})
    return group(file, "entry", "NXentry", default="data")


@recipe("eiger.h5", big=True)
def eiger(folder: Path) -> None:
    """200 frames of an Eiger 4M (10 distinct ones), bitshuffle-LZ4, with mask and geometry."""
    with h5py.File(folder / "eiger.h5", "w", libver=("v108", "latest")) as file:
        entry = _root(file)
        detector = describe(entry, EIGER_4M)
        stack = write_stack(detector, "data", frames(EIGER_4M, DISTINCT), FRAMES)
        stack.attrs["units"] = "counts"
        data = group(entry, "data", "NXdata", signal="data")
        data["data"] = stack


@recipe("eiger-small.h5")
def eiger_small(folder: Path) -> None:
    """12 frames of a small detector, bitshuffle-LZ4, with mask and geometry."""
    shape = (260, 300)
    with h5py.File(folder / "eiger-small.h5", "w", libver=("v108", "latest")) as file:
        entry = _root(file)
        detector = describe(entry, shape)
        stack = write_stack(detector, "data", frames(shape, 4), 12)
        data = group(entry, "data", "NXdata", signal="data")
        data["data"] = stack


@recipe("series_master.h5", big=True)
def dectris(folder: Path) -> None:
    """A Dectris master with three data files behind external links, one of which is missing, and a virtual stack of them."""
    images = frames(EIGER_1M, 5)
    for number in (1, 2, 3):
        with h5py.File(folder / f"series_data_{number:06d}.h5", "w") as file:
            file.create_group("entry").attrs["NX_class"] = "NXentry"
            data = group(file["entry"], "data", "NXdata")
            made = write_stack(data, "data", images, 10)
            made.attrs.update({"image_nr_low": 10 * number - 9, "image_nr_high": 10 * number})
    with h5py.File(folder / "series_master.h5", "w", libver=("v108", "latest")) as master:
        master.attrs["NX_class"] = "NXroot"
        entry = group(master, "entry", "NXentry")
        field(entry, "definition", "NXmx")
        describe(entry, EIGER_1M)
        data = group(entry, "data", "NXdata")
        layout = h5py.VirtualLayout((40, *EIGER_1M), "<u4")
        for number in (1, 2, 3, 4):
            name = f"series_data_{number:06d}.h5"
            data[f"data_{number:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
            layout[10 * number - 10 : 10 * number] = h5py.VirtualSource(name, "/entry/data/data", (10, *EIGER_1M))
        master.create_virtual_dataset("all", layout, fillvalue=0)


@recipe("modules.h5", big=True)
def modules(folder: Path) -> None:
    """100 frames of 1024 x 1024 u2, put together virtually from four module files."""
    random = np.random.default_rng(9)
    layout = h5py.VirtualLayout((100, 1024, 1024), "<u2")
    for number in range(4):
        name = f"module_{number}.h5"
        with h5py.File(folder / name, "w") as file:
            images = random.poisson(2 + number, (4, 512, 512)).astype("<u2")
            write_stack(file, "data", images, 100)
        y, x = 512 * (number // 2), 512 * (number % 2)
        layout[:, y : y + 512, x : x + 512] = h5py.VirtualSource(name, "data", (100, 512, 512))
    with h5py.File(folder / "modules.h5", "w", libver="latest") as file:
        entry = _root(file)
        data = group(entry, "data", "NXdata", signal="data")
        data.create_virtual_dataset("data", layout, fillvalue=0)
