# %% [markdown]
# # Start here: a small-angle X-ray image
#
# A detector image that is already in absolute units, with its mask and uncertainties, as an NXcanSAS file
# (measured at BAM, Berlin; the proposal around it is invented). The sample is oriented, so the pattern is not round.

# %%
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np

raw = Path.home() / "proposals/@RAW@"
file = h5py.File(next(raw.rglob("*.h5")))

data = file
while "default" in data.attrs:
    data = data[data.attrs["default"]]

good = ~data["Imask"][()]
intensity = np.where(good, data["I"][()], np.nan)
qx, qy = data["Q"][0], data["Q"][1]

plt.figure(figsize=(6, 5))
plt.pcolormesh(
    qx[::4, ::4], qy[::4, ::4], np.clip(intensity[::4, ::4], 1, None), norm="log", cmap="magma", shading="nearest"
)
plt.colorbar(label=f"I ({data['I'].attrs['units']})")
plt.xlabel("qx (1/Å)")
plt.ylabel("qy (1/Å)")
plt.show()

# %% [markdown]
# ## Along and across
#
# Average in two opposite sectors: along the strong direction of the pattern, and across it.

# %%
q = np.hypot(qx, qy)
angle = np.arctan2(qy, qx) % np.pi
ring = good & (q > 0.02) & (q < 0.04)
strong = np.angle(np.nansum(np.clip(intensity[ring], 0, None) * np.exp(2j * angle[ring]))) / 2 % np.pi

edges = np.geomspace(0.008, 0.15, 81)
q_bins = np.sqrt(edges[1:] * edges[:-1])


def sector(direction, half_width=np.pi / 9):
    """Mean intensity against q in two opposite sectors."""
    away = np.abs((angle - direction + np.pi / 2) % np.pi - np.pi / 2)
    chosen = good & (away < half_width)
    where = np.digitize(q[chosen], edges)
    pixels = np.bincount(where, minlength=len(edges) + 1)[1:-1]
    total = np.bincount(where, weights=intensity[chosen], minlength=len(edges) + 1)[1:-1]
    return np.where(pixels > 0, total / np.maximum(pixels, 1), np.nan)


plt.figure(figsize=(7, 4.5))
plt.loglog(q_bins, sector(strong), "o-", ms=3, label=f"along {np.degrees(strong):.0f}°")
plt.loglog(q_bins, sector(strong + np.pi / 2), "o-", ms=3, label="across")
plt.xlabel("q (1/Å)")
plt.ylabel(f"I ({data['I'].attrs['units']})")
plt.legend()
plt.show()
