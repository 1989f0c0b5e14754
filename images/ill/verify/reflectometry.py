"""A real polymer film against three waters: its thickness by co-refinement, and ORSO files there and back."""

import os
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from orsopy.fileio import Column, Orso, OrsoDataset, load_orso, save_orso
from refnx.analysis import CurveFitter, GlobalObjective, Objective
from refnx.dataset import ReflectDataset
from refnx.reflect import SLD, ReflectModel

matplotlib.use("agg")
DATA = Path("/opt/panosc/notebooks/ill/data")
WATERS = {"d2o": 6.36, "cm": 3.47, "h2o": -0.56}


def main():
    oxide, film = SLD(3.47)(12, 4), SLD(0.5)(210, 8)
    oxide.thick.setp(vary=True, bounds=(3, 25))
    film.thick.setp(vary=True, bounds=(150, 300))
    film.rough.setp(vary=True, bounds=(1, 20))
    film.sld.real.setp(vary=True, bounds=(-0.5, 3))
    film.vfsolv.setp(0.05, vary=True, bounds=(0, 0.5))
    objectives = []
    for name, density in WATERS.items():
        water = SLD(density)(0, 5)
        if objectives:
            water.rough = objectives[0].model.structure[-1].rough
        else:
            water.rough.setp(vary=True, bounds=(1, 20))
        model = ReflectModel(SLD(2.07) | oxide | film | water, bkg=1e-5, dq=5.0)
        model.scale.setp(vary=True, bounds=(0.8, 1.2))
        model.bkg.setp(vary=True, bounds=(1e-7, 5e-5))
        objectives.append(Objective(model, ReflectDataset(DATA / f"film-{name}.txt")))
    together = GlobalObjective(objectives)
    CurveFitter(together).fit("least_squares")
    goodness = together.chisqr() / together.npoints
    print(f"result: thickness of the film = {film.thick.value:.2f} angstrom")
    print(f"result: its error = {film.thick.stderr:.2f} angstrom")
    print(f"result: thickness of the oxide = {oxide.thick.value:.2f} angstrom")
    print(f"result: chi2 a point = {goodness:.2f}")
    assert 213 < film.thick.value < 215.5 and film.thick.stderr < 1
    assert 12 < oxide.thick.value < 17
    assert 0.1 < film.sld.real.value < 0.3
    assert goodness < 5

    # Written as an ORSO file and read again.
    d = objectives[0].data
    columns = [Column("Qz", "1/angstrom"), Column("R")]
    header = Orso.empty()
    header.columns = columns
    save_orso([OrsoDataset(header, np.column_stack([d.x, d.y]))], "film.ort")
    assert np.allclose(load_orso("film.ort")[0].data[:, 0], d.x)
    assert np.allclose(ReflectDataset("film.ort").x, d.x)

    figure, axes = plt.subplots(figsize=(7, 5))
    for shift, (name, objective) in enumerate(zip(WATERS, objectives, strict=True)):
        d, factor = objective.data, 10.0**-shift
        line = axes.errorbar(d.x, d.y * factor, d.y_err * factor, fmt=".", ms=4, lw=0.8, label=name)
        axes.plot(d.x, objective.generative() * factor, color=line[0].get_color())
    axes.set(
        yscale="log",
        xlabel="Q (1/Å)",
        ylabel="reflectivity (shifted)",
        title=f"A film of {film.thick.value:.1f} Å, three waters",
    )
    axes.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
