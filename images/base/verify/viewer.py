"""Let the HDF5 viewer's server part open a compressed frame, and its front end be served; a proof of the image."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import hdf5plugin
import matplotlib.pyplot as plt
import numpy as np
from panosc_hdf5.core.wire import read_envelope

URL = "http://127.0.0.1:8889"
COMMAND = ("jupyter", "lab", "--no-browser", "--ip=127.0.0.1", "--port=8889", "--ServerApp.token=")


def get(path: str) -> bytes:
    """What the server answers."""
    with urllib.request.urlopen(f"{URL}/{path}", timeout=30) as answer:
        return answer.read()


frames = np.arange(3 * 400 * 500, dtype="u4").reshape(3, 400, 500)
with TemporaryDirectory() as root:
    with h5py.File(Path(root) / "frames.h5", "w") as file:
        file.create_dataset("frames", data=frames, chunks=(1, 400, 500), **hdf5plugin.Bitshuffle(cname="lz4"))
    server = subprocess.Popen((*COMMAND, f"--ServerApp.root_dir={root}"), stdout=sys.stderr, stderr=sys.stderr)
    try:
        for _ in range(300):
            try:
                get("api/status")
                break
            except OSError:
                assert server.poll() is None, "JupyterLab ended"
                time.sleep(0.1)
        header, arrays, _ = read_envelope(get("panosc-hdf5/open?path=frames.h5"))
        assert header["default_path"] == "/frames", header
        assert arrays["data"].size, "no picture came with it"
        asked = time.monotonic()
        header, arrays, _ = read_envelope(
            get("panosc-hdf5/frame?path=frames.h5&h5path=/frames&slice=2,:,:&encoding=raw")
        )
        took = time.monotonic() - asked
        assert np.array_equal(next(iter(arrays.values())), frames[2]), "a frame is not what was written"
        assert b"@panosc/jupyterlab-hdf5" in get("lab"), "the front end is not served"
    finally:
        server.terminate()
        server.wait(20)

figure, axes = plt.subplots()
shown = axes.imshow(frames[2])
figure.colorbar(shown, label="counts")
axes.set(xlabel="x (pixels)", ylabel="y (pixels)", title="The third frame, as the viewer's server sends it")
figure.savefig(os.environ["PANOSC_PICTURE"])
print(f"result: a compressed frame of 400 x 500 pixels comes in = {took * 1000:.0f} ms")
