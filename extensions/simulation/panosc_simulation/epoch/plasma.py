"""Is the grid fine enough? Cells against what the plasma and the laser have in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .deck import Block, Problem

# CODATA 2018, in SI units.
_C, _E, _M_E, _EPSILON_0, _BOLTZMANN = 299792458.0, 1.602176634e-19, 9.1093837015e-31, 8.8541878128e-12, 1.380649e-23

CELLS_IN_LASER = 10
"""Fewer cells in a wavelength, and the grid's dispersion shows (C. K. Birdsall, A. B. Langdon, Plasma Physics via Computer
Simulation, ch. 15)."""
CELLS_IN_SKIN = 2
DEBYE_LENGTHS_IN_CELL = 10
"""EPOCH's particles (third-order shapes, smoothed currents) heat slowly up to about this many; with its default shape the
heating is strong from about pi (the same book, ch. 8: the finite-grid instability)."""


def skin_depth(density: float) -> float:
    """Give c / omega_p in m, for electrons per cubic metre."""
    return _C / math.sqrt(density * _E**2 / (_EPSILON_0 * _M_E))


def debye_length(density: float, kelvin: float) -> float:
    """In m, for electrons per cubic metre."""
    return math.sqrt(_EPSILON_0 * _BOLTZMANN * kelvin / (density * _E**2))


def resolution(blocks: list[Block]) -> Iterator[Problem]:
    """Where the grid is too coarse, in words; nothing about densities or temperatures that only a run can tell."""
    from .deck import Problem

    grid = _cells(blocks)
    if not grid:
        return
    axis, cell = max(grid.items(), key=lambda item: item[1])
    for block in blocks:
        wavelength = _wavelength(block.values) if block.kind == "laser" else None
        if wavelength and wavelength / cell < CELLS_IN_LASER:
            words = f"{wavelength / cell:.1f} cells of {cell:.3g} m ({axis}) in the laser's {wavelength:.3g} m: at least {CELLS_IN_LASER} are needed, n{axis} = {_needed(blocks, axis, wavelength / CELLS_IN_LASER)}."
            yield Problem("error", block.title, words)
        density = _peak(block.values, ("number_density", "density", "rho")) if _is_electron(block) else None
        if density is None:
            continue
        depth = skin_depth(density)
        if depth / cell < CELLS_IN_SKIN:
            words = f"a cell of {cell:.3g} m ({axis}) does not resolve the skin depth c/omega_p = {depth:.3g} m at {density:.3g} electrons/m3; n{axis} = {_needed(blocks, axis, depth / CELLS_IN_SKIN)} would."
            yield Problem("error", block.title, words)
        kelvin = _kelvin(block.values)
        if kelvin and cell > DEBYE_LENGTHS_IN_CELL * (debye := debye_length(density, kelvin)):
            words = f"a cell of {cell:.3g} m ({axis}) has {cell / debye:.0f} Debye lengths ({debye:.3g} m): the plasma will heat itself until one cell has a few; n{axis} = {_needed(blocks, axis, 3 * debye)} avoids that."
            yield Problem("warning", block.title, words)


def _cells(blocks: list[Block]) -> dict[str, float]:
    control = next((block.values for block in blocks if block.kind == "control"), {})
    sizes = {}
    for axis in "xyz":
        low, high = _number(control.get(f"{axis}_min")), _number(control.get(f"{axis}_max"))
        cells = _number(control.get(f"n{axis}"))
        if low is not None and high is not None and cells and high > low:
            sizes[axis] = (high - low) / cells
    return sizes


def _needed(blocks: list[Block], axis: str, cell: float) -> int:
    control = next(block.values for block in blocks if block.kind == "control")
    return math.ceil(float(control[f"{axis}_max"] - control[f"{axis}_min"]) / cell)


def _number(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def _wavelength(laser: Mapping[str, Any]) -> float | None:
    if (given := _number(laser.get("lambda"))) is not None:
        return given if given > 0 else None
    for key, factor in (("omega", 2 * math.pi), ("freq", 1.0), ("frequency", 1.0)):
        if given := _number(laser.get(key)):
            return float(factor * _C / given)
    return None


def _is_electron(block: Block) -> bool:
    electron = str(block.values.get("identify", "")).lower() == "electron"
    return block.kind == "species" and (
        electron or (_number(block.values.get("charge")) == -1.0 and _number(block.values.get("mass")) == 1.0)
    )


def _peak(species: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    """The largest number that a key has; a density that depends on the place is known as far as its constants are."""
    for key in keys:
        given = species.get(key)
        numbers = [_number(one) for one in (given if isinstance(given, list) else [given])]
        known = [one for one in numbers if one is not None and one > 0]
        if known:
            return max(known)
    return None


def _kelvin(species: Mapping[str, Any]) -> float | None:
    for stem in ("temperature", "temp"):
        for axis in ("", "_x"):
            for unit, factor in (("_ev", _E / _BOLTZMANN), ("_k", 1.0), ("", 1.0)):
                if given := _number(species.get(f"{stem}{axis}{unit}")):
                    return float(given * factor)
    return None
