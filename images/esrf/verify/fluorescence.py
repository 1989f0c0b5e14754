"""PyMca on a measured spectrum of a certified steel (NIST SRM 1155): lines at their energies, and chromium right once secondary excitation counts."""

import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt
from PyMca5 import PyMcaDataDir
from PyMca5.PyMcaIO.ConfigDict import ConfigDict
from PyMca5.PyMcaPhysics.xrf import ConcentrationsTool
from PyMca5.PyMcaPhysics.xrf.ClassMcaTheory import ClassMcaTheory

LINES = {"Cr": 5.415, "Fe": 6.404, "Ni": 7.478}  # keV, Kα1 (X-ray Data Booklet)
data = Path(PyMcaDataDir.PYMCA_DATA_DIR)
text = (data / "Steel.spe").read_text().split("$DATA:")[1].split()
counts = np.array(text[2 : 3 + int(text[1])], dtype=float)
configuration = ConfigDict()
configuration.read(str(data / "Steel.cfg"))
certificate = configuration["materials"]["SRM_1155_COMPLETE"]
certified = dict(zip(certificate["CompoundList"], certificate["CompoundFraction"], strict=True))
certificate["CompoundFraction"] = [fraction / sum(certified.values()) for fraction in certified.values()]
configuration["attenuators"]["Matrix"][1] = "SRM_1155_COMPLETE"

theory = ClassMcaTheory()
configuration = theory.configure(configuration)
limits = {key: configuration["fit"][key] for key in ("xmin", "xmax")}
theory.setData(np.arange(counts.size, dtype=float), counts, **limits)
theory.estimate()
_, result = theory.startFit(digest=1)

parameters = dict(zip(result["parameters"], result["fittedpar"], strict=True))
energy = parameters["Zero"] + parameters["Gain"] * np.arange(counts.size)
for element, expected in LINES.items():
    near = np.abs(energy - expected) < 0.12
    high = near & (counts > 0.5 * counts[near].max())
    measured = np.average(energy[high], weights=counts[high])
    print(f"result: energy of {element} Ka = {measured:.3f} keV")
    assert abs(measured - expected) < 0.015, f"{element}: {measured} keV and not {expected} keV"


def mass_fraction(element: str, excitation: int) -> float:
    """Per cent of the mass, with the beam alone (0) or also secondary and tertiary excitation (2); iron is the standard."""
    tool = ConcentrationsTool.ConcentrationsTool()
    settings = tool.configure()
    settings.update(configuration["concentrations"])
    settings.update(usematrix=1, reference="Fe", usemultilayersecondary=excitation)
    found, _ = tool.processFitResult(
        config=settings,
        fitresult={"result": result},
        elementsfrommatrix=False,
        fluorates=theory._fluoRates,
        addinfo=True,
    )
    return 100 * float(found["mass fraction"][f"{element} K"])


for element in ("Cr", "Ni"):
    alone, all_orders = mass_fraction(element, 0), mass_fraction(element, 2)
    print(
        f"result: {element} with secondary and tertiary excitation = {all_orders:.2f} % (certified {certified[element]})"
    )
    assert abs(all_orders / certified[element] - 1) < 0.10, f"{element}: {all_orders} % and not {certified[element]} %"
    if element == "Cr":
        print(f"result: Cr with the beam alone = {alone:.2f} %")
        assert alone > 1.5 * certified["Cr"], (
            "without secondary excitation chromium should be far too high: is fisx used?"
        )

figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
axis.semilogy(result["energy"], result["ydata"], ".", ms=3, color="0.6", label="measured")
axis.semilogy(result["energy"], result["yfit"], "C1", lw=1, label="fit")
axis.set(xlabel="energy (keV)", ylabel="counts", ylim=(1, None), title="NIST SRM 1155")
axis.legend()
figure.savefig(os.environ["PANOSC_PICTURE"])
