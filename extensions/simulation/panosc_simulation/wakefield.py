"""Laser-driven plasma wakes with FBPIC, a spectral particle-in-cell code (R. Lehe et al., Comput. Phys. Commun. 203 (2016) 66).

As a program, ``python -m panosc_simulation.wakefield FOLDER`` runs `accelerator` (some minutes on one core) and leaves its
electrons in ``FOLDER/electrons.h5`` (openPMD). Import this module before anything that imports numba.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from ._numba import prepare

CHOSEN = frozenset(os.environ)
prepare()

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import threadpoolctl  # noqa: E402
from scipy.constants import c, e, epsilon_0, m_e, pi  # noqa: E402

with warnings.catch_warnings():  # FBPIC warns that there is no MPI; none is needed
    warnings.simplefilter("ignore")
    from fbpic.lpa_utils.laser import add_laser
    from fbpic.main import Simulation
    from fbpic.openpmd_diag import FieldDiagnostic, ParticleDiagnostic

# numpy is there already and cannot be told any more; with two threads on one core it takes five times as long.
if "OPENBLAS_NUM_THREADS" not in CHOSEN:
    threadpoolctl.threadpool_limits(1, user_api="blas")

LASER_WAVELENGTH = 0.8e-6


def plasma_wavelength(density: float) -> float:
    """2 pi c / omega_p in m, for electrons per cubic metre: the period of a weak wake."""
    return float(2 * pi * c / np.sqrt(density * e**2 / (m_e * epsilon_0)))


def density_of(wavelength: float) -> float:
    """Electrons per cubic metre whose plasma wavelength, in m, this is."""
    return float((2 * pi * c / wavelength) ** 2 * m_e * epsilon_0 / e**2)


def simulation(
    density: float,
    a0: float,
    *,
    waist: float,
    duration: float = 7e-15,
    behind: float = 18e-6,
    ahead: float = 5e-6,
    radius: float = 11e-6,
    profile: tuple[tuple[float, ...], tuple[float, ...]] = ((5e-6, 11e-6), (0.0, 1.0)),
    cells: int = 8,
) -> Simulation:
    """A short laser pulse in front of a plasma, in a window that moves with it (cylindrical, two azimuthal modes).

    Args:
        density: of electrons, per cubic metre; ions do not move.
        a0: the laser's normalised amplitude.
        waist: the laser's, in m (field 1/e).
        duration: full width at half maximum of its intensity, in s.
        behind: how much of the wake the window holds, in m.
        ahead: of the laser's centre.
        radius: of the window, in m.
        profile: positions (m) and densities in units of `density`, joined by straight lines.
        cells: in one laser wavelength.
    """
    step = LASER_WAVELENGTH / cells
    points = round((behind + ahead) / step)
    sim = Simulation(
        points,
        ahead,
        round(radius / 0.45e-6),
        radius,
        2,
        step / c,
        zmin=ahead - points * step,
        boundaries={"z": "open", "r": "reflective"},
        verbose_level=0,
    )
    sim.add_new_species(
        q=-e,
        m=m_e,
        n=density,
        dens_func=lambda z, r: np.interp(z, *profile),
        p_zmin=profile[0][0],
        p_rmax=radius - 2e-6,
        p_nz=1,
        p_nr=2,
        p_nt=4,
    )
    add_laser(sim, a0, waist, c * duration / np.sqrt(2 * np.log(2)), 0.0, zf=profile[0][-1], lambda0=LASER_WAVELENGTH)
    sim.set_moving_window(v=c)
    return sim


def steps(sim: Simulation, distance: float) -> int:
    """How many steps light takes for a distance in m."""
    number: int = round(distance / (c * sim.dt))
    return number


def run(sim: Simulation, distance: float, folder: str | Path, *, electrons_from: float | None = None) -> None:
    """Let the laser go a distance, in m; leave fields, and electrons faster than p_z/(m c), in openPMD files."""
    number = steps(sim, distance)
    sim.diags = [FieldDiagnostic(number, sim.fld, comm=sim.comm, fieldtypes=["E", "rho"], write_dir=str(folder))]
    if electrons_from is not None:
        sim.diags.append(
            ParticleDiagnostic(
                number,
                {"electrons": sim.ptcl[0]},
                select={"uz": [electrons_from, None]},
                write_dir=str(folder),
                particle_data=["position", "momentum", "weighting"],
                comm=sim.comm,
            )
        )
    sim.step(number + 1, show_progress=False)


def pack(source: Path, target: Path) -> None:
    """Copy an openPMD file, compressed and without the transverse fields."""

    def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if name.endswith(("fields/E/r", "fields/E/t")):
            return
        data = item[()] if isinstance(item, h5py.Dataset) else None
        if data is not None and "fields" in name:
            data = data.astype(np.float32)
        made = (
            new.create_dataset(name, data=data, compression="gzip", shuffle=True)
            if isinstance(item, h5py.Dataset)
            else new.require_group(name)
        )
        made.attrs.update(item.attrs)

    with h5py.File(source) as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)
        old.visititems(copy)


def accelerator() -> Simulation:
    """A pulse of 7 fs and about 30 mJ at the end of a gas jet: electrons are caught where the density falls."""
    density = density_of(8e-6)
    profile = ((6e-6, 14e-6, 24e-6, 32e-6), (0.0, 1.5, 1.5, 1.0))
    return simulation(density, 2.5, waist=4.5e-6, behind=17e-6, ahead=6e-6, radius=13e-6, profile=profile, cells=16)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if target.name == "warm-up":  # the image's build: compile what all runs use
        run(accelerator(), 3 * LASER_WAVELENGTH / 16, target, electrons_from=4.0)
        sys.exit()
    run(accelerator(), 80e-6, target, electrons_from=4.0)
    pack(max((target / "hdf5").glob("data*.h5")), target / "electrons.h5")
