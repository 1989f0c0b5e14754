"""McXtrace: an X-ray instrument is compiled and run; a beryllium filter lets through what its absorption coefficient says."""

import os

import matplotlib.pyplot as plt
import mcstasscript as ms
import numpy as np
import panosc_simulation as ps
from panosc_simulation import mccode


def instrument() -> ms.McXtrace_instr:
    """A point source of 5 keV to 15 keV, a filter, an energy monitor before and behind it."""
    made = ms.McXtrace_instr("filter", input_path=".")
    made.add_parameter("thickness", value=1e-3, comment="of the filter, in m")
    source = made.add_component("source", "Source_pt", AT=[0, 0, 0])
    source.set_parameters(focus_xw=1e-3, focus_yh=1e-3, dist=1, E0=10, dE=5, flux=1e10)
    before = made.add_component("before", "E_monitor", AT=[0, 0, 1], RELATIVE="source")
    before.set_parameters(xwidth=0.01, yheight=0.01, filename='"before.dat"', nE=50, Emin=5, Emax=15)
    filter_ = made.add_component("filter", "Filter", AT=[0, 0, 1.1], RELATIVE="source")
    filter_.set_parameters(xwidth=0.01, yheight=0.01, zdepth="thickness", material_datafile='"Be.txt"')
    behind = made.add_component("behind", "E_monitor", AT=[0, 0, 1.2], RELATIVE="source")
    behind.set_parameters(xwidth=0.01, yheight=0.01, filename='"behind.dat"', nE=50, Emin=5, Emax=15)
    return made


result = ps.scan(
    instrument(), {"thickness": [1e-3, 2e-3, 4e-3]}, ncount=2e5, seed=7, output="filter.nxs", progress=False
)
assert result.code == "McXtrace" and result.probe == "x-ray"
energy = result["before"].axes[-1].values
through = result["behind"].intensity / result["before"].intensity

# Be.txt: energy in keV in the first column, total mass attenuation in cm²/g in the sixth; 1.845 g/cm³.
table = np.loadtxt(mccode.find("mcxtrace").resources / "data" / "Be.txt")
near = np.abs(energy - 8.1).argmin()
for row, thickness in zip(through, (1e-3, 2e-3, 4e-3), strict=True):
    ratio = np.log(row[near]) / np.log(through[0][near]) / (thickness / 1e-3)
    assert abs(ratio - 1) < 0.02, f"{thickness * 1e3} mm absorb {ratio:.3f} times what Lambert's law says"
coefficient = -np.log(through[2]) / 4e-3
# Photoelectric absorption falls with the third power of the energy.
assert coefficient[2] > 3 * coefficient[20], "absorption does not fall with energy"
tabulated = np.interp(energy[near], table[:, 0], table[:, 5]) * 1.845 * 100
assert abs(coefficient[near] / tabulated - 1) < 0.03, f"{coefficient[near]:.1f}/m, and the table says {tabulated:.1f}/m"
print(
    f"result: absorption coefficient of Be at {energy[near]:.1f} keV = {coefficient[near]:.1f} 1/m (table {tabulated:.1f})"
)

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for row, thickness in zip(through, (1, 2, 4), strict=True):
    axes.plot(energy, row, label=f"{thickness} mm of beryllium")
axes.set(xlabel="photon energy (keV)", ylabel="transmission", ylim=(0, 1.02))
axes.legend()
figure.savefig(os.environ["PANOSC_PICTURE"])
