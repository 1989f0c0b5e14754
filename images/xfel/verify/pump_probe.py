"""A pump-probe run, from files in the facility's format to the lattice constant of gold, before and after the laser."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pasha
from extra_data import RunDirectory, by_id
from extra_data.components import AGIPD1M
from extra_data.validation import RunValidator
from extra_geom import AGIPD_1MGeometry
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from scipy.optimize import curve_fit

DATA = Path("/opt/panosc/notebooks/xfel/data")
DISTANCE, GOLD = 0.25, 4.0782  # m, angstrom
RINGS = {"111": 3, "200": 4, "220": 8}


def peak(q, height, position, width, offset, slope):
    return height * np.exp(-0.5 * ((q - position) / width) ** 2) + offset + slope * (q - position)


def lattice(q, intensity):
    """Lattice constants of the rings, in angstrom."""
    found = []
    for squared in RINGS.values():
        guess = 2 * np.pi * np.sqrt(squared) / 4.09
        near = np.abs(q - guess) < 0.13
        start = (np.ptp(intensity[near]), guess, 0.02, intensity[near].min(), 0)
        values, _ = curve_fit(peak, q[near], intensity[near], p0=start, x_scale=np.abs(start) + 1e-9, method="trf")
        found.append(2 * np.pi * np.sqrt(squared) / values[1])
    return np.array(found)


def main():
    path = DATA / "r0042"  # read-only here, as people's proposals are
    problems = RunValidator(str(path)).run_checks()
    assert not problems, problems
    run = RunDirectory(str(path))
    wavelength = float(run["SA2_XTD1_XGM/XGM/DOOCS", "pulseEnergy.wavelengthUsed"].ndarray()[0]) * 1e-9
    energy = run["SA2_XTD1_XGM/XGM/DOOCS:output", "data.intensityTD"].xarray()[:, :6]
    with_beam = energy.trainId.values[energy.values.mean(axis=1) > 100]
    complete = AGIPD1M(run, min_modules=16).train_ids
    good = np.intersect1d(with_beam, complete)
    print(f"result: photon energy = {1.239842e-9 / wavelength:.3f} keV")
    print(f"result: good trains = {good.size} of {len(run.train_ids)}")
    assert abs(1.239842e-9 / wavelength - 18) < 0.001
    assert (len(run.train_ids), with_beam.size, len(complete), good.size) == (8, 7, 7, 6)

    frames = AGIPD1M(run.select_trains(by_id[good]), min_modules=16).get_array("image.data")
    assert frames.shape == (16, 6, 6, 512, 128), frames.shape
    strength = energy.sel(trainId=good).values
    geometry = AGIPD_1MGeometry.from_crystfel_geom(str(DATA / "agipd-1m.geom"))
    integrator = AzimuthalIntegrator(detector=geometry.to_pyfai_detector(), dist=DISTANCE, wavelength=wavelength)
    images, curves = {}, {}
    for name, first in (("cold", 0), ("pumped", 1)):
        images[name] = frames[:, :, first::2].values.sum(axis=(1, 2)) / strength[:, first::2].sum()
        curves[name] = integrator.integrate1d(
            images[name].reshape(-1, 128), 600, unit="q_A^-1", radial_range=(1.5, 5.15), polarization_factor=1,
            method=("no", "histogram", "cython"),
        )  # fmt: skip
    cold, pumped = (lattice(curve.radial, curve.intensity) for curve in curves.values())
    growth = pumped.mean() / cold.mean() - 1
    print(f"result: 111 ring at q = {2 * np.pi * np.sqrt(3) / cold[0]:.4f} 1/angstrom")
    print(f"result: lattice constant of the cold film = {cold.mean():.4f} angstrom")
    print(f"result: growth by the laser = {growth * 100:.3f} %")
    # All rings agree, which they do only at the right distance, geometry and wavelength.
    assert np.abs(cold - GOLD).max() < 0.002, cold
    assert abs(growth - 0.005) < 0.0003

    # The same sum by pasha, train by train, with two processes.
    context = pasha.ProcessContext(num_workers=2)
    total = context.alloc(shape=(good.size,), dtype=np.float64)
    first_module = run["MID_DET_AGIPD1M-1/CORR/0CH0:output", "image.data"].select_trains(by_id[good])

    def add(worker, index, train_id, data):
        total[index] = data.sum()

    context.map(add, first_module)
    assert np.isclose(total.sum(), frames[0].values.sum())

    picture, (y0, x0) = geometry.position_modules(images["cold"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.8), width_ratios=[1, 1.3])
    side = 4
    rows, columns = (size // side for size in picture.shape)
    blocks = picture[: rows * side, : columns * side].reshape(rows, side, columns, side)
    shown = np.where(np.isnan(blocks).all(axis=(1, 3)), np.nan, np.nansum(blocks, axis=(1, 3)))
    extent = 0.2 * np.array([-x0, picture.shape[1] - x0, -y0, picture.shape[0] - y0])
    left.imshow(shown, origin="lower", extent=extent, vmax=np.nanpercentile(shown, 99.5))
    left.set(xlabel="x (mm)", ylabel="y (mm)", title="Gold on AGIPD-1M")
    for name, curve in curves.items():
        right.plot(curve.radial, curve.intensity * 1e6, lw=1, label=name)
    right.set(xlabel="q (1/Å)", ylabel="photons per pixel and J", title=f"The lattice grows by {growth * 100:.2f} %")
    right.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
