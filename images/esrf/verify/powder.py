"""A ceria frame, its rings placed by Bragg's law and xrayutilities' structure factors, through pyFAI's whole way: the lattice parameter comes back.

The geometry is not given to pyFAI: it refines it on a LaB6 frame. Whoever changes the wavelength that pyFAI is told gets another lattice.
"""

import os

import matplotlib

matplotlib.use("Agg")
import fabio
import numpy as np
import pyFAI
import xrayutilities as xu
from lmfit.models import LinearModel, PseudoVoigtModel
from matplotlib import pyplot as plt
from pyFAI.calibrant import get_calibrant
from pyFAI.geometry import Geometry
from pyFAI.goniometer import SingleGeometry

WAVELENGTH = 0.4133  # Å, of the simulated beam
TOLD = WAVELENGTH  # Å, what pyFAI and Bragg's law are told
A_CERIA, A_LAB6 = 5.411651, 4.156826  # Å, NIST SRM 674b and 660c
detector = pyFAI.detector_factory("Pilatus1M")
truth = Geometry(
    dist=0.2, poni1=0.0850, poni2=0.0860, rot1=0.01, rot2=-0.015, detector=detector, wavelength=WAVELENGTH * 1e-10
)
gap = detector.mask.astype(bool)


def expose(name: str, space_group: int, a: float, counts: float, seed: int, **atoms: object) -> np.ndarray:
    """One noisy frame of this cubic powder, written as CBF and read back by FabIO."""
    powder = xu.materials.Crystal(
        name, xu.materials.SGLattice(space_group, a, atoms=list(atoms), pos=list(atoms.values()))
    )
    two_theta = truth.center_array(unit="2th_rad")
    rings = np.zeros(two_theta.shape)
    lines = xu.simpack.PowderDiffraction(powder, en=12398.42 / WAVELENGTH, tt_cutoff=36, enable_simulation=False).data
    for (h, k, l), line in lines.items():  # noqa: E741
        centre = 2 * np.arcsin(WAVELENGTH * np.sqrt(h * h + k * k + l * l) / (2 * a))
        rings += line["r"] / (1 + np.cos(centre) ** 2) * np.exp(-4 * np.log(2) * ((two_theta - centre) / 1.4e-3) ** 2)
    expected = (counts * rings / rings.max() + 2) * truth.solidAngleArray() * truth.polarization(factor=0.99)
    frame = np.random.default_rng(seed).poisson(expected).astype("int32")
    frame[gap] = -1
    fabio.cbfimage.CbfImage(data=frame).write(f"{name}.cbf")
    with fabio.open(f"{name}.cbf") as file:
        read = file.data
    assert (read == frame).all(), "what was read from the CBF file is not what was written"
    return read


lab6 = expose("LaB6", 221, A_LAB6, 3000, 1, La="1a", B=("6f", 0.1993))
ceria = expose("CeO2", 225, A_CERIA, 1000, 2, Ce="4a", O="8c")

guess = Geometry(detector=detector, wavelength=TOLD * 1e-10)
fit2d = truth.getFit2D()
guess.setFit2D(fit2d["directDist"] - 2, fit2d["centerX"] + 2, fit2d["centerY"] - 2)
standard = get_calibrant("LaB6_SRM660c")
standard.wavelength = TOLD * 1e-10
calibration = SingleGeometry("LaB6", np.maximum(lab6, 0), calibrant=standard, detector=detector, geometry=guess)
for rings in (3, 6, 10):
    calibration.extract_cp(max_rings=rings, pts_per_deg=1)
    calibration.geometry_refinement.refine3(fix=["wavelength", "rot3"])
geometry = calibration.get_ai()
print(f"result: refined distance = {geometry.dist * 1e3:.3f} mm")
assert abs(geometry.dist - truth.dist) < 1e-4, f"{geometry.dist} m and not {truth.dist} m"

pattern = geometry.integrate1d(
    ceria,
    2000,
    unit="2th_deg",
    mask=gap,
    error_model="poisson",
    polarization_factor=0.99,
    method=("bbox", "csr", "cython"),
)
figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
axis.semilogy(pattern.radial, pattern.intensity, lw=1)
axis.set(xlabel="2θ (°)", ylabel="counts per pixel", ylim=(1, None), title="ceria, integrated and fitted")
found = {}
for hkl in ((1, 1, 1), (2, 0, 0), (2, 2, 0), (3, 1, 1), (2, 2, 2), (4, 0, 0)):
    order = np.linalg.norm(hkl)
    near = np.abs(pattern.radial - 2 * np.degrees(np.arcsin(TOLD * order / (2 * A_CERIA)))) < 0.3
    x, y, sigma = pattern.radial[near], pattern.intensity[near], pattern.sigma[near]
    model = PseudoVoigtModel() + LinearModel(prefix="line_")
    start = model.make_params(
        center=x[y.argmax()], amplitude=np.ptp(y) * 0.1, sigma=0.04, line_slope=0, line_intercept=y.min()
    )
    start["fraction"].set(value=0.2, min=0, max=1)
    fit = model.fit(y, start, x=x, weights=1 / sigma)
    axis.semilogy(x, fit.best_fit, "C1", lw=1)
    found[hkl] = TOLD / (2 * np.sin(np.deg2rad(fit.params["center"].value / 2)))
figure.savefig(os.environ["PANOSC_PICTURE"])

print(f"result: d(111) of ceria = {found[1, 1, 1]:.5f} Å")
a = {hkl: d * np.linalg.norm(hkl) for hkl, d in found.items()}
mean = np.mean(list(a.values()))
print(f"result: lattice parameter of ceria = {mean:.5f} Å")
assert abs(found[1, 1, 1] - A_CERIA / np.sqrt(3)) < 5e-4, found
assert abs(mean - A_CERIA) < 5e-4 and max(abs(value - mean) for value in a.values()) < 1e-3, a
