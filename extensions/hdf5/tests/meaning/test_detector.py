"""Masks, values that mean nothing, and geometry, where facilities put them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from panosc_hdf5.core.detector import describe
from panosc_hdf5.core.units import electronvolts, metres

FRAME = (32, 40)


def dectris(folder: Path, **options: Any) -> Path:
    """A master file as Dectris' file writer makes it, with its data in another file."""
    with h5py.File(folder / "x_data_000001.h5", "w") as file:
        file.create_dataset("entry/data/data", (3, *FRAME), options.get("dtype", "u4"))
    with h5py.File(folder / "x_master.h5", "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink("x_data_000001.h5", "/entry/data/data")
        file["entry"].attrs["NX_class"], file["entry/data"].attrs["NX_class"] = "NXentry", "NXdata"
        instrument = file.create_group("entry/instrument")
        instrument.attrs["NX_class"] = "NXinstrument"
        detector = instrument.create_group("detector")
        detector.attrs["NX_class"] = "NXdetector"
        detector["description"] = "Dectris EIGER2 X 4M"
        for name, value, units in (
            ("beam_center_x", 20.5, "pixel"), ("beam_center_y", 10.0, "pixel"), ("detector_distance", 150.0, "mm"),
            ("x_pixel_size", 75.0, "um"), ("y_pixel_size", 7.5e-5, "m"),
        ):  # fmt: skip
            detector[name] = value
            detector[name].attrs["units"] = units
        specific = detector.create_group("detectorSpecific")
        specific["pixel_mask"] = np.eye(*FRAME, dtype="u4")
        specific["photon_energy"] = 12398.419843320026
        specific["photon_energy"].attrs["units"] = "eV"
        if "applied" in options:
            detector["pixel_mask_applied"] = options["applied"]
    return folder / "x_master.h5"


def test_dectris(ask: Any, tmp_path: Path) -> None:
    path = dectris(tmp_path)
    found = ask("open", path)
    assert found["default_path"] == "/entry/data"
    plot = found["entity"]["plot"]
    assert plot["signal"] == "/entry/data/data_000001" and found["view"]["size"] == {"height": 32, "width": 40}
    assert plot["mask"] == "/entry/instrument/detector/detectorSpecific/pixel_mask"
    assert plot["sentinels"] == [2**32 - 1, 2**32 - 2]
    assert plot["geometry"] == pytest.approx(
        {"beam_x": 20.5, "beam_y": 10.0, "distance": 0.15, "pixel_x": 75e-6, "pixel_y": 75e-6, "wavelength": 1.0,
         "source": "/entry/instrument/detector"}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "applied", "mask", "sentinels"),
    [
        ("u2", 0, True, [65535, 65534]),
        ("u2", 1, False, [65535, 65534]),
        ("i4", 1, False, [-1, -2]),
        ("f4", 1, True, []),
    ],
)
def test_masks_and_sentinels(
    ask: Any, tmp_path: Path, dtype: str, applied: int, mask: bool, sentinels: list[int]
) -> None:
    plot = ask("open", dectris(tmp_path, dtype=dtype, applied=applied))["entity"]["plot"]
    assert ("mask" in plot) == mask
    assert plot["sentinels"] == sentinels


def bliss(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        for scan in ("1.1", "2.1"):
            entry = file.create_group(scan)
            entry.attrs["NX_class"] = "NXentry"
            instrument = entry.create_group("instrument")
            instrument.attrs["NX_class"] = "NXinstrument"
            for name, shape in (("small", (5, 16, 16)), ("pilatus", (5, *FRAME))):
                detector = instrument.create_group(name)
                detector.attrs["NX_class"] = "NXdetector"
                detector.create_dataset("data", shape, "i4")
                detector["pixel_mask"] = np.zeros(shape[1:], "u1")
            entry["measurement/pilatus"] = h5py.SoftLink(f"/{scan}/instrument/pilatus/data")
            entry["measurement/hard"] = instrument["small/data"]
    return path


def test_bliss(ask: Any, tmp_path: Path) -> None:
    path = bliss(tmp_path / "bliss.h5")
    masks = {
        "/2.1/measurement/pilatus": "/2.1/instrument/pilatus/pixel_mask",
        "/2.1/measurement/hard": "/2.1/instrument/small/pixel_mask",
        "/1.1/instrument/small/data": "/1.1/instrument/small/pixel_mask",
    }
    for h5path, mask in masks.items():
        assert ask("entity", path, h5path=h5path)["plot"]["mask"] == mask
    with ask.services.files.locate(str(path), "/2.1/measurement/pilatus") as located:
        assert describe(located) is describe(located)
        assert describe(located).sentinels == (-1, -2)
        assert describe(located).geometry is None


def test_plain_numbers_have_no_detector(ask: Any, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["photo"] = np.full((20, 20), 255, "u1")
        file["floats"] = np.zeros((20, 20))
        file["curve"] = np.arange(9, dtype="u4")
        filled = file.create_dataset("filled", data=np.zeros((20, 20), "i2"))
        filled.attrs["_FillValue"] = np.int16(-999)
    sentinels = {"photo": [], "floats": [], "curve": [], "filled": [-999]}
    for name, expected in sentinels.items():
        plot = ask("entity", tmp_path / "f.h5", h5path=name)["plot"]
        assert plot["sentinels"] == expected and "mask" not in plot


@pytest.mark.parametrize(
    ("value", "units", "expected"),
    [(1.0, "m", 1), (1.0, "mm", 1e-3), (1.0, "µm", 1e-6), (1.0, "μm", 1e-6), (1.0, "Å", 1e-10), (1.0, "Angstrom", 1e-10),
     (1.0, None, 1e-3), (1.0, "furlong", None), (float("nan"), "m", None), (None, "m", None)],
)  # fmt: skip
def test_lengths(value: float | None, units: str | None, expected: float | None) -> None:
    assert metres(value, units, "mm") == (None if expected is None else pytest.approx(expected))


def test_energies_of_neutrons_and_photons() -> None:
    assert electronvolts(5.0, "meV", "ev") == pytest.approx(5e-3)
    assert electronvolts(5.0, "MeV", "ev") == pytest.approx(5e6)
    assert electronvolts(12.0, "keV", "ev") == pytest.approx(12e3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, 5e-324, 0.0, -1.0])
def test_numbers_that_cannot_be(ask: Any, tmp_path: Path, value: float) -> None:
    """A file whose numbers are nonsense is opened all the same, and what is said of it can be said in JSON."""
    path = tmp_path / "nonsense.h5"
    with h5py.File(path, "w") as file:
        detector = file.create_group("entry/instrument/detector")
        for group, kind in (("", "NXroot"), ("entry", "NXentry"), ("entry/instrument", "NXinstrument")):
            file[group or "/"].attrs["NX_class"] = kind
        detector.attrs["NX_class"] = "NXdetector"
        for name in ("x_pixel_size", "y_pixel_size", "distance", "beam_center_x", "beam_center_y", "bit_depth_image",
                     "pixel_mask_applied", "energy"):  # fmt: skip
            detector[name] = value
        detector["data"] = np.ones((3, 20, 30), "u2")
        detector["data"].attrs["missing_value"] = value
        data = file.create_group("entry/data")
        data.attrs.update({"NX_class": "NXdata", "x_indices": value, "SILX_style": "[" * 50_000})
        data["data"], data["x"] = np.full((3, 20, 30), value), np.full(20, value)
        data["data"].attrs["signal"] = data["x"].attrs["axis"] = data["x"].attrs["primary"] = value
    for h5path in ("/", "/entry", "/entry/data", "/entry/data/data", "/entry/instrument/detector/data"):
        assert ask("open", path, h5path=h5path)["entity"]["kind"] in ("group", "dataset")
        assert ask("entity", path, h5path=h5path)["plot"]
    ask("view", path, h5path="/entry/instrument/detector/data")
    ask.reply("export", path, h5path="/entry/data/data", format="csv")
