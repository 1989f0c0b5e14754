"""Electric fields in files of the WPG format, which SimEx-Lite reads: sqrt(W/mm²) on a grid, slice by slice in time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_MESH = ("x_min", "x_max", "y_min", "y_max")
JOULE_PER_EV = 1.602176634e-19
METRE_EV = 1.239841984e-6  # h c: wavelength in m times energy in eV


@dataclass(frozen=True)
class Wavefront:
    """A pulse at one place of the beamline. Fields have the shape (y, x, time, 2): real and imaginary parts."""

    horizontal: NDArray[np.float32]
    vertical: NDArray[np.float32]
    photon_energy: float  # eV
    x_min: float  # m, centre of the first pixel
    x_max: float
    y_min: float
    y_max: float
    time_min: float  # s
    time_max: float
    position: float  # m from the source
    radius: tuple[float, float]  # m, of curvature, horizontal and vertical; 0 at a waist

    @property
    def wavelength(self) -> float:
        """In metres."""
        return METRE_EV / self.photon_energy

    @property
    def x(self) -> NDArray[np.float64]:
        """Pixel centres in metres."""
        return np.linspace(self.x_min, self.x_max, self.horizontal.shape[1])

    @property
    def y(self) -> NDArray[np.float64]:
        """Pixel centres in metres."""
        return np.linspace(self.y_min, self.y_max, self.horizontal.shape[0])

    @property
    def slice_duration(self) -> float:
        """Seconds of one slice in time."""
        return (self.time_max - self.time_min) / int(self.horizontal.shape[2])

    def power(self) -> NDArray[np.float64]:
        """Power density in W/m², by (y, x, time)."""
        density = (self.horizontal.astype(np.float64) ** 2 + self.vertical.astype(np.float64) ** 2).sum(-1)
        return np.asarray(density * 1e6)

    def fluence(self) -> NDArray[np.float64]:
        """Energy density of the whole pulse in J/m², by (y, x)."""
        return np.asarray(self.power().sum(-1) * self.slice_duration)

    def energy(self) -> float:
        """Energy in J on the grid."""
        area = (self.x[1] - self.x[0]) * (self.y[1] - self.y[0])
        return float(self.fluence().sum() * area)

    def photons(self) -> float:
        """Photons on the grid."""
        return self.energy() / (self.photon_energy * JOULE_PER_EV)

    def width(self) -> tuple[float, float]:
        """Full widths at half maximum, horizontal and vertical, in metres, through the brightest pixel."""
        fluence = self.fluence()
        row, column = np.unravel_index(int(fluence.argmax()), fluence.shape)
        return fwhm(self.x, fluence[row]), fwhm(self.y, fluence[:, column])

    def write(self, path: Path) -> None:
        """Write it with all that SimEx-Lite's calculators look for."""
        width = self.width()
        with h5py.File(path, "w") as file:
            for name, field in (("data/arrEhor", self.horizontal), ("data/arrEver", self.vertical)):
                file.create_dataset(name, data=field, compression="gzip", compression_opts=1, shuffle=True)
            for key, value in self._parameters().items():
                file[f"params/{key}"] = value
            file["misc/xFWHM"], file["misc/yFWHM"] = width
            file.create_group("history/parent")
            file.create_group("info")
            file["version"] = 0.1

    def _parameters(self) -> dict[str, Any]:
        ny, nx, slices = self.horizontal.shape[:3]
        mesh = {
            "nx": nx,
            "ny": ny,
            "nSlices": slices,
            "zCoord": self.position,
            "xMin": self.x_min,
            "xMax": self.x_max,
            "yMin": self.y_min,
            "yMax": self.y_max,
            "sliceMin": self.time_min,
            "sliceMax": self.time_max,
            **dict.fromkeys(("hvx", "hvy", "hvz", "nvx", "nvy", "nvz"), 0.0),
        }
        rest = {
            "photonEnergy": self.photon_energy,
            "wDomain": "time",
            "wSpace": "R-space",
            "wEFieldUnit": "sqrt(W/mm^2)",
        }
        curved = {"Rx": self.radius[0], "Ry": self.radius[1], "dRx": 0.0, "dRy": 0.0}
        return {**rest, **curved, **{f"Mesh/{key}": value for key, value in mesh.items()}}

    @classmethod
    def read(cls, path: Path) -> Wavefront:
        """Read one of these files."""
        with h5py.File(path) as file:
            params, mesh = file["params"], file["params/Mesh"]
            return cls(
                horizontal=file["data/arrEhor"][()],
                vertical=file["data/arrEver"][()],
                photon_energy=float(params["photonEnergy"][()]),
                x_min=float(mesh["xMin"][()]),
                x_max=float(mesh["xMax"][()]),
                y_min=float(mesh["yMin"][()]),
                y_max=float(mesh["yMax"][()]),
                time_min=float(mesh["sliceMin"][()]),
                time_max=float(mesh["sliceMax"][()]),
                position=float(mesh["zCoord"][()]),
                radius=(float(params["Rx"][()]), float(params["Ry"][()])),
            )


def fwhm(x: NDArray[np.float64], profile: NDArray[np.float64]) -> float:
    """Full width at half maximum of the central peak, between points by straight lines; the whole range if it never falls so low."""
    half, top = profile.max() / 2, int(profile.argmax())
    left = np.flatnonzero(profile[:top] < half)
    right = np.flatnonzero(profile[top:] < half)
    if not left.size or not right.size:
        return float(x[-1] - x[0])
    a, b = int(left[-1]), top + int(right[0])
    low = np.interp(half, (profile[a], profile[a + 1]), (x[a], x[a + 1]))
    high = np.interp(half, (profile[b], profile[b - 1]), (x[b], x[b - 1]))
    return float(high - low)
