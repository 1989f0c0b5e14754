"""Monitors of a McStas run, read from the text files that it writes (mccode.sim names them)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import RunError

Array = NDArray[np.float64]
_UNITS = {
    "AA": "angstrom",
    "Angs": "angstrom",
    "Angstrom": "angstrom",
    "1/AA": "1/angstrom",
    "AA-1": "1/angstrom",
    "\\gms": "us",
}


@dataclass(frozen=True)
class Axis:
    """Values of one axis: bin centres of a monitor, or the points of a scan."""

    name: str
    values: Array
    unit: str = ""
    label: str = ""


@dataclass(frozen=True)
class Monitor:
    """What one monitor saw; in a scan, the scan's axes come first.

    `intensity` is in particles a second (per bin), `error` its standard deviation, `rays` how many rays made it.
    An event list (Monitor_nD's ``list``) has its columns' names in `columns`, and nothing else but `intensity`.
    """

    name: str
    title: str
    axes: tuple[Axis, ...]
    intensity: Array
    error: Array
    rays: Array
    position: tuple[float, ...] = ()
    columns: tuple[str, ...] = ()
    unit: str = "1/s"
    scanned: int = 0  # how many of the axes, the first ones, are a scan's

    @property
    def total(self) -> Array:
        """The intensity summed over the monitor's own axes: one number, or one a scan point."""
        return self._over_bins(self.intensity)

    @property
    def total_error(self) -> Array:
        """Standard deviation of `total`."""
        return np.sqrt(self._over_bins(self.error**2))

    def at(self, *point: int) -> Monitor:
        """What the monitor saw at one point of the scan.

        Args:
            point: an index for each scanned parameter.
        """
        if len(point) != self.scanned:
            raise IndexError(f"{self.name} has {self.scanned} scanned parameters, and {len(point)} indices were given.")
        return replace(
            self,
            axes=self.axes[self.scanned :],
            scanned=0,
            intensity=np.asarray(self.intensity[point]),
            error=np.asarray(self.error[point]),
            rays=np.asarray(self.rays[point]),
        )

    def _over_bins(self, values: Array) -> Array:
        return np.asarray(values.sum(axis=tuple(range(self.scanned, values.ndim))))


def read(folder: Path) -> dict[str, Monitor]:
    """All monitors of a run, by component name, in the order of the beam.

    Raises:
        RunError: if a file is missing or cut off, as on a full disk.
    """
    try:
        text = (folder / "mccode.sim").read_text(errors="replace")
    except OSError as error:
        raise RunError("The run wrote no result (mccode.sim is missing): is the disk full?") from error
    monitors: dict[str, Monitor] = {}
    for block in _blocks(text):
        try:
            monitor = _monitor(block, folder)
        except (OSError, ValueError, IndexError, KeyError) as error:
            name = block.get("component", "?")
            raise RunError(f"What monitor {name} wrote cannot be read: {error}. Is the disk full?") from error
        name, number = monitor.name, 2
        while name in monitors:  # one component may write several files
            name, number = f"{monitor.name}_{number}", number + 1
        monitors[name] = replace(monitor, name=name)
    return monitors


def _blocks(text: str) -> Iterator[dict[str, str]]:
    for block in re.findall(r"^begin data\n(.*?)^end data", text, re.DOTALL | re.MULTILINE):
        pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
        yield {key.strip(): value.strip() for key, value in pairs}
    if text.count("begin data\n") != text.count("end data"):
        raise RunError("The list of results is cut off: is the disk full?")


def _monitor(block: dict[str, str], folder: Path) -> Monitor:
    kind, shape = _kind(block["type"])
    make = {"0d": _scalar, "1d": _curve, "2d": _image}[kind]
    if kind == "2d" and block.get("xvar") == "Li":
        make = _events
    axes, intensity, error, rays = make(block, folder, shape)
    return Monitor(
        name=block["component"],
        title=block.get("title", "").strip(),
        axes=axes,
        intensity=intensity,
        error=error,
        rays=rays,
        position=tuple(float(number) for number in block.get("position", "").split()),
        columns=tuple(block["variables"].split()) if make is _events else (),
        unit="" if make is _events else "1/s",
    )


def _kind(declared: str) -> tuple[str, tuple[int, ...]]:
    found = re.match(r"array_([012]d)(?:\(([\d, ]*)\))?", declared)
    if not found:
        raise ValueError(f"unknown kind of data “{declared}”")
    return found[1], tuple(int(number) for number in (found[2] or "").split(",") if number.strip())


Parts = tuple[tuple[Axis, ...], Array, Array, Array]


def _scalar(block: dict[str, str], folder: Path, shape: tuple[int, ...]) -> Parts:
    intensity, error, rays = (np.asarray(float(number)) for number in block["values"].split()[:3])
    return (), intensity, error, rays


def _curve(block: dict[str, str], folder: Path, shape: tuple[int, ...]) -> Parts:
    table = _table(folder / block["filename"])
    if table.shape != (shape[0], 4):
        raise ValueError(f"{shape[0]} rows of 4 numbers were expected, {table.shape[0]} of {table.shape[1]} are there")
    x, intensity, error, rays = table.T.copy()
    return (_axis(block["xvar"], block["xlabel"], x),), intensity, error, rays


def _image(block: dict[str, str], folder: Path, shape: tuple[int, ...]) -> Parts:
    columns, rows = shape
    table = _table(folder / block["filename"])
    if table.shape != (3 * rows, columns):
        raise ValueError(
            f"3 × {rows} rows of {columns} numbers were expected, {table.shape[0]} of {table.shape[1]} are there"
        )
    x0, x1, y0, y1 = (float(number) for number in block["xylimits"].split()[:4])
    y = _axis(block["yvar"], block["ylabel"], _centres(y0, y1, rows))
    x = _axis(block["xvar"], block["xlabel"], _centres(x0, x1, columns))
    if x.name == y.name:
        x, y = replace(x, name=f"{x.name}_x"), replace(y, name=f"{y.name}_y")
    intensity, error, rays = table.reshape(3, rows, columns).copy()
    return (y, x), intensity, error, rays


def _events(block: dict[str, str], folder: Path, shape: tuple[int, ...]) -> Parts:
    columns = block["variables"].split()
    table = _table(folder / block["filename"], len(columns))
    return (), table, np.zeros(0), np.zeros(0)


def _table(path: Path, columns: int = 0) -> Array:
    lines = path.read_text(errors="replace").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"{path.name} is cut off")
    table = np.array(rows, dtype=np.float64)
    return table.reshape(-1, columns) if columns else np.atleast_2d(table)


def _centres(low: float, high: float, bins: int) -> Array:
    step = (high - low) / bins
    return np.asarray(low + step * (np.arange(bins) + 0.5), dtype=np.float64)


def _axis(name: str, label: str, values: Array) -> Axis:
    found = re.match(r"(.*?)\s*\[(.*?)\]\s*$", label)
    words, unit = (found[1], found[2]) if found else (label, "")
    return Axis(_safe(name or words or "x"), values, _UNITS.get(unit.strip(), unit.strip()), words.strip())


def _safe(name: str) -> str:
    """A name that NeXus allows."""
    return re.sub(r"\W", "_", name.strip(), flags=re.ASCII) or "x"


def stack(points: list[dict[str, Monitor]], axes: tuple[Axis, ...]) -> dict[str, Monitor]:
    """Monitors of all points of a scan as arrays with the scan's axes first.

    Event lists are left out: each point's has its own length.
    """
    shape = tuple(len(axis.values) for axis in axes)
    stacked: dict[str, Monitor] = {}
    for name, first in points[0].items():
        if first.columns:
            continue
        ones = [point[name] for point in points]
        if any(one.intensity.shape != first.intensity.shape for one in ones):
            raise RunError(
                f"Monitor {name} has not the same bins at all points: scan something that does not change its bins."
            )

        def together(what: str, ones: list[Monitor] = ones, first: Monitor = first) -> Any:
            return np.stack([getattr(one, what) for one in ones]).reshape(shape + first.intensity.shape)

        stacked[name] = replace(
            first,
            axes=axes + tuple(_apart(axis, axes) for axis in first.axes),
            intensity=together("intensity"),
            error=together("error"),
            rays=together("rays"),
            scanned=len(axes),
        )
    return stacked


def _apart(axis: Axis, scan: tuple[Axis, ...]) -> Axis:
    """A monitor's axis under a name that no scanned parameter has."""
    return replace(axis, name=f"{axis.name}_bins") if axis.name in {one.name for one in scan} else axis
