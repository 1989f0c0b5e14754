"""``open``, ``entity`` and ``state``: nothing that fails takes the rest along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for n in range(30):
            entry = file.create_group(f"{n}.1")
            entry.attrs["NX_class"] = "NXentry"
            data = entry.create_group("data")
            data.attrs["NX_class"], data.attrs["signal"], data.attrs["axes"] = "NXdata", "v", ["t"]
            data["v"], data["t"] = np.arange(7) + n, np.arange(7)
        file.attrs["default"] = "25.1"
        file["dangling"] = h5py.SoftLink("/none")
        file["text"] = "words"
        file["deep"] = np.zeros((4, 5, 20, 30))
    return tmp_path / "f.h5"


def test_the_tree_on_the_way(ask: Any, path: Path) -> None:
    found = ask("open", path, limit=10)
    assert found["default_path"] == "/25.1/data" and found["entity"]["h5path"] == "/25.1/data"
    assert [(page["h5path"], page["offset"]) for page in found["ancestors"]] == [("/", 20), ("/25.1", 0)]
    on_way = [
        child["name"] for page in found["ancestors"] for child in page["children"] if child.get("on_default_path")
    ]
    assert on_way == ["25.1", "data"]
    assert found["line"]["h5path"].endswith("/v")


def test_an_object_that_was_asked_for(ask: Any, path: Path) -> None:
    reply = ask.reply("open", path, h5path="/deep", slice="1, 2, :, :")
    assert reply.header["default_path"] == "/25.1/data" and reply.header["entity"]["h5path"] == "/deep"
    assert reply.header["view"]["slice"] == "1, 2, :, :" and reply.arrays["data"].shape == (20, 30)
    assert "view" not in ask("open", path, h5path="/text")


@pytest.mark.parametrize(
    ("h5path", "code"), [("/none", "not_found"), ("/dangling", "dangling_link"), ("/text/x", "no_such_object")]
)
def test_an_object_that_is_not_there_leaves_the_tree(ask: Any, path: Path, h5path: str, code: str) -> None:
    found = ask("open", path, h5path=h5path)
    assert found["entity"]["kind"] == "error" and found["entity"]["error"]["code"] == code
    assert found["root"]["total"] == 33
    assert ask.error("entity", path, h5path=h5path).code == code


def test_a_slice_that_does_not_fit_is_a_problem_of_the_plot(ask: Any, path: Path) -> None:
    found = ask("open", path, h5path="/deep", slice="99, :, :")
    assert "view" not in found
    assert found["entity"]["plot"]["problems"][0]["message"]


def test_data_that_cannot_be_decoded(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("d", data=np.arange(900).reshape(30, 30), chunks=(30, 30), compression="gzip")
        data.id.write_direct_chunk((0, 0), b"garbage" * 9)
        file["fine"] = 1
    found = ask("open", tmp_path / "f.h5")
    assert found["default_path"] == "/d" and found["entity"]["plot"]["problems"][0]["code"].endswith("_chunk")
    assert {child["name"] for child in found["root"]["children"]} == {"d", "fine"}


def test_an_endless_image_is_not_tried(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("d", (2**40, 2**40), "u2", chunks=(1024, 1024))
    found = ask("open", tmp_path / "f.h5")
    assert found["entity"]["plot"]["problems"][0]["code"] == "too_large"


VIEWS: dict[str, tuple[Any, str]] = {
    "scalar": (1.5, "scalar"),
    "one": (np.ones(1), "scalar"),
    "curve": (np.ones(9), "line"),
    "image": (np.ones((9, 9)), "heatmap"),
    "column": (np.ones((9, 1)), "line"),
    "complex": (np.ones(4, "c8"), "complex"),
    "compound": (np.zeros(3, [("a", "i4"), ("b", "f4")]), "compound"),
    "text": ("words", "scalar"),
    "texts": (np.array([b"a", b"b"]), "matrix"),
    "opaque": (np.zeros(2, "V3"), "raw"),
    "null": (h5py.Empty("f4"), "raw"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_best_view(ask: Any, tmp_path: Path, name: str) -> None:
    value, best = VIEWS[name]
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file[name] = value
    assert ask("entity", tmp_path / "f.h5", h5path=name)["views"][0] == best
    assert ask("open", tmp_path / "f.h5", h5path=name)["entity"]["views"][0] == best


def test_colours(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["rgb"], file["maybe"] = np.zeros((20, 20, 3), "u1"), np.zeros((20, 20, 3), "u1")
        file["rgb"].attrs["interpretation"] = "rgba-image"
    assert ask("entity", tmp_path / "f.h5", h5path="rgb")["views"][0] == "rgb"
    assert "rgb" in ask("entity", tmp_path / "f.h5", h5path="maybe")["views"][1:]


def test_state_follows_growth_and_failures(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "f.h5"

    def write(n: int) -> None:
        with h5py.File(tmp_path / "next", "w") as file:
            file["d"] = np.zeros((n, 3))
        (tmp_path / "next").replace(path)

    assert ask("state", path, h5path="d")["error"]["code"] == "vanished"
    for n in (1, 2):
        write(n)
        found = ask("state", path, h5path="d")
        assert (found["shape"], found["size"], found["mtime_ns"]) == (
            [n, 3], path.stat().st_size, path.stat().st_mtime_ns,
        )  # fmt: skip
    path.write_bytes(b"")
    assert ask("state", path, h5path="d")["error"]["code"] == "empty_file"


def test_contents_paths_are_relative_to_the_root(asker: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with h5py.File(tmp_path / "sub" / "b.h5", "w") as file:
        file["x"] = np.arange(4)
    with h5py.File(tmp_path / "sub" / "a.h5", "w") as file:
        file["e"] = h5py.ExternalLink("b.h5", "/x")
    reply = asker(tmp_path).reply("entity", tmp_path / "sub" / "a.h5", h5path="/e")
    assert reply.header["link"]["contents_path"] == "sub/b.h5"
    assert [Path(stamp.path).name for stamp in reply.depends] == ["b.h5"]
