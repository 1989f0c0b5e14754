"""Big images and long lines."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corpus.catalogue import recipe
from corpus.nexus import field, group

SIDE, TILE = 20_000, 512
POINTS, LINE_CHUNK = 10_000_000, 125_000


def gzip_shuffled(values: np.ndarray[Any, Any]) -> bytes:
    """A chunk as HDF5's shuffle and gzip filters store it, at h5py's default level."""
    planes = np.ascontiguousarray(values).view("u1").reshape(-1, values.dtype.itemsize).T
    return zlib.compress(np.ascontiguousarray(planes), 4)


@recipe("image20k.h5", big=True)
def image20k(folder: Path) -> None:
    """An image of 20,000 x 20,000 u2 in gzip and shuffle tiles of 512 x 512: 800 MB decoded."""
    noise = np.random.default_rng(11).poisson(8, (TILE * 2, TILE * 2)).astype("<u2")
    with h5py.File(folder / "image20k.h5", "w", libver=("v108", "latest")) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry"})
        entry = group(file, "entry", "NXentry", default="data")
        data = group(entry, "data", "NXdata", signal="image")
        image = data.create_dataset(
            "image", (SIDE, SIDE), "<u2", chunks=(TILE, TILE), compression="gzip", compression_opts=4, shuffle=True
        )
        places = [(y, x) for y in range(0, SIDE, TILE) for x in range(0, SIDE, TILE)]
        with ThreadPoolExecutor(2) as pool:
            for place, stored in zip(
                places, pool.map(lambda at: gzip_shuffled(_tile(noise, *at)), places), strict=True
            ):
                image.id.write_direct_chunk(place, stored)


def _tile(noise: np.ndarray[Any, Any], top: int, left: int) -> np.ndarray[Any, Any]:
    """Hills with a grid and noise, so that a wrong place or a wrong reduction shows."""
    y = np.arange(top, top + TILE, dtype="f4")[:, None]
    x = np.arange(left, left + TILE, dtype="f4")[None, :]
    hills = 400 * (2 + np.sin(x / 1700) * np.cos(y / 2300)) + (x + y) / 100
    shift_y, shift_x = (top * 7) % TILE, (left * 13) % TILE
    tile = hills.astype("<u2") + noise[shift_y : shift_y + TILE, shift_x : shift_x + TILE]
    tile[::128] += np.uint16(300)
    tile[:, ::128] += np.uint16(300)
    return np.ascontiguousarray(tile)


@recipe("lines.h5", big=True)
def lines(folder: Path) -> None:
    """Lines of 10 million f8, contiguous and in gzip and shuffle chunks, with one spike each."""
    random = np.random.default_rng(13)
    walk = np.cumsum(random.integers(-3, 4, POINTS)).astype("<f8")
    walk[7_654_321] = 1e6
    with h5py.File(folder / "lines.h5", "w") as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry"})
        entry = group(file, "entry", "NXentry", default="data")
        data = group(entry, "data", "NXdata", signal="gzip")
        field(data, "contiguous", walk, units="counts")
        packed = data.create_dataset(
            "gzip", (POINTS,), "<f8", chunks=(LINE_CHUNK,), compression="gzip", compression_opts=4, shuffle=True
        )
        for start in range(0, POINTS, LINE_CHUNK):
            packed.id.write_direct_chunk((start,), gzip_shuffled(walk[start : start + LINE_CHUNK]))
