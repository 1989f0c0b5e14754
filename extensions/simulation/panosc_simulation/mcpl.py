"""Neutrons for McStas from any other calculation: MCPL files, written with MCPL's own library (https://mctools.github.io/mcpl)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InstallationError, SimulationError

NEUTRON = 2112  # the Particle Data Group's number
_LIBRARIES = ("libmcpl.so.1", "libmcpl.so")


class _Particle(ctypes.Structure):
    """MCPL's ``mcpl_particle_t``: MeV, cm, ms."""

    _fields_ = (
        ("ekin", ctypes.c_double),
        ("polarisation", ctypes.c_double * 3),
        ("position", ctypes.c_double * 3),
        ("direction", ctypes.c_double * 3),
        ("time", ctypes.c_double),
        ("weight", ctypes.c_double),
        ("pdgcode", ctypes.c_int32),
        ("userflags", ctypes.c_uint32),
    )


class _Outfile(ctypes.Structure):
    _fields_ = (("internal", ctypes.c_void_p),)


def write_neutrons(
    path: str | Path,
    *,
    energy: ArrayLike,
    position: ArrayLike,
    direction: ArrayLike,
    time: ArrayLike,
    weight: ArrayLike,
    source: str,
    comments: Sequence[str] = (),
) -> Path:
    """Write neutrons as an MCPL file, for McStas' component MCPL_input.

    Args:
        path: the file; its name ends with ``.mcpl``.
        energy: kinetic, in meV, one a neutron.
        position: in m, one row (x, y, z) a neutron.
        direction: of flight, rows of any length but zero.
        time: in s.
        weight: what each stands for, in neutrons a second: McStas' intensities are their sums.
        source: what made them, for whoever opens the file.
        comments: further lines: the model, its version.

    Returns:
        The file's path.

    Raises:
        SimulationError: if the arrays do not fit each other, a value is not possible, or the file cannot be written.
        InstallationError: if MCPL's library is not here.
    """
    target = Path(path)
    if target.suffix != ".mcpl":
        raise SimulationError(f"The name of an MCPL file ends with .mcpl, and {target.name} does not.")
    energies, places, ways, times, weights = _checked(energy, position, direction, time, weight)
    library = _library()
    try:  # the library ends the whole process, a notebook's kernel, if it cannot open the file
        target.open("wb").close()
    except OSError as error:
        raise SimulationError(f"{target} cannot be written: {error.strerror}.") from error
    file = library.mcpl_create_outfile(str(target).encode())
    library.mcpl_hdr_set_srcname(file, source.encode())
    for line in comments:
        library.mcpl_hdr_add_comment(file, line.encode())
    library.mcpl_enable_universal_pdgcode(file, NEUTRON)
    particle = _Particle(pdgcode=NEUTRON)
    for i in range(len(energies)):
        particle.ekin, particle.time, particle.weight = energies[i] * 1e-9, times[i] * 1e3, weights[i]
        particle.position[:] = places[i] * 100
        particle.direction[:] = ways[i]
        library.mcpl_add_particle(file, ctypes.byref(particle))
    library.mcpl_close_outfile(file)
    return target


def _checked(
    energy: ArrayLike, position: ArrayLike, direction: ArrayLike, time: ArrayLike, weight: ArrayLike
) -> tuple[NDArray[np.float64], ...]:
    arrays = [np.asarray(one, float) for one in (energy, position, direction, time, weight)]
    number = len(arrays[0]) if arrays[0].ndim == 1 else 0
    wanted = [(number,), (number, 3), (number, 3), (number,), (number,)]
    names = ("energy", "position", "direction", "time", "weight")
    if not number:
        raise SimulationError("energy has one number a neutron, and at least one.")
    for name, array, shape in zip(names, arrays, wanted, strict=True):
        if array.shape != shape:
            raise SimulationError(f"{name} has the shape {array.shape}; {number} neutrons need {shape}.")
        if not np.isfinite(array).all():
            raise SimulationError(f"{name} has values that are not numbers.")
    if (arrays[0] <= 0).any() or (arrays[4] < 0).any():
        raise SimulationError("Energies are larger than zero, and weights are not negative.")
    length = np.linalg.norm(arrays[2], axis=1)
    if (length == 0).any():
        raise SimulationError("A direction has no length.")
    arrays[2] = arrays[2] / length[:, None]
    return tuple(arrays)


def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.mcpl_create_outfile.argtypes = [ctypes.c_char_p]
        library.mcpl_create_outfile.restype = _Outfile
        library.mcpl_hdr_set_srcname.argtypes = [_Outfile, ctypes.c_char_p]
        library.mcpl_hdr_add_comment.argtypes = [_Outfile, ctypes.c_char_p]
        library.mcpl_enable_universal_pdgcode.argtypes = [_Outfile, ctypes.c_int32]
        library.mcpl_add_particle.argtypes = [_Outfile, ctypes.POINTER(_Particle)]
        library.mcpl_close_outfile.argtypes = [_Outfile]
        return library
    raise InstallationError("MCPL's library (libmcpl) is not here: it comes with McStas, in the image Simulation.")
