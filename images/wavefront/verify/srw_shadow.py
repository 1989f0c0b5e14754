"""SRW and shadow4 on one mirror: waves focus as diffraction lets them, rays to the demagnified image of the source.

The wave's focus narrows with the wavelength; the rays of a point meet in a point.
"""

import json
import os
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

NOTEBOOKS = "/opt/panosc/notebooks/wavefront"
sys.path.insert(0, NOTEBOOKS)
from kb import Mirror, fwhm  # noqa: E402

# What is proven is the code that people get: the notebook's own two functions.
notebook = json.loads(Path(NOTEBOOKS, "start-here.ipynb").read_text())
cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
space: dict = {}
exec("import numpy as np", space)
for name in ("def trace(", "def propagate("):
    (cell,) = [one for one in cells if name in one]
    start, _, rest = cell.partition("\n\n\n")
    definition = rest.split("\n\n\n")[0]
    exec(compile(start + "\n\n\n" + definition, "start-here.ipynb", "exec"), space)

mirror = Mirror()
x, y, spot = space["propagate"](mirror)
row, column = divmod(int(spot.argmax()), spot.shape[1])
width = fwhm(x, spot[row])
print(f"result: SRW, focus = {width * 1e9:.1f} nm")
print(f"result: diffraction limit 0.886 lambda q/D = {mirror.diffraction_fwhm * 1e9:.1f} nm")
assert abs(width / mirror.diffraction_fwhm - 1) < 0.03
assert abs(fwhm(y, spot[:, column]) / mirror.diffraction_fwhm - 1) < 0.03

harder = Mirror(photon_energy=20_000.0)
x20, _, spot20 = space["propagate"](harder)
ratio = width / fwhm(x20, spot20[int(spot20.argmax()) // spot20.shape[1]])
print(f"result: focus at 10 keV over focus at 20 keV = {ratio:.2f}")
assert abs(ratio - 2) < 0.06

hits, footprint = space["trace"](mirror, mirror.source_fwhm)
image = 2.3548 * hits.std()
print(f"result: shadow4, image of a source of {mirror.source_fwhm * 1e6:.0f} um = {image * 1e9:.1f} nm")
assert abs(image / mirror.geometric_fwhm - 1) < 0.02
assert 0.98 * mirror.length < footprint.max() - footprint.min() <= mirror.length
point, _ = space["trace"](mirror, 1e-12)
print(f"result: shadow4, image of a point = {2.3548e9 * point.std():.4f} nm")
assert point.std() < 1e-12

figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
near = abs(x) < 1e-6
axes.pcolormesh(x[near] * 1e6, x[near] * 1e6, spot[near][:, near] ** 0.5, cmap="magma", rasterized=True)
axes.set(xlabel="x (um)", ylabel="y (um)", title="SRW: amplitude in the focus")
figure.savefig(os.environ["PANOSC_PICTURE"], dpi=90)
