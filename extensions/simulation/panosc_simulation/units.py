"""The units of axes that McStas and NeXus files use, and conversion between those of one kind."""

from __future__ import annotations

import math

# name: (kind, factor to the kind's first unit)
_UNITS: dict[str, tuple[str, float]] = {
    "deg": ("angle", 1.0),
    "rad": ("angle", 180 / math.pi),
    "mrad": ("angle", 0.18 / math.pi),
    "arcmin": ("angle", 1 / 60),
    "arcsec": ("angle", 1 / 3600),
    "m": ("length", 1.0),
    "cm": ("length", 1e-2),
    "mm": ("length", 1e-3),
    "um": ("length", 1e-6),
    "nm": ("length", 1e-9),
    "angstrom": ("length", 1e-10),
    "pm": ("length", 1e-12),
    "1/m": ("wavevector", 1.0),
    "1/nm": ("wavevector", 1e9),
    "1/angstrom": ("wavevector", 1e10),
    "s": ("time", 1.0),
    "ms": ("time", 1e-3),
    "us": ("time", 1e-6),
    "ns": ("time", 1e-9),
    "ev": ("energy", 1.0),
    "uev": ("energy", 1e-6),
    "mev": ("energy", 1e-3),
    "kev": ("energy", 1e3),
    "j": ("energy", 1 / 1.602176634e-19),
}
_SAME = {
    "": "",
    "degree": "deg",
    "degrees": "deg",
    "°": "deg",
    "radian": "rad",
    "radians": "rad",
    "aa": "angstrom",
    "å": "angstrom",
    "ångström": "angstrom",
    "angstroms": "angstrom",
    "ang": "angstrom",
    "nanometer": "nm",
    "micron": "um",
    "µm": "um",
    "μm": "um",
    "µs": "us",
    "μs": "us",
    "microsecond": "us",
    "microseconds": "us",
    "second": "s",
    "seconds": "s",
    "metre": "m",
    "meter": "m",
}


def canonical(unit: str) -> str:
    """One spelling for each unit, in lower case: ``1/angstrom`` for Å⁻¹, ``deg`` for degrees."""
    plain = unit.strip().lower().replace(" ", "").replace("**", "^").replace("⁻¹", "^-1")
    for tail in ("^-1", "-1"):
        if plain.endswith(tail):
            plain = "1/" + plain[: -len(tail)]
    if plain.startswith("1/"):
        return f"1/{_SAME.get(plain[2:], plain[2:])}"
    return _SAME.get(plain, plain)


def factor(have: str, want: str) -> float | None:
    """What values in `have` are multiplied with to be in `want`; None if they are of different kinds or unknown.

    MeV counts as meV: NeXus files of neutrons spell it either way, and neither has mega-electronvolts.
    """
    one, other = canonical(have), canonical(want)
    if one == other:
        return 1.0
    if one not in _UNITS or other not in _UNITS or _UNITS[one][0] != _UNITS[other][0]:
        return None
    return _UNITS[one][1] / _UNITS[other][1]


def kind(unit: str) -> str:
    """What is measured in that unit: angle, length …; the unit itself if it is not known."""
    return _UNITS.get(canonical(unit), (unit or "no unit", 1.0))[0]
