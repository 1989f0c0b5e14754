"""Where links lead, and where they may not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panosc_hdf5.core.errors import HDF5Error
from panosc_hdf5.core.files import FileCache

SOFT = {
    "x": "/x",
    "soft": "/x",
    "relative": "/group/y",
    "group/up": "/x",
    "through/y": "/group/y",
    "chain": "/x",
    "here/here/x": "/x",
    "group/loop/group/y": "/group/loop/group/y",
    "group//./y": "/group/y",
}
FAILING = {
    "dangling": "dangling_link",
    "to_dangling": "dangling_link",
    "self": "link_cycle",
    "a": "link_cycle",
    "deeper": "link_cycle",
    "x/below": "no_such_object",
    "nothing": "not_found",
    "ext_self": "link_cycle",
    "ext_missing_file": "dangling_link",
    "ext_missing_object": "dangling_link",
    "ext_out": "outside",
    "ext_out_relative": "outside",
    "ext_by_two": "outside",
    "ext_passwd": "outside",
    "ext_text": "not_hdf5",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside, outside = tmp_path / "root", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    with h5py.File(outside / "secret.h5", "w") as file:
        file["x"] = 42
    with h5py.File(inside / "other.h5", "w") as file:
        file["x"] = np.arange(3)
        file["back"] = h5py.ExternalLink("main.h5", "/ext_self")
        file["out"] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")
        file["soft"] = h5py.SoftLink("/x")
    (inside / "text.h5").write_text("text " * 300)
    with h5py.File(inside / "main.h5", "w") as file:
        file["x"] = np.arange(10)
        file["group/y"] = 1.5
        file["group/up"] = h5py.SoftLink("/x")
        file["group/loop"] = file["/"]
        for name, target in {
            "soft": "/x",
            "relative": "group/y",
            "through": "group",
            "chain": "soft",
            "here": ".",
            "dangling": "/no",
            "to_dangling": "dangling",
            "self": "self",
            "a": "b",
            "b": "/a",
            "deeper": "/deeper/more",
        }.items():
            file[name] = h5py.SoftLink(target)
        for name, (other, target) in {
            "ext": ("other.h5", "/x"),
            "ext_soft": ("other.h5", "soft"),
            "ext_moved": ("/old/place/other.h5", "/x"),
            "ext_self": ("other.h5", "back"),
            "ext_missing_file": ("none.h5", "/x"),
            "ext_missing_object": ("other.h5", "/none"),
            "ext_out": (str(outside / "secret.h5"), "/x"),
            "ext_out_relative": ("../outside/secret.h5", "/x"),
            "ext_by_two": ("other.h5", "out"),
            "ext_passwd": ("/etc/passwd", "/"),
            "ext_text": ("text.h5", "/"),
        }.items():
            file[name] = h5py.ExternalLink(other, target)
    return inside


@pytest.mark.parametrize(("asked", "name"), SOFT.items())
def test_links_within_a_file(root: Path, asked: str, name: str) -> None:
    cache = FileCache([root])
    with cache.locate(str(root / "main.h5"), asked) as located:
        assert located.name == name
        assert located.depends == ()
    cache.close()


@pytest.mark.parametrize("asked", ["ext", "ext_soft", "ext_moved"])
def test_external_links_inside_of_the_roots(root: Path, asked: str) -> None:
    cache = FileCache([root])
    with cache.locate(str(root / "main.h5"), asked) as located:
        assert (located.name, located.file.name) == ("/x", "other.h5")
        assert [Path(stamp.path).name for stamp in located.depends] == ["other.h5"]
        assert (located.origin.name, located.asked) == ("main.h5", f"/{asked}")
    cache.close()


@pytest.mark.parametrize(("asked", "code"), FAILING.items())
def test_links_that_lead_nowhere_or_outside(root: Path, asked: str, code: str) -> None:
    cache = FileCache([root])
    with pytest.raises(HDF5Error) as caught, cache.locate(str(root / "main.h5"), asked):
        pass
    assert caught.value.code == code
    assert "outside/" not in caught.value.message  # nothing of the machine's folders
    cache.close()


def test_a_bad_child_does_not_break_its_page(root: Path, asker: Callable[..., Any]) -> None:
    page = asker(root)("children", root / "main.h5")
    kinds = {child["name"]: child for child in page["children"]}
    assert len(kinds) == page["total"] == len(page["children"])
    for name, code in FAILING.items():
        if name in kinds:
            assert kinds[name]["kind"] == "error" and kinds[name]["error"]["code"] == code
    assert kinds["ext"]["link"] == {"type": "external", "file": "other.h5", "target": "/x", "contents_path": "other.h5"}
    assert "contents_path" not in kinds["ext_out"]["link"]
    assert kinds["soft"]["kind"] == "dataset" and kinds["soft"]["link"] == {"type": "soft", "target": "/x"}


def test_an_external_link_follows_its_target_s_changes(root: Path, asker: Callable[..., Any]) -> None:
    ask = asker(root)
    assert ask("entity", root / "main.h5", h5path="/ext")["shape"] == [3]
    with h5py.File(root / "new.h5", "w") as file:
        file["x"] = np.arange(7)
    (root / "new.h5").replace(root / "other.h5")
    assert ask("entity", root / "main.h5", h5path="/ext")["shape"] == [7]
    children = {c["name"]: c for c in ask("children", root / "main.h5")["children"]}
    assert children["ext"]["shape"] == [7]


@pytest.fixture
def virtual(root: Path) -> Path:
    outside = root.parent / "outside"
    sources = {
        "there": ("other.h5", "x"),
        "missing": ("none.h5", "x"),
        "out": (str(outside / "secret.h5"), "x"),
        "by_link": ("other.h5", "out"),
        "out_relative": ("../outside/secret.h5", "x"),
        "itself": (".", "itself"),
    }
    with h5py.File(root / "virtual.h5", "w") as file:
        for name, (other, path) in sources.items():
            layout = h5py.VirtualLayout((3,), "i8")
            layout[:] = h5py.VirtualSource(other, path, (3,))
            file.create_virtual_dataset(name, layout, fillvalue=-1)
        file.create_dataset("raw", (2,), "i8", external=[("raw.bin", 0, 16)])
        file.create_dataset("raw_out", (2,), "i8", external=[("../outside/secret.h5", 0, 16)])
    (root / "raw.bin").write_bytes(np.array([8, 9], "<i8").tobytes())
    return root / "virtual.h5"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("there", [0, 1, 2]), ("missing", [-1, -1, -1]), ("raw", [8, 9]), ("out", "outside"), ("by_link", "outside"),
     ("out_relative", "outside"), ("raw_out", "outside"), ("itself", "too_deep")],
)  # fmt: skip
def test_where_data_really_lie(virtual: Path, asker: Callable[..., Any], name: str, expected: Any) -> None:
    ask = asker(virtual.parent)
    if isinstance(expected, str):
        assert ask.error("values", virtual, h5path=name).code == expected
        return
    reply = ask.reply("values", virtual, h5path=name)
    assert reply.header["values"] == expected
    wanted = {"there": ["other.h5"], "missing": [], "raw": ["raw.bin"]}[name]
    assert [Path(stamp.path).name for stamp in reply.depends] == wanted


def test_a_source_that_appears_and_grows(virtual: Path, asker: Callable[..., Any]) -> None:
    ask = asker(virtual.parent)
    assert ask("values", virtual, h5path="missing")["values"] == [-1, -1, -1]
    for value in (5, 6):
        with h5py.File(virtual.parent / "next.h5", "w") as file:
            file["x"] = np.full(3, value)
        (virtual.parent / "next.h5").replace(virtual.parent / "none.h5")
        time.sleep(0.15)
        assert ask("values", virtual, h5path="missing")["values"] == [value] * 3


def test_sources_are_shown(virtual: Path, asker: Callable[..., Any]) -> None:
    found = {c["name"]: c for c in asker(virtual.parent)("children", virtual)["children"]}
    assert found["there"]["storage"]["sources"] == [{"file": "other.h5", "path": "x", "contents_path": "other.h5"}]
    assert found["missing"]["storage"]["sources"] == [{"file": "none.h5", "path": "x", "missing": True}]
    assert "contents_path" not in found["out"]["storage"]["sources"][0]
    assert found["raw"]["storage"]["layout"] == "external"


NAMES = st.sampled_from("abcde")
TARGETS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", ".", ""]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.sets(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=5),
    links=st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), TARGETS, max_size=6),
    asked=st.lists(TARGETS, min_size=1, max_size=6),
)
def test_the_walk_ends_where_hdf5_ends(
    tmp_path: Path, groups: set[str], links: dict[str, str], asked: list[str]
) -> None:
    path = tmp_path / "graph.h5"
    with h5py.File(path, "w") as file:
        for group in sorted(groups):
            file.require_group(group)
        for name, target in links.items():
            try:
                file[name] = h5py.SoftLink(target or ".")
            except (ValueError, RuntimeError, OSError, KeyError):
                continue  # the name is taken, or leads through a link that leads nowhere
        file.flush()
        cache = FileCache()  # as in a kernel, beside the user's own open file
        for h5path in asked:
            try:
                expected: Any = h5py.h5o.get_info(file[h5path or "/"].id).addr
            except (KeyError, RuntimeError, OSError, ValueError):
                expected = None
            try:
                with cache.locate(str(path), h5path) as located:
                    found = h5py.h5o.get_info(located.object.id).addr
            except HDF5Error:
                found = None
            # HDF5 gives up after 16 links; we go on to 64.
            assert found == expected or (expected is None and found is not None)
        cache.close()


def test_raw_data_in_a_file_whose_name_is_no_utf_8(root: Path, asker: Callable[..., Any]) -> None:
    """What is looked at is what HDF5 opens, byte for byte."""
    (root.parent / "outside" / "raw.bin").write_bytes(bytes(16))
    for name, target in ((b"in\xff", root / "raw.bin"), (b"out\xff", root.parent / "outside" / "raw.bin")):
        Path(os.fsdecode(bytes(root) + b"/" + name)).symlink_to(target)
    (root / "raw.bin").write_bytes(np.array([8, 9], "<i8").tobytes())
    space = h5py.h5s.create_simple((2,))
    with h5py.File(root / "raw.h5", "w") as file:
        for name in ("in", "out"):
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_external(name.encode() + b"\xff", 0, 16)
            h5py.h5d.create(file.id, name.encode(), h5py.h5t.STD_I64LE, space, plist)
    ask = asker(root)
    assert ask("values", root / "raw.h5", h5path="/in")["values"] == [8, 9]
    assert ask.error("values", root / "raw.h5", h5path="/out").code == "outside"
