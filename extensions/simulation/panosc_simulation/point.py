"""One point of a scan in a file of its own, so that what was done before a crash is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import SimulationError
from .monitors import Axis, Monitor

_ARRAYS = ("intensity", "error", "rays")


def save(file: Path, monitors: Mapping[str, Monitor]) -> None:
    """Write a point's monitors; the file takes its name when it is whole."""
    arrays: dict[str, Any] = {}
    about = []
    for number, (name, one) in enumerate(monitors.items()):
        arrays.update({f"{number}.{part}": getattr(one, part) for part in _ARRAYS})
        arrays.update({f"{number}.axis{index}": axis.values for index, axis in enumerate(one.axes)})
        plain = {"name": name, "title": one.title, "position": one.position, "columns": one.columns, "unit": one.unit}
        about.append({**plain, "axes": [(axis.name, axis.unit, axis.label) for axis in one.axes]})
    part = file.with_suffix(".part")
    try:
        with part.open("wb") as written:
            np.savez(written, about=json.dumps(about), **arrays)
            written.flush()
            os.fsync(written.fileno())
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SimulationError(f"A point could not be kept in {file.parent}: {error.strerror or error}.") from error


def load(file: Path) -> dict[str, Monitor]:
    """Read a point back."""
    with np.load(file, allow_pickle=False) as kept:
        about = json.loads(str(kept["about"]))
        return {one["name"]: _monitor(kept, number, one) for number, one in enumerate(about)}


def _monitor(kept: Any, number: int, about: Mapping[str, Any]) -> Monitor:
    axes = tuple(
        Axis(name, kept[f"{number}.axis{index}"], unit, label)
        for index, (name, unit, label) in enumerate(about["axes"])
    )
    intensity, error, rays = (kept[f"{number}.{part}"] for part in _ARRAYS)
    position, columns = tuple(about["position"]), tuple(about["columns"])
    return Monitor(about["name"], about["title"], axes, intensity, error, rays, position, columns, about["unit"])
