"""Every filter of HDF5, h5py and hdf5plugin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from corpus.catalogue import recipe

SHAPE, CHUNKS = (4, 65, 70), (1, 65, 70)


def builtin() -> dict[str, dict[str, Any]]:
    """What HDF5 and h5py bring."""
    return {
        "gzip": {"compression": "gzip", "compression_opts": 4},
        "gzip_0": {"compression": "gzip", "compression_opts": 0},
        "gzip_shuffle": {"compression": "gzip", "shuffle": True},
        "gzip_shuffle_fletcher32": {"compression": "gzip", "shuffle": True, "fletcher32": True},
        "shuffle": {"shuffle": True},
        "fletcher32": {"fletcher32": True},
        "lzf": {"compression": "lzf"},
        "lzf_shuffle": {"compression": "lzf", "shuffle": True},
        "szip_nn": {"compression": "szip", "compression_opts": ("nn", 8)},
        "szip_ec": {"compression": "szip", "compression_opts": ("ec", 16)},
        "scaleoffset": {"scaleoffset": 0},
        "scaleoffset_gzip": {"scaleoffset": 12, "compression": "gzip"},
    }


def plugins() -> dict[str, Mapping[str, Any]]:
    """What hdf5plugin brings, with options of each kind; lossless ones for integers."""
    blosc = {f"blosc_{c}": hdf5plugin.Blosc(cname=c) for c in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")}
    blosc2 = {f"blosc2_{c}": hdf5plugin.Blosc2(cname=c) for c in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")}
    return {
        "bitshuffle_lz4": hdf5plugin.Bitshuffle(cname="lz4"),
        "bitshuffle_lz4_512": hdf5plugin.Bitshuffle(nelems=512, cname="lz4"),
        "bitshuffle_none": hdf5plugin.Bitshuffle(cname="none"),
        "bitshuffle_zstd": hdf5plugin.Bitshuffle(cname="zstd", clevel=3),
        "lz4": hdf5plugin.LZ4(),
        "lz4_blocks": hdf5plugin.LZ4(nbytes=2048),
        "zstd": hdf5plugin.Zstd(),
        "bzip2": hdf5plugin.BZip2(),
        "blosc_bitshuffle": hdf5plugin.Blosc(shuffle=hdf5plugin.Blosc.BITSHUFFLE),
        "blosc2_delta": hdf5plugin.Blosc2(filters=hdf5plugin.Blosc2.DELTA),
        **blosc,
        **blosc2,
    }


def lossy() -> dict[str, Mapping[str, Any]]:
    """Filters that only take floating point."""
    return {
        "zfp_rate": hdf5plugin.Zfp(rate=16),
        "zfp_precision": hdf5plugin.Zfp(precision=20),
        "zfp_accuracy": hdf5plugin.Zfp(accuracy=0.01),
        "zfp_reversible": hdf5plugin.Zfp(reversible=True),
        "sz": hdf5plugin.SZ(absolute=0.01),
        "sz3": hdf5plugin.SZ3(absolute=0.01),
        "sperr": hdf5plugin.Sperr(rate=16),
    }


def counts(dtype: str = "<u2", shape: tuple[int, ...] = SHAPE) -> np.ndarray[Any, Any]:
    """Like a detector's: small numbers and a few large ones, the same each time."""
    random = np.random.default_rng(4)
    found = random.poisson(3, shape)
    found.reshape(-1)[:: 1 + found.size // 9] = 120
    return found.astype(dtype)


@recipe("filters.h5")
def filters(folder: Path) -> None:
    """Each filter on integers of two bytes, and where it takes them on floats; several item sizes for the common ones."""
    with h5py.File(folder / "filters.h5", "w") as file:
        for name, options in {**builtin(), **plugins()}.items():
            file.create_dataset(f"integers/{name}", data=counts(), chunks=CHUNKS, **options)
        for name, options in {**builtin(), **plugins(), **lossy()}.items():
            if "scaleoffset" not in name:
                smooth = np.cumsum(counts("<f4"), axis=2, dtype="f4")
                file.create_dataset(f"floats/{name}", data=smooth, chunks=CHUNKS, **options)
        common = ("bitshuffle_lz4", "bitshuffle_zstd", "lz4", "gzip_shuffle", "blosc_lz4", "zstd")
        every = {**builtin(), **plugins()}
        for name, dtype in ((n, d) for n in common for d in ("u1", "<i4", ">u4", "<u8", "<f8", ">i2")):
            order = {"<": "little", ">": "big"}.get(dtype[0], "")
            place = f"sizes/{name}/{order}{dtype.strip('<>')}"
            file.create_dataset(place, data=counts(dtype), chunks=(2, 33, 70), **every[name])
        for name in ("bitshuffle_lz4", "lz4", "gzip_shuffle"):
            file.create_dataset(f"lines/{name}", data=counts("<f8", (30_011,)), chunks=(4096,), **every[name])
            rows = np.zeros(100, [("a", "<i4"), ("b", "<f8"), ("c", "S3")])
            file.create_dataset(f"compounds/{name}", data=rows, chunks=(33,), **every[name])
        _nbit(file)
        grey = counts("u1", (2, 64, 64))
        file.create_dataset("images/fcidecomp", data=grey, chunks=(1, 64, 64), **hdf5plugin.FciDecomp())
        file.create_dataset("images/htj2k", data=grey, chunks=(1, 64, 64), **hdf5plugin.Htj2k())


def _nbit(file: h5py.File) -> None:
    """HDF5's n-bit filter keeps the significant bits of a type with less precision than its size."""
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_precision(11)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(CHUNKS)
    properties.set_filter(h5py.h5z.FILTER_NBIT, 0, ())
    made = h5py.h5d.create(file.id, b"integers/nbit", kind, h5py.h5s.create_simple(SHAPE), properties)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, counts())


@recipe("missing-filter.h5")
def missing_filter(folder: Path) -> None:
    """Chunks of filters that no server has, beside data that is fine; an optional filter that was skipped."""
    with h5py.File(folder / "missing-filter.h5", "w") as file:
        file["fine"] = counts()
        for name, filters_of in {
            "unknown": [32_990],
            "unknown_after_shuffle": [2, 32_991],
            "lz4_by_number": [32_004],
        }.items():
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_chunk(CHUNKS)
            _append_filters(properties, filters_of)
            space = h5py.h5s.create_simple(SHAPE)
            made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.STD_U16LE, space, properties)
            for frame in range(SHAPE[0]):
                made.write_direct_chunk((frame, 0, 0), b"\x13\x37" * 500)


def _append_filters(properties: h5py.h5p.PropDCID, filters_of: list[int]) -> None:
    """HDF5 refuses a filter it does not have unless it is optional."""
    for number in filters_of:
        properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3) if number > 2 else ())
