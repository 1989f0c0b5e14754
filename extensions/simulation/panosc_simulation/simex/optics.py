"""Source and focusing optics, computed with SRW (Synchrotron Radiation Workshop)."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from libpyvinyl import BaseCalculator
from libpyvinyl.BaseData import DataCollection
from numpy.typing import NDArray
from SimExLite.WavefrontData import WavefrontData, WPGFormat
from srwpy import srwlib as srw

from ..errors import SimulationError
from .parameters import Parameter, declare
from .wavefront import Wavefront

_FWHM = 2 * math.sqrt(2 * math.log(2))
_GRID = 4000  # pixels along an edge: 4000² complex numbers are 128 MB, and SRW keeps several
_PLAIN = [0, 0, 1.0, 0, 0, 1.0, 1.0, 1.0, 1.0]
_TO_WAIST = [0, 0, 1.0, 4, 0, 1.0, 1.0, 1.0, 1.0]  # SRW's propagator into a focus: fine pixels there


class GaussianSource(BaseCalculator):  # type: ignore[misc]
    """One pulse of a free-electron laser as a Gaussian beam, at the first optical element."""

    def __init__(self, name: str = "source", **options: Any) -> None:
        super().__init__(
            name, None, output_keys="source", output_data_types=WavefrontData, output_filenames="source.h5", **options
        )

    def init_parameters(self) -> None:
        """The defaults are a hard X-ray pulse as at the European XFEL's SPB/SFX."""
        self.parameters = declare(
            Parameter("photon_energy", 8230.0, "eV", 100.0, 200_000.0, "energy of a photon"),
            Parameter("pulse_energy", 1e-3, "J", 1e-12, 1.0, "energy of the pulse"),
            Parameter("pulse_duration", 20e-15, "s", 1e-17, 1e-9, "full width at half maximum in time"),
            Parameter("source_size", 23e-6, "m", 1e-7, 1e-2, "full width at half maximum at the source"),
            Parameter("distance", 300.0, "m", 0.1, 2000.0, "from the source to the optics"),
            Parameter("pixels", 200, "", 32, 2000, "grid points along each edge"),
            Parameter("slices", 4, "", 2, 64, "slices in time; an even number"),
        )

    def backengine(self) -> Any:
        """Compute the field, scaled to the pulse's energy.

        Raises:
            SimulationError: for an odd number of slices, which SRW cannot transform.
        """
        value = {one.name: float(one.value) for one in self.parameters}
        slices, pixels = int(value["slices"]), int(value["pixels"])
        if slices % 2:
            raise SimulationError(f"The number of slices in time must be even, and {slices} is odd.")
        field, half, radius = _gaussian(value, pixels)
        sigma = value["pulse_duration"] / _FWHM
        edges = np.linspace(-2.5 * sigma, 2.5 * sigma, slices + 1)
        amplitude = np.exp(-(((edges[1:] + edges[:-1]) / 2) ** 2) / (4 * sigma**2)).astype(np.float32)
        fields = field[:, :, None, :] * amplitude[None, None, :, None]
        pulse = Wavefront(
            horizontal=fields,
            vertical=np.zeros_like(fields),
            photon_energy=value["photon_energy"],
            x_min=-half,
            x_max=half,
            y_min=-half,
            y_max=half,
            time_min=float(edges[0]),
            time_max=float(edges[-1]),
            position=value["distance"],
            radius=(radius, radius),
        )
        scale = np.float32(math.sqrt(value["pulse_energy"] / pulse.energy()))
        replace(pulse, horizontal=fields * scale).write(_place(self))
        self.output["source"].set_file(str(_place(self)), WPGFormat)
        return self.output


class Focus(BaseCalculator):  # type: ignore[misc]
    """Aperture and ideal focusing optics (a mirror pair without errors, a perfect lens), and the way into the focus."""

    def __init__(self, name: str, input: Any, **options: Any) -> None:
        super().__init__(
            name, input, output_keys="focus", output_data_types=WavefrontData, output_filenames="focus.h5", **options
        )

    def init_parameters(self) -> None:
        """The defaults make a focus of 0.3 µm from the default source."""
        self.parameters = declare(
            Parameter("aperture", 1.5e-3, "m", 1e-6, 1.0, "edge of the square that lets light through"),
            Parameter("image_distance", 3.0, "m", 1e-3, 1000.0, "from the optics to the focus, where the sample is"),
            Parameter("pixel_size", 40e-9, "m", 1e-10, 1e-4, "in the focus, at most"),
            Parameter("window", 4e-6, "m", 1e-9, 1e-2, "edge of the square around the focus that is kept"),
        )

    def backengine(self) -> Any:
        """Propagate each slice of the pulse; slices of one shape only once.

        Raises:
            SimulationError: if the pixels asked for need too large a grid.
        """
        value = {one.name: float(one.value) for one in self.parameters}
        pulse = Wavefront.read(Path(self.input.to_list()[0].filename))
        focus = _focused(pulse, value)
        focus.write(_place(self))
        self.output["focus"].set_file(str(_place(self)), WPGFormat)
        return self.output


def _place(calculator: Any) -> Path:
    return Path(calculator.output_file_paths[0])


def _gaussian(value: dict[str, float], pixels: int) -> tuple[NDArray[np.float32], float, float]:
    """SRW's Gaussian beam: field (y, x, 2), half the grid's edge in metres, radius of curvature in metres."""
    beam = srw.SRWLGsnBm()
    beam.x = beam.y = beam.z = beam.xp = beam.yp = 0
    beam.avgPhotEn, beam.pulseEn, beam.repRate, beam.polar = value["photon_energy"], value["pulse_energy"], 1, 1
    beam.sigX = beam.sigY = value["source_size"] / _FWHM
    beam.sigT, beam.mx, beam.my = value["pulse_duration"] / _FWHM, 0, 0
    divergence = 1.239841984e-6 / value["photon_energy"] / (4 * math.pi * beam.sigX)
    half = 3.3 * math.hypot(beam.sigX, divergence * value["distance"])
    wavefront = srw.SRWLWfr()
    wavefront.allocate(1, pixels, pixels)
    mesh = wavefront.mesh
    mesh.zStart, mesh.eStart, mesh.eFin = value["distance"], value["photon_energy"], value["photon_energy"]
    mesh.xStart, mesh.xFin, mesh.yStart, mesh.yFin = -half, half, -half, half
    srw.srwl.CalcElecFieldGaussian(wavefront, beam, [0.0])
    return np.array(wavefront.arEx, np.float32).reshape(pixels, pixels, 2), half, float(wavefront.Rx)


def _focused(pulse: Wavefront, value: dict[str, float]) -> Wavefront:
    edge, distance = pulse.x_max - pulse.x_min, value["image_distance"]
    # After the transform into the focus a pixel is wavelength × distance / width of the grid: widen the grid with zeros.
    widen = max(1.0, pulse.wavelength * distance / (edge * value["pixel_size"]))
    pixels = round(pulse.horizontal.shape[1] * widen)
    if pixels > _GRID:
        raise SimulationError(
            f"Pixels of {value['pixel_size'] * 1e9:.3g} nm in the focus need a grid of {pixels}², and {_GRID}² is the most: "
            "take larger ones, a shorter image distance, or fewer grid points of the source."
        )
    brightest = int(pulse.power().sum((0, 1)).argmax())
    reference = pulse.horizontal[:, :, brightest]
    factors = _same_shape(pulse, brightest)
    first, mesh = _propagate(pulse, reference, value, widen)
    keep = _window(mesh, value["window"])
    if factors is not None:
        cut = first[keep]
        fields = np.stack([_times(cut, factor) for factor in factors], axis=2)
    else:
        count = pulse.horizontal.shape[2]
        fields = np.stack(
            [_propagate(pulse, pulse.horizontal[:, :, one], value, widen)[0][keep] for one in range(count)], axis=2
        )
    x = np.linspace(mesh.xStart, mesh.xFin, mesh.nx)[keep[1]]
    y = np.linspace(mesh.yStart, mesh.yFin, mesh.ny)[keep[0]]
    return replace(
        pulse,
        horizontal=fields,
        vertical=np.zeros_like(fields),
        x_min=float(x[0]),
        x_max=float(x[-1]),
        y_min=float(y[0]),
        y_max=float(y[-1]),
        position=pulse.position + distance,
        radius=(0.0, 0.0),
    )


def _same_shape(pulse: Wavefront, reference: int) -> list[complex] | None:
    """What the reference slice is multiplied with to give each; None if their shapes differ."""
    field = pulse.horizontal[..., 0] + 1j * pulse.horizontal[..., 1]
    one = field[:, :, reference]
    norm = float(np.vdot(one, one).real)
    factors = [complex(np.vdot(one, field[:, :, index]) / norm) for index in range(field.shape[2])]
    off = max(float(np.abs(field[:, :, index] - factor * one).max()) for index, factor in enumerate(factors))
    return factors if off < 1e-4 * float(np.abs(one).max()) else None


def _times(field: NDArray[np.float32], factor: complex) -> NDArray[np.float32]:
    product = (field[..., 0] + 1j * field[..., 1]) * factor
    return np.stack([product.real, product.imag], axis=-1).astype(np.float32)


def _propagate(
    pulse: Wavefront, field: NDArray[np.float32], value: dict[str, float], widen: float
) -> tuple[NDArray[np.float32], Any]:
    """One slice through aperture, lens and drift: the field (y, x, 2) in the focus, and SRW's mesh there."""
    wavefront = srw.SRWLWfr()
    ny, nx = field.shape[:2]
    wavefront.allocate(1, nx, ny)
    wavefront.arEx = array("f", np.ascontiguousarray(field, np.float32).tobytes())
    mesh = wavefront.mesh
    mesh.zStart, mesh.eStart, mesh.eFin = pulse.position, pulse.photon_energy, pulse.photon_energy
    mesh.xStart, mesh.xFin, mesh.yStart, mesh.yFin = pulse.x_min, pulse.x_max, pulse.y_min, pulse.y_max
    wavefront.avgPhotEn, (wavefront.Rx, wavefront.Ry) = pulse.photon_energy, pulse.radius
    aperture, distance = value["aperture"], value["image_distance"]
    focal = [1 / (1 / radius + 1 / distance) if radius else distance for radius in pulse.radius]
    line = srw.SRWLOptC(
        [srw.SRWLOptA("r", "a", aperture, aperture), srw.SRWLOptL(*focal), srw.SRWLOptD(distance)],
        [_PLAIN, [0, 0, 1.0, 0, 0, widen, 1.0, widen, 1.0], _TO_WAIST],
    )
    srw.srwl.PropagElecField(wavefront, line)
    mesh = wavefront.mesh
    return np.array(wavefront.arEx, np.float32).reshape(mesh.ny, mesh.nx, 2), mesh


def _window(mesh: Any, edge: float) -> tuple[slice, slice]:
    """The rows and columns around the axis, which SRW puts at n // 2, where SimEx-Lite looks for it, too."""

    def around(count: int, low: float, high: float) -> slice:
        half = min(count // 2, max(4, math.ceil(edge / 2 / ((high - low) / (count - 1)))))
        return slice(count // 2 - half, count // 2 + half)

    return around(mesh.ny, mesh.yStart, mesh.yFin), around(mesh.nx, mesh.xStart, mesh.xFin)


def collection(*data: Any) -> Any:
    """What libpyvinyl calculators take as input."""
    return DataCollection(*data)
