"""NCrystal: aluminium's Bragg edge, by itself and as a sample inside a McStas instrument that is compiled here."""

import os

import matplotlib.pyplot as plt
import mcstasscript as ms
import NCrystal as nc
import numpy as np
import panosc_simulation as ps

EDGE = 4.0495 / np.sqrt(3) * 2  # Å: twice the spacing of (111), of a = 4.0495 Å

scatter = nc.createScatter("Al_sg225.ncmat;temp=293.15K")
wavelength = np.linspace(4.4, 5.0, 1201)
section = np.array([scatter.crossSectionIsotropic(nc.wl2ekin(one)) for one in wavelength])
edge = wavelength[np.abs(np.diff(section)).argmax()]
assert abs(edge - EDGE) < 0.01, f"the edge is at {edge:.3f} Å, not at {EDGE:.3f} Å"
print(f"result: Bragg edge of aluminium = {edge:.3f} angstrom")


def transmission(width: float) -> ps.Monitor:
    """What passes straight through a block of aluminium of that thickness in metres."""
    made = ms.McStas_instr("edge", input_path=".")
    source = made.add_component("source", "Source_simple", AT=[0, 0, 0])
    source.set_parameters(radius=0.001, dist=2, focus_xw=0.002, focus_yh=0.002, lambda0=4.7, dlambda=0.3, flux=1e12)
    block = made.add_component("block", "NCrystal_sample", AT=[0, 0, 2], RELATIVE="source")
    block.set_parameters(cfg='"Al_sg225.ncmat"', xwidth=0.02, yheight=0.02, zdepth=width)
    monitor = made.add_component("monitor", "L_monitor", AT=[0, 0, 6], RELATIVE="source")
    monitor.set_parameters(xwidth=0.01, yheight=0.01, filename='"l.dat"', nL=120, Lmin=4.4, Lmax=5.0)
    return ps.run(made, ncount=1e6, seed=3, progress=False)["monitor"]


thin, thick = transmission(1e-6), transmission(0.05)
through = thick.intensity / thin.intensity
wave = thin.axes[0].values
step = wave[np.diff(through).argmax()]
assert abs(step - EDGE) < 0.02, f"McStas' transmission has its edge at {step:.3f} Å"
print(f"result: the same edge in McStas' transmission = {step:.3f} angstrom")

# Beer and Lambert, with NCrystal's own cross-sections; what was scattered hardly reaches a monitor of a centimetre at 4 m.
atoms = nc.createInfo("Al_sg225.ncmat").numberdensity  # per Å³
absorption = nc.createAbsorption("Al_sg225.ncmat")
for one in (4.5, 4.9):
    energy = nc.wl2ekin(one)
    sigma = scatter.crossSectionIsotropic(energy) + absorption.crossSectionIsotropic(energy)
    expected = np.exp(-atoms * sigma * 1e-8 * 0.05 * 1e10)  # barn to Å²; m to Å
    found = through[np.abs(wave - one) < 0.05].mean()
    assert abs(found / expected - 1) < 0.06, f"at {one} Å {found:.3f} pass, and the cross-sections say {expected:.3f}"
    print(f"result: transmission of 5 cm at {one} Å = {found:.3f} (expected {expected:.3f})")

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(wavelength, section, label="cross-section of Al (barn/atom)")
axes.plot(wave, through * 2, ".", ms=4, label="transmission of 5 cm in McStas × 2")
axes.axvline(EDGE, color="0.6", ls=":", label="2 d of (111)")
axes.set_xlabel("wavelength (Å)")
axes.legend()
figure.savefig(os.environ["PANOSC_PICTURE"])
