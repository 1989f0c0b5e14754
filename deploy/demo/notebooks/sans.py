# %% [markdown]
# # Start here: how big is a protein?
#
# Small-angle neutron scattering of ferritin, a hollow protein shell, in heavy water (measured at ISIS; the proposal
# around it is invented). At small $q$ every compact particle follows Guinier's law,
# $I(q) = I_0 \exp(-q^2 R_g^2 / 3)$: the slope of $\ln I$ against $q^2$ gives its radius of gyration.

# %%
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np

raw = Path.home() / "proposals/@RAW@"
file = h5py.File(raw / "ferritin.h5")

data = file
while "default" in data.attrs:
    data = data[data.attrs["default"]]

q, intensity, error = data["Q"][()], data["I"][()], data["Idev"][()]
print(f"{file['sasentry/title'].asstr()[()]}: {len(q)} points, q from {q[0]} to {q[-1]} {data['Q'].attrs['units']}")

# %% [markdown]
# ## Guinier's law
#
# It holds while $q R_g$ is below about 1.3. The points at the smallest $q$ rise above the line, since some proteins
# stick together; they are left out.

# %%
low = (q > 0.011) & (q < 0.019)
slope, log_i0 = np.polyfit(q[low] ** 2, np.log(intensity[low]), 1, w=intensity[low] / error[low])
radius = np.sqrt(-3 * slope)
print(f"Radius of gyration: {radius:.0f} Å (q Rg up to {q[low].max() * radius:.2f})")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
left.errorbar(q, intensity, error, fmt=".", ms=3, lw=0.7)
left.set(xlabel="q (1/Å)", ylabel="I (1/cm)", xscale="log", yscale="log", ylim=(1e-4, 2), title="Ferritin in D₂O")

near = q < 0.03
right.errorbar(q[near] ** 2, np.log(intensity[near]), error[near] / intensity[near], fmt="o", ms=4)
right.plot(q[near] ** 2, slope * q[near] ** 2 + log_i0, label=f"Guinier: $R_g$ = {radius:.0f} Å")
right.axvspan(q[low][0] ** 2, q[low][-1] ** 2, color="0.9", label="fitted")
right.set(xlabel="q² (1/Å²)", ylabel="ln I")
right.legend()
plt.show()
