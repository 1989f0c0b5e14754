"""Pages of groups: order, size, badges, storage."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_hdf5.core.order import natural, natural_key, seconds


def names(page: dict[str, Any]) -> list[str]:
    return [child["name"] for child in page["children"]]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    path = tmp_path / "scans.h5"
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["default"] = "10.1"
        for n in (10, 2, 1, 33):
            scan = file.create_group(f"{n}.1")
            scan.attrs["NX_class"] = "NXentry"
            scan["title"] = f"ascan {n}"
            scan["start_time"] = f"2024-01-01T0{(n * 7) % 10}:00:00+01:00"
    return path


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("natural", ["1.1", "2.1", "10.1", "33.1"]),
        ("name", ["1.1", "10.1", "2.1", "33.1"]),
        ("native", ["1.1", "10.1", "2.1", "33.1"]),
        ("creation", ["10.1", "2.1", "1.1", "33.1"]),
        ("start_time", ["10.1", "33.1", "2.1", "1.1"]),
    ],
)
def test_orders(ask: Any, scans: Path, sort: str, expected: list[str]) -> None:
    for _ in range(2):  # the second from what is remembered
        page = ask("children", scans, sort=sort)
        assert (names(page), page["sort"], page["total"]) == (expected, sort, 4)
    assert names(ask("children", scans, sort=sort, descending=1)) == expected[::-1]
    assert names(ask("children", scans, sort=sort, offset=1, limit=2)) == expected[1:3]
    assert names(ask("children", scans, sort=sort, offset=4)) == []


def test_an_order_that_is_not_kept_becomes_another(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["b"], file["a"] = 1, 2
    assert ask("children", tmp_path / "plain.h5", sort="creation")["sort"] == "native"


def test_what_a_scan_shows(ask: Any, scans: Path) -> None:
    first = ask("children", scans)["children"][2]
    assert first == {
        "name": "10.1", "h5path": "/10.1", "kind": "group", "link": {"type": "hard"}, "n_children": 2,
        "nx_class": "NXentry", "title": "ascan 10", "on_default_path": True,
    }  # fmt: skip
    assert ask("children", scans, sort="start_time")["children"][0]["start_time"].startswith("2024-01-01T00")
    assert ask("entity", scans, h5path="/10.1")["start_time"].startswith("2024-01-01T00")


def test_names_that_end_a_line_are_no_scans() -> None:
    assert natural([b"1.1", b"1.1\n2.2"]) == [b"1.1", b"1.1\n2.2"]


@given(st.lists(st.from_regex(r"(scan|g|)\d{0,3}(\.\d)?", fullmatch=True).filter(bool), unique=True, max_size=30))
def test_the_quick_way_to_natural_order_is_the_slow_one(drawn: list[str]) -> None:
    stored = sorted(name.encode() for name in drawn)
    found = natural(stored)
    assert sorted(found) == stored
    keys = [natural_key(name.decode()) for name in found]
    assert keys == sorted(keys)


def test_dates() -> None:
    assert seconds("2024-01-01T01:00:00+01:00") == seconds("2024-01-01T00:00:00Z") == seconds("2024-01-01 00:00:00")
    assert seconds("yesterday") == float("inf")


def test_storage(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "stored.h5"
    with h5py.File(path, "w") as file:
        data = np.zeros((10, 100), "u2")
        file.create_dataset("gzip", data=data, chunks=(1, 100), compression="gzip", shuffle=True)
        file.create_dataset("bslz4", data=data, chunks=(5, 100), **hdf5plugin.Bitshuffle(cname="lz4"))
        file.create_dataset("plain", data=data)
        file.create_dataset("unwritten", (10, 10), "f4", chunks=(5, 5), maxshape=(None, 10))
        file["null"] = h5py.Empty("f8")
    found = {child["name"]: child for child in ask("children", path)["children"]}
    gzip = found["gzip"]["storage"]
    assert (gzip["layout"], gzip["chunks"], gzip["nbytes"]) == ("chunked", [1, 100], 2000)
    assert [f["name"] for f in gzip["filters"]] == ["shuffle", "gzip"] and all(f["available"] for f in gzip["filters"])
    assert 0 < gzip["stored"] < 2000 and gzip["ratio"] == round(2000 / gzip["stored"], 3)
    assert found["bslz4"]["storage"]["filters"][0]["name"] == "bitshuffle+LZ4"
    assert found["plain"]["storage"]["ratio"] == 1.0 and found["plain"]["storage"]["layout"] == "contiguous"
    assert found["unwritten"]["storage"]["stored"] == 0 and "ratio" not in found["unwritten"]["storage"]
    assert found["null"]["shape"] is None and found["null"]["storage"]["layout"] == "null"
    assert ask("entity", path, h5path="unwritten")["maxshape"] == [None, 10]


def test_names_that_are_no_utf_8(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "latin.h5"
    with h5py.File(path, "w") as file:
        group = h5py.h5g.create(file.id, b"caf\xe9")
        h5py.h5g.create(group, b"inner")
    child = ask("children", path)["children"][0]
    assert child["name"] == "caf\ufffd"
    assert names(ask("children", path, h5path=child["h5path"])) == ["inner"]


def test_a_group_of_a_hundred_thousand(asker: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "many.h5"
    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("many")
        target = group.create_group("g0")
        for n in range(1, 100_000):
            group.id.link(b"g0", f"g{n}".encode(), h5py.h5g.LINK_HARD)
        del target
    begin = time.process_time()
    page = asker(tmp_path)("children", path, h5path="/many", offset=99_990)
    assert names(page) == [f"g{n}" for n in range(99_990, 100_000)]
    assert time.process_time() - begin < 2  # 0.15 s on an idle machine
    begin = time.process_time()
    ask = asker(tmp_path)
    ask("children", path, h5path="/many")
    before = time.process_time()
    ask("children", path, h5path="/many", offset=500)
    assert time.process_time() - before < 0.1  # the names are not read again


def test_hostile_parameters(ask: Any, scans: Path) -> None:
    for parameters in ({"offset": -1}, {"limit": 10**9}, {"sort": "size"}, {"h5path": "/x\0y"}, {"nonsense": 1}):
        assert ask.error("children", scans, **parameters).status == 400
    assert ask.error("children", scans, h5path="/10.1/title").code == "no_group"
    assert ask.error("children", scans, h5path="/" + "x/" * 2000).status in (400, 404)
