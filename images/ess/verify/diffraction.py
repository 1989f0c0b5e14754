"""Bragg's law by time of flight: silicon's lines, simulated as arrival times at two banks, meet in d."""

import os

import matplotlib.pyplot as plt
import numpy as np
import scipp as sc
from scippneutron.conversion.graph import beamline, tof

A_SILICON = 5.4309  # angstrom
LINES = {"111": 3, "220": 8, "311": 11, "400": 16}
SECONDS = 2.5277788e-4  # m_n / h, in s per metre and angstrom


def main():
    random = np.random.default_rng(7)
    angles = np.deg2rad(np.repeat([90.0, 140.0], 12) + np.tile(np.linspace(-3, 3, 12), 2))
    place = np.stack([1.2 * np.sin(angles), np.zeros_like(angles), 1.2 * np.cos(angles)], axis=1)
    times, pixels = [], []
    for pixel, angle in enumerate(angles):
        for squared in LINES.values():
            wavelength = 2 * A_SILICON / np.sqrt(squared) * np.sin(angle / 2)
            mean = SECONDS * wavelength * (76.5 + 1.2)
            times.append(random.normal(mean, 1.5e-3 * mean, 400))
            pixels.append(np.full(400, pixel))
    table = sc.DataArray(
        sc.ones(dims=["event"], shape=[sum(map(len, times))], unit="counts"),
        coords={
            "tof": sc.array(dims=["event"], values=np.concatenate(times) * 1e6, unit="us"),
            "pixel": sc.array(dims=["event"], values=np.concatenate(pixels)),
        },
    )
    events = table.group(sc.arange("pixel", angles.size))
    events.coords["position"] = sc.vectors(dims=["pixel"], values=place, unit="m")
    events.coords["source_position"] = sc.vector([0, 0, -76.5], unit="m")
    events.coords["sample_position"] = sc.vector([0, 0, 0], unit="m")
    graph = {**beamline.beamline(scatter=True), **tof.elastic("tof")}
    spectrum = events.transform_coords("dspacing", graph=graph).hist(
        dspacing=sc.linspace("dspacing", 1.0, 3.5, 1251, unit="angstrom")
    )
    banks = {"90°": spectrum["pixel", :12].sum("pixel"), "140°": spectrum["pixel", 12:].sum("pixel")}

    lattice = []
    for counts in banks.values():
        d = sc.midpoints(counts.coords["dspacing"]).values
        for squared in LINES.values():
            near = np.abs(d - A_SILICON / np.sqrt(squared)) < 0.04
            lattice.append((d[near] * counts.values[near]).sum() / counts.values[near].sum() * np.sqrt(squared))
    print(f"result: lattice constant of silicon = {np.mean(lattice):.4f} angstrom")
    assert np.abs(np.array(lattice) - A_SILICON).max() < 0.002, lattice

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, counts in banks.items():
        axes.plot(sc.midpoints(counts.coords["dspacing"]).values, counts.values, lw=0.8, label=f"bank at {name}")
    axes.set(xlabel="d (Å)", ylabel="neutrons", title=f"Silicon by time of flight: a = {np.mean(lattice):.4f} Å")
    axes.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
