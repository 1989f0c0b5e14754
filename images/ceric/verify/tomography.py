"""A rod of known materials through algotom's whole way: centre of rotation, reconstruction, and densities by xraylib's attenuation coefficients."""

import os

import matplotlib

matplotlib.use("Agg")
import numpy as np
import xraylib
from algotom.prep.calculation import find_center_vo
from algotom.prep.removal import remove_stripe_based_sorting
from algotom.rec.reconstruction import dfi_reconstruction, fbp_reconstruction
from matplotlib import pyplot as plt

ENERGY, PIXEL = 20.0, 16e-4  # keV, cm
TOLD = ENERGY  # keV, what the weighing is told
WIDTH, AXIS = 512, 262.4  # pixels
RODS = {  # formula, density (g/cm³), centre x and y (mm), radius (mm)
    "acrylic": ("C5H8O2", 1.19, 0.0, 0.0, 3.4),
    "aluminium": ("Al", 2.70, 1.5, 0.9, 0.6),
    "Teflon": ("C2F4", 2.20, -1.4, 1.1, 0.8),
    "water": ("H2O", 1.00, 0.2, -1.7, 0.9),
}
angles = np.linspace(0, np.pi, 601)
columns = (np.arange(WIDTH) - AXIS) * PIXEL
acrylic = xraylib.CS_Total_CP("C5H8O2", ENERGY) * 1.19
absorbed = np.zeros((angles.size, WIDTH))
for name, (formula, density, x, y, radius) in RODS.items():
    middle = (x * np.cos(angles) - y * np.sin(angles)) / 10
    chord = 2 * np.sqrt(np.maximum((radius / 10) ** 2 - (columns - middle[:, None]) ** 2, 0))
    mu = xraylib.CS_Total_CP(formula, ENERGY) * density
    absorbed += (mu - (acrylic if name != "acrylic" else 0)) * chord

random = np.random.default_rng(8)
answer = random.normal(1, 0.02, WIDTH)
uneven = 1 + random.normal(0, 0.003, WIDTH)
flat = random.poisson(np.full((20, WIDTH), 30000.0)).mean(axis=0) * answer
counts = random.poisson(30000 * np.exp(-absorbed) ** uneven) * answer
sinogram = remove_stripe_based_sorting(-np.log(counts / flat), size=7)

centre = find_center_vo(sinogram, start=245, stop=280, step=0.1, radius=2)
print(f"result: centre of rotation = {centre:.2f} pixel (truth {AXIS})")
assert abs(centre - AXIS) < 0.3, f"{centre} and not {AXIS}"

y, x = (np.mgrid[:WIDTH, :WIDTH] - (WIDTH - 1) / 2) * PIXEL * 10
slices = {
    "filtered back-projection": fbp_reconstruction(sinogram, centre, angles=angles, apply_log=False, gpu=False) / PIXEL,
    "direct Fourier inversion": dfi_reconstruction(sinogram, centre, angles=angles, apply_log=False) / PIXEL,
}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for axis, (words, picture) in zip(axes, slices.items(), strict=True):
    axis.imshow(picture, cmap="gray", clim=(0, 3), extent=(-4.1, 4.1, -4.1, 4.1), origin="lower")
    axis.set(title=words, xlabel="x (mm)", ylabel="y (mm)")
    for name, (formula, truth, cx, cy, radius) in RODS.items():
        inside = np.hypot(x - cx, y - cy) < radius - 0.15 if name != "acrylic" else np.hypot(x + 2.2, y + 1.2) < 0.7
        density = picture[inside].mean() / xraylib.CS_Total_CP(formula, TOLD)
        print(f"result: density of {name} by {words} = {density:.3f} g/cm3 (truth {truth})")
        assert abs(density / truth - 1) < 0.02, f"{name}: {density} and not {truth} g/cm³"
figure.savefig(os.environ["PANOSC_PICTURE"])
