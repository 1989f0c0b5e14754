"""Findings against NeXus' rules and definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from panosc_hdf5.core import definitions


def monopd(file: h5py.File) -> None:
    """A file that NXmonopd has nothing to say against."""
    file.attrs["NX_class"], file.attrs["default"] = "NXroot", "entry"
    tree: dict[str, tuple[str, dict[str, Any]]] = {
        "entry": ("NXentry", {"title": "t", "start_time": "2024-01-01T00:00:00Z", "definition": "NXmonopd"}),
        "entry/instrument": ("NXinstrument", {}),
        "entry/instrument/source": ("NXsource", {"type": "Reactor", "name": "r", "probe": "neutron"}),
        "entry/instrument/crystal": ("NXcrystal", {"wavelength": np.array([1.5])}),
        "entry/instrument/detector": ("NXdetector", {"polar_angle": np.arange(4.0), "data": np.arange(4)}),
        "entry/sample": ("NXsample", {"name": "s", "rotation_angle": 1.0}),
        "entry/monitor": ("NXmonitor", {"mode": "timer", "preset": 1.0, "integral": 2.0}),
        "entry/data": ("NXdata", {}),
    }
    for path, (kind, fields) in tree.items():
        group = file.create_group(path)
        group.attrs["NX_class"] = kind
        for name, value in fields.items():
            group[name] = value
    for path in ("instrument/crystal/wavelength", "instrument/detector/polar_angle", "sample/rotation_angle"):
        file["entry"][path].attrs["units"] = "deg"
    file["entry/data/data"] = file["entry/instrument/detector/data"]
    file["entry/data/polar_angle"] = file["entry/instrument/detector/polar_angle"]
    file["entry/data"].attrs["signal"], file["entry/data"].attrs["axes"] = "data", "polar_angle"
    file["entry"].attrs["default"] = "data"


def findings(ask: Any, path: Path, change: Any = None) -> list[tuple[str, str, str]]:
    with h5py.File(path, "w") as file:
        monopd(file)
        if change is not None:
            change(file)
    return [(f["level"], f["h5path"], f["message"]) for f in ask("check", path)["findings"]]


def test_a_good_file(ask: Any, tmp_path: Path) -> None:
    found = findings(ask, tmp_path / "f.h5")
    assert [f for f in found if f[0] == "error"] == []
    header = ask("check", tmp_path / "f.h5")
    assert header["applications"] == ["NXmonopd"] and header["definitions"].startswith("v") and not header["truncated"]


def remove(path: str) -> Any:
    return lambda file: file.__delitem__(path)


def put(path: str, value: Any) -> Any:
    def change(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file[path] = value

    return change


def attribute(path: str, name: str, value: Any) -> Any:
    return lambda file: file[path].attrs.__setitem__(name, value)


CHANGES: dict[str, tuple[Any, str, str, str]] = {
    "required field": (remove("entry/title"), "error", "/entry", "asks for a field 'title'"),
    "required group": (remove("entry/monitor"), "error", "/entry", "asks for a group of class NXmonitor"),
    "required link": (remove("entry/data/polar_angle"), "error", "/entry/data", "asks for a link 'polar_angle'"),
    "value": (
        put("entry/instrument/source/probe", "quark"),
        "warning",
        "/entry/instrument/source/probe",
        "'quark' is none",
    ),
    "type": (
        put("entry/monitor/preset", "text"),
        "warning",
        "/entry/monitor/preset",
        "asks for NX_FLOAT; this is string",
    ),
    "date": (put("entry/start_time", "01.02.2024"), "warning", "/entry/start_time", "no ISO 8601 date"),
    "zone": (put("entry/start_time", "2024-01-01T00:00:00"), "note", "/entry/start_time", "time zone"),
    "default": (attribute("/", "default", "gone"), "error", "/", "'gone', which is not there"),
    "signal": (attribute("entry/data", "signal", "gone"), "error", "/entry/data", "'gone'"),
    "class": (attribute("entry/sample", "NX_class", "NXsampel"), "warning", "/entry/sample", "no class NXsampel"),
    "no class": (lambda f: f.create_group("entry/extra"), "note", "/entry/extra", "no NX_class"),
    "link": (lambda f: f.__setitem__("entry/l", h5py.SoftLink("/no")), "error", "/entry/l", "is not there"),
    "units": (
        put("entry/instrument/detector/distance", 1.0),
        "warning",
        "/entry/instrument/detector/distance",
        "@units",
    ),
    "name": (put("entry/sample/a b", 1.0), "note", "/entry/sample/a b", "letters"),
    "definition": (put("entry/definition", "NXnone"), "warning", "/entry/definition", "no application definition"),
    "path": (put("entry/definition", "../../x"), "warning", "/entry/definition", "no application definition"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_findings(ask: Any, tmp_path: Path, name: str) -> None:
    change, level, h5path, words = CHANGES[name]
    found = findings(ask, tmp_path / "f.h5", change)
    assert any(f[:2] == (level, h5path) and words in f[2] for f in found), found


def test_no_nexus(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["x"] = 1
    assert "not NeXus" in ask("check", tmp_path / "f.h5")["findings"][0]["message"]
    assert ask.error("check", tmp_path / "f.h5", h5path="/x").code == "no_group"


def test_without_the_definitions_it_says_so(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "folder", lambda: None)
    for cached in (definitions.version, definitions.definition):
        cached.cache_clear()
    try:
        found = findings(ask, tmp_path / "f.h5", put("entry/start_time", "01.02.2024"))
        assert any("nexusformat" in message for _, _, message in found)
        assert any("ISO 8601" in message for _, _, message in found)
    finally:
        for cached in (definitions.version, definitions.definition):
            cached.cache_clear()


def test_cycles_end(ask: Any, tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["entry/again"] = file["/"]

    findings(ask, tmp_path / "f.h5", change)
    assert ask("check", tmp_path / "f.h5")["groups"] < 12
