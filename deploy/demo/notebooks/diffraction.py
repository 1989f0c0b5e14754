# %% [markdown]
# # Start here: rings on a detector
#
# A powder of ceria was heated while a 4-megapixel detector looked at the rings it scatters X-rays into
# (the scan is simulated). This notebook opens the raw data, looks at one frame, turns the rings into a curve, and reads
# the thermal expansion off it.
#
# Your raw data are read-only, here as everywhere: write results next to this notebook.

# %%
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 - lets h5py read the detector's compression
import matplotlib.pyplot as plt
import numpy as np

raw = Path.home() / "proposals/@RAW@"
scan = h5py.File(next(raw.rglob("*.h5")))


def default_data(file):
    """Follow NeXus's `default` attributes to what the file wants to be plotted."""
    group = file
    while "default" in group.attrs:
        group = group[group.attrs["default"]]
    return group


data = default_data(scan)
frames, temperature = data[data.attrs["signal"]], data["temperature"][()]
print(scan["1.1/title"].asstr()[()])
print(
    f"{frames.shape[0]} frames of {frames.shape[1]} x {frames.shape[2]} pixels, {temperature[0]:.0f} to {temperature[-1]:.0f} K"
)

# %% [markdown]
# ## One frame
#
# Gaps between the detector's modules and dead pixels are marked in its mask.

# %%
detector = scan["1.1/instrument/detector"]
good = detector["pixel_mask"][()] == 0
image = np.where(good, frames[0], np.nan)

plt.figure(figsize=(6, 6))
plt.imshow(image, norm="log", vmin=0.5, vmax=np.nanpercentile(image, 99.9), cmap="magma")
plt.colorbar(label="photons", shrink=0.8)
plt.title(f"{temperature[0]:.0f} K")
plt.show()

# %% [markdown]
# ## From rings to a curve
#
# Average over all pixels with the same scattering vector $q = 4\pi \sin(\theta) / \lambda$.

# %%
rows, columns = np.indices(image.shape, dtype=np.float32)
x = (columns - detector["beam_center_x"][()]) * detector["x_pixel_size"][()]
y = (rows - detector["beam_center_y"][()]) * detector["y_pixel_size"][()]
wavelength = scan["1.1/instrument/beam/incident_wavelength"][()]
theta = np.arctan(np.hypot(x, y) / detector["distance"][()]) / 2
q = 4 * np.pi * np.sin(theta) / wavelength

edges = np.linspace(0.5, 8.0, 1501)
q_bins = (edges[1:] + edges[:-1]) / 2
bin_of_pixel = np.digitize(q[good], edges)
pixels_in_bin = np.bincount(bin_of_pixel, minlength=len(edges) + 1)[1:-1]


def integrate(frame):
    """Mean photons per pixel in each bin of q."""
    counts = np.bincount(bin_of_pixel, weights=frame[good], minlength=len(edges) + 1)[1:-1]
    return counts / np.maximum(pixels_in_bin, 1)


curves = np.array([integrate(frames[i]) for i in range(len(frames))])

# %% [markdown]
# ## How much does it grow?
#
# The (311) ring is near $q$ = 3.85 Å⁻¹. Its place gives the lattice constant $a = 2\pi \sqrt{11} / q$ at each temperature.

# %%
window = (q_bins > 3.78) & (q_bins < 3.92)
background = np.minimum(curves[:, window][:, :3].mean(1), curves[:, window][:, -3:].mean(1))
peak = np.clip(curves[:, window] - background[:, None], 0, None)
centre = (peak * q_bins[window]).sum(1) / peak.sum(1)
lattice = 2 * np.pi * np.sqrt(11) / centre
slope, intercept = np.polyfit(temperature, lattice, 1)
expansion = slope / (slope * 298 + intercept)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot(q_bins, curves[0], label=f"{temperature[0]:.0f} K")
left.plot(q_bins, curves[-1], label=f"{temperature[-1]:.0f} K")
left.set(xlabel="q (1/Å)", ylabel="photons per pixel", yscale="log")
left.legend()
right.plot(temperature, lattice, "o")
right.plot(temperature, slope * temperature + intercept, label=f"{expansion * 1e6:.1f} · 10⁻⁶ per K")
right.set(xlabel="temperature (K)", ylabel="lattice constant (Å)")
right.legend()
plt.show()
