"""PyMca on a measured spectrum of a multi-element standard: the elements are found at their lines, each at the 500 ppm of the known one."""

import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import xraylib
from matplotlib import pyplot as plt
from PyMca5 import PyMcaDataDir
from PyMca5.PyMcaPhysics.xrf import ConcentrationsTool
from PyMca5.PyMcaPhysics.xrf.ClassMcaTheory import ClassMcaTheory

BEAM, KNOWN = 17.5, 500.0  # keV; ppm of cobalt
counts = np.loadtxt(Path(PyMcaDataDir.PYMCA_DATA_DIR) / "XRFSpectrum.mca")
channels = np.arange(counts.size, dtype=float)

theory = ClassMcaTheory()
configuration = theory.configure()
configuration["materials"]["Sample"] = {
    "Comment": "Water with cobalt",
    "Density": 1.0,
    "Thickness": 0.01,
    "CompoundList": ["H2O1", "Co"],
    "CompoundFraction": [1 - KNOWN * 1e-6, KNOWN * 1e-6],
}
configuration["attenuators"].update(
    Matrix=[1, "Sample", 1.0, 0.01, 0.1, 90.0, 0, 90.1],
    atmosphere=[1, "Air", 0.0012048, 0.2, 1.0],
    window=[1, "Be1", 1.848, 0.0008, 1.0],
    Detector=[1, "Si1", 2.33, 0.045, 1.0],
)
configuration["peaks"] = dict.fromkeys(
    ("Si", "Ar", "Ca", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "As", "Se", "Sr"), "K"
)
configuration["peaks"] |= {"Cd": "L", "Sb": "L", "Tl": ["L", "M"], "Pb": ["L", "M"]}
configuration["fit"].update(
    energy=[BEAM], energyweight=[1.0], energyflag=[1], energyscatter=[0], scatterflag=0, xmin=400, xmax=3000, use_limit=1,
    stripflag=1, stripalgorithm=1, snipwidth=60, stripfilterwidth=4, escapeflag=1, sumflag=0, hypermetflag=1, linearfitflag=0,
    fitfunction=0, continuum=0, fitweight=1,
)  # fmt: skip
configuration["detector"].update(detele="Si", zero=-0.48, gain=0.00502, noise=0.08, fano=0.12, sum=0.0, fixedsum=1)
configuration["detector"].update(deltagain=1e-4, deltazero=0.05)
configuration = theory.configure(configuration)
theory.setData(channels, counts, xmin=400, xmax=3000)
theory.estimate()
_, result = theory.startFit(digest=1)

fitted = dict(zip(result["parameters"], result["fittedpar"], strict=True))
energy = fitted["Zero"] + fitted["Gain"] * channels
for element in ("Ti", "Fe", "Zn", "Sr"):
    expected = xraylib.LineEnergy(xraylib.SymbolToAtomicNumber(element), xraylib.KA_LINE)
    near = np.abs(energy - expected) < 0.1
    high = near & (counts > 0.6 * counts[near].max())
    measured = np.average(energy[high], weights=counts[high])
    print(f"result: energy of {element} Ka = {measured:.3f} keV (xraylib {expected:.3f})")
    assert abs(measured - expected) < 0.015, f"{element}: {measured} keV and not {expected} keV"

tool = ConcentrationsTool.ConcentrationsTool()
settings = tool.configure()
settings.update(usematrix=1, useattenuators=1, reference="Co", usemultilayersecondary=0, mmolarflag=0)
found, _ = tool.processFitResult(
    config=settings, fitresult={"result": result}, elementsfrommatrix=False, fluorates=theory._fluoRates, addinfo=True
)
for group in ("Ti K", "V K", "Cr K", "Mn K", "Fe K", "Ni K", "Cu K", "Zn K", "As K", "Se K", "Sr K", "Tl L", "Pb L"):
    ppm = 1e6 * found["mass fraction"][group]
    print(f"result: mass fraction of {group.split()[0]} = {ppm:.0f} ppm")
    assert abs(ppm / KNOWN - 1) < 0.1, f"{group}: {ppm} ppm and not {KNOWN}"

figure, axis = plt.subplots(figsize=(10, 4), layout="constrained")
axis.semilogy(result["energy"], result["ydata"], ".", ms=2, color="0.6", label="measured")
axis.semilogy(result["energy"], result["yfit"], "C1", lw=1, label="fit")
axis.set(xlabel="energy (keV)", ylabel="counts", ylim=(50, None), title="a multi-element standard, measured")
axis.legend()
figure.savefig(os.environ["PANOSC_PICTURE"])
