"""A real microemulsion, three contrasts: one core-shell droplet must explain all in absolute units."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from bumps.fitters import fit
from bumps.names import FitProblem
from sasmodels import kerneldll
from sasmodels.bumps_model import Experiment, Model
from sasmodels.core import list_models, load_model
from sasmodels.data import Data1D

matplotlib.use("agg")
DATA = Path("/opt/panosc/notebooks/ill/data")
SLD = {"core": (6.36, -0.5), "shell": (6.36, 6.3), "drop": (-0.56, 6.3)}
SHARED = {
    "radius": (10, 60),
    "thickness": (2, 25),
    "radius_pd": (0.02, 0.5),
    "volfraction": (0.01, 0.3),
    "sld_shell": (-0.5, 3),
}


def read(name):
    space = {"c": "urn:cansas1d:1.1"}
    root = ET.parse(DATA / f"aot-{name}.xml").getroot()
    points = root.iterfind(".//c:Idata", space)
    table = np.array([[float(p.find(f"c:{k}", space).text) for k in ("Q", "I", "Idev")] for p in points])
    return table[(table[:, 2] > 0) & (table[:, 0] < 0.25)].T


def main():
    curves = {name: read(name) for name in SLD}
    q = curves["shell"][0]
    assert q.size > 100 and abs(q.min() - 0.009) < 1e-4 and q.max() > 0.24, (q.min(), q.max())

    kernel, models, experiments = load_model("core_shell_sphere@hardsphere"), {}, []
    for name, (x, y, error) in curves.items():
        model = Model(
            kernel, scale=1, background=0.05, radius=25, thickness=8, radius_pd=0.18, radius_pd_n=35, radius_pd_type="schulz",
            sld_core=SLD[name][0], sld_shell=0.6, sld_solvent=SLD[name][1], volfraction=0.06,
            radius_effective_mode=1, structure_factor_mode=1,
        )  # fmt: skip
        model.background.range(-0.1, 1)
        for parameter, bounds in SHARED.items():
            if models:
                setattr(model, parameter, getattr(models["core"], parameter))
            else:
                getattr(model, parameter).range(*bounds)
        models[name] = model
        experiments.append(
            Experiment(data=Data1D(x=x, y=y, dx=0.08 * x, dy=np.hypot(error, 0.02 * abs(y))), model=model)
        )
    models["shell"].sld_solvent.range(5, 7.5)
    models["drop"].sld_solvent = models["shell"].sld_solvent
    problem = FitProblem(experiments)
    fit(problem, method="lm")

    droplet = models["core"]
    print(f"result: Q from {q.min():.4f} to {q.max():.4f} 1/angstrom")
    print(f"result: radius of the water pool = {droplet.radius.value:.2f} angstrom")
    print(f"result: thickness of the surfactant = {droplet.thickness.value:.2f} angstrom")
    print(f"result: volume fraction = {droplet.volfraction.value:.4f}")
    print(f"result: chi2 a point = {problem.chisq():.2f}")
    assert 22.5 < droplet.radius.value < 24.5
    assert 9 < droplet.thickness.value < 10.6
    assert 0.06 < droplet.volfraction.value < 0.075
    assert problem.chisq() < 3

    # All models are there without a compiler: none was made just now, and one of each kind computes.
    own = Path(kerneldll.SAS_DLL_PATH)
    assert not own.exists() or not list(own.glob("*.so")), "a model was compiled although the image brings all"
    ready = list(Path(kerneldll.__file__).parent.parent.glob("compiled_models/*.so"))
    assert len(ready) > 55 and len(list_models()) > 75, (len(ready), len(list_models()))
    for name in ("cylinder", "lamellar_hg", "fractal", "gel_fit", "broad_peak", "sphere@hayter_msa"):
        load_model(name)

    figure, axes = plt.subplots(figsize=(7, 5))
    for name, experiment in zip(curves, experiments, strict=True):
        x, y, error = curves[name]
        line = axes.errorbar(x, y, error, fmt=".", ms=4, lw=0.8, label=f"{name} contrast")
        axes.plot(x, experiment.theory(), color=line[0].get_color())
    axes.set(xscale="log", yscale="log", ylim=(0.05, 60), xlabel="Q (1/Å)", ylabel="I(Q) (1/cm)")
    axes.set_title(f"AOT microemulsion: core {droplet.radius.value:.1f} Å, shell {droplet.thickness.value:.1f} Å")
    axes.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
