"""A photon's energy, frequency and wavelength, converted into each other by pint's spectroscopy context."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

from panosc_portal.quantities import unit

_PHOTONS = ("meter", "joule", "hertz", "1/meter")


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(cache_folder=None)


@lru_cache(maxsize=256)
def _photons_unit(dimension: str) -> Any:
    """The SI unit of a dimension, if it is one in which photons are told apart."""
    found = _registry().parse_units(dimension)
    return found if any(found.is_compatible_with(kind) for kind in _PHOTONS) else None


@lru_cache(maxsize=4096)
def photon_value(value: float, written: str, wanted: str, name: str = "") -> float | None:
    """A photon's energy, frequency, wavelength or wavenumber in SI units of what is wanted; None if it cannot be that of a photon.

    Args:
        value: greater than zero.
        written: its unit, as its catalogue writes it.
        wanted: a unit of the kind that is wanted: 12.398 keV and ``nm`` give 1e-10, in metres.
        name: the parameter's.
    """
    source, target = unit(written, name), unit(wanted, name)
    if source is None or target is None:
        return None
    given, asked = _photons_unit(source.dimension), _photons_unit(target.dimension)
    si = source.to_si(value)
    if given is None or asked is None or not si > 0:
        return None
    try:
        found = float(_registry().Quantity(si, given).to(asked, "spectroscopy").magnitude)
    except (ArithmeticError, ValueError):
        return None
    return found if math.isfinite(found) else None


def warm_up() -> None:
    """Load pint's registry, which takes half a second, before somebody waits for it."""
    photon_value(12.4, "keV", "nm")
