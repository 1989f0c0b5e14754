"""MgB2 on a chopper spectrometer: incident energy from the monitors, elastic line at zero, the acoustic phonons."""

import os
from importlib.resources import files

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import scipp as sc
from euphonic import ureg
from nexusformat.nexus import nxload
from scippneutron.conversion.tof import energy_transfer_direct_from_tof

matplotlib.use("agg")


def middles(edges):
    return (edges[1:] + edges[:-1]) / 2


def number(field):
    return float(np.ravel(field.nxvalue)[0])


def peak(monitor):
    time, counts = middles(monitor["time_of_flight"].nxvalue), monitor["data"].nxvalue.astype(float)
    near = np.abs(time - time[counts.argmax()]) < 40
    above = np.clip(counts[near] - np.median(counts[near]), 0, None)
    return (time[near] * above).sum() / above.sum(), number(monitor["distance"])


def main():
    entry = nxload(str(files("nexusformat") / "examples" / "chopper.nxs"))["entry"]
    (t1, x1), (t2, x2) = peak(entry["monitor1"]), peak(entry["monitor2"])
    speed = sc.scalar((x2 - x1) / (t2 - t1) * 1e6, unit="m/s")
    incident = (0.5 * sc.constants.m_n * speed**2).to(unit="meV")
    # The same by another library's units and constants.
    mass = 1.67492749804e-27 * ureg("kg")
    assert abs((0.5 * mass * (speed.value * ureg("m/s")) ** 2).to("meV").magnitude - incident.value) < 1e-3

    source = -number(entry["instrument/source/distance"])
    clock = t1 - (source + x1) / speed.value * 1e6
    energy = energy_transfer_direct_from_tof(
        tof=sc.array(
            dims=["tof"], values=middles(entry["data/time_of_flight"].nxvalue.astype(float)) - clock, unit="us"
        ),
        L1=sc.scalar(source, unit="m"),
        L2=sc.array(dims=["detector"], values=entry["instrument/detector/distance"].nxvalue.astype(float), unit="m"),
        incident_energy=incident,
    ).transpose(["detector", "tof"])
    counts = entry["data/data"].nxvalue.astype(float)
    angle = entry["data/polar_angle"].nxvalue
    final = incident.value - energy.values
    use = np.isfinite(energy.values) & (final > 5) & (angle > 60)[:, None]
    weight = counts / np.abs(np.gradient(energy.values, axis=1)) / np.sqrt(np.where(final > 0, final, 1))
    bins = np.arange(-12.75, 112.0, 1.5)
    spectrum = (
        np.histogram(energy.values[use], bins, weights=weight[use])[0] / np.histogram(energy.values[use], bins)[0]
    )
    centre = middles(bins)
    elastic = (centre[:16] * spectrum[:16]).sum() / spectrum[:16].sum()
    acoustic = (centre > 25) & (centre < 45)
    phonon = centre[acoustic][(centre * spectrum)[acoustic].argmax()]

    print(f"result: incident energy = {incident.value:.2f} meV")
    print(f"result: elastic line = {elastic:.2f} meV")
    print(f"result: acoustic phonons = {phonon:.1f} meV")
    assert abs(incident.value - 130) < 1, "the chopper was set to 130 meV"
    assert abs(elastic) < 1.5
    assert 32 < phonon < 36

    figure, axes = plt.subplots(figsize=(7, 4.5))
    axes.plot(centre[centre > 15], (centre * spectrum)[centre > 15], ".-")
    axes.set(
        xlabel="ħω (meV)",
        ylabel="ω S(ω) (arb.)",
        title=f"Phonons of MgB₂ at 8 K, Eᵢ = {incident.value:.1f} meV",
        ylim=(0, None),
    )
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
