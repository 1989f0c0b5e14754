"""Measured files that `sasdata` and `nexusformat` bring as examples, placed in a proposal's directory.

Each keeps its numbers. Where a file does not say what to plot, NeXus's `default` attributes are added, and a note on
where it was measured: the demo's proposals are invented, these data are not theirs.
"""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
from sasdata.dataloader.loader import Loader

_SAS = Path(str(files("sasdata") / "example_data"))
_NEXUS = Path(str(files("nexusformat") / "examples"))


def chopper(directory: Path) -> None:
    """Phonons of MgB2, time of flight against angle: the chopper spectrometer LRMECS, 2001."""
    target = directory / "chopper.nxs"
    shutil.copyfile(_NEXUS / "chopper.nxs", target)
    _note(target, "LRMECS at IPNS, 2001; an example file of the Python package nexusformat")


def saxs_image(directory: Path) -> None:
    """Small-angle X-ray scattering of oriented iron oxide, an image with mask and uncertainties."""
    target = directory / "iron_0001.h5"
    shutil.copyfile(_SAS / "2d_data" / "BAM_2D.h5", target)
    with h5py.File(target, "a") as root:
        root.attrs.update({"NX_class": "NXroot", "default": "sasentry01"})
        root["sasentry01"].attrs["default"] = "data"
    _note(target, "BAM, Berlin; an example file of the Python package sasdata")


def sans_curve(directory: Path) -> None:
    """Small-angle neutron scattering of ferritin in solution, as NXcanSAS."""
    target = directory / "ferritin.h5"
    measured = Loader().load(str(_SAS / "1d_data" / "apoferritin.txt"))[0]
    with h5py.File(target, "w") as root:
        root.attrs.update({"NX_class": "NXroot", "default": "sasentry"})
        entry = root.create_group("sasentry")
        entry.attrs.update({"NX_class": "NXentry", "canSAS_class": "SASentry", "version": "1.1", "default": "sasdata"})
        entry["definition"] = "NXcanSAS"
        entry["title"] = "Ferritin in D2O"
        entry["run"] = "Ferritin_SANS"
        data = entry.create_group("sasdata")
        data.attrs.update({"NX_class": "NXdata", "canSAS_class": "SASdata", "signal": "I", "I_axes": "Q"})
        data.attrs.update({"axes": "Q", "Q_indices": np.array([0]), "uncertainties": "Idev"})
        for name, values, unit in (
            ("Q", measured.x, "1/angstrom"),
            ("I", measured.y, "1/cm"),
            ("Idev", measured.dy, "1/cm"),
        ):
            data[name] = np.asarray(values, float)
            data[name].attrs["units"] = unit
        data["I"].attrs["uncertainties"] = "Idev"
    _note(target, "SANS2D at ISIS, 2019; an example file of the Python package sasdata")


def sans_image(directory: Path) -> None:
    """Small-angle neutron scattering in two dimensions, NXcanSAS as the instrument's reduction wrote it."""
    target = directory / "033837_2d.h5"
    shutil.copyfile(_SAS / "2d_data" / "33837rear_2D_1.75_16.5_NXcanSAS_v3.h5", target)
    with h5py.File(target, "a") as root:
        root.attrs.update({"NX_class": "NXroot", "default": "sasentry01"})
        root["sasentry01"].attrs["default"] = "sasdata"
    _note(target, "SANS2D at ISIS, 2016; an example file of the Python package sasdata")


def _note(file: Path, text: str) -> None:
    with h5py.File(file, "a") as root:
        entry = root[root.attrs["default"]]
        note = entry.create_group("demo_note")
        note.attrs["NX_class"] = "NXnote"
        note["description"] = f"Measured at {text}. The proposal it lies in is invented."
