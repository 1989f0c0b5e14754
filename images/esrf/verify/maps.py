"""A fluorescence map by ewoksfluo: a scan with dead time and noise, fitted pixel by pixel in a workflow and put on a grid, gives the counts it was made of."""

import os

import matplotlib

matplotlib.use("Agg")
import h5py
import numpy as np
from ewoks import execute_graph
from matplotlib import pyplot as plt

SHAPE, GROUPS = (30, 36), ("Ca-K", "Fe-K")


def task(label: str, identifier: str, **inputs: object) -> dict:
    """A node of the workflow, with the inputs that do not come from another node."""
    values = [{"name": name, "value": value} for name, value in inputs.items()]
    return {
        "id": label,
        "task_type": "class",
        "task_identifier": f"ewoksfluo.tasks.{identifier}",
        "default_inputs": values,
    }


def link(source: str, target: str, name: str) -> dict:
    """What one node hands to another."""
    return {"source": source, "target": target, "data_mapping": [{"source_output": name, "target_input": name}]}


scan = {"bliss_scan_uri": "map.h5::/1.1", "output_root_uri": "fit.h5::/1.1"}
workflow = {
    "graph": {"id": "maps", "schema_version": "1.2"},
    "nodes": [
        task("measure", "example_data.tasks.MeshSingleScanSingleDetector", output_filename="map.h5", shape=SHAPE),
        task("fit", "fit.tasks.FitSingleScanSingleDetector", detector_name="mca0", **scan),
        task("regrid", "regrid.regrid.RegridXrfResults", **scan),
    ],
    "links": [link("measure", "fit", "config"), link("fit", "regrid", "xrf_results_uri")],
}
results = execute_graph(workflow, outputs=[{"all": True}])

with h5py.File("map.h5") as measured, h5py.File("fit.h5") as fitted:
    detector = measured["1.1/instrument/mca0"]
    spectra = detector["data"][()]
    live = detector["live_time"][()] / results["expo_time"]
    truth = {group: measured[f"1.1/theory/parameters/{group}"][()] for group in GROUPS}
    found = {group: fitted[f"1.1/fit/mca0/results/parameters/{group.replace('-', '_')}"][()] / live for group in GROUPS}
    grid = fitted["1.1/regrid/results/parameters"]
    maps = {group: grid[group.replace("-", "_")][()] for group in GROUPS}
    extent = [float(grid[name][()][place]) for name in ("sampy", "sampz") for place in (0, -1)]
assert spectra.shape[0] == SHAPE[0] * SHAPE[1], spectra.shape

for group in GROUPS:
    bright = truth[group] > np.median(truth[group])
    ratio = np.median(found[group][bright] / truth[group][bright])
    correlation = np.corrcoef(found[group], truth[group])[0, 1]
    print(f"result: {group} counts found of those made = {100 * ratio:.1f} %")
    print(f"result: correlation of the {group} map with the truth = {correlation:.4f}")
    assert abs(ratio - 1) < 0.03 and correlation > 0.99, f"{group}: {ratio}, {correlation}"
    assert min(maps[group].shape) >= min(SHAPE), maps[group].shape

figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
axes[0].semilogy(spectra.sum(axis=0))
axes[0].set(xlabel="channel", ylabel="counts", title=f"sum of {len(spectra)} spectra")
for axis, (group, picture) in zip(axes[1:], maps.items(), strict=True):
    figure.colorbar(axis.imshow(picture, origin="lower", extent=extent), ax=axis, label="counts")
    axis.set(title=group.replace("-", " "), xlabel="sampy (µm)", ylabel="sampz (µm)")
figure.savefig(os.environ["PANOSC_PICTURE"])
