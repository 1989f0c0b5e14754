"""Ceria's lattice by Dioptas' own model: it calibrates on a LaB6 image, integrates a compressed ceria image, and its phase from a CIF lies on the peaks.

The rings are placed by Bragg's law, not by pyFAI's calibrants; the geometry is not given to Dioptas, only a rough distance and centre,
as a person reads them from the beamline's ruler and the screen.
"""

import os
from pathlib import Path

import fabio
import h5py
import hdf5plugin
import numpy as np
from dioptas import calibrants_path
from dioptas.model import PhaseModel
from dioptas.model.Configuration import Configuration
from dioptas.pipeline import Pipeline
from lmfit.models import ConstantModel, GaussianModel
from matplotlib import pyplot as plt
from pyFAI.detectors import Detector
from pyFAI.geometry import Geometry

WAVELENGTH = 0.4133  # Å, of the simulated beam
TOLD = WAVELENGTH  # Å, what Dioptas and Bragg's law are told
A_CERIA, A_LAB6 = 5.411651, 4.156826  # Å, NIST SRM 674b and 660c
PIXEL, SIZE = 172e-6, 1024  # m, pixels
truth = Geometry(
    dist=0.25, poni1=0.0850, poni2=0.0900, rot1=0.01, rot2=-0.015, wavelength=WAVELENGTH * 1e-10,
    detector=Detector(pixel1=PIXEL, pixel2=PIXEL, max_shape=(SIZE, SIZE)),
)  # fmt: skip
CIF = f"""data_CeO2
_chemical_formula_sum 'Ce O2'
_cell_length_a {A_CERIA}
_cell_length_b {A_CERIA}
_cell_length_c {A_CERIA}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
_space_group_IT_number 225
_cell_formula_units_Z 4
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Ce1 Ce 0 0 0 1
O1 O 0.25 0.25 0.25 1
"""


def reflections(face_centred: bool) -> list[int]:
    """Sums h² + k² + l² of a cubic powder's first rings."""
    found = set()
    for h in range(8):
        for k in range(h + 1):
            for l in range(k + 1):  # noqa: E741
                if h and (not face_centred or h % 2 == k % 2 == l % 2):
                    found.add(h * h + k * k + l * l)
    return sorted(found)[:16]


def angle(a: float, order: int, wavelength: float) -> float:
    """Bragg's 2θ in radians."""
    return float(2 * np.arcsin(wavelength * np.sqrt(order) / (2 * a)))


def expose(a: float, face_centred: bool, seed: int) -> np.ndarray:
    """One noisy image of a cubic powder."""
    two_theta = truth.center_array(unit="2th_rad")
    rings = np.full(two_theta.shape, 20.0)
    for number, order in enumerate(reflections(face_centred)):
        strength = 1500 / (1 + 0.15 * number)
        rings += strength * np.exp(-4 * np.log(2) * ((two_theta - angle(a, order, WAVELENGTH)) / 1.6e-3) ** 2)
    expected = rings * truth.solidAngleArray() * truth.polarization(factor=0.99)
    return np.random.default_rng(seed).poisson(expected).astype("uint32")


def calibrate(image: str) -> Configuration:
    """As in Dioptas' window: pick points on three rings, calibrate, then let it find the other rings and refine."""
    dioptas = Configuration()
    dioptas.auto_integrate_pattern = False
    dioptas.img_model.load(image)
    model = dioptas.calibration_model
    model.set_pixel_size((PIXEL, PIXEL))
    model.set_calibrant(f"{calibrants_path}/LaB6_SRM660c.D")
    model.set_start_values({"dist": 0.248, "wavelength": TOLD * 1e-10, "polarization_factor": 0.99})
    model.calibrant.wavelength = TOLD * 1e-10
    # Dioptas shows the first row of an image at the bottom.
    centre = np.argwhere(truth.center_array(unit="2th_rad")[::-1] < 2e-3).mean(axis=0) + np.array([2, -2])
    for ring, order in enumerate(reflections(False)[:3]):
        radius = 0.248 * np.tan(angle(A_LAB6, order, TOLD)) / PIXEL
        for turn in np.radians((20, 110, 200, 290)):
            row, column = centre + radius * np.array([np.sin(turn), np.cos(turn)])
            model.find_peak(row, column, 16, ring)
    model.calibrate()
    model.setup_peak_search_algorithm("Massif")
    model.clear_peaks()
    for ring in range(9):
        model.search_peaks_on_ring(ring, delta_tth=0.15)
        if ring >= 2:
            model.refine()
    model.save("lab6.poni")
    return dioptas


fabio.edfimage.EdfImage(data=expose(A_LAB6, False, 1)).write("lab6.edf")
geometry = calibrate("lab6.edf").calibration_model.pattern_geometry
print(f"result: distance that Dioptas calibrated = {geometry.dist * 1e3:.3f} mm")
assert abs(geometry.dist - truth.dist) < 1e-4, f"{geometry.dist} m and not {truth.dist} m"
tilt, put_in = geometry.getFit2D()["tilt"], truth.getFit2D()["tilt"]
print(f"result: the detector's tilt = {tilt:.3f}°, put in: {put_in:.3f}°")
assert abs(tilt - put_in) < 0.02, tilt

# As detectors write it: compressed by bitshuffle, which hdf5plugin reads.
ceria = expose(A_CERIA, True, 2)
with h5py.File("ceria.h5", "w") as file:
    file.create_dataset("entry/data/data", data=ceria[None], chunks=(1, SIZE, SIZE), **hdf5plugin.Bitshuffle())
pipeline = Pipeline()
pipeline.load_calibration("lab6.poni")
pattern = pipeline.integrate("ceria.h5")
assert (pipeline._configuration.img_model.img_data == ceria[::-1]).all(), "the image is not what was written"

Path("ceria.cif").write_text(CIF)
phases = PhaseModel()
phases.add_cif("ceria.cif", minimum_d_spacing=1.0, wavelength_angstrom=TOLD)
lines = np.sort(np.array(phases.get_lines_d(0))[:, 0])[::-1]

figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
axis.semilogy(pattern.x, np.maximum(pattern.y, 1), lw=1, label="ceria, integrated by Dioptas")
found = {}
for number, order in enumerate(reflections(True)[:7]):
    near = np.abs(pattern.x - np.degrees(angle(A_CERIA, order, TOLD))) < 0.25
    x, y = pattern.x[near], pattern.y[near]
    model = GaussianModel() + ConstantModel()
    start = model.make_params(center=x[y.argmax()], amplitude=np.ptp(y) * 0.1, sigma=0.04, c=y.min())
    fit = model.fit(y, start, x=x)
    axis.semilogy(x, fit.best_fit, "C1", lw=1)
    spacing = TOLD / (2 * np.sin(np.radians(fit.params["center"].value / 2)))
    found[order] = spacing * np.sqrt(order)
    assert abs(lines[number] - spacing) < 1e-3, f"line {number} of the CIF: {lines[number]} Å, measured {spacing} Å"
for line in lines:
    axis.axvline(np.degrees(2 * np.arcsin(TOLD / (2 * line))), color="0.6", linestyle=":", lw=0.8)
axis.set(
    xlabel="2θ (°)", ylabel="counts per pixel", ylim=(8, None), title="dotted: ceria's lines, by Dioptas from a CIF"
)
axis.legend()
figure.savefig(os.environ["PANOSC_PICTURE"], dpi=110)

mean = np.mean(list(found.values()))
print(f"result: lattice parameter of ceria = {mean:.5f} Å")
print(f"result: lines of the CIF on measured peaks = {len(found)} of {len(found)}")
assert abs(mean - A_CERIA) < 5e-4 and max(abs(value - mean) for value in found.values()) < 1e-3, found
