"""Names, attributes and depths that are meant to hurt."""

from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import numpy as np

from corpus.catalogue import recipe

NAMES = (
    "with space", " leading and trailing ", "quote'single", 'quote"double', "back\\slash", "percent%2Fslash", "a%00b", "?query=1&x=2#hash",
    "<b>bold</b>", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{ template }}", "${shell}", "`tick`", "; rm -rf ~",
    "..", "...", "~", "*", "[0]", "a,b", "a:b", "new\nline", "tab\tstop", "bell\x07", "\x1b[31mred", "nul-like ␀",
    "Ångström", "A\u030angstro\u0308m", "温度", "🧪🔬", "مرحبا بالعالم", "\u202eright to left\u202c", "zero\u200bwidth", "\ufeffbom",
    "__proto__", "constructor", "toString", "null", "undefined", "NaN", "true", "-1", "1e999", "x" * 255, "é" * 2000,
)  # fmt: skip
NOT_UTF8 = (b"latin1 \xb0C", b"\xff\xfe", b"\xed\xa0\x80 surrogate")


@recipe("hostile-names.h5")
def hostile_names(folder: Path) -> None:
    """Names with every kind of quote, slash, HTML, control and direction characters, and bytes that are no text."""
    with h5py.File(folder / "hostile-names.h5", "w") as file:
        between = h5py.h5p.create(h5py.h5p.LINK_CREATE)
        between.set_create_intermediate_group(True)
        between.set_char_encoding(h5py.h5t.CSET_UTF8)
        for name in NAMES:
            made = h5py.h5g.create(file.id, name.encode(), between)
            space = h5py.h5s.create_simple((5,))
            data = h5py.h5d.create(made, b"data", h5py.h5t.STD_I32LE, space)
            data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(5, dtype="i4"))
        ascii_names = h5py.h5p.create(h5py.h5p.LINK_CREATE)
        for raw in NOT_UTF8:
            space = h5py.h5s.create_simple((5,))
            h5py.h5o.link(h5py.h5d.create(file.id, None, h5py.h5t.STD_I32LE, space), file.id, raw, lcpl=ascii_names)
        data = file.create_dataset("attributes", data=1)
        for name in NAMES:
            data.attrs[name] = name
        for raw in NOT_UTF8:
            h5py.h5a.create(data.id, raw, h5py.h5t.STD_I32LE, h5py.h5s.create(h5py.h5s.SCALAR))


@recipe("hostile-attributes.h5")
def hostile_attributes(folder: Path) -> None:
    """Attributes of a megabyte, thousands of them, integers beyond 2^53, dates that lie."""
    with h5py.File(folder / "hostile-attributes.h5", "w", libver="latest") as file:
        file.attrs["text"] = "x" * 1_000_000
        file.attrs["numbers"] = np.arange(131_072, dtype="f8")
        file.attrs["strings"] = ["<i>word</i>"] * 10_000
        file.attrs["exact"] = np.array([2**53 + 1, 2**64 - 1, 0], "u8")
        file.attrs["not_numbers"] = [np.nan, np.inf, -np.inf]
        file.attrs["NX_class"] = "NXroot"
        file.attrs["default"] = "/../../etc"
        file.attrs["file_time"] = "yesterday"
        many = file.create_group("many")
        for number in range(3000):
            many.attrs[f"attribute {number}"] = number
        for number, time in enumerate(("2026-11-25T12:00:00+01:00", "not a date", "", "9999-99-99")):
            entry = file.create_group(f"entry_{number}")
            entry.attrs["NX_class"] = "NXentry"
            entry["start_time"] = time
        file["entry_bytes/start_time"] = np.bytes_(b"\xff\xfe")
        file["entry_number/start_time"] = 12
        file["entry_group/start_time/inner"] = 1
        for value, name in itertools.product((0, -1, 2**63 - 1), ("signal", "axes", "units", "long_name")):
            file.require_group(f"wrong_{value}").attrs[name] = value


@recipe("depths.h5")
def depths(folder: Path) -> None:
    """A chain of 1,000 groups, and one of 60 compound types."""
    with h5py.File(folder / "depths.h5", "w", libver="latest") as file:
        group = file
        for _ in range(1000):
            group = group.create_group("d")
        group["bottom"] = np.arange(10)
        kind = np.dtype("f4")
        for level in range(60):
            kind = np.dtype([(f"level{level}", kind)])
        file.create_dataset("deep_type", (2,), kind)


@recipe("natural.h5")
def natural(folder: Path) -> None:
    """Scans whose natural, alphabetical, creation and start-time orders all differ."""
    numbers = ["10.1", "2.1", "1.1", "1.2", "100.1", "20.1", "scan 3", "Scan 12", "scan_007", "scan_7", "01", "1"]
    with h5py.File(folder / "natural.h5", "w", track_order=True) as file:
        for minute, name in enumerate(numbers):
            entry = file.create_group(name)
            entry.attrs["NX_class"] = "NXentry"
            entry["start_time"] = f"2026-11-25T12:{(7 * minute) % 60:02d}:00"
            entry["title"] = f"ascan samy {minute}"
