"""Event data of an ESTIA-like instrument: three runs, reduced with a reference supermirror, give the film that reflected them."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipp as sc
from ess import estia
from ess.estia.corrections import RunNormalization
from ess.reduce.unwrap.lut import SourceBounds
from ess.reduce.unwrap.types import FrameUnwrapBackend
from ess.reflectometry import orso, supermirror
from ess.reflectometry import types as refl
from orsopy.fileio import Person, load_orso, save_orso
from refnx.analysis import CurveFitter, GlobalObjective, Objective
from refnx.dataset import OrsoDataset
from refnx.reflect import SLD, ReflectModel

DATA = Path("/opt/panosc/notebooks/ess/data")


def make_workflow():
    workflow = estia.EstiaWorkflow(run_norm=RunNormalization.monitor_integrated, wavelength_from="analytical")
    workflow[refl.Filename[refl.ReferenceRun]] = str(DATA / "reference.nxs")
    workflow[refl.WavelengthBins] = sc.linspace("wavelength", 4.4, 9.3, 246, unit="angstrom")
    workflow[refl.QBins] = sc.geomspace("Q", 0.007, 0.17, 151, unit="1/angstrom")
    workflow[refl.YIndexLimits] = sc.scalar(0), sc.scalar(63)
    workflow[refl.ZIndexLimits] = sc.scalar(0), sc.scalar(48 * 32)
    workflow[refl.BeamDivergenceLimits] = sc.scalar(-0.65, unit="deg"), sc.scalar(0.65, unit="deg")
    unlimited = {"multiblade_detector": float("inf"), "beam_monitor": float("inf")}
    workflow[refl.LookupTableRelativeErrorThreshold] = unlimited
    workflow[supermirror.MValue] = sc.scalar(5.0)
    workflow[supermirror.CriticalEdge] = sc.scalar(0.022, unit="1/angstrom")
    workflow[supermirror.Alpha] = sc.scalar(0.25 / 0.088, unit="angstrom")
    workflow[FrameUnwrapBackend] = FrameUnwrapBackend.scipy
    workflow[SourceBounds] = SourceBounds(
        time=(sc.scalar(0.0, unit="ms"), sc.scalar(2.86, unit="ms")),
        wavelength=(sc.scalar(0.5, unit="angstrom"), sc.scalar(14.0, unit="angstrom")),
    )
    workflow[orso.OrsoCreator] = Person(name="A. Scientist", affiliation="", contact="a.scientist@example.org")
    return workflow


def reduce_runs():
    """Both angles' curves, written as one ORSO file and read again."""
    workflow, curves = make_workflow(), []
    for name in ("small", "large"):
        workflow[refl.Filename[refl.SampleRun]] = str(DATA / f"film-{name}-angle.nxs")
        curve = workflow.compute(orso.OrsoIofQDataset)
        curve.info.data_set = f"{name} angle"
        curve.data = curve.data[curve.data[:, 1] > 0]  # where a neutron was
        curves.append(curve)
    save_orso(curves, "nickel.ort")
    read = load_orso("nickel.ort")
    for one, other in zip(curves, read, strict=True):
        assert np.allclose(one.data, other.data) and other.info.data_set == one.info.data_set
        assert other.info.data_source.measurement.additional_files[0].file == "reference.nxs"
    return [OrsoDataset(one) for one in read]


def fit(curves):
    """One film for both: the film, its lower side, and the two objectives."""
    film, silicon = SLD(9.0)(400, 5), SLD(2.07)(0, 5)
    for parameter, bounds in ((film.thick, (300, 600)), (film.rough, (0, 20)), (silicon.rough, (0, 20))):
        parameter.setp(vary=True, bounds=bounds)
    film.sld.real.setp(vary=True, bounds=(7, 11))
    objectives = []
    for curve in curves:
        model = ReflectModel(SLD(0) | film | silicon, bkg=0)
        model.scale.setp(vary=True, bounds=(0.8, 1.2))
        objectives.append(Objective(model, curve))
    together = GlobalObjective(objectives)
    CurveFitter(together).fit("least_squares")
    return film, silicon, objectives, together.chisqr() / together.npoints


def main():
    curves = reduce_runs()
    small, large = curves
    total = (small.x > 0.012) & (small.x < 0.019)
    plateau = small.y[total].mean()
    film, silicon, objectives, goodness = fit(curves)
    edge = 4 * np.sqrt(np.pi * film.sld.real.value * 1e-6)
    print(f"result: reflectivity below the critical edge = {plateau:.3f}")
    print(f"result: Q from {small.x.min():.4f} to {large.x.max():.3f} 1/angstrom")
    print(f"result: thickness of the nickel = {film.thick.value:.2f} angstrom")
    print(f"result: its error = {film.thick.stderr:.2f} angstrom")
    print(f"result: roughness of its surface = {film.rough.value:.1f} angstrom")
    print(f"result: roughness towards the silicon = {silicon.rough.value:.1f} angstrom")
    print(f"result: critical edge = {edge:.5f} 1/angstrom")
    print(f"result: chi2 a point = {goodness:.2f}")
    # The film that the neutrons were drawn from: make_reflectometry.py, beside the data.
    assert abs(plateau - 1) < 0.03
    assert abs(film.thick.value - 420) < 1.5 and film.thick.stderr < 0.5
    assert abs(film.rough.value - 6) < 1.5 and abs(silicon.rough.value - 4) < 2.5
    assert abs(edge - 4 * np.sqrt(np.pi * 9.4e-6)) < 1e-4
    assert all(0.95 < one.model.scale.value < 1.05 for one in objectives), "not absolute"
    assert small.x.min() < 0.009 and large.x.max() > 0.16
    assert goodness < 1.6

    # What the film's edge says by itself, without a fit: half of what it reflects totally.
    half = np.interp(-0.5, -small.y[small.x < 0.027], small.x[small.x < 0.027])
    assert abs(half - edge) < 0.002, half

    figure, axes = plt.subplots(figsize=(7, 5))
    for objective, words in zip(objectives, ("1.0°", "2.8°"), strict=True):
        d = objective.data
        line = axes.errorbar(d.x, d.y, d.y_err, fmt=".", ms=4, lw=0.8, label=words)
        axes.plot(d.x, objective.generative(), color=line[0].get_color())
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(2e-6, 2),
        xlabel="Q (1/Å)",
        ylabel="reflectivity",
        title=f"Nickel of {film.thick.value:.1f} Å on silicon, reduced by essreflectometry",
    )
    axes.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
