"""McStas: a powder diffractometer is compiled and run; its reflections are where Bragg's law has them, and a second run compiles nothing."""

import os
import time
from pathlib import Path

import matplotlib.pyplot as plt
import mcstasscript as ms
import numpy as np
import panosc_simulation as ps
from panosc_hdf5.core.files import FileCache
from panosc_hdf5.core.nexus import default_path, plot_of
from panosc_hdf5.core.session import Session
from panosc_simulation import cache, compiler, mccode

WAVELENGTH = 2.36  # Å
SAMPLE = "Na2Ca3Al2F14.laz"
STRONGEST = 6


def instrument():
    """A monochromatic source, a slit, a powder, and a curved detector of half-degree bins."""
    made = ms.McStas_instr("powder", input_path=".")
    made.add_parameter("wavelength", value=WAVELENGTH, comment="of the neutrons, in Å")
    source = made.add_component("source", "Source_simple", AT=[0, 0, 0])
    source.set_parameters(xwidth=0.01, yheight=0.03, dist=5, focus_xw=0.005, focus_yh=0.03)
    source.set_parameters(lambda0="wavelength", dlambda=0.01, flux=1e13)
    sample = made.add_component("sample", "PowderN", AT=[0, 0, 5], RELATIVE="source")
    sample.set_parameters(reflections=f'"{SAMPLE}"', radius=0.0025, yheight=0.03, d_phi=4, p_inc=0.05, p_transmit=0.05)
    detector = made.add_component("detector", "Monitor_nD", AT=[0, 0, 0], RELATIVE="sample")
    detector.set_parameters(xwidth=2.0, yheight=0.1, filename='"detector.dat"')
    detector.set_parameters(options='"banana, theta limits=[10 150], bins=280"')
    return made


def reflections() -> list[tuple[float, float]]:
    """Spacing in Å and strength (j |F|²) of each reflection of the sample, strongest first (columns 17, 6 and 13)."""
    table = mccode.find().resources / "data" / SAMPLE
    rows = [line.split("/")[0].split() for line in table.read_text().splitlines() if line and line[0] != "#"]
    values = np.array([[float(number) for number in row[:18]] for row in rows if len(row) >= 17])
    multiplicity, spacing, strength = values[:, 4], values[:, 5], values[:, 12]
    summed: dict[float, float] = {}  # several families can have one spacing, as (333) and (511)
    for one, weight in zip(np.round(spacing, 4), multiplicity * strength**2, strict=True):
        summed[float(one)] = summed.get(float(one), 0.0) + float(weight)
    return sorted(summed.items(), key=lambda one: -one[1])


def centre(angle, intensity, near: float) -> float:
    """Centre of mass of the peak within a degree of `near`, above its foot."""
    part = np.abs(angle - near) < 1.0
    foot = intensity[part].min()
    return float(np.average(angle[part], weights=intensity[part] - foot))


started = time.monotonic()
first = ps.run(instrument(), ncount=1e6, seed=42, progress=False)
print(f"result: compile and run of a million rays = {time.monotonic() - started:.1f} s")


def compiles(*_):
    raise AssertionError("the second run compiled")


compiler._make = compiles
started = time.monotonic()
second = ps.run(instrument(), ncount=1e6, seed=42, output="powder.nxs", progress=False)
print(f"result: the same again = {time.monotonic() - started:.1f} s")
assert np.array_equal(first["detector"].intensity, second["detector"].intensity), "the same seed gave another result"
assert len(list(cache.folder().glob("*/program"))) >= 1

angle, intensity = second["detector"].axes[0].values, second["detector"].intensity
checked, lines = [], [line for line in reflections() if line[0] > WAVELENGTH / 2 / np.sin(np.radians(72))]
for spacing, strength in lines:
    expected = 2 * np.degrees(np.arcsin(WAVELENGTH / (2 * spacing)))
    others = [2 * np.degrees(np.arcsin(WAVELENGTH / (2 * d))) for d, s in lines if d != spacing and s > strength / 50]
    if not others or min(abs(np.array(others) - expected)) > 2.0:  # stands alone
        checked.append((expected, centre(angle, intensity, expected), spacing))
    if len(checked) == STRONGEST:
        break
assert len(checked) >= 3, f"only {len(checked)} reflections stand alone"
for expected, found, spacing in checked:
    assert abs(found - expected) < 0.5, f"d = {spacing:.3f} Å: at {found:.2f}°, and Bragg's law says {expected:.2f}°"
worst = max(abs(found - expected) for expected, found, _ in checked)
print(f"result: reflections checked by Bragg's law = {len(checked)} lines")
print(f"result: farthest from Bragg's law = {worst:.3f} deg")

read = ps.Result.load("powder.nxs")
assert np.array_equal(read["detector"].intensity, intensity) and read.seed == 42 and read.source == second.source
with Session(FileCache(), str(Path("powder.nxs").resolve())) as session:
    shown = default_path(session)
    plot = plot_of(session, shown)
assert shown == "/entry/detector", f"the HDF5 viewer opens {shown}"
assert plot and plot["signal"].endswith("/intensity"), f"the HDF5 viewer plots {plot}"
print(f"result: rays counted = {second['detector'].rays.sum():.0f} rays")

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
second.plot(axes=axes)
for expected, _, spacing in checked:
    axes.axvline(expected, color="C3", lw=0.8, ls=":")
    axes.text(
        expected,
        axes.get_ylim()[1] * 0.97,
        f"{spacing:.2f} Å",
        rotation=90,
        va="top",
        ha="right",
        fontsize=7,
        color="C3",
    )
axes.set_title("Na2Ca3Al2F14 at 2.36 Å; dotted: Bragg's law")
figure.savefig(os.environ["PANOSC_PICTURE"])
assert Path("powder.nxs").stat().st_size > 10_000
