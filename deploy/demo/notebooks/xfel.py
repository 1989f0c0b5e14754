# %% [markdown]
# # Start here: pulses of a free-electron laser
#
# One run (simulated): 600 trains of 120 X-ray pulses. Each pulse grows from noise, so no two have the same energy.

# %%
from pathlib import Path

import h5py
import matplotlib.pyplot as plt

raw = Path.home() / "proposals/@RAW@"
run = h5py.File(next((raw / "r0001").glob("RAW-*.h5")))

energy = run["INSTRUMENT/SPB_XTD9_XGM/XGM/DOOCS:output/data/intensityTD"][()]
trains = run["INDEX/trainId"][()]
print(f"{energy.shape[0]} trains of {energy.shape[1]} pulses, mean {energy.mean():.0f} µJ")

# %% [markdown]
# ## How noisy is the beam?
#
# Light that grows from noise in $M$ modes has energies spread as a gamma distribution, with $M$ = mean² / variance.

# %%
relative = energy / energy.mean(axis=1, keepdims=True)
modes = 1 / relative.var()

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot(trains - trains[0], energy.mean(axis=1))
left.set(xlabel="train", ylabel="mean pulse energy (µJ)")
right.hist(relative.ravel(), bins=120, histtype="stepfilled", alpha=0.8)
right.set(xlabel="pulse energy / train mean", ylabel="pulses", title=f"about {modes:.0f} modes")
plt.show()
