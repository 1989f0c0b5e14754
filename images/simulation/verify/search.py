"""Components in folders: SEARCH "folder" leads from the instrument's own folder, wherever the notebook works, and an edit there counts."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import panosc_simulation as ps

SOURCE = """DEFINE INSTRUMENT guide_end(double lambda=4)
TRACE
SEARCH "parts"
COMPONENT origin = Progress_bar() AT (0, 0, 0) ABSOLUTE
COMPONENT source = Pencil(lambda0=lambda) AT (0, 0, 0) RELATIVE origin
COMPONENT clock = Monitor_nD(options="time limits=[0.005 0.015] bins=200", xwidth=0.1, yheight=0.1, restore_neutron=1)
  AT (0, 0, 10) RELATIVE source
END
"""
PART = """DEFINE COMPONENT Pencil
SETTING PARAMETERS (lambda0=4)
SHARE
%{
%include "speed"
%}
TRACE
%{
  x = y = z = vx = vy = t = 0;
  vz = pencil_speed(lambda0);
  p = 1.0 / mcget_ncount();
%}
END
"""
SPEED = "static double pencil_speed(double lambda) {{ return {factor} * 3956.034 / lambda; }} /* m/s, h / m_n */\n"
METRES, ANGSTROM = 10.0, 4.0


def flight(instrument):
    """The mean time of flight (ms) that the monitor saw, and its spectrum."""
    monitor = ps.run(instrument, {"lambda": ANGSTROM}, ncount=1e4, seed=1, progress=False)["clock"]
    axis = monitor.axes[0]
    return float((monitor.intensity * axis.values).sum() / monitor.intensity.sum()) * 1e3, monitor


def main():
    folder = Path("instrument").resolve()
    (folder / "parts").mkdir(parents=True)
    instrument = folder / "guide_end.instr"
    instrument.write_text(SOURCE)
    (folder / "parts" / "Pencil.comp").write_text(PART)
    (folder / "parts" / "speed.h").write_text(SPEED.format(factor=1))
    (folder / "parts" / "speed.c").write_text("")
    os.chdir("/tmp")

    expected = METRES * ANGSTROM * 0.25277788  # ms: m_n / h
    first, monitor = flight(instrument)
    (folder / "parts" / "speed.h").write_text(SPEED.format(factor=0.8))
    slower, late = flight(instrument)
    taken = ps.attach(ps.submit(instrument, ncount=1e4, seed=1), progress=False)["clock"]
    print(f"result: time of flight = {first:.2f} ms")
    print(f"result: and at 80 % of the speed = {slower:.2f} ms")
    assert abs(first - expected) < 0.05, (first, expected)
    assert abs(slower - expected / 0.8) < 0.05, "the edited file was not compiled"
    assert np.allclose(taken.intensity, late.intensity), "a run by itself took other files along"

    figure, axes = plt.subplots(figsize=(7, 4))
    for one, words in ((monitor, "4 Å"), (late, "the same, slowed by an edit in parts/")):
        axes.step(one.axes[0].values * 1e3, one.intensity, label=words)
    axes.set(xlabel="time of flight (ms)", ylabel="intensity", title="10 m from a source in a folder of its own")
    axes.legend()
    figure.savefig(os.environ["PANOSC_PICTURE"])


main()
