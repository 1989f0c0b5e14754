"""Mantid in its kernel: from time of flight to d by its own unit conversion, held against Bragg's law."""

import os
import subprocess

import matplotlib.pyplot as plt
import numpy as np

CODE = """
from mantid.simpleapi import ConvertUnits, CreateSampleWorkspace
tof = CreateSampleWorkspace(XUnit="TOF", NumBanks=1, BankPixelWidth=2, XMin=1000, XMax=20000, BinWidth=100)
d = ConvertUnits(tof, Target="dSpacing", AlignBins=False)
place = tof.spectrumInfo()
print(place.l1() + place.l2(3), place.twoTheta(3), tof.readX(3)[-1], d.readX(3)[-1])
"""
SECONDS_PER_ANGSTROM = 2.5277788e-4  # and metre of path: m_n / h


def main():
    answer = subprocess.run(["/opt/kernels/mantid/bin/python", "-c", CODE], check=True, capture_output=True, text=True)
    path, angle, time, d = map(float, answer.stdout.split()[-4:])
    expected = time * 1e-6 / (SECONDS_PER_ANGSTROM * path) / (2 * np.sin(angle / 2))
    print(f"result: d of the last time = {d:.4f} angstrom")
    assert abs(d / expected - 1) < 1e-4, (d, expected)
    figure, axes = plt.subplots()
    axes.plot([0, expected], [0, time], label="Bragg")
    axes.plot(d, time, "o", label="Mantid")
    axes.set(xlabel="d (Å)", ylabel="time of flight (µs)")
    axes.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
