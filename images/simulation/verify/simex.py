"""SIMEX from the source to the detector: an X-ray laser pulse is focused onto a gold particle of 2057 atoms, and its scattered photons are counted."""

import math
import os
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from ase.cluster import Icosahedron
from nexusformat.nexus import nxload
from panosc_simulation import SimulationError
from panosc_simulation.simex import Experiment
from panosc_simulation.simex.wavefront import METRE_EV

experiment = Experiment(Icosahedron("Au", 9))
experiment.focus.parameters["aperture"] = 4e-3  # wide open: the focus is the source's image
experiment.diffraction.parameters["shots"] = 4
experiment.run(progress=False)
source, focus = experiment.wavefront("source"), experiment.wavefront("focus")
assert abs(source.energy() / 1e-3 - 1) < 0.01, f"the pulse has {source.energy()} J"
image = 23e-6 * 3 / 300
assert abs(focus.width()[0] / image - 1) < 0.1, f"the image of the source is {focus.width()[0]} m wide, not {image}"
print(f"result: focus with the aperture open = {focus.width()[0] * 1e9:.0f} nm")

# A narrow aperture: the focus is its diffraction pattern, 0.886 wavelength / opening angle, and the rest of the light is lost.
experiment.focus.parameters["aperture"] = 0.6e-3
experiment.focus.backengine()
narrow = experiment.wavefront("focus")
diffracted = 0.886 * METRE_EV / 8230 * 3 / 0.6e-3
assert abs(narrow.width()[0] / diffracted - 1) < 0.06, f"the focus is {narrow.width()[0]} m wide, not {diffracted}"
beam = source.width()[0] / (2 * math.sqrt(2 * math.log(2)))
passed = math.erf(0.3e-3 / (math.sqrt(2) * beam)) ** 2
lost = narrow.energy() / source.energy() / passed
assert 0.9 < lost < 1.02, f"{lost:.3f} of the light that passes the aperture is in the focus"
print(f"result: focus behind 0.6 mm = {narrow.width()[0] * 1e9:.0f} nm")

# Guinier: at small q the scattering of any particle falls with its radius of gyration.
experiment.focus.parameters["aperture"] = 1.5e-3
experiment.run(progress=False)
expected, photons, counted = experiment.diffraction.pattern, experiment.photons(), experiment.patterns()
edge = experiment.diffraction.axis()
distance = float(experiment.diffraction.parameters["distance"].value)
q = 4 * math.pi / (METRE_EV / 8230) * np.sin(np.arctan(np.hypot(*np.meshgrid(edge, edge)) / distance) / 2) * 1e-9
true = math.sqrt(float((experiment.atoms.positions**2).sum(1).mean())) * 0.1
inside = q < 0.8 / true
slope = np.polyfit(q[inside] ** 2, np.log(expected[inside]), 1)[0]
radius = math.sqrt(-3 * slope)
assert abs(radius / true - 1) < 0.03, f"radius of gyration {radius:.3f} nm, and the atoms have {true:.3f} nm"
print(f"result: radius of gyration by Guinier's law = {radius:.3f} nm")
print(f"result: radius of gyration of the atoms = {true:.3f} nm")

total = expected.sum()
assert 500 < total < 20_000, f"{total} photons a pulse"
assert abs(photons.sum((1, 2)).mean() - total) < 4 * math.sqrt(total / len(photons)), "photon noise is not Poisson's"
assert abs(counted.sum() / photons.sum() - 1) < 0.1, "the detector counts something else"
print(f"result: photons on the detector a pulse = {total:.0f} photons")

experiment.source.parameters["pulse_energy"] = 2e-3
experiment.run(progress=False)
assert abs(experiment.diffraction.pattern.sum() / total - 2) < 0.01, "twice the energy does not give twice the photons"

file = experiment.save("simex.nxs")
root = nxload(str(file))
assert root.plottable_data.nxpath == "/entry/pattern" and root["entry/pattern"].nxsignal.shape == (4, 256, 256)
assert root["entry/step_1_source/parameters/pulse_energy"].nxdata == 2e-3


def refused(what: Callable[[], object], words: str) -> None:
    """Whether it is refused in these words."""
    try:
        what()
    except SimulationError as refusal:
        assert words in str(refusal), refusal
    else:
        raise AssertionError(f"not refused: {words}")


# What is saved is what was computed, never new parameters beside old patterns, or the patterns of a run that failed.
experiment.source.parameters["pulse_energy"] = 1e-3
refused(lambda: experiment.save("wrong.nxs"), "changed after the run (source.pulse_energy): call run() again")
experiment.source.parameters["pulse_energy"] = 2e-3
experiment.save("simex.nxs")
experiment.source.parameters["slices"] = 5
refused(lambda: experiment.run(progress=False), "even")
refused(lambda: experiment.save("wrong.nxs"), "has not run")
refused(experiment.patterns, "has not run")
refused(lambda: Experiment("missing.xyz"), "missing.xyz")
assert not Path("wrong.nxs").exists()

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
extent = [focus.x_min * 1e6, focus.x_max * 1e6, focus.y_min * 1e6, focus.y_max * 1e6]
shown = left.imshow(focus.fluence() * 1e-6, extent=extent, origin="lower")
left.set(xlabel="x (µm)", ylabel="y (µm)", title="focus, aperture open", xlim=(-1, 1), ylim=(-1, 1))
figure.colorbar(shown, ax=left, label="fluence (MJ/m²)")
span = [edge[0] * 1e3, edge[-1] * 1e3] * 2
shown = right.imshow(counted[0], extent=span, origin="lower", norm="symlog", cmap="magma")
right.set(xlabel="x (mm)", ylabel="y (mm)", title="one pulse on Au₂₀₅₇")
figure.colorbar(shown, ax=right, label="photons")
figure.savefig(os.environ["PANOSC_PICTURE"])
assert Path("simex.nxs").exists()
