"""Search: what is found, that it ends, and that it is quick enough."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panosc_hdf5.core import headers
from panosc_hdf5.core.context import Context, Ticket
from panosc_hdf5.core.errors import Cancelled
from panosc_hdf5.core.open_file import open_file
from panosc_hdf5.core.operations import run
from panosc_hdf5.core.search import _Index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["hidden_needle"] = 1
    with h5py.File(tmp_path / "searched.h5", "w") as file:
        file.attrs["NX_class"] = "NXroot"
        for n in range(3):
            entry = file.create_group(f"entry{n}")
            entry.attrs["NX_class"] = "NXentry"
            data = entry.create_group("Data")
            data.attrs["NX_class"] = "NXdata"
            data["needle"] = np.arange(4)
            data["needle"].attrs["units"] = "mm"
            data["round"] = file["/"]
        file["soft_needle"] = h5py.SoftLink("/entry0")
        file["ext_needle"] = h5py.ExternalLink("other.h5", "/hidden_needle")
        file["dangling_needle"] = h5py.SoftLink("/nowhere")
    return tmp_path / "searched.h5"


def found(ask: Any, path: Path, q: str, **parameters: Any) -> tuple[list[str], dict[str, Any]]:
    lines = [reply.header for reply in ask.replies("search", path, q=q, **parameters)]
    return [line["match"]["h5path"] for line in lines if "match" in line], lines[-1]["done"]


NEEDLES = [f"/entry{n}/Data/needle" for n in range(3)]
LINKS = ["/dangling_needle", "/ext_needle", "/soft_needle"]


@pytest.mark.parametrize(
    ("q", "parameters", "expected"),
    [
        ("needle", {}, NEEDLES + LINKS),
        ("NEEDLE", {}, NEEDLES + LINKS),
        ("NEEDLE", {"case": 1}, []),
        ("need*", {"kind": "glob"}, NEEDLES),
        ("*1*", {"kind": "glob"}, ["/entry1"]),
        ("entry1/data", {"kind": "path"}, ["/entry1/Data", "/entry1/Data/needle", "/entry1/Data/round"]),
        ("try1/Data/n", {}, ["/entry1/Data/needle"]),
        ("NXdata", {"kind": "nx_class"}, [f"/entry{n}/Data" for n in range(3)]),
        ("NX*t*", {"kind": "nx_class", "h5path": "/entry1"}, ["/entry1", "/entry1/Data", "/entry1/Data/round"]),
        ("units=mm", {"kind": "attribute"}, NEEDLES),
        ("units", {"kind": "attribute", "h5path": "/entry2/Data", "limit": 1}, ["/entry2/Data/needle"]),
        ("NXro", {"kind": "attribute", "limit": 1}, ["/"]),
        ("nothing", {}, []),
    ],
)
def test_kinds(ask: Any, path: Path, q: str, parameters: dict[str, Any], expected: list[str]) -> None:
    for _ in range(2):  # the second from the index
        names, done = found(ask, path, q, **parameters)
        if "h5path" not in parameters:
            assert sorted(names) == sorted(expected)
            assert done["matches"] == len(expected)
        else:
            assert set(expected) <= set(names)


def test_the_limit(ask: Any, path: Path) -> None:
    names, done = found(ask, path, "e", limit=2)
    assert len(names) == 2 and done["truncated"]


def test_all_ways_to_read_the_names_find_the_same(ask: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = open_file(str(path))
    root = h5py.h5g.open(file.h5.id, b"/")
    ways = []
    for after, known in ((1e9, None), (-1.0, None), (1e9, file)):
        monkeypatch.setattr("panosc_hdf5.core.search.VISIT_AFTER_SECONDS", after)
        index = _Index(root, known)
        while not index.complete:
            index.grow(root, lambda: None)
        ways.append(sorted(index.paths))
    file.close()
    assert len(ways[0]) == len(set(ways[0]))
    # The round link is named once for each entry, and not entered again.
    assert ways[0] == ways[1] == ways[2]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("user_block", [0, 1024])
def test_groups_are_told_from_others_by_their_headers(tmp_path: Path, libver: str, user_block: int) -> None:
    path = tmp_path / "kinds.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=user_block) as file:
        for name in "abc":
            file.create_group(name, track_order=name == "b").attrs["NX_class"] = "NXentry"
        file.create_dataset("d", data=[1, 2], chunks=(1,), compression="gzip").attrs["units"] = "mm"
        file["e"], file["type"] = "text", np.dtype("f8")
    opened = open_file(str(path))
    root = h5py.h5g.open(opened.h5.id, b"/")
    addresses = [root.links.get_info(name.encode()).u for name in ("a", "b", "c", "d", "e", "type")]
    assert opened.descriptor is not None
    found = headers.kinds(opened.descriptor, opened.superblock, addresses).tolist()
    opened.close()
    # A group's first message may have moved when an attribute came: then HDF5 is asked.
    assert set(found[:3]) <= {headers.GROUP, headers.UNKNOWN}
    assert found[3:] == [headers.OTHER] * 3


@given(heads=st.lists(st.binary(max_size=64), min_size=1, max_size=5), places=st.lists(st.integers(0, 2**64 - 1)))
def test_any_header_has_a_kind(heads: list[bytes], places: list[int]) -> None:
    with TemporaryFile() as file:
        file.write(b"".join(heads))
        file.flush()
        found = headers.kinds(file.fileno(), 0, [*range(20), *places])
    assert len(found) == 20 + len(places)
    assert set(found.tolist()) <= {headers.UNKNOWN, headers.GROUP, headers.OTHER}


def test_nothing_of_another_file_is_named(ask: Any, path: Path) -> None:
    assert found(ask, path, "hidden")[0] == []


def test_a_blank_search_is_refused(ask: Any, path: Path) -> None:
    assert ask.error("search", path, q="  ").status == 400


def test_it_stops_when_nobody_waits(ask: Any, path: Path) -> None:
    ticket = Ticket()
    lines = run("search", {"path": str(path), "q": "e"}, Context(ask.services, ticket))
    next(lines)
    ticket.cancel()
    with pytest.raises(Cancelled):
        list(lines)
    assert found(ask, path, "needle")[1]["matches"] == 6


def test_two_searches_of_one_file_at_a_time(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds nothing left to read, since another one is just reading it, has not seen everything."""
    with h5py.File(tmp_path / "file.h5", "w") as h5:
        for i in range(20):
            h5.create_group(f"needle{i}")
    begun, go, found = threading.Event(), threading.Event(), []
    real = _Index._read_group

    def slow(self: _Index, *arguments: Any) -> None:
        begun.set()
        go.wait(10)
        real(self, *arguments)

    monkeypatch.setattr(_Index, "_read_group", slow)

    def search() -> None:
        replies = [reply.header for reply in ask.replies("search", tmp_path / "file.h5", q="needle")]
        found.append(replies[-1]["done"])

    threads = [threading.Thread(target=search) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    threads[1].join(0.3)
    go.set()
    for thread in threads:
        thread.join()
    assert found == [{"visited": 20, "matches": 20, "truncated": False}] * 2
