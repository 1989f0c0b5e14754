"""WISE in its own Python: a mirror's focus is as wide as diffraction makes it, and height errors lower it as they should.

Half the aperture makes it twice as wide; of the peak remains what Maréchal's formula says.
"""

import os
import subprocess
import sys
from pathlib import Path

PROOF = """
import os, sys
sys.path.insert(0, "/opt/panosc/notebooks/wavefront")
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from kb import Mirror, fwhm
from wise_kb import focus, height_errors

assert sys.version_info[:2] == (3, 11) and np.__version__ < "1.24", (sys.version, np.__version__)
mirror = Mirror()
x, perfect = focus(mirror)
width = fwhm(x, perfect)
print(f"result: WISE, focus of a perfect mirror = {width * 1e9:.1f} nm")
print(f"result: diffraction limit 0.886 lambda q/D = {mirror.diffraction_fwhm * 1e9:.1f} nm")
assert abs(width / mirror.diffraction_fwhm - 1) < 0.03
assert abs(x[perfect.argmax()]) < 5e-9

half = Mirror(length=mirror.length / 2)
ratio = fwhm(*focus(half)) / width
print(f"result: width with half the aperture = {ratio:.3f} times")
assert abs(ratio - 2) < 0.05

figure, axes = plt.subplots()
for rms in (0.0, 1e-9, 2e-9):
    x, intensity = focus(mirror, height_error=height_errors(mirror, rms) if rms else None)
    strehl = intensity.max() / perfect.max()
    print(f"result: Strehl ratio at {rms * 1e9:.0f} nm rms = {strehl:.3f}, by Marechal {mirror.strehl(rms):.3f}")
    assert abs(strehl - mirror.strehl(rms)) < 0.03
    axes.semilogy(x * 1e9, intensity / perfect.max(), label=f"{rms * 1e9:.0f} nm rms")
axes.set(xlabel="across the focus (nm)", ylabel="intensity / perfect peak", ylim=(1e-6, 2))
axes.legend()
figure.savefig(os.environ["PANOSC_PICTURE"], dpi=90)
"""

environment = {**os.environ, "MPLCONFIGDIR": str(Path.cwd() / "matplotlib")}
proof = subprocess.run(["/opt/kernels/wise/bin/python", "-c", PROOF], env=environment, check=False)
sys.exit(proof.returncode)
