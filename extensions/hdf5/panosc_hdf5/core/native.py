"""Functions of libraries that are installed anyway, called without the interpreter's lock and without HDF5's.

hdf5plugin's shared objects export the codecs' plain C functions; HDF5's own library exports its checksum. Whatever is not
there is None, and the reader takes h5py's way instead: the same values, more slowly.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Function = Callable[..., int]

_SIZE, _POINTER, _INT = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int


@dataclass(frozen=True)
class Native:
    """What was found.

    Attributes:
        bslz4: ``(in, out, elements, itemsize, block_elements)`` -> bytes taken, or below 0. Trusts the blocks' lengths.
        bszstd: the same for Zstandard.
        bitunshuffle: the same without compression.
        lz4: ``(in, out, in_bytes, out_bytes)`` -> bytes made, or below 0.
        zstd: ``(out, out_bytes, in, in_bytes)`` -> bytes made, or an error code above any size.
        unshuffle: ``(itemsize, bytes, in, out)`` -> bytes, or below 0.
        fletcher32: ``(in, bytes)`` -> checksum.
        chunk_options: ``(property list, out)`` -> below 0 on failure; bit 1 of what it gives: chunks at an edge are not
            filtered.
    """

    bslz4: Function | None = None
    bszstd: Function | None = None
    bitunshuffle: Function | None = None
    lz4: Function | None = None
    zstd: Function | None = None
    unshuffle: Function | None = None
    fletcher32: Function | None = None
    chunk_options: Function | None = None


_SIGNATURES: dict[str, tuple[str, str, Any, tuple[Any, ...]]] = {
    "bslz4": ("libh5bshuf.so", "bshuf_decompress_lz4", ctypes.c_int64, (_POINTER, _POINTER, _SIZE, _SIZE, _SIZE)),
    "bszstd": ("libh5bshuf.so", "bshuf_decompress_zstd", ctypes.c_int64, (_POINTER, _POINTER, _SIZE, _SIZE, _SIZE)),
    "bitunshuffle": ("libh5bshuf.so", "bshuf_bitunshuffle", ctypes.c_int64, (_POINTER, _POINTER, _SIZE, _SIZE, _SIZE)),
    "lz4": ("libh5bshuf.so", "LZ4_decompress_safe", _INT, (_POINTER, _POINTER, _INT, _INT)),
    "zstd": ("libh5bshuf.so", "ZSTD_decompress", _SIZE, (_POINTER, _SIZE, _POINTER, _SIZE)),
    "unshuffle": (
        "libh5blosc2.so",
        "blosc2_unshuffle",
        ctypes.c_int32,
        (ctypes.c_int32, ctypes.c_int32, _POINTER, _POINTER),
    ),
}


@cache
def native() -> Native:
    """Look once."""
    found: dict[str, Function] = {}
    for name, (library, symbol, result, arguments) in _SIGNATURES.items():
        if function := _function(_plugins() / library, symbol, result, arguments):
            found[name] = function
    # Symbols of the library that h5py's extension module links to are found through that module.
    hdf5 = Path(h5py.h5z.__file__)
    if function := _function(hdf5, "H5_checksum_fletcher32", ctypes.c_uint32, (_POINTER, _SIZE)):
        found["fletcher32"] = function
    if function := _function(hdf5, "H5Pget_chunk_opts", _INT, (ctypes.c_int64, ctypes.POINTER(ctypes.c_uint))):
        found["chunk_options"] = function
    return Native(**found)


@cache
def _plugins() -> Path:
    try:
        import hdf5plugin
    except ImportError:
        return Path("missing")
    return Path(hdf5plugin.PLUGIN_PATH)


def _function(library: Path, symbol: str, result: Any, arguments: tuple[Any, ...]) -> Function | None:
    try:
        function = getattr(_library(library), symbol)
    except (OSError, AttributeError):
        return None
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]


@cache
def _library(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))


def address(array: np.ndarray[Any, Any]) -> int:
    """Where an array's first element lies. The caller keeps the array alive."""
    return int(array.__array_interface__["data"][0])
