"""Every HDF5 type, in data sets and in attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corpus.catalogue import recipe

SIZES = (1, 2, 4, 8)


@recipe("numbers.h5")
def numbers(folder: Path) -> None:
    """Integers of all sizes and orders with their extremes, floats with NaN and infinities, complex, Boolean."""
    with h5py.File(folder / "numbers.h5", "w") as file:
        for order, kind, size in ((o, k, s) for o in "<>" for k in "iu" for s in SIZES):
            dtype = np.dtype(f"{order}{kind}{size}")
            name = f"{'big' if order == '>' else 'little'}_{kind}{size * 8}"
            limits = np.iinfo(dtype)
            _everywhere(file, name, np.array([limits.min, 0, 1, limits.max - 1, limits.max], dtype))
        for order, size in ((o, s) for o in "<>" for s in (2, 4, 8)):
            dtype = np.dtype(f"{order}f{size}")
            limits_f = np.finfo(dtype)
            name = f"{'big' if order == '>' else 'little'}_f{size * 8}"
            extremes = [limits_f.min, -0.0, limits_f.tiny, 1 / 3, limits_f.max, np.nan, np.inf, -np.inf]
            _everywhere(file, name, np.array(extremes, dtype))
        _everywhere(file, "long_double", np.array([1 / 3, np.nan, np.inf, -2], np.longdouble))
        for dtype in (np.complex64, np.complex128, np.clongdouble):
            _everywhere(file, np.dtype(dtype).name, np.array([1 + 2j, complex(np.nan, np.inf), -1j, 0], dtype))
        _everywhere(file, "boolean", np.array([True, False, True]))
        file["integers_2d"] = np.arange(12, dtype="<i8").reshape(3, 4) + 2**53
        file["floats_3d"] = np.linspace(-1, 1, 60, dtype="f4").reshape(3, 4, 5)
        file["complex_2d"] = np.exp(1j * np.linspace(0, 6, 600)).reshape(20, 30)
        file["boolean_2d"] = np.indices((16, 16)).sum(axis=0) % 2 == 0
        _odd_floats(file)


def _everywhere(file: h5py.File, name: str, values: np.ndarray[Any, Any]) -> None:
    """As a data set, as one with a chunk, as a scalar, and as an attribute."""
    file[name] = values
    file[name].attrs["values"] = values
    file[name].attrs["scalar"] = values[0]
    file.create_dataset(f"chunked/{name}", data=values, chunks=values.shape, compression="gzip")
    file[f"scalar/{name}"] = values[0]


def _odd_floats(file: h5py.File) -> None:
    """Numbers with a precision and an offset that no computer has."""
    odd = h5py.h5t.NATIVE_INT16.copy()
    odd.set_precision(10)
    odd.set_offset(3)
    _raw(file, "int10_at_bit_3", odd, np.arange(5, dtype="i2"))
    bfloat = h5py.h5t.IEEE_F32LE.copy()
    bfloat.set_fields(15, 7, 8, 0, 7)
    bfloat.set_size(2)
    bfloat.set_ebias(127)
    _raw(file, "bfloat16", bfloat, np.array([1, 2, 3.5], "f4"))


def _raw(file: h5py.File, name: str, kind: h5py.h5t.TypeID, values: np.ndarray[Any, Any], memory: Any = None) -> None:
    space = h5py.h5s.create_simple(values.shape)
    made = h5py.h5d.create(file.id, name.encode(), kind, space)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, values, mtype=memory)


@recipe("strings.h5")
def strings(folder: Path) -> None:
    """Strings: fixed and variable length, ASCII and UTF-8, each padding, and bytes that are neither."""
    words = ["plain", "Ångström µ 温度", "", "line\nbreak\ttab", "\x01\x7f", "🧪" * 20]
    with h5py.File(folder / "strings.h5", "w") as file:
        file.create_dataset("vlen_utf8", data=words, dtype=h5py.string_dtype("utf-8"))
        file.create_dataset("vlen_ascii", data=[b"one", b"two", b""], dtype=h5py.string_dtype("ascii"))
        file.create_dataset("fixed_utf8", data=[w.encode()[:24] for w in words], dtype=h5py.string_dtype("utf-8", 24))
        file.create_dataset("fixed_ascii", data=np.array([b"abc", b"", b"abcdef"], "S6"))
        file.create_dataset("invalid_utf8", data=[b"\xff\xfe broken \xc3", b"\x80"], dtype=h5py.string_dtype("utf-8"))
        file.create_dataset("latin1_as_utf8", data=[b"\xb0C \xb5m"], dtype=h5py.string_dtype("utf-8", 5))
        file.create_dataset("scalar", data="a scalar string")
        file.create_dataset("scalar_empty", data="")
        file.create_dataset("long", data="x" * 200_000)
        file.create_dataset("many", data=[f"row {i}" for i in range(5000)], dtype=h5py.string_dtype())
        file.create_dataset(
            "chunked_2d", data=np.array([["a", "b"], ["c", "d"]], object), chunks=(1, 2), compression="gzip"
        )
        for name, padding in (
            ("null_term", h5py.h5t.STR_NULLTERM),
            ("null_pad", h5py.h5t.STR_NULLPAD),
            ("space_pad", h5py.h5t.STR_SPACEPAD),
        ):
            kind = h5py.h5t.C_S1.copy()
            kind.set_size(8)
            kind.set_strpad(padding)
            _raw(file, name, kind, np.array([b"four    ", b"eight888"], "S8"), kind)
        file.create_dataset("vlen_unwritten", shape=(4,), dtype=h5py.string_dtype())
        for name in ("vlen_utf8", "fixed_ascii", "scalar"):
            file.attrs[name] = file[name][()]
        file.attrs.create("invalid", b"\xff\xfe", dtype=h5py.string_dtype("utf-8", 2))
        file.attrs.create("vlen_invalid", b"\xff\xfe", dtype=h5py.string_dtype("utf-8"))


@recipe("compounds.h5")
def compounds(folder: Path) -> None:
    """Compounds, also nested and in arrays, arrays, variable lengths, enumerations."""
    inner = np.dtype([("x", ">f4"), ("label", "S5"), ("tri", "<i2", (3,))])
    outer = np.dtype([("id", "<u8"), ("inner", inner), ("matrix", "<f8", (2, 2)), ("name é", h5py.string_dtype())])
    rows = np.zeros(7, outer)
    rows["id"] = 2**63 + np.arange(7, dtype="u8")
    rows["inner"]["x"] = np.arange(7)
    rows["inner"]["label"] = b"row"
    rows["name é"] = "µm"
    packed = np.dtype({"names": ["a", "b"], "formats": ["u1", "<f8"], "offsets": [3, 16], "itemsize": 32})
    colour = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 42}, basetype="u1")
    with h5py.File(folder / "compounds.h5", "w") as file:
        file["nested"] = rows
        file["nested_2d"] = rows[:6].reshape(2, 3)
        file["scalar"] = rows[0]
        file["with_holes"] = np.zeros(3, packed)
        file["many_columns"] = np.zeros(10, [(f"column {i}", "<f4") for i in range(300)])
        file.create_dataset(
            "chunked", data=rows[["id", "inner", "matrix"]], chunks=(3,), compression="gzip", shuffle=True
        )
        file.create_dataset("enumeration", data=[0, 1, 42, 7], dtype=colour)
        file.create_dataset("enumeration_2d", data=np.ones((5, 6), "u1"), dtype=colour)
        arrays = file.create_dataset("array_type", (4,), np.dtype(("<i4", (2, 3))))
        arrays[...] = np.arange(24).reshape(4, 2, 3)
        vlen = file.create_dataset("vlen_numbers", (3,), h5py.vlen_dtype("f4"))
        vlen[0], vlen[2] = [1, 2, 3], [np.nan]
        nested = file.create_dataset("vlen_strings", (2,), h5py.vlen_dtype(h5py.string_dtype()))
        nested[0] = np.array(["a", "bé"], object)
        file["named_type"] = outer
        file["named_type"].attrs["comment"] = "a committed type has attributes too"
        file.create_dataset("of_named_type", data=rows, dtype=file["named_type"])
        file["particle"] = np.array([(1, 2 + 3j, True)], [("n", "i4"), ("z", "c16"), ("ok", "?")])
        file["nested"].attrs["row"] = rows[1]
        file["nested"].attrs.create("colour", 42, dtype=colour)
        array = h5py.h5t.array_create(h5py.h5t.STD_I32LE, (2, 3))
        made = h5py.h5a.create(file["nested"].id, b"array", array, h5py.h5s.create(h5py.h5s.SCALAR))
        made.write(np.arange(6, dtype="i4").reshape(2, 3), mtype=array)


@recipe("references.h5")
def references(folder: Path) -> None:
    """Object and region references, null and dangling ones, opaque values, bit fields, times."""
    with h5py.File(folder / "references.h5", "w") as file:
        image = file.create_dataset("image", data=np.arange(100, dtype="u2").reshape(10, 10))
        group = file.create_group("group")
        gone = file.create_dataset("gone", data=1)
        object_refs = [image.ref, group.ref, file.ref, h5py.Reference(), gone.ref]
        file.create_dataset("object_references", data=np.array(object_refs, object), dtype=h5py.ref_dtype)
        regions = file.create_dataset("region_references", (3,), h5py.regionref_dtype)
        regions[0], regions[1] = image.regionref[2:5, 3:6], image.regionref[::2, 0]
        file.attrs["reference"] = image.ref
        file.attrs["region"] = image.regionref[0]
        file.create_dataset("scalar_reference", data=image.ref, dtype=h5py.ref_dtype)
        mixed = np.dtype([("where", h5py.ref_dtype), ("value", "f8")])
        rows = np.zeros(2, mixed)
        rows["where"] = [image.ref, group.ref]
        file["compound_with_reference"] = rows
        del file["gone"]
        file.create_dataset("opaque", data=np.array([b"\0\x01\xff4", b"abcd"], "V4"))
        file.create_dataset(
            "opaque_tagged", data=np.array(["2026-11-25T12:00"], "M8[s]").astype(h5py.opaque_dtype("M8[s]"))
        )
        file.attrs["void"] = np.void(b"\0\x01raw")
        for size, kind in ((1, h5py.h5t.STD_B8LE), (2, h5py.h5t.STD_B16BE), (8, h5py.h5t.STD_B64LE)):
            space = h5py.h5s.create_simple((4,))
            made = h5py.h5d.create(file.id, b"bitfield%d" % (8 * size), kind, space)
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype=f"u{size}"), mtype=kind)
        h5py.h5d.create(file.id, b"unix_time", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((2,)))


@recipe("spaces.h5")
def spaces(folder: Path) -> None:
    """Null, scalar and empty data spaces, zero lengths, 1 to 32 dimensions."""
    with h5py.File(folder / "spaces.h5", "w") as file:
        file["null"] = h5py.Empty("f4")
        file["null_string"] = h5py.Empty(h5py.string_dtype())
        file["null_compound"] = h5py.Empty(np.dtype([("a", "i4")]))
        file.attrs["null"] = h5py.Empty("S10")
        file.attrs["empty"] = np.zeros((0,), "f8")
        file.attrs["empty_2d"] = np.zeros((3, 0), "i4")
        file["scalar"] = 1.5
        file["one"] = np.ones((1,))
        file["one_by_one"] = np.ones((1, 1), "u2")
        file["empty"] = np.zeros((0,), "i4")
        file["empty_2d"] = np.zeros((0, 5), "f4")
        file["empty_3d"] = np.zeros((4, 0, 5), "f4")
        file.create_dataset("unlimited_empty", (0, 10, 10), "u2", maxshape=(None, 10, 10), chunks=(1, 10, 10))
        file.create_dataset("unlimited_all", (2, 3), "u2", maxshape=(None, None), chunks=(1, 3))
        file["row"] = np.arange(2000.0).reshape(1, 2000)
        file["column"] = np.arange(2000.0).reshape(2000, 1)
        file["all_nan"] = np.full((20, 30), np.nan)
        file["all_inf"] = np.full(100, np.inf)
        file["all_zero"] = np.zeros((50, 50), "u4")
        for rank in (4, 5, 8, 16, 32):
            shape = tuple(2 if i < 6 else 1 for i in range(rank))
            file[f"rank_{rank:02d}"] = np.arange(np.prod(shape), dtype="i4").reshape(shape)
