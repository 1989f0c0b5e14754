"""The same powder analysis as a workflow of Ewoks: calibrate on alumina, integrate silicon, save NeXus; the saved peak lies where silicon's (111) is."""

import os

import matplotlib

matplotlib.use("Agg")
import h5py
import numpy as np
import pyFAI
from ewoks import execute_graph
from matplotlib import pyplot as plt
from pyFAI.calibrant import get_calibrant
from pyFAI.geometry import Geometry

ENERGY = 25.0  # keV
D_SILICON = 3.135604  # Å, d(111) of silicon (NIST SRM 640: a = 5.43102 Å)
wavelength = 12.398420 / ENERGY
detector = pyFAI.detector_factory("Pilatus300k")
truth = Geometry(dist=0.12, poni1=0.0530, poni2=0.0420, detector=detector, wavelength=wavelength * 1e-10)


def expose(calibrant: str, counts: float) -> np.ndarray:
    """A noisy frame of this powder."""
    powder = get_calibrant(calibrant)
    powder.wavelength = wavelength * 1e-10
    two_theta = truth.center_array(unit="2th_rad")
    rings = sum(np.exp(-4 * np.log(2) * ((two_theta - ring) / 2.5e-3) ** 2) for ring in powder.get_2th() if ring < 0.6)
    return np.random.default_rng(4).poisson(counts * rings + 2).astype("int32")


def task(label: str, identifier: str, **inputs: object) -> dict:
    """A node of the workflow, with the inputs that do not come from another node."""
    values = [{"name": name, "value": value} for name, value in inputs.items()]
    return {
        "id": label,
        "task_type": "class",
        "task_identifier": f"ewoksxrpd.tasks.{identifier}",
        "default_inputs": values,
    }


def link(source: str, target: str, **names: str) -> dict:
    """What one node hands to another, by the names it has there."""
    mapping = [{"source_output": output, "target_input": name} for name, output in names.items()]
    return {"source": source, "target": target, "data_mapping": mapping}


guess = {"dist": 0.119, "poni1": 0.0532, "poni2": 0.0418, "rot1": 0.0, "rot2": 0.0, "rot3": 0.0}
options = {"unit": "2th_deg", "nbpt_rad": 1500, "error_model": "poisson", "method": "bbox_csr_cython"}
geometry = {"geometry": "geometry", "energy": "energy", "detector": "detector"}
alumina, silicon = expose("alpha_Al2O3", 300), expose("Si", 300)
workflow = {
    "graph": {"id": "powder", "schema_version": "1.2"},
    "nodes": [
        task(
            "calibrate", "calibrate.CalibrateSingle", image=alumina, detector="Pilatus300k", calibrant="alpha_Al2O3",
            geometry=guess, energy=ENERGY, fixed=["energy", "rot1", "rot2", "rot3"], max_rings=[4, 8],
        ),
        task("integrate", "integrate.IntegrateSinglePattern", image=silicon, integration_options=options),
        task("save", "nexus.SaveNexusIntegrated", url="silicon.h5::/1.1"),
    ],
    "links": [
        link("calibrate", "integrate", **geometry),
        link("integrate", "save", radial="radial", intensity="intensity", radial_units="radial_units", info="info"),
    ],
}  # fmt: skip
results = execute_graph(workflow, outputs=[{"all": True}])
assert results["saved"] is True, results.keys()

with h5py.File("silicon.h5") as file:
    saved = file["1.1/integrate/integrated"]
    axis_name = saved.attrs["axes"][-1]
    two_theta, intensity = saved[axis_name][()], saved["intensity"][()]
    shown = f"{axis_name} ({saved[axis_name].attrs['units']})"
near = np.abs(two_theta - np.degrees(2 * np.arcsin(wavelength / 2 / D_SILICON))) < 0.4
weight = np.where(near, np.maximum(intensity - intensity[near].min() - 0.05 * intensity[near].max(), 0), 0)
d_spacing = wavelength / (2 * np.sin(np.deg2rad(np.average(two_theta, weights=weight) / 2)))
distance = results["geometry"]["dist"]
print(f"result: distance by the workflow = {distance * 1e3:.3f} mm")
print(f"result: d(111) of silicon = {d_spacing:.4f} Å")
assert abs(distance - truth.dist) < 1e-4, f"{distance} m and not {truth.dist} m"
assert abs(d_spacing - D_SILICON) < 3e-3, f"{d_spacing} Å and not {D_SILICON} Å"

figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
axis.plot(two_theta, intensity, lw=1)
axis.set(xlabel=shown, ylabel="intensity", title="silicon, by a workflow of Ewoks")
figure.savefig(os.environ["PANOSC_PICTURE"])
