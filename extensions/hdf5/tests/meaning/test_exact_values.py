"""Values and attributes, exact in JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_hdf5.core.exact import Encoder, number

COMPOUND = np.dtype([("n", "<i8"), ("xy", "<f4", (2,)), ("name", h5py.string_dtype()), ("z", "<c8")])


def fill(file: h5py.File) -> None:
    file["u64"] = np.array([0, 2**53, 2**53 + 1, 2**64 - 1], "u8")
    file["i64"] = np.array([-(2**53), -(2**53) - 1], "i8")
    file["floats"] = np.array([1.5, np.nan, np.inf, -np.inf])
    file["f4"] = np.array([0.1, 3e38], ">f4")
    file["f2"] = np.float16(0.1)
    file["bool"] = np.array([True, False])
    file["complex"] = np.array([1 + 2j, complex(np.nan, -1)])
    file["text"] = "hé"
    file["fixed"] = np.array([b"ab", b"caf\xe9"], "S4")
    file["texts"] = np.array(["a", "b"], dtype=h5py.string_dtype())
    file["opaque"] = np.array([b"\x00\xff\x01"], "V3")
    file.create_dataset("enum", data=np.array([1, 2, 9], "u1"), dtype=h5py.enum_dtype({"RED": 1, "BLUE": 2}, "u1"))
    vlen = file.create_dataset("vlen", (3,), h5py.vlen_dtype("i4"))
    vlen[0], vlen[1] = [1, 2], [3]
    one = file.create_dataset("vlen_scalar", (), h5py.vlen_dtype("f8"))
    one[()] = np.array([1.0, np.nan])
    file["compound"] = np.array([(2**60, (0.1, 2), "x", 1j)], COMPOUND)
    file["array"] = np.zeros(2, np.dtype(("<i4", (2, 2))))
    file["ref"] = file["u64"].ref
    file["refs"] = np.array([file["u64"].ref, h5py.Reference()], h5py.ref_dtype)
    file["region"] = file["u64"].regionref[1:3]
    file["empty"] = np.zeros((0, 3))
    space = h5py.h5s.create_simple((2,))
    h5py.h5d.create(file.id, b"bits", h5py.h5t.STD_B8LE, space)
    h5py.h5d.create(file.id, b"time", h5py.h5t.UNIX_D32LE, space)
    h5py.h5d.create(file.id, b"native_complex", h5py.h5t.COMPLEX_IEEE_F32LE, space)


VALUES: dict[str, Any] = {
    "u64": [0, 2**53, str(2**53 + 1), str(2**64 - 1)],
    "i64": [-(2**53), str(-(2**53) - 1)],
    "floats": [1.5, "NaN", "Infinity", "-Infinity"],
    "f4": [0.1, 3e38],
    "f2": 0.1,
    "bool": [True, False],
    "complex": [[1.0, 2.0], ["NaN", -1.0]],
    "text": "hé",
    "fixed": ["ab", "caf\ufffd"],
    "texts": ["a", "b"],
    "opaque": ["00ff01"],
    "enum": ["RED", "BLUE", 9],
    "vlen": [[1, 2], [3], []],
    "vlen_scalar": [1.0, "NaN"],
    "compound": [[str(2**60), [0.1, 2.0], "x", [0.0, 1.0]]],
    "array": [[[0, 0], [0, 0]], [[0, 0], [0, 0]]],
    "ref": "/u64",
    "refs": ["/u64", None],
    "region": "/u64[1:3]",
    "empty": [],
    "bits": [0, 0],
    "native_complex": [[0.0, 0.0], [0.0, 0.0]],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "values.h5", "w") as file:
        fill(file)
    return tmp_path / "values.h5"


@pytest.mark.parametrize("name", VALUES)
def test_every_type(ask: Any, path: Path, name: str) -> None:
    assert ask("values", path, h5path=name)["values"] == VALUES[name]


def test_slices(ask: Any, path: Path) -> None:
    found = ask("values", path, h5path="u64", slice="1:3")
    assert (found["values"], found["shape"], found["slice"]) == ([2**53, str(2**53 + 1)], [2], "1:3")
    assert ask("values", path, h5path="vlen", slice="0")["values"] == [1, 2]
    assert ask("values", path, h5path="compound", slice="0")["values"][0] == str(2**60)


def test_what_cannot_be_shown_is_said(ask: Any, path: Path) -> None:
    assert ask.error("values", path, h5path="time").code == "no_numpy_type"
    assert ask.error("values", path, h5path="/").code == "no_dataset"
    assert ask.error("values", path, h5path="u64", slice="9").status == 400


def test_too_many_values_are_refused_before_they_are_read(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "huge.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (10**6, 10**6), "f8", chunks=(1000, 1000))
        file.create_dataset("wide", (200, 200), "f8")
        file.create_dataset("rows", (5000,), np.dtype([(f"f{n}", "i4") for n in range(5)]))
        file["long"] = "x" * 9_000_000
        vlen = file.create_dataset("vlen", (10,), h5py.vlen_dtype("u1"))
        for n in range(10):
            vlen[n] = np.zeros(50_000, "u1")
    for name in ("huge", "wide", "rows"):
        error = ask.error("values", path, h5path=name)
        assert error.status == 413 and error.remedy
    for name in ("long", "vlen"):  # how much these are is known only when they are read
        assert ask.error("values", path, h5path=name).status == 413
    assert ask("values", path, h5path="huge", slice="0:2, 0:2")["values"] == [[0, 0], [0, 0]]


@given(st.integers(-(2**63), 2**64 - 1))
def test_whole_numbers_stay_exact(value: int) -> None:
    array = np.array([value], "u8" if value >= 2**63 else "i8")
    found = json.loads(json.dumps(Encoder({"class": "integer"}, None, 10).encode(array, 1)))[0]
    assert int(found) == value and (isinstance(found, str) or abs(found) <= 2**53)


@given(st.floats(width=32))
def test_short_floats_stay_what_they_are(value: float) -> None:
    found = float(json.loads(json.dumps(number(np.float32(value)))))
    assert np.float32(found) == np.float32(value) or (math.isnan(found) and math.isnan(value))


def test_attributes(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "attributes.h5"
    with h5py.File(path, "w", track_order=True) as file:
        attrs = file.attrs
        attrs["text"], attrs["texts"], attrs["null"] = "µm", ["a", "b"], h5py.Empty("i4")
        attrs["big"], attrs["nan"], attrs["zero"] = 2**60, np.nan, np.zeros(0, "i4")
        attrs["many"] = np.arange(5000)
        attrs["latin"] = np.bytes_(b"caf\xe9")
        file["x"] = 1
        attrs["ref"] = file["x"].ref
        h5py.h5a.create(file.id, b"caf\xe9", h5py.h5t.NATIVE_INT8, h5py.h5s.create(h5py.h5s.SCALAR))
        h5py.h5a.create(file.id, b"time", h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR))
    found = {a["name"]: a for a in ask("attributes", path)["attributes"]}
    values = {name: a["value"] for name, a in found.items()}
    assert values["text"] == "µm" and values["texts"] == ["a", "b"] and values["latin"] == "caf\ufffd"
    assert values["big"] == str(2**60) and values["nan"] == "NaN" and values["zero"] == [] and values["ref"] == "/x"
    assert found["null"]["shape"] is None and values["null"] is None
    assert found["many"]["truncated"] and values["many"] == list(range(1000))
    assert values["caf\ufffd"] == 0
    assert found["time"]["error"]["message"] and "error" not in found["text"]


def test_a_great_number_of_nothing(ask: Any, tmp_path: Path) -> None:
    """Lists of empty lists take memory, too."""
    path = tmp_path / "nothing.h5"
    with h5py.File(path, "w") as file:
        file.attrs["few"] = np.zeros((2, 0))
        h5py.h5a.create(file.id, b"many", h5py.h5t.NATIVE_INT8, h5py.h5s.create_simple((2**40, 0)))
        file.create_dataset("few", (2, 0), "f4")
        file.create_dataset("many", (2**40, 0), "f4")
    attributes = {a["name"]: a["value"] for a in ask("attributes", path)["attributes"]}
    assert attributes == {"few": [[], []], "many": []}
    assert ask("values", path, h5path="/few")["values"] == [[], []]
    assert ask.error("values", path, h5path="/many").status == 413
