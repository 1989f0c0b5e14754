"""What an NXdata group says, in all the ways that it has been said since 2000, and in wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Y, X = 4, 6


def group(file: h5py.File, name: str = "data", **attrs: Any) -> h5py.Group:
    made = file.require_group("entry").create_group(name)
    made.attrs["NX_class"] = "NXdata"
    for key, value in attrs.items():
        made.attrs[key] = value
    return made


def standard(file: h5py.File) -> None:
    data = group(file, signal="counts", axes=["y", "x"], x_indices=1, y_indices=[0], title="T")
    data["counts"], data["y"], data["x"] = np.ones((Y, X)), np.arange(Y), np.arange(X + 1.0)
    data["counts_errors"], data["x_errors"] = np.ones((Y, X)), np.ones(X + 1)
    data["counts"].attrs["units"] = "cps"
    data["counts"].attrs["interpretation"] = "image"
    data["x"].attrs["units"], data["x"].attrs["long_name"] = "mm", "stage"
    data.attrs["SILX_style"] = json.dumps({"axes_scale_types": ["linear", "log"], "signal_scale_type": "log"})


def colon(file: h5py.File) -> None:
    data = group(file, signal="counts", axes="y:x")
    data["counts"], data["y"], data["x"] = np.ones((Y, X)), np.arange(Y), np.arange(X)


def legacy(file: h5py.File) -> None:
    data = group(file)
    data["counts"], data["a"], data["b"], data["c"] = np.ones((Y, X)), np.arange(Y), np.arange(X), np.arange(X)
    data["counts"].attrs["signal"] = 1
    data["a"].attrs["axis"], data["b"].attrs["axis"], data["c"].attrs["axis"] = 1, 2, 2
    data["c"].attrs["primary"] = 1


def legacy_axes(file: h5py.File) -> None:
    data = group(file)
    data["counts"], data["y"], data["x"] = np.ones((Y, X)), np.arange(Y), np.arange(X)
    data["counts"].attrs["signal"], data["counts"].attrs["axes"] = "1", "[y,x]"


def cansas(file: h5py.File) -> None:
    data = group(file, signal="I", I_axes="Q", Q_indices=0, canSAS_class="SASdata")
    data["I"], data["Q"], data["Idev"], data["Qdev"] = np.ones(X), np.arange(X), np.ones(X), np.ones(X)
    data["I"].attrs["uncertainties"], data["Q"].attrs["uncertainties"] = "Idev", "Qdev"


def old_cansas(file: h5py.File) -> None:
    cansas(file)
    del file["entry/data"].attrs["canSAS_class"]
    file["entry/data"].attrs["NX_class"] = "SASdata"


def dots(file: h5py.File) -> None:
    data = group(file, signal="counts", axes=[".", "x"])
    data["counts"], data["x"] = np.ones((Y, X)), np.arange(X)


def grid(file: h5py.File) -> None:
    data = group(file, signal="I", I_axes="Q,Q", Q_indices="0,1")
    data["I"] = np.ones((Y, X))
    data["Qy"], data["Qx"] = np.meshgrid(np.arange(Y), np.arange(X) / 10, indexing="ij")


GOOD: dict[str, tuple[Callable[[h5py.File], None], list[tuple[str, int]], str | None]] = {
    "standard": (standard, [("y", 0), ("stage", 1)], "counts_errors"),
    "colon": (colon, [("y", 0), ("x", 1)], None),
    "legacy": (legacy, [("a", 0), ("c", 1)], None),
    "legacy axes": (legacy_axes, [("y", 0), ("x", 1)], None),
    "canSAS": (cansas, [("Q", 0)], "Idev"),
    "dots": (dots, [("x", 1)], None),
    "grid": (grid, [("Qy", 0), ("Qx", 1)], None),
}


@pytest.mark.parametrize("name", GOOD)
def test_ways_to_say_it(ask: Any, tmp_path: Path, name: str) -> None:
    make, axes, errors = GOOD[name]
    with h5py.File(tmp_path / "f.h5", "w") as file:
        make(file)
    reply = ask.reply("open", tmp_path / "f.h5")
    assert reply.header["default_path"] == "/entry/data"
    plot = reply.header["entity"]["plot"]
    assert plot["problems"] == []
    assert [(axis["label"], axis["dimension"]) for axis in plot["axes"]] == axes
    assert plot.get("errors") == (f"/entry/data/{errors}" if errors else None)
    for axis in plot["axes"]:
        assert axis["has_values"]
        length = plot["shape"][axis["dimension"]]
        assert reply.arrays[f"axis{axis['dimension']}"].shape[0] in (length, length + 1)
    assert ask("entity", tmp_path / "f.h5", h5path=plot["signal"])["plot"] == plot | {"problems": []}


def test_everything_of_the_standard_form(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        standard(file)
    plot = ask("entity", tmp_path / "f.h5", h5path="/entry/data")["plot"]
    assert (plot["title"], plot["units"], plot["interpretation"], plot["scale"]) == ("T", "cps", "image", "log")
    assert plot["axes"][1] == {
        "h5path": "/entry/data/x", "label": "stage", "dimension": 1, "has_values": True, "scale": "log", "units": "mm",
        "errors": "/entry/data/x_errors",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "scales"),
    [(cansas, ("log", ["log"])), (old_cansas, ("log", ["log"])), (grid, (None, ["linear", "linear"]))],
)
def test_small_angle_curves_are_logarithmic(ask: Any, tmp_path: Path, make: Any, scales: Any) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        make(file)
    plot = ask("entity", tmp_path / "f.h5", h5path="/entry/data")["plot"]
    assert (plot["scale"], [axis["scale"] for axis in plot["axes"]]) == scales


def broken(file: h5py.File, **attrs: Any) -> h5py.Group:
    data = group(file, **attrs)
    data["counts"], data["x"] = np.ones((Y, X)), np.arange(X)
    return data


BAD: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "no signal": (lambda f: broken(f), "does not say which"),
    "signal missing": (lambda f: broken(f, signal="gone"), "'gone'"),
    "signal a group": (lambda f: broken(f, signal="sub").create_group("sub"), "'sub'"),
    "axis missing": (lambda f: broken(f, signal="counts", axes=["gone", "x"]), "'gone' is not there"),
    "axis too long": (lambda f: broken(f, signal="counts", axes=["x", "."]), "6 values for 4 points"),
    "too many axes": (lambda f: broken(f, signal="counts", axes=["x", "x", "x"]), "3 axes are named for 2"),
    "wrong index": (lambda f: broken(f, signal="counts", axes=[".", "x"], x_indices=7), "does not have"),
    "no index": (lambda f: broken(f, signal="counts", axes=[".", "x"], x_indices="a"), "no list of numbers"),
    "errors": (lambda f: broken(f, signal="counts").__setitem__("counts_errors", [1.0]), "another shape"),
    "auxiliary": (lambda f: broken(f, signal="counts", auxiliary_signals=["x", "no"]), "another shape than the signal"),
    "style": (lambda f: broken(f, signal="counts", axes="nothing", SILX_style="{"), "'nothing'"),
    "ragged": (
        lambda f: broken(f, signal="counts", axes=[".", "r"]).__setitem__("r", np.random.rand(Y, X)),
        "every row",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_broken_rules_are_said_and_the_signal_is_shown(ask: Any, tmp_path: Path, name: str) -> None:
    make, words = BAD[name]
    with h5py.File(tmp_path / "f.h5", "w") as file:
        make(file)
    reply = ask.reply("open", tmp_path / "f.h5")
    plot = reply.header["entity"]["plot"]
    assert plot["signal"] == "/entry/data/counts"
    assert any(words in problem["message"] for problem in plot["problems"]), plot["problems"]
    assert "view" in reply.header and reply.arrays["data"].shape == (Y, X)


def test_scatter(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = group(file, signal="v", axes=["x", "y"])
        data["v"], data["x"], data["y"] = np.arange(5), np.arange(5), np.arange(5)
    reply = ask.reply("open", tmp_path / "f.h5")
    assert reply.header["entity"]["views"][0] == "scatter" and reply.header["entity"]["plot"]["scatter"]
    assert reply.arrays["axis0"].shape == reply.arrays["axis1"].shape == (5,)


def test_auxiliary_signals(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = group(file, signal="a", auxiliary_signals=["b", "c"])
        for name in "abc":
            data[name] = np.arange(5)
        data["b_errors"] = np.ones(5)
    plot = ask("entity", tmp_path / "f.h5", h5path="/entry/data")["plot"]
    assert plot["auxiliary"] == [
        {"h5path": "/entry/data/b", "label": "b", "errors": "/entry/data/b_errors"},
        {"h5path": "/entry/data/c", "label": "c"},
    ]
    assert ask("entity", tmp_path / "f.h5", h5path="/entry/data/c")["plot"]["signal"] == "/entry/data/c"


def nested(file: h5py.File, *defaults: tuple[str, str]) -> None:
    for name in ("first", "second"):
        entry = file.create_group(name)
        entry.attrs["NX_class"] = "NXentry"
        for inner in ("one", "two"):
            data = entry.create_group(inner)
            data.attrs["NX_class"], data.attrs["signal"] = "NXdata", "v"
            data["v"] = np.arange(5)
    for at, target in defaults:
        file[at].attrs["default"] = target


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ((), "/first/one"),
        ((("/", "second"),), "/second/one"),
        ((("/", "second"), ("/second", "two")), "/second/two"),
        ((("/", "second/two"),), "/second/two"),
        ((("/", "/second/two"),), "/second/two"),
        ((("/", "second/two/v"),), "/second/two/v"),
        ((("/", "gone"),), "/first/one"),
        ((("/", "second"), ("/second", "gone")), "/second/one"),
        ((("/", "second"), ("/second", "/")), "/second/one"),
    ],
)
def test_where_the_defaults_lead(ask: Any, tmp_path: Path, defaults: Any, expected: str) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        nested(file, *defaults)
    found = ask("open", tmp_path / "f.h5")
    assert found["default_path"] == expected
    marked = [child["name"] for child in found["root"]["children"] if child.get("on_default_path")]
    assert marked == [expected.split("/")[1]]


def test_without_nexus_the_best_numbers_are_shown(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a_text"], file["b_scalar"], file["c_curve"] = "x", 1, np.arange(9)
        file["deep/er/picture"] = np.zeros((3, 40, 50))
        file["loop"] = file["/"]
    assert ask("open", tmp_path / "f.h5")["default_path"] == "/deep/er/picture"


PACKAGES = {
    "nexusformat": "examples/*.nxs",
    "sasdata": "example_data/**/*.h5",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_real_files(asker: Callable[..., Any], package: str) -> None:
    spec = find_spec(package)
    assert spec and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]).resolve()
    files = list(folder.glob(PACKAGES[package]))
    assert files
    for path in files:
        reply = asker(folder).reply("open", path)
        entity = reply.header["entity"]
        assert entity["plot"]["shape"] and entity["views"][0] in ("line", "heatmap")
        assert "view" in reply.header or "line" in reply.header
        assert not [p for p in entity["plot"]["problems"] if p["code"] == "no_signal"]
