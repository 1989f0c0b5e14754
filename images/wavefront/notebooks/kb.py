"""One elliptical mirror of a Kirkpatrick-Baez pair, for three codes in two Pythons: its numbers, and how results are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

PLANCK_TIMES_LIGHT = 1.23984198e-6
"""h c in eV m (CODATA 2018)."""


@dataclass(frozen=True)
class Mirror:
    """A mirror that focuses in its plane of incidence. Lengths in m, angles in rad, energies in eV."""

    photon_energy: float = 10_000.0
    source_distance: float = 50.0
    focal_distance: float = 0.5
    length: float = 0.1
    grazing_angle: float = 3e-3
    source_fwhm: float = 20e-6

    @property
    def wavelength(self) -> float:
        """In m."""
        return PLANCK_TIMES_LIGHT / self.photon_energy

    @property
    def aperture(self) -> float:
        """How much of the beam the mirror takes, across the beam, in m."""
        return self.length * float(np.sin(self.grazing_angle))

    @property
    def diffraction_fwhm(self) -> float:
        """The focus of a point source, in m: a slit of the mirror's aperture gives sinc², 0.886 lambda q / D wide."""
        return 0.8859 * self.wavelength * self.focal_distance / self.aperture

    @property
    def geometric_fwhm(self) -> float:
        """The source's image without diffraction, in m."""
        return self.source_fwhm * self.focal_distance / self.source_distance

    def strehl(self, height_rms: float) -> float:
        """Peak over the perfect mirror's peak, for small height errors of this rms in m (Marechal's approximation)."""
        phase = 4 * np.pi * height_rms * np.sin(self.grazing_angle) / self.wavelength
        return float(np.exp(-(phase**2)))


def fwhm(position: ArrayLike, intensity: ArrayLike) -> float:
    """The full width at half maximum of the highest peak, between samples by straight lines; in units of the position."""
    x, y = np.asarray(position, float), np.asarray(intensity, float)
    peak, half = int(y.argmax()), y.max() / 2
    below = np.flatnonzero(y < half)
    left, right = below[below < peak], below[below > peak]
    if not len(left) or not len(right):
        raise ValueError("The peak's half maximum lies outside of the profile: widen the detector.")
    i, j = left[-1], right[0]
    start = np.interp(half, [y[i], y[i + 1]], [x[i], x[i + 1]])
    end = np.interp(half, [y[j], y[j - 1]], [x[j], x[j - 1]])
    return float(end - start)


def write_focus(path: str | Path, program: str, mirror: Mirror, position: ArrayLike, intensity: ArrayLike) -> None:
    """A profile through the focus as NeXus, for whichever Python reads it next. Position in m."""
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="focus")
        focus = entry.create_group("focus")
        focus.attrs.update(NX_class="NXdata", signal="intensity", axes="position")
        focus["position"] = np.asarray(position, float)
        focus["position"].attrs["units"] = "m"
        focus["intensity"] = np.asarray(intensity, float)
        focus["intensity"].attrs["units"] = "arbitrary"
        process = entry.create_group("process")
        process.attrs["NX_class"] = "NXprocess"
        process["program"] = program
        parameters = process.create_group("mirror")
        parameters.attrs["NX_class"] = "NXparameters"
        for name, value in asdict(mirror).items():
            parameters[name] = value


def read_focus(path: str | Path) -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    """The program, positions in m and intensities of such a file."""
    with h5py.File(path) as file:
        focus = file["entry/focus"]
        return file["entry/process/program"].asstr()[()], focus["position"][()], focus["intensity"][()]
