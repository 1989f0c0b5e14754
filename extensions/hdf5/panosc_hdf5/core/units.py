"""Lengths and energies of files in SI units."""

from __future__ import annotations

import math
import unicodedata

# E [eV] = HC / lambda [angstrom]; 2019 SI, exact.
HC = 12398.419843320026
_LENGTHS = {
    "m": 1.0,
    "meter": 1.0,
    "metre": 1.0,
    "meters": 1.0,
    "metres": 1.0,
    "dm": 1e-1,
    "cm": 1e-2,
    "mm": 1e-3,
    "millimeter": 1e-3,
    "millimetre": 1e-3,
    "um": 1e-6,
    "μm": 1e-6,
    "micron": 1e-6,
    "microns": 1e-6,
    "micrometer": 1e-6,
    "nm": 1e-9,
    "nanometer": 1e-9,
    "pm": 1e-12,
    "a": 1e-10,
    "å": 1e-10,
    "ang": 1e-10,
    "angstrom": 1e-10,
    "angstroms": 1e-10,
    "angstroem": 1e-10,
}
_ENERGIES = {"ev": 1.0, "kev": 1e3, "mev": 1e6, "gev": 1e9, "j": 1 / 1.602176634e-19}
_PIXELS = {"pixel", "pixels", "px", "pix", "", "1", "dimensionless"}


def metres(value: float | None, units: str | None, default: str) -> float | None:
    """A length; None if there is none, or its unit is unknown.

    Args:
        value: as it is in the file.
        units: as they are in the file.
        default: unit where the file says none.
    """
    factor = _LENGTHS.get(_normal(units) or default)
    return value * factor if value is not None and factor is not None and math.isfinite(value) else None


def electronvolts(value: float | None, units: str | None, default: str) -> float | None:
    """An energy; meV of neutrons is told from MeV by its spelling."""
    if units is not None and units.strip() == "meV":
        return value * 1e-3 if value is not None and math.isfinite(value) else None
    factor = _ENERGIES.get(_normal(units) or default)
    return value * factor if value is not None and factor is not None and math.isfinite(value) else None


def is_pixels(units: str | None) -> bool:
    """Whether a position counts pixels."""
    return _normal(units) in _PIXELS


def angstrom_of_energy(energy: float) -> float:
    """The wavelength of photons of an energy in eV."""
    return HC / energy if energy > 1e-300 else math.inf


def _normal(units: str | None) -> str:
    return unicodedata.normalize("NFKC", units or "").strip().lower()  # one µ, one Å
