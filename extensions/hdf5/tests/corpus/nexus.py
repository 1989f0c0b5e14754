"""NeXus: NXdata of every kind and with every rule broken, NXcanSAS, pictures in colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corpus.catalogue import recipe


def group(parent: h5py.Group, name: str, nx_class: str, **attributes: Any) -> h5py.Group:
    """A NeXus group."""
    made = parent.create_group(name)
    made.attrs["NX_class"] = nx_class
    for key, value in attributes.items():
        made.attrs[key] = value
    return made


def field(parent: h5py.Group, name: str, values: Any, **attributes: Any) -> h5py.Dataset:
    """A NeXus field."""
    made = parent.create_dataset(name, data=values)
    for key, value in attributes.items():
        made.attrs[key] = value
    return made


def _file(folder: Path, name: str) -> tuple[h5py.File, h5py.Group]:
    file = h5py.File(folder / name, "w")
    file.attrs["NX_class"] = "NXroot"
    file.attrs["default"] = "entry"
    entry = group(file, "entry", "NXentry")
    field(entry, "title", "A measurement in Grenoble")
    field(entry, "definition", "NXroot")
    return file, entry


@recipe("nxdata.h5")
def nxdata(folder: Path) -> None:
    """NXdata: axes, errors, auxiliary signals, scatter, logarithmic, bin edges, complex, stacks, the three ways to name a signal."""
    file, entry = _file(folder, "nxdata.h5")
    with file:
        entry.attrs["default"] = "image"
        _curves(entry)
        _pictures(entry)
        _old_ways(entry)


def _curves(entry: h5py.Group) -> None:
    x = np.linspace(0.1, 10, 500)
    y = 1e4 / x**3
    curve = group(entry, "curve", "NXdata", signal="I", axes="Q", title="Scattering", Q_indices=0)
    field(curve, "Q", x, units="1/nm", long_name="q (1/nm)", scale_type="log")
    field(curve, "I", y, units="1/cm", long_name="Intensity", scale_type="log", interpretation="spectrum")
    field(curve, "I_errors", np.sqrt(y))
    field(curve, "Q_errors", 0.01 * x)
    several = group(entry, "auxiliary", "NXdata", signal="a", axes=["x"], auxiliary_signals=["b", "c"])
    field(several, "x", x)
    for name, factor in (("a", 1), ("b", 2), ("c", 3)):
        field(several, name, np.sin(factor * x), units="counts")
    field(several, "b_errors", np.full(x.size, 0.1))
    edges = group(entry, "bin_edges", "NXdata", signal="counts", axes="energy")
    field(edges, "energy", np.linspace(0, 50, 101), units="keV")
    field(edges, "counts", np.arange(100) ** 2)
    scatter = group(entry, "scatter", "NXdata", signal="value", axes=["x", "y"], x_indices=0, y_indices=0)
    random = np.random.default_rng(1)
    for name in ("x", "y", "value"):
        field(scatter, name, random.normal(size=1000), units="mm")
    one = group(entry, "one_point", "NXdata", signal="s", axes="x")
    field(one, "s", [1.0])
    field(one, "x", [2.0])
    both = group(entry, "complex_curve", "NXdata", signal="z")
    field(both, "z", np.exp(1j * x))
    single = group(entry, "scalar", "NXdata", signal="temperature")
    field(single, "temperature", 77.0, units="K")


def _pictures(entry: h5py.Group) -> None:
    y, x = np.linspace(-1, 1, 60), np.linspace(-2, 2, 80)
    values = np.exp(-(y[:, None] ** 2) - x**2)
    image = group(entry, "image", "NXdata", signal="data", axes=["y", "x"], y_indices=0, x_indices=1)
    field(image, "data", values, interpretation="image", units="counts")
    field(image, "data_errors", np.sqrt(values))
    field(image, "x", x, units="mm")
    field(image, "y", y, units="mm")
    stack = group(entry, "stack", "NXdata", signal="data", axes=["time", ".", "x"])
    field(stack, "data", np.stack([values * i for i in range(12)]).astype("f4"), interpretation="image")
    field(stack, "time", np.arange(12) * 0.1, units="s")
    field(stack, "x", x, units="mm")
    spectra = group(entry, "spectra", "NXdata", signal="data", axes=["y", "energy"])
    field(spectra, "data", np.random.default_rng(2).poisson(5, (60, 2048)).astype("u4"), interpretation="spectrum")
    field(spectra, "energy", np.linspace(0, 20, 2048), units="keV")
    uneven = group(entry, "uneven_axis", "NXdata", signal="data", axes=["y", "x"])
    field(uneven, "data", values)
    field(uneven, "x", np.geomspace(1, 1000, 80), units="eV")
    field(uneven, "y", -y)
    waves = group(entry, "complex_image", "NXdata", signal="z")
    field(waves, "z", values * np.exp(1j * x))
    colour = group(entry, "rgb", "NXdata", signal="picture")
    field(colour, "picture", _rgb(), interpretation="rgb-image", CLASS="IMAGE", IMAGE_SUBCLASS="IMAGE_TRUECOLOR")
    field(
        entry, "rgba_float", np.concatenate([_rgb() / 255, np.ones((40, 60, 1))], axis=2), interpretation="rgba-image"
    )
    palette = field(
        entry, "indexed", np.indices((32, 32))[0].astype("u1"), CLASS="IMAGE", IMAGE_SUBCLASS="IMAGE_INDEXED"
    )
    palette.attrs["PALETTE"] = field(
        entry, "palette", np.stack([np.arange(256)] * 3, 1).astype("u1"), CLASS="PALETTE"
    ).ref


def _rgb() -> np.ndarray[Any, Any]:
    y, x = np.indices((40, 60))
    return np.stack([4 * x, 6 * y, 255 - 4 * x], axis=2).astype("u1")


def _old_ways(entry: h5py.Group) -> None:
    """A signal by an attribute of the field, axes by the signal's attribute, axes by their own numbers."""
    old = group(entry, "old", "NXdata")
    field(old, "counts", np.arange(20).reshape(4, 5), signal=1, axes="angle:time")
    field(old, "angle", np.arange(4.0))
    field(old, "time", np.arange(5.0))
    older = group(entry, "older", "NXdata")
    field(older, "counts", np.arange(20).reshape(4, 5), signal="1")
    field(older, "angle", np.arange(4.0), axis=1, primary=1)
    field(older, "time", np.arange(5.0), axis="2")
    silx = group(entry, "string_indices", "NXdata", signal="s", axes=["x"])
    silx.attrs["x_indices"] = "0"
    field(silx, "s", np.arange(6))
    field(silx, "x", np.arange(6))


@recipe("nxdata-broken.h5")
def nxdata_broken(folder: Path) -> None:
    """NXdata with each rule broken in turn; the signal can be shown nevertheless, or there is a word why not."""
    file, entry = _file(folder, "nxdata-broken.h5")
    entry.attrs["default"] = "not_there"
    values = np.arange(20.0)
    cases: dict[str, dict[str, Any]] = {
        "no_signal": {"signal": None},
        "signal_missing": {"signal": "absent"},
        "signal_is_number": {"signal": 1},
        "signal_is_list": {"signal": ["s", "t"]},
        "signal_is_path": {"signal": "../curve/s"},
        "signal_is_bytes": {"signal": np.bytes_(b"s")},
        "signal_invalid_utf8": {"signal": np.bytes_(b"\xff")},
        "axis_missing": {"axes": ["absent"]},
        "axis_too_long": {"axes": ["long"]},
        "axis_is_text": {"axes": ["text"]},
        "axis_is_group": {"axes": ["inner"]},
        "too_many_axes": {"axes": ["x", "x", "x"]},
        "indices_out_of_range": {"axes": ["x"], "x_indices": 7},
        "indices_negative": {"axes": ["x"], "x_indices": -1},
        "indices_are_text": {"axes": ["x"], "x_indices": "first"},
        "axes_empty": {"axes": np.zeros(0, "S1")},
        "axes_null": {"axes": h5py.Empty("S1")},
        "auxiliary_missing": {"auxiliary_signals": ["absent"]},
        "auxiliary_other_shape": {"auxiliary_signals": ["long"]},
        "errors_other_shape": {"errors": True},
        "default_is_group": {"default": "inner"},
        "itself": {"default": "."},
    }
    with file:
        for name, attributes in cases.items():
            wrong = group(
                entry, name, "NXdata", **{k: v for k, v in ({"signal": "s"} | attributes).items() if v is not None}
            )
            field(wrong, "s", values)
            field(wrong, "x", values)
            field(wrong, "long", np.arange(33.0))
            field(wrong, "text", ["a"] * 20)
            group(wrong, "inner", "NXcollection")
            if attributes.get("errors"):
                field(wrong, "s_errors", np.ones((3, 3)))
        signal_group = group(entry, "signal_is_group", "NXdata", signal="s")
        signal_group.create_group("s")
        text = group(entry, "signal_is_text", "NXdata", signal="s")
        field(text, "s", "words")
        loops = group(file, "loop", "NXentry", default="a")
        for name, other in (("a", "../b"), ("b", "../a")):
            group(loops, name, "NXcollection", default=other)
        odd_class = file.create_group("class_is_number")
        odd_class.attrs["NX_class"] = 5
        file.create_group("class_is_list").attrs["NX_class"] = ["NXentry", "NXdata"]
        file.create_group("class_is_html").attrs["NX_class"] = "<img src=x onerror=alert(1)>"


@recipe("cansas.h5")
def cansas(folder: Path) -> None:
    """NXcanSAS, in one and in two dimensions."""
    file, entry = _file(folder, "cansas.h5")
    with file:
        entry["definition"][...] = "NXcanSAS"
        entry.attrs["canSAS_class"] = "SASentry"
        entry.attrs["default"] = "sasdata"
        q = np.geomspace(0.005, 0.5, 120)
        one = group(entry, "sasdata", "NXdata", canSAS_class="SASdata", signal="I", I_axes="Q", Q_indices=[0])
        field(one, "Q", q, units="1/angstrom", resolutions="Qdev")
        field(one, "I", 1e-3 / q**4 + 0.1, units="1/cm", uncertainties="Idev")
        field(one, "Idev", 0.01 / q, units="1/cm")
        field(one, "Qdev", q * 0.02, units="1/angstrom")
        qx, qy = np.linspace(-0.2, 0.2, 48), np.linspace(-0.1, 0.1, 32)
        two = group(entry, "sasdata2d", "NXdata", canSAS_class="SASdata", signal="I", I_axes=["Qy", "Qx"])
        field(two, "I", 1 / (0.01 + qy[:, None] ** 2 + qx**2), units="1/cm")
        field(two, "Qx", qx, units="1/angstrom")
        field(two, "Qy", qy, units="1/angstrom")
        instrument = group(entry, "sasinstrument", "NXinstrument", canSAS_class="SASinstrument")
        detector = group(instrument, "sasdetector", "NXdetector", canSAS_class="SASdetector")
        field(detector, "SDD", 4150.0, units="mm")
        source = group(instrument, "sassource", "NXsource", canSAS_class="SASsource")
        field(source, "incident_wavelength", 6.0, units="A")
