"""Every layout of a data set: compact, contiguous, chunked with each index, virtual, external."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corpus.catalogue import recipe

SHAPE = (7, 61, 83)
GIGABYTES_200 = (50_000, 1000, 1000)


def values(shape: tuple[int, ...] = SHAPE, dtype: str = "<u2") -> np.ndarray[Any, Any]:
    """Numbers that tell where they are."""
    return (np.arange(int(np.prod(shape)), dtype="u8") % 60_000).astype(dtype).reshape(shape)


@recipe("layouts.h5")
def layouts(folder: Path) -> None:
    """Compact, contiguous and chunked data sets with chunk indexes of the first version, partly written, with fill values."""
    with h5py.File(folder / "layouts.h5", "w", libver=("earliest", "v108")) as file:
        _compact(file)
        file["contiguous"] = values()
        file.create_dataset("contiguous_unwritten", SHAPE, "f4", fillvalue=-1)
        _chunked(file)
        file.create_dataset("early", SHAPE, "u2", chunks=(1, 61, 83), dcpl=_early())
        file.create_dataset(
            "big_endian", data=values(dtype=">u4"), chunks=(2, 20, 30), shuffle=True, compression="gzip"
        )


@recipe("latest.h5")
def latest(folder: Path) -> None:
    """The chunk indexes of the latest format: single, implicit, fixed array, extensible array, B-tree of version 2."""
    with h5py.File(folder / "latest.h5", "w", libver="latest") as file:
        _chunked(file)
        file.create_dataset("single_chunk", data=values(), chunks=SHAPE)
        file.create_dataset("single_chunk_gzip", data=values(), chunks=SHAPE, compression="gzip")
        file.create_dataset("implicit", data=values(), chunks=(1, 61, 83), dcpl=_early())
        file.create_dataset("fixed_array_paged", data=values((3000, 4)), chunks=(1, 4))
        file.create_dataset("extensible_array", data=values(), chunks=(1, 61, 83), maxshape=(None, 61, 83))
        file.create_dataset("btree2", data=values(), chunks=(2, 20, 30), maxshape=(None, None, 83), compression="gzip")
        unfiltered = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        unfiltered.set_chunk_opts(h5py.h5d.CHUNK_DONT_FILTER_PARTIAL_CHUNKS) if hasattr(
            unfiltered, "set_chunk_opts"
        ) else None
        file.create_dataset("edges", data=values((10, 10)), chunks=(4, 4), compression="gzip", dcpl=unfiltered)


def _early() -> h5py.h5p.PropDCID:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    return properties


def _compact(file: h5py.File) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    file.create_dataset("compact", data=values((10, 12)), dcpl=properties)


def _chunked(file: h5py.File) -> None:
    file.create_dataset("frames", data=values(), chunks=(1, 61, 83))
    file.create_dataset("tiles", data=values(), chunks=(2, 20, 30), compression="gzip", shuffle=True)
    file.create_dataset("line", data=np.sin(np.arange(50_000) / 500), chunks=(4096,), compression="gzip", shuffle=True)
    sparse = file.create_dataset("sparse", (10, 50, 50), "i4", chunks=(1, 25, 25), fillvalue=-7)
    sparse[3, 10:30, 10:30] = 1
    file.create_dataset("unwritten", (10, 50, 50), "f4", chunks=(1, 25, 25), fillvalue=np.nan)
    shrunk = file.create_dataset("shrunk", data=values((8, 30, 30)), chunks=(3, 16, 16), maxshape=(None, None, None))
    shrunk.resize((5, 20, 30))
    masked = file.create_dataset(
        "filter_mask", (3, 40, 40), "<u2", chunks=(1, 40, 40), shuffle=True, compression="gzip"
    )
    masked[0] = 1
    masked.id.write_direct_chunk((1, 0, 0), values((40, 40)).tobytes(), filter_mask=0b11)
    masked[2] = 3


@recipe("huge.h5")
def huge(folder: Path) -> None:
    """200 GB of declared shape with nothing written: contiguous, chunked, one giant chunk, and more bytes than 64 bits count."""
    with h5py.File(folder / "huge.h5", "w") as file:
        file.create_dataset("contiguous", GIGABYTES_200, "f4")
        file.create_dataset("chunked", GIGABYTES_200, "f4", chunks=(1, 1000, 1000), compression="gzip")
        file.create_dataset("image", (230_000, 230_000), "f4", chunks=(1000, 1000), compression="gzip")
        file.create_dataset("line", (25_000_000_000,), "f8", chunks=(1_000_000,))
        file.create_dataset("big_chunks", GIGABYTES_200, "u4", chunks=(1000, 1000, 1000), compression="gzip")
        file.create_dataset("astronomical", (2**40, 2**40), "f8", chunks=(1000, 1000))
        file.create_dataset("strings", (2**36,), h5py.string_dtype(), chunks=(10_000,))
        written = file.create_dataset("mostly_empty", GIGABYTES_200, "f4", chunks=(1, 1000, 1000), fillvalue=-1)
        written[49_999, :10] = 5


@recipe("virtual.h5")
def virtual(folder: Path) -> None:
    """Virtual data sets: of files, of the same file, with printf names, unlimited, with gaps, with missing sources, nested."""
    for index in range(4):
        with h5py.File(folder / f"part_{index}.h5", "w") as part:
            part.create_dataset("data", data=values((5, 20, 30)) + index, chunks=(1, 20, 30), compression="gzip")
    with h5py.File(folder / "virtual.h5", "w", libver="latest") as file:
        _tile_parts(file, "tiled", ["part_0.h5", "part_1.h5", "part_2.h5", "part_3.h5"])
        _tile_parts(file, "missing_source", ["part_0.h5", "not_there.h5", "part_2.h5", "part_3.h5"])
        _tile_parts(file, "outside", ["part_0.h5", "../../../../../../etc/passwd", "/etc/hostname", "part_3.h5"])
        stacked = h5py.VirtualLayout((20, 20, 30), "<u2", maxshape=(None, 20, 30))
        stacked[:5] = h5py.VirtualSource("part_0.h5", "data", (5, 20, 30))
        stacked[10:15] = h5py.VirtualSource("part_1.h5", "no/such/data", (5, 20, 30))
        file.create_virtual_dataset("wrong_path", stacked, fillvalue=9)
        file["local"] = values((6, 30))
        same = h5py.VirtualLayout((3, 30), "<u2")
        same[:] = h5py.VirtualSource(".", "local", (6, 30))[::2]
        file.create_virtual_dataset("same_file", same)
        nested = h5py.VirtualLayout((40, 60), "<u2")
        nested[:] = h5py.VirtualSource(".", "tiled", (5, 40, 60))[2]
        file.create_virtual_dataset("nested", nested)
        own = h5py.VirtualLayout((6, 30), "<u2")
        own[:] = h5py.VirtualSource(".", "itself", (6, 30))
        file.create_virtual_dataset("itself", own)
        _printf(file)


def _tile_parts(file: h5py.File, name: str, sources: list[str]) -> None:
    layout = h5py.VirtualLayout((5, 40, 60), "<u2")
    for index, source in enumerate(sources):
        y, x = 20 * (index // 2), 30 * (index % 2)
        layout[:, y : y + 20, x : x + 30] = h5py.VirtualSource(source, "data", (5, 20, 30))
    file.create_virtual_dataset(name, layout, fillvalue=65_535)


def _printf(file: h5py.File) -> None:
    """``part_%b.h5`` for each block along an unlimited dimension."""
    space = h5py.h5s.create_simple((20, 20, 30), (h5py.h5s.UNLIMITED, 20, 30))
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), stride=(5, 1, 1), block=(5, 20, 30))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    source = h5py.h5s.create_simple((5, 20, 30))
    properties.set_virtual(space, b"part_%b.h5", b"data", source)
    whole = h5py.h5s.create_simple((20, 20, 30), (h5py.h5s.UNLIMITED, 20, 30))
    h5py.h5d.create(file.id, b"printf", h5py.h5t.STD_U16LE, whole, properties)


@recipe("external.h5")
def external(folder: Path) -> None:
    """Raw data in other files: one, several, one that is missing, one that is too short, one outside."""
    values((6, 20, 30)).tofile(folder / "raw.bin")
    (folder / "short.bin").write_bytes(b"\x01\x00" * 50)
    size = 6 * 20 * 30 * 2
    with h5py.File(folder / "external.h5", "w") as file:
        for name, parts in {
            "one": [("raw.bin", 0, size)],
            "several": [("raw.bin", 0, size // 2), ("raw.bin", size // 2, size // 2)],
            "missing": [("not_there.bin", 0, size)],
            "short": [("short.bin", 0, size)],
            "outside": [("/etc/passwd", 0, size)],
            "outside_relative": [("../../../../../../../../etc/passwd", 0, size)],
        }.items():
            file.create_dataset(name, (6, 20, 30), "<u2", external=parts, efile_prefix="${ORIGIN}")
