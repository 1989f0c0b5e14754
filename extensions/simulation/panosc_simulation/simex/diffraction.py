"""Far-field diffraction of a few thousand atoms: each scatters once, all interfere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from libpyvinyl import BaseCalculator
from numpy.typing import NDArray
from SimExLite.DiffractionData import DiffractionData

from .parameters import Parameter, declare
from .wavefront import METRE_EV

ELECTRON_RADIUS = 2.8179403e-15  # m
_ATOMS_AT_ONCE = 16


class KinematicDiffraction(BaseCalculator):  # type: ignore[misc]
    """Photons on a flat detector, from the atoms and the photons that a photon-matter interaction calculator left in its file.

    The Born approximation: F(s) = Σ f(s) exp(2πi s·r), photons a pixel = fluence · r_e² · P · |F|² · ΔΩ, with atomic form
    factors and charges of each snapshot, P of light that is polarised along x, and Poisson statistics. `pattern` has what is
    expected before photon noise.
    """

    def __init__(self, name: str, input: Any, **options: Any) -> None:
        super().__init__(name, input, output_keys="diffraction", output_data_types=DiffractionData, **options)
        self.pattern: NDArray[np.float64] = np.zeros((0, 0))

    def init_parameters(self) -> None:
        """The defaults see a nanoparticle's speckles on a megapixel-sized detector, four by four pixels binned."""
        self.parameters = declare(
            Parameter("pixels", 256, "", 8, 4096, "along each edge of the detector"),
            Parameter("pixel_size", 400e-6, "m", 1e-6, 0.1, "edge of a pixel"),
            Parameter("distance", 0.4, "m", 1e-3, 100.0, "from the sample to the detector"),
            Parameter("shots", 1, "", 1, 10_000, "patterns, each with its own photon noise"),
            Parameter("seed", 1, "", 0, 2**31, "of the photon noise"),
        )

    def backengine(self) -> Any:
        """Compute the pattern, and draw the shots."""
        value = {one.name: float(one.value) for one in self.parameters}
        self.pattern = expected = self.expected()
        random = np.random.default_rng(int(value["seed"]))
        shots = random.poisson(expected, (int(value["shots"]), *expected.shape)).astype(np.float64)
        self.output["diffraction"].set_dict(
            {"img_array": shots, "distance": value["distance"], "quaternions": None, "geom": None}
        )
        return self.output

    def axis(self) -> NDArray[np.float64]:
        """Pixel centres along an edge in metres, from the beam."""
        count, size = int(self.parameters["pixels"].value), float(self.parameters["pixel_size"].value)
        return np.asarray((np.arange(count) - (count - 1) / 2) * size, dtype=np.float64)

    def expected(self) -> NDArray[np.float64]:
        """Photons a pixel and pulse, before photon noise."""
        pmi = Path(self.input.to_list()[0].filename)
        distance = float(self.parameters["distance"].value)
        axis = self.axis()
        x, y = np.meshgrid(axis, axis)
        path = np.sqrt(x**2 + y**2 + distance**2)
        solid_angle = float(self.parameters["pixel_size"].value) ** 2 * distance / path**3
        polarised = 1 - (x / path) ** 2
        with h5py.File(pmi) as file:
            parent = file["history/parent/detail"]
            wavelength = METRE_EV / float(parent["params/photonEnergy"][()])
            focus = float(parent["misc/xFWHM"][()]) * float(parent["misc/yFWHM"][()])
            transfer = np.stack([x / path, y / path, distance / path - 1], axis=-1) / wavelength
            snapshots = [file["data"][name] for name in sorted(file["data"]) if name.startswith("snp_")]
            # "Nph" are the photons in an area of that size at the peak's fluence.
            scattered = sum(float(np.sum(one["Nph"][()])) / focus * _structure(one, transfer) for one in snapshots)
        return np.asarray(scattered * ELECTRON_RADIUS**2 * polarised * solid_angle)


def _structure(snapshot: Any, transfer: NDArray[np.float64]) -> NDArray[np.float64]:
    """|F(s)|² of one snapshot; `transfer` is s = (k' - k) / 2π in 1/m."""
    kinds, of_atom, place = snapshot["T"][()], snapshot["xyz"][()], snapshot["r"][()].astype(np.float64)
    half = np.linalg.norm(transfer, axis=-1) / 2 * 1e-10  # sin θ / λ in 1/Å, as form factors are tabulated
    vectors = transfer.reshape(-1, 3)
    total = np.zeros(len(vectors), np.complex128)
    for kind, factors in zip(kinds, snapshot["ff"][()], strict=True):
        atoms = place[of_atom == kind]
        factor = np.interp(half.ravel(), snapshot["halfQ"][()], factors)
        for start in range(0, len(atoms), _ATOMS_AT_ONCE):
            phase = (2 * np.pi * (vectors @ atoms[start : start + _ATOMS_AT_ONCE].T)).astype(np.float32)
            total += factor * (np.cos(phase).sum(1) + 1j * np.sin(phase).sum(1))
    return np.asarray((np.abs(total) ** 2).reshape(half.shape))
