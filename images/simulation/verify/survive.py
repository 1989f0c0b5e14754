"""A scan goes on when its kernel is gone, keeps what it has when it is killed, and goes on where it was; two kernels that compile the same instrument at once compile it once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import panosc_simulation as ps
from panosc_simulation import cache

SOURCE = """
DEFINE INSTRUMENT surviving(double wavelength=2)
TRACE
COMPONENT source = Source_simple(radius=0.02, dist=5, focus_xw=0.02, focus_yh=0.02, lambda0=wavelength, dlambda=0.1, flux=1e12)
  AT (0, 0, 0) ABSOLUTE
COMPONENT monitor = L_monitor(xwidth=0.1, yheight=0.1, filename="l.dat", nL=60, Lmin=0.5, Lmax=3.5)
  AT (0, 0, 5) RELATIVE source
END
"""
SUBMIT = """
import numpy as np, panosc_simulation as ps
print(ps.submit("surviving.instr", {"wavelength": np.linspace(1, 3, 6)}, ncount=3e6, seed=11).id)
"""
COMPILE = """
import os, sys, time, panosc_simulation as ps
from panosc_simulation import compiler
really = compiler._make
def counted(*given):
    with open("compilations", "a") as file:
        file.write("one\\n")
    time.sleep(2)  # so that the other kernel comes meanwhile
    return really(*given)
compiler._make = counted
open("ready-" + sys.argv[1], "w").close()
while not all(map(os.path.exists, ("ready-0", "ready-1"))):
    time.sleep(0.01)
ps.run("surviving.instr", ncount=1e3, seed=1, progress=False)
"""


def until(what, seconds: float = 90.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


os.environ["PANOSC_SIMULATION_CACHE"] = str(Path("cache").resolve())
Path("surviving.instr").write_text(SOURCE)
both = [subprocess.Popen([sys.executable, "-c", COMPILE, str(number)]) for number in range(2)]
assert [one.wait(120) for one in both] == [0, 0], "one of two kernels at once failed"
compilations = len(Path("compilations").read_text().splitlines())
assert compilations == 1, f"two kernels at once compiled it {compilations} times"
built = list(cache.folder().glob("*/program"))
assert len(built) == 1, built
print(f"result: compilations by two kernels at once = {compilations} compilation")

# The process that submits ends at once, as a kernel that restarts.
asked = subprocess.run([sys.executable, "-c", SUBMIT], capture_output=True, text=True, check=True, timeout=60)
run = ps.runs()[0]
assert run.id == asked.stdout.strip(), (run.id, asked.stdout)
points = run.path / "points"
until(lambda: len(list(points.glob("*.npz"))) >= 2)
os.kill(run.status["pid"], signal.SIGKILL)
until(lambda: run.state == "stopped", 5)
kept = len(list(points.glob("*.npz")))
stamps = {file.name: file.stat().st_mtime_ns for file in points.glob("*.npz")}
assert 2 <= kept < 6, kept
print(f"result: points kept of a killed scan = {kept} of 6")

ps.resume(run)
until(lambda: (run.state == "running" and len(list(points.glob("*.npz"))) > kept) or run.state == "done")
assert all((points / name).stat().st_mtime_ns == stamp for name, stamp in stamps.items() if (points / name).exists()), (
    "done twice"
)
result = ps.attach(run, progress=False)
straight = ps.scan("surviving.instr", {"wavelength": np.linspace(1, 3, 6)}, ncount=3e6, seed=11, progress=False)
assert np.array_equal(result["monitor"].intensity, straight["monitor"].intensity), (
    "the resumed scan differs from one in one go"
)
mean = (result["monitor"].intensity * result["monitor"].axes[1].values).sum(1) / result["monitor"].total
assert np.abs(mean - np.linspace(1, 3, 6)).max() < 0.02, mean

# A broken program in the cache is made anew; a cancelled run says so.
built[0].write_bytes(built[0].read_bytes()[:1000])
ps.run("surviving.instr", ncount=1e3, seed=1, progress=False)
long = ps.submit("surviving.instr", {"wavelength": np.linspace(1, 3, 400)}, ncount=1e7, seed=1)
until(lambda: long.state == "running" and long.status["fraction"] > 0)
started = time.monotonic()
ps.cancel(long)
took = time.monotonic() - started
assert long.state == "cancelled" and took < 2, (long, took)
print(f"result: a surviving run stops after = {took:.2f} s")

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for row, wavelength in zip(result["monitor"].intensity, result.scan[0].values, strict=True):
    axes.plot(result["monitor"].axes[1].values, row, label=f"{wavelength:.1f} Å")
axes.set(xlabel="wavelength (Å)", ylabel="intensity (1/s per bin)", title=f"a scan that was killed after {kept} points")
axes.legend(title="asked for")
figure.savefig(os.environ["PANOSC_PICTURE"])
