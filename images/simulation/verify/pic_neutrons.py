"""Neutrons from any calculation reach McStas through an MCPL file: all of them, with their energies, directions and times."""

import os
import subprocess

import matplotlib.pyplot as plt
import mcstasscript as ms
import numpy as np
import panosc_simulation as ps
from panosc_simulation import mcpl

NUMBER, WAVELENGTH, DISTANCE = 4000, 4.0, 5.0
random = np.random.default_rng(3)
energy = np.full(NUMBER, 81.8042 / WAVELENGTH**2)
mcpl.write_neutrons(
    "beam.mcpl",
    energy=energy,
    position=np.column_stack([random.uniform(-0.01, 0.01, (NUMBER, 2)), np.zeros(NUMBER)]),
    direction=[[0.0, 0.0, 1.0]] * NUMBER,
    time=np.full(NUMBER, 1e-3),
    weight=np.full(NUMBER, 0.25),
    source="proof",
)
told = subprocess.run(["mcpltool", "beam.mcpl"], capture_output=True, text=True, check=True).stdout
assert f"No. of particles   : {NUMBER}" in told and "2112" in told, told

instrument = ms.McStas_instr("reads_mcpl", input_path=".")
source = instrument.add_component("source", "MCPL_input", AT=[0, 0, 0])
source.set_parameters(filename='"beam.mcpl"', verbose=0)
for name, option in (
    ("tof", "tof limits=[0 0.01] bins=200"),
    ("wave", "lambda limits=[3 5] bins=200"),
    ("image", "x bins=30 y bins=30"),
):
    monitor = instrument.add_component(name, "Monitor_nD", AT=[0, 0, DISTANCE], RELATIVE="source")
    monitor.set_parameters(
        xwidth=0.03, yheight=0.03, filename=f'"{name}.dat"', options=f'"{option}"', restore_neutron=1
    )
result = ps.run(instrument, ncount=NUMBER, seed=1, progress=False)

total = float(result["tof"].total)
arrived = np.average(result["tof"].axes[0].values, weights=result["tof"].intensity)
expected = 1e-3 + DISTANCE * WAVELENGTH / 3956.034
wave = np.average(result["wave"].axes[0].values, weights=result["wave"].intensity)
print(f"result: neutrons = {total:.1f} 1/s of {NUMBER * 0.25:.1f}")
print(f"result: arrival = {arrived * 1e3:.3f} ms, by v = h/(m lambda) {expected * 1e3:.3f} ms")
print(f"result: wavelength = {wave:.3f} angstrom of {WAVELENGTH}")
assert abs(total / (NUMBER * 0.25) - 1) < 1e-3
assert abs(arrived - expected) < 5e-5
assert abs(wave - WAVELENGTH) < 0.01
image = result["image"].intensity
assert image[15, 15] > 0 and image[0, 0] == 0

figure, axes = plt.subplots(figsize=(4.5, 3.6), layout="constrained")
axes.imshow(image, extent=(-15, 15, -15, 15), origin="lower")
axes.set(xlabel="x (mm)", ylabel="y (mm)", title="2 x 2 cm of neutrons, 5 m on")
figure.savefig(os.environ["PANOSC_PICTURE"], dpi=90)
