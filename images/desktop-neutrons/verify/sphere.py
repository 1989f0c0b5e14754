"""A sphere's scattering, three ways: SasView's own calculation, the zeros of theory, and a virtual SANS instrument of McStas."""

import os
import shutil
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sas.system import lib

lib.setup_sasmodels()

from sas.sascalc.fit.models import ModelManager  # noqa: E402  (its models are looked for where SasView was set up to)

RADIUS = 100.0  # angstrom
WAVELENGTH = 6.0  # angstrom
DISTANCE = 3.02  # m, from the sample to the radial monitor of templateSANS
# tan(x) = x: where the form factor 3 (sin x - x cos x) / x^3 vanishes.
ZEROS = np.array([4.493409, 7.725252, 10.904122])
LARGEST = 0.3  # m, radius of that monitor
EXAMPLE = Path("/usr/share/mcstas/resources/examples/Templates/templateSANS/templateSANS.instr")


def minima(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where y is lower than on both sides."""
    return x[1:-1][(y[1:-1] < y[:-2]) & (y[1:-1] < y[2:])]


def sasview(q: np.ndarray) -> np.ndarray:
    """Intensity of a sphere, calculated as SasView's fit page does."""
    model = ModelManager().get_model_dictionary()["sphere"]()
    for name, value in {"radius": RADIUS, "scale": 1.0, "background": 0.0}.items():
        model.setParam(name, value)
    return np.asarray(model.evalDistribution(q))


def mcstas() -> np.ndarray:
    """Radius (m), intensity and error on templateSANS' radially averaging detector."""
    shutil.copy(EXAMPLE, "sans.instr")
    command = ["mcrun", "sans.instr", "-n", "2e6", "-s", "20261126", "-d", "run", f"lambda={WAVELENGTH}", f"r={RADIUS}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = Path("run").glob("psd2_av*.dat")
    # The file's own radii are half a ring too large: PSD_monitor_rad shifts its limits, and McStas lists middles.
    _, counted, error, *_ = np.loadtxt(file).T
    return np.array([(np.arange(len(counted)) + 0.5) * LARGEST / len(counted), counted, error])


q = np.linspace(0.002, 0.13, 12801)
intensity = sasview(q)
found = minima(q, intensity)[:3] * RADIUS
print(f"result: first minimum of SasView's sphere = {found[0]:.4f} qR")
assert np.allclose(found, ZEROS, atol=0.002), found

radius, counted, *_ = mcstas()
measured_q = 4 * np.pi / WAVELENGTH * np.sin(np.arctan(radius / DISTANCE) / 2)
smooth = np.convolve(counted, np.ones(3) / 3, mode="same")
window = (measured_q * RADIUS > 3) & (measured_q * RADIUS < 6)
dip = measured_q[window][np.argmin(smooth[window])] * RADIUS
print(f"result: first minimum on McStas' detector = {dip:.2f} qR")
assert abs(dip - ZEROS[0]) < 0.2, dip
inner, outer = smooth[(measured_q > 0.02) & (measured_q < 0.025)].mean(), smooth[window].min()
print(f"result: McStas' intensity at q = 0.022/angstrom over its minimum = {inner / outer:.0f} times")
assert inner > 20 * outer, (inner, outer)

figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
scale = sasview(np.array([0.022]))[0] / inner
seen = (measured_q > 0.015) & (counted > 0)
axes.semilogy(q, intensity, label="SasView")
axes.semilogy(measured_q[seen], counted[seen] * scale, ".", label="McStas, templateSANS, scaled")
axes.axvline(ZEROS[0] / RADIUS, color="0.6", linestyle=":", label="tan qR = qR")
axes.set(
    xlabel="q (1/Å)",
    ylabel="intensity (1/cm)",
    title=f"Spheres of {RADIUS:.0f} Å",
    xlim=(0, 0.13),
    ylim=(1e-5 * intensity[0], None),
)
axes.legend()
figure.savefig(os.environ["PANOSC_PICTURE"], dpi=110)
