"""Write a compressed detector frame as a beamline would, read it back, plot it; a proof of the image."""

import os
from pathlib import Path

import h5py
import hdf5plugin
import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SIDE = 512
FILE = Path("/tmp/frame.h5")

y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
rings = 100 * (1 + np.cos(np.hypot(x, y) / 6)) * np.exp(-np.hypot(x, y) / 150)
frame = np.random.default_rng(1).poisson(rings).astype("uint32")
with h5py.File(FILE, "w") as file:
    file.create_dataset("data", data=frame, chunks=(SIDE, SIDE), compression=hdf5plugin.Bitshuffle(cname="lz4"))
with h5py.File(FILE) as file:
    read = file["data"][()]
assert (read == frame).all(), "what was read is not what was written"
assert FILE.stat().st_size < frame.nbytes / 2, "the frame was not compressed"

figure, axes = plt.subplots(figsize=(5, 5))
axes.imshow(read, norm="log", clim=(1, None), cmap="viridis")
axes.set_title("bitshuffle-LZ4, written and read")
figure.savefig(os.environ["PANOSC_PICTURE"])
print(f"result: bitshuffle-LZ4 compresses the frame = {frame.nbytes / FILE.stat().st_size:.1f} times")
