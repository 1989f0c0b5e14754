"""Event data of a LoKI-like instrument: clock to wavelength, and I(Q) to the radius of the spheres that scattered them."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipp as sc
import scippnexus as snx
from bumps.fitters import fit
from bumps.names import FitProblem
from ess import loki
from ess.reduce.nexus.types import DiskChoppers
from ess.reduce.unwrap.lut import SourceBounds
from ess.reduce.unwrap.types import FrameUnwrapBackend
from ess.sans import types as sans
from sasmodels import kerneldll
from sasmodels.bumps_model import Experiment, Model
from sasmodels.core import load_model
from sasmodels.data import Data1D

DATA = Path("/opt/panosc/notebooks/ess/data")


def make_workflow():
    workflow = loki.LokiWorkflow(wavelength_from="analytical")
    workflow[sans.Filename[sans.SampleRun]] = str(DATA / "spheres.nxs")
    workflow[sans.Filename[sans.TransmissionRun[sans.SampleRun]]] = str(DATA / "spheres.nxs")
    workflow[sans.Filename[sans.EmptyBeamRun]] = str(DATA / "empty-beam.nxs")
    workflow[sans.NeXusDetectorName] = "loki_detector_0"
    workflow[sans.WavelengthBins] = sc.linspace("wavelength", 2.4, 9.0, 34, unit="angstrom")
    workflow[sans.QBins] = sc.geomspace("Q", 0.005, 0.2, 81, unit="1/angstrom")
    workflow[sans.BeamCenter] = sc.vector([0, 0, 0], unit="m")
    workflow[sans.DirectBeam] = None
    workflow[sans.DetectorMasks] = {}
    workflow[sans.ReturnEvents] = False
    workflow[sans.UncertaintyBroadcastMode] = sans.UncertaintyBroadcastMode.drop
    workflow[FrameUnwrapBackend] = FrameUnwrapBackend.scipy
    workflow[SourceBounds] = SourceBounds(
        time=(sc.scalar(0.0, unit="ms"), sc.scalar(2.86, unit="ms")),
        wavelength=(sc.scalar(0.5, unit="angstrom"), sc.scalar(14.0, unit="angstrom")),
    )
    position = workflow.compute(sans.EmptyDetector[sans.SampleRun]).coords["position"]
    from_beam = sc.sqrt(position.fields.x**2 + position.fields.y**2)
    workflow[sans.DetectorMasks] = {"beam_stop": from_beam < sc.scalar(0.045, unit="m")}
    return workflow


def main():
    workflow = make_workflow()
    chopper = workflow.compute(DiskChoppers[sans.SampleRun])["bandwidth_chopper"]
    opens = chopper.time_offset_open(pulse_frequency=chopper.frequency).to(unit="ms").values
    assert np.isclose(opens, 4.0).any(), opens

    # Wavelength of the clock's reading: h t / (m L), with the mean time of emission; and of one that is of the pulse before.
    table = workflow.compute(sans.LookupTable[sans.SampleRun, snx.NXdetector]).array["distance", 3]
    length = float(table.coords["distance"].value)
    clock = table.coords["event_time_offset"].values
    for reading, period in ((30_000, 0), (60_000, 0), (2_000, 1)):
        expected = ((reading + period * 1e6 / 14 - 1430) * 1e-6) / (2.5277788e-4 * length)
        found = np.interp(reading, clock, table.values)
        assert abs(found - expected) < 0.05, (reading, found, expected)

    events = workflow.compute(sans.RawDetector[sans.SampleRun]).bins.size().sum().value
    transmission = workflow.compute(sans.TransmissionFraction[sans.SampleRun])
    average = np.average(transmission.values, weights=1 / transmission.variances)
    intensity = workflow.compute(sans.IntensityQ[sans.SampleRun])
    q = sc.midpoints(intensity.coords["Q"]).values
    i, error = intensity.values.ravel(), np.sqrt(intensity.variances.ravel())
    measured = np.isfinite(i) & (i > 0)
    print(f"result: neutrons = {events}")
    print(f"result: transmission = {average:.4f}")
    print(f"result: Q from {q[measured].min():.4f} to {q[measured].max():.3f} 1/angstrom")
    assert 200_000 < events < 260_000
    assert 0.86 < average < 0.89  # 0.95 - 0.02 an angstrom, at the 4 angstrom that most neutrons have
    assert q[measured].min() < 0.008 and q[measured].max() > 0.18

    use = measured & (q > 0.008) & (q < 0.18)
    model = Model(
        load_model("sphere"),
        scale=1,
        background=0.9,
        radius=75,
        radius_pd=0.1,
        radius_pd_n=35,
        sld=4.2,
        sld_solvent=6.36,
    )
    model.scale.range(0, 10)
    model.background.range(0, 5)
    model.radius.range(40, 150)
    model.radius_pd.range(0.01, 0.3)
    data = Data1D(x=q[use], y=i[use], dx=0.03 * q[use], dy=np.hypot(error[use], 0.02 * i[use]))
    experiment = Experiment(data=data, model=model)
    problem = FitProblem(experiment)
    fit(problem, method="lm")
    print(f"result: radius = {model.radius.value:.2f} angstrom")
    print(f"result: spread of the radius = {model.radius_pd.value * 100:.1f} %")
    print(f"result: chi2 a point = {problem.chisq():.2f}")
    assert abs(model.radius.value - 80) < 0.8
    assert abs(model.radius_pd.value - 0.08) < 0.015
    assert problem.chisq() < 1.6
    own = Path(kerneldll.SAS_DLL_PATH)
    assert not own.exists() or not list(own.glob("*.so")), "a model was compiled although the image brings all"

    figure, axes = plt.subplots(figsize=(7, 5))
    axes.errorbar(q, i, error, fmt=".", ms=4, lw=0.8, label=f"{events} neutrons")
    axes.plot(q[use], experiment.theory(), label=f"spheres of {model.radius.value:.1f} Å")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="Q (1/Å)",
        ylabel="I(Q) (arb.)",
        title="Event data of a pulsed source, reduced by esssans",
    )
    axes.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
