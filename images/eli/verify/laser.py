"""A pulse made by LASY, propagated by a Rayleigh length, written and read as openPMD: its waist, duration, energy and a0."""

import os

import matplotlib

matplotlib.use("Agg")
import numpy as np
import openpmd_api as io
from lasy.laser import Laser
from lasy.profiles.gaussian_profile import GaussianProfile
from matplotlib import pyplot as plt
from scipy.constants import c, e, epsilon_0, m_e, pi

WAVELENGTH, ENERGY, WAIST, FWHM = 0.8e-6, 2.5, 30e-6, 30e-15
RAYLEIGH_LENGTH = pi * WAIST**2 / WAVELENGTH


def write(prefix: str, distance: float) -> None:
    """The pulse, so far behind its focus (m), as an openPMD file."""
    profile = GaussianProfile(WAVELENGTH, (1, 0), ENERGY, WAIST, FWHM / np.sqrt(2 * np.log(2)), t_peak=0.0)
    pulse = Laser("rt", (0, -90e-15), (8 * WAIST, 90e-15), (400, 181), profile)
    if distance:
        pulse.propagate(distance)
    pulse.write_to_file(file_prefix=prefix, file_format="h5", write_dir="pulse")


def read(prefix: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Radius (m), time (s), the field's amplitude (V/m; axes time, radius) and angular frequency (1/s) from the file alone."""
    series = io.Series(f"pulse/{prefix}_%T.h5", io.Access.read_only)
    mesh = series.iterations[0].meshes["laserEnvelope"]
    envelope = mesh[io.Mesh_Record_Component.SCALAR][:]
    series.flush()
    (t_step, r_step), (t_start, _) = mesh.grid_spacing, mesh.grid_global_offset
    omega = mesh.get_attribute("angularFrequency")
    amplitude = np.abs(envelope[0])
    series.close()
    return r_step * np.arange(amplitude.shape[1]), t_start + t_step * np.arange(amplitude.shape[0]), amplitude, omega


def waist_of(r: np.ndarray, fluence: np.ndarray) -> float:
    """The radius (m) at which the fluence has fallen to 1/e²."""
    return float(np.interp(-fluence[0] / np.e**2, -fluence, r))


figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
waists = {}
for axis, (words, distance) in zip(
    axes, {"focus": 0.0, "one Rayleigh length on": RAYLEIGH_LENGTH}.items(), strict=True
):
    name = words.split()[0]
    write(name, distance)
    r, t, amplitude, omega = read(name)
    intensity = 0.5 * c * epsilon_0 * amplitude**2
    energy = np.trapezoid(2 * pi * np.trapezoid(intensity * r, r, axis=1), t)
    waists[words] = waist_of(r, np.trapezoid(intensity, t, axis=0))
    a0 = e * amplitude.max() / (m_e * c * omega)
    print(f"result: energy at the {words} = {energy:.3f} J")
    print(f"result: waist at the {words} = {waists[words] * 1e6:.2f} um")
    print(f"result: a0 at the {words} = {a0:.3f}")
    assert abs(energy / ENERGY - 1) < 0.01, f"{energy} J of {ENERGY} J"
    axis.pcolormesh((t - t.mean()) * 1e15, r * 1e6, amplitude.T / 1e12, cmap="magma", rasterized=True)
    axis.set(title=f"{words}: a0 = {a0:.2f}", xlabel="time (fs)", ylim=(0, 120))
    if not distance:
        peak_power = 2 * np.sqrt(np.log(2) / pi) * ENERGY / FWHM
        expected = 0.8549e-9 * WAVELENGTH * 1e6 * np.sqrt(2 * peak_power / (pi * WAIST**2) / 1e4)
        assert abs(a0 / expected - 1) < 0.01, f"a0 is {a0}, and {expected} for this power and waist"
axes[0].set_ylabel("radius (µm)")
figure.savefig(os.environ["PANOSC_PICTURE"])

assert abs(waists["focus"] / WAIST - 1) < 0.01, waists
assert abs(waists["one Rayleigh length on"] / (np.sqrt(2) * WAIST) - 1) < 0.01, waists
