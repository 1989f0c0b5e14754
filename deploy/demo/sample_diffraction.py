"""A simulated powder-diffraction scan on a 4-Mpixel detector, written as a beamline writes it.

Rings of ceria at the places that its lattice gives, growing apart as the sample is heated; Poisson noise, an absorbing
beam stop, module gaps and dead pixels. Frames are compressed with bitshuffle-LZ4, one chunk a frame, as detectors do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

MODULE = (512, 1028)
GAP = (38, 12)
MODULES = (4, 2)
SHAPE = tuple(n * size + (n - 1) * gap for n, size, gap in zip(MODULES, MODULE, GAP, strict=True))
GAP_VALUE = np.iinfo(np.uint32).max
PIXEL = 75e-6  # m
_CERIA = {  # reflections that a fluorite lattice has: h²+k²+l² and relative intensity
    3: 1.00, 4: 0.29, 8: 0.55, 11: 0.45, 12: 0.08, 16: 0.08, 19: 0.16, 20: 0.10, 24: 0.14, 27: 0.12, 32: 0.05,
    35: 0.14, 36: 0.09, 40: 0.09, 43: 0.07, 44: 0.05, 48: 0.04, 51: 0.08,
}  # fmt: skip


@dataclass(frozen=True)
class Scan:
    """What is measured, and with what."""

    title: str
    sample: str
    start_time: str
    frames: int
    first_temperature: float  # K
    last_temperature: float
    lattice: float = 5.4113e-10  # m, at 298 K
    expansion: float = 11e-6  # 1/K
    energy: float = 75.0  # keV
    distance: float = 0.62  # m
    centre: tuple[float, float] = (1072.4, 1037.8)  # row, column

    @property
    def wavelength(self) -> float:
        """In metres."""
        return 12.398419843e-10 / self.energy

    @property
    def temperatures(self) -> NDArray[np.float64]:
        """One a frame."""
        return np.linspace(self.first_temperature, self.last_temperature, self.frames)


def write(file: Path, scan: Scan, seed: int = 31) -> None:
    """Write the scan as a NeXus file whose default is the stack of frames."""
    rng = np.random.default_rng(seed)
    mask = pixel_mask(rng)
    with h5py.File(file, "w", libver="v110") as root:
        root.attrs.update({"NX_class": "NXroot", "default": "1.1", "creator": "PaNOSC Hub demo (simulated data)"})
        entry = _group(root, "1.1", "NXentry", default="plot")
        entry["title"] = scan.title
        entry["start_time"] = scan.start_time
        data = _instrument(entry, scan, mask)
        sample = _group(entry, "sample", "NXsample")
        sample["name"] = scan.sample
        _quantity(sample, "temperature", scan.temperatures, "K")
        _plot(entry, data)
        radius = _radius(scan)
        for number, temperature in enumerate(scan.temperatures):
            expected = _profile(scan, temperature)[radius]
            frame = rng.poisson(expected).astype(np.uint32)
            frame[mask != 0] = GAP_VALUE
            data[number] = frame


def pixel_mask(rng: np.random.Generator) -> NDArray[np.uint32]:
    """NeXus's pixel_mask: bit 0 for a gap, bit 1 for a dead pixel."""
    mask = np.ones(SHAPE, np.uint32)
    for row in range(MODULES[0]):
        for column in range(MODULES[1]):
            top, left = row * (MODULE[0] + GAP[0]), column * (MODULE[1] + GAP[1])
            mask[top : top + MODULE[0], left : left + MODULE[1]] = 0
    mask[rng.integers(0, SHAPE[0], 300), rng.integers(0, SHAPE[1], 300)] |= 2
    return mask


def _radius(scan: Scan) -> NDArray[np.int32]:
    """Distance of each pixel from the beam, in tenths of a pixel."""
    rows = (np.arange(SHAPE[0], dtype=np.float32) - scan.centre[0])[:, None]
    columns = (np.arange(SHAPE[1], dtype=np.float32) - scan.centre[1])[None, :]
    return (np.hypot(rows, columns) * 10).astype(np.int32)


def _profile(scan: Scan, temperature: float) -> NDArray[np.float32]:
    """Expected counts by distance from the beam, in tenths of a pixel."""
    pixels = np.arange(20_000) / 10
    counts = 9.0 * np.exp(-pixels / 350) + 0.35
    spacing = scan.lattice * (1 + scan.expansion * (temperature - 298))
    for squares, intensity in _CERIA.items():
        sine = scan.wavelength * np.sqrt(squares) / (2 * spacing)
        ring = scan.distance * np.tan(2 * np.arcsin(sine)) / PIXEL
        # Thermal motion weakens the outer rings of a hot sample.
        weight = 90 * intensity * np.exp(-squares * temperature / 60_000) * (300 / (ring + 100))
        counts += weight * np.exp(-((pixels - ring) ** 2) / (2 * 3.2**2))
    counts[pixels < 28] *= 0.002  # beam stop
    return counts.astype(np.float32)


def _instrument(entry: h5py.Group, scan: Scan, mask: NDArray[np.uint32]) -> h5py.Dataset:
    instrument = _group(entry, "instrument", "NXinstrument")
    instrument["name"] = "ID31 (simulated)"
    beam = _group(instrument, "beam", "NXbeam")
    _quantity(beam, "incident_energy", scan.energy, "keV")
    _quantity(beam, "incident_wavelength", scan.wavelength * 1e10, "angstrom")
    detector = _group(instrument, "detector", "NXdetector")
    detector["description"] = "simulated photon counter, 8 modules, 4 Mpixel"
    _quantity(detector, "distance", scan.distance, "m")
    _quantity(detector, "x_pixel_size", PIXEL, "m")
    _quantity(detector, "y_pixel_size", PIXEL, "m")
    _quantity(detector, "beam_center_x", scan.centre[1], "pixel")
    _quantity(detector, "beam_center_y", scan.centre[0], "pixel")
    _quantity(detector, "count_time", 0.5, "s")
    detector["saturation_value"] = np.uint32(1_000_000)
    compression = hdf5plugin.Bitshuffle(cname="lz4")
    detector.create_dataset("pixel_mask", data=mask, chunks=mask.shape, compression=compression)
    data = detector.create_dataset(
        "data", (scan.frames, *SHAPE), np.uint32, chunks=(1, *SHAPE), compression=compression, fillvalue=GAP_VALUE
    )
    data.attrs.update({"units": "counts", "long_name": "Photons"})
    return data


def _plot(entry: h5py.Group, data: h5py.Dataset) -> None:
    plot = _group(entry, "plot", "NXdata", signal="data")
    plot.attrs["axes"] = ["temperature", ".", "."]
    plot["data"] = h5py.SoftLink(data.name)
    plot["temperature"] = h5py.SoftLink(f"{entry.name}/sample/temperature")


def _group(parent: h5py.Group, name: str, nx_class: str, **attributes: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs.update({"NX_class": nx_class} | attributes)
    return group


def _quantity(group: h5py.Group, name: str, value: object, unit: str) -> None:
    group[name] = value
    group[name].attrs["units"] = unit
