# %% [markdown]
# # Start here: what neutrons leave behind in a crystal
#
# Neutrons of one energy hit magnesium diboride; how long they take to 148 detectors says how much energy they left
# there (measured on LRMECS, 2001; the proposal around it is invented).

# %%
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np

raw = Path.home() / "proposals/@RAW@"
file = h5py.File(raw / "chopper.nxs")

data = file
while "default" in data.attrs:
    data = data[data.attrs["default"]]

counts = data[data.attrs["signal"]][()]
edges, angle = data["time_of_flight"][()], data["polar_angle"][()]
print(file["entry/title"][0].decode())

plt.figure(figsize=(7, 4.5))
plt.pcolormesh(edges[:-1], angle, np.clip(counts, 1, None), norm="log", cmap="viridis", shading="nearest")
plt.colorbar(label="neutrons")
plt.xlabel("time of flight (µs)")
plt.ylabel("scattering angle (°)")
plt.show()

# %% [markdown]
# ## From time to energy
#
# The bright line are neutrons that kept their energy. Its time fixes the clock; every other time is then an energy
# that was left in the crystal (or taken from it), $E = \tfrac12 m v^2$.

# %%
MEV_PER_SPEED2 = 5.22704e-6  # half a neutron's mass, in meV / (m/s)²

incident = float(file["entry/instrument/monochromator/energy"][0])
flight = float(file["entry/instrument/detector/distance"][0])
time = (edges[1:] + edges[:-1]) / 2
speed = np.sqrt(incident / MEV_PER_SPEED2)
elastic = time[counts.sum(axis=0).argmax()]
at_detector = (time - elastic) * 1e-6 + flight / speed
transfer = incident - MEV_PER_SPEED2 * (flight / at_detector) ** 2

wide = angle > 60
# Equal steps of time are unequal steps of energy.
spectrum = counts[wide].sum(axis=0) / np.gradient(transfer)

plt.figure(figsize=(7, 4.5))
shown = (transfer > -30) & (transfer < 115)
plt.semilogy(transfer[shown], spectrum[shown])
plt.xlabel("energy left in the crystal (meV)")
plt.ylabel("neutrons per meV")
plt.title("Vibrations of MgB₂")
plt.show()
