"""FBPIC: the wave behind a weak laser pulse is as long as 2 pi c / omega_p, at two densities.

Its compiled functions come with the image: a first step takes seconds, not half a minute.
"""

import os
import time

from panosc_simulation import wakefield  # isort: skip  (before whatever imports numba, as its docstring says)
import matplotlib.pyplot as plt
import numpy as np
from openpmd_viewer import OpenPMDTimeSeries
from scipy.optimize import curve_fit


def sine(z, size, period, phase):
    return size * np.sin(2 * np.pi * z / period + phase)


def measured(folder: str, expected: float) -> tuple[float, np.ndarray, np.ndarray]:
    """The period of the field on the axis, from the file; and the field."""
    series = OpenPMDTimeSeries(f"{folder}/hdf5", check_all_files=False, backend="h5py")
    field, mesh = series.get_field("E", "z", iteration=series.iterations[-1], m=0)
    axis = field[np.abs(mesh.r).argmin()]
    behind = mesh.z < mesh.zmax - 9e-6
    z, values = mesh.z[behind] - mesh.zmax, axis[behind]
    fits = []
    for phase in (0.0, 1.6, 3.1, 4.7):
        found, _ = curve_fit(sine, z, values, (np.abs(values).max(), 1.15 * expected, phase))
        fits.append((((sine(z, *found) - values) ** 2).sum(), abs(found[1])))
    return min(fits)[1], mesh.z, axis


figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
periods = []
for name, wanted in (("thin", 8e-6), ("dense", 6e-6)):
    density = wakefield.density_of(wanted)
    made = wakefield.simulation(density, 0.4, waist=4e-6)
    begun = time.monotonic()
    made.step(1, show_progress=False)
    first = time.monotonic() - begun
    wakefield.run(made, 30e-6, name)
    took = time.monotonic() - begun
    period, z, field = measured(name, wanted)
    print(f"result: first step = {first:.1f} s, {made.iteration} steps = {took:.0f} s")
    print(f"result: {density:.2e} electrons/m3: wave = {period * 1e6:.2f} um, 2 pi c/omega_p = {wanted * 1e6:.2f} um")
    assert first < 8, "numba compiles again: is its cache in the image?"
    assert abs(period / wanted - 1) < 0.03, (period, wanted)
    periods.append(period)
    axes.plot(z * 1e6, field / 1e9, label=f"{density:.1e} electrons/m³: {period * 1e6:.2f} µm")
ratio = periods[0] / periods[1]
print(f"result: ratio of the two = {ratio:.3f}, by theory {8 / 6:.3f}")
assert abs(ratio * 6 / 8 - 1) < 0.03
axes.set(xlabel="z (µm)", ylabel="E$_z$ on the axis (GV/m)")
axes.legend()
figure.savefig(os.environ["PANOSC_PICTURE"], dpi=90)
