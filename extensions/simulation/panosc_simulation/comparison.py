"""A measured curve and a simulated one on one plot: same axis, same units, one scale factor; or a refusal that says why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .errors import ComparisonError
from .monitors import Array, Axis, Monitor
from .result import Result, default, label
from .units import factor, kind

Normalise = Literal["fit", "area", "maximum", "none"]


@dataclass(frozen=True)
class Curve:
    """One curve: an axis with its unit, values, and their standard deviations."""

    axis: Axis
    values: Array
    errors: Array
    name: str


@dataclass(frozen=True)
class Comparison:
    """Both curves at the measured points where the two overlap."""

    axis: Axis
    measured: Array
    measured_error: Array
    simulated: Array  # scaled
    simulated_error: Array
    scale: float
    background: float
    names: tuple[str, str]

    @property
    def residuals(self) -> Array:
        """Their difference in standard deviations."""
        sigma = np.hypot(self.measured_error, self.simulated_error)
        difference = self.measured - self.simulated
        return np.divide(difference, sigma, out=np.zeros_like(difference), where=sigma > 0)

    @property
    def chi2(self) -> float:
        """Mean squared residual: about 1 where the simulation describes the measurement within its errors."""
        return float(np.mean(self.residuals**2))

    def plot(self, axes: Any = None) -> Any:
        """Draw the overlay, and beneath it the residuals.

        Args:
            axes: two matplotlib axes, one above the other; made if not given.

        Returns:
            The two axes.
        """
        import matplotlib.pyplot as plt

        if axes is None:
            _, axes = plt.subplots(2, 1, sharex=True, height_ratios=[3, 1], figsize=(8, 5), layout="constrained")
        above, below = axes
        above.errorbar(
            self.axis.values, self.measured, self.measured_error, fmt="k.", ms=3, elinewidth=0.6, label=self.names[0]
        )
        above.plot(self.axis.values, self.simulated, "C1-", lw=1.4, label=f"{self.names[1]} × {self.scale:.3g}")
        above.set_ylabel("intensity (as measured)")
        above.legend()
        below.axhline(0, color="0.6", lw=0.8)
        below.plot(self.axis.values, self.residuals, "k.", ms=3)
        below.set_ylabel("difference (σ)")
        below.set_xlabel(label(self.axis))
        return axes


def compare(
    measured: str | Path | Curve,
    simulated: Result | Monitor | Curve,
    *,
    path: str | None = None,
    monitor: str | None = None,
    normalise: Normalise = "fit",
    background: bool = False,
) -> Comparison:
    """Lay a simulated curve over a measured one.

    Args:
        measured: a NeXus file (its default plot, or the NXdata at `path`), or a `Curve`.
        simulated: a result (its default monitor, or `monitor`), a monitor, or a `Curve`.
        path: which NXdata of the file, e.g. ``entry/data``.
        monitor: which monitor of the result.
        background: whether the fit adds a constant to the simulation, for what is not in it.
        normalise: what brings the simulation to the measured scale: a least-squares ``fit``, the ``area``, the ``maximum``, or ``none``.

    Raises:
        ComparisonError: if the two have no axis in common: not curves, other units, no overlap.
    """
    one = measured if isinstance(measured, Curve) else from_file(Path(measured), path)
    other = simulated if isinstance(simulated, Curve) else _from_simulation(simulated, monitor)
    ratio = factor(other.axis.unit, one.axis.unit)
    if ratio is None:
        raise ComparisonError(
            f"The measured axis {label(one.axis)} is {_a(kind(one.axis.unit))}, the simulated one {label(other.axis)} is "
            f"{_a(kind(other.axis.unit))}: convert one of them first (for a powder: 2 d sin θ = λ), or choose another monitor."
        )
    x = other.axis.values * ratio
    order = np.argsort(x)
    x, y, error = x[order], other.values[order], other.errors[order]
    inside = (one.axis.values >= x[0]) & (one.axis.values <= x[-1]) & np.isfinite(one.values)
    if inside.sum() < 3:
        raise ComparisonError(
            f"They do not overlap: measured {one.axis.values.min():.4g} to {one.axis.values.max():.4g}, "
            f"simulated {x[0]:.4g} to {x[-1]:.4g} {one.axis.unit}."
        )
    points = one.axis.values[inside]
    values, errors = np.interp(points, x, y), np.interp(points, x, error)
    if background and normalise != "fit":
        raise ComparisonError("A background can only be fitted together with the scale: normalise=“fit”.")
    scale, constant = _scale(one.values[inside], one.errors[inside], values, normalise, background)
    axis = Axis(one.axis.name, points, one.axis.unit, one.axis.label)
    return Comparison(
        axis=axis,
        measured=one.values[inside],
        measured_error=one.errors[inside],
        simulated=values * scale + constant,
        simulated_error=errors * scale,
        scale=scale,
        background=constant,
        names=(one.name, other.name),
    )


def _scale(measured: Array, error: Array, simulated: Array, how: Normalise, background: bool) -> tuple[float, float]:
    """Factor and constant. Points without an error weigh as those of the smallest one."""
    if how == "none":
        return 1.0, 0.0
    if not simulated.max() > 0:
        raise ComparisonError("The simulation is zero wherever there is measured data: more rays, or another monitor.")
    if how == "area":
        return float(measured.sum() / simulated.sum()), 0.0
    if how == "maximum":
        return float(measured.max() / simulated.max()), 0.0
    least = error[error > 0].min() if (error > 0).any() else 1.0
    sigma = np.where(error > 0, error, least)
    columns = np.stack([simulated, np.ones_like(simulated)] if background else [simulated], axis=1)
    found = np.linalg.lstsq(columns / sigma[:, None], measured / sigma, rcond=None)[0]
    return float(found[0]), float(found[1]) if background else 0.0


def _from_simulation(simulated: Result | Monitor, name: str | None) -> Curve:
    one = simulated[name or default(simulated.monitors)] if isinstance(simulated, Result) else simulated
    if one.columns or one.intensity.ndim != 1:
        shape = "×".join(map(str, one.intensity.shape)) or "one number"
        raise ComparisonError(
            f"The simulated {one.name} is not a curve ({shape}): choose a monitor with one axis, or one scan point."
        )
    return Curve(one.axes[0], one.intensity, one.error, f"simulated ({one.name})")


def from_file(file: Path, path: str | None = None) -> Curve:
    """The curve that a NeXus file plots by default, or the NXdata at `path`.

    Raises:
        ComparisonError: if there is none.
    """
    from nexusformat.nexus import NeXusError, nxload

    try:
        root = nxload(str(file))
        data = root[path] if path else root.plottable_data
        if data is None or data.nxsignal is None:
            raise ComparisonError(f"{file.name} says nothing about what to plot: name its NXdata with path=….")
        signal, axes, errors = data.nxsignal, data.nxaxes, data.nxerrors
        values = np.squeeze(np.asarray(signal.nxdata, dtype=np.float64))
        held = [axis for axis in axes or [] if axis.size > 1]
        if values.ndim != 1 or len(held) != 1:
            raise ComparisonError(f"The measured {data.nxpath} is not a curve: it has the shape {signal.shape}.")
        axis, x = held[0], np.asarray(held[0].nxdata, dtype=np.float64).ravel()
        if len(x) == len(values) + 1:  # edges of bins
            x = (x[1:] + x[:-1]) / 2
        sigma = (
            np.sqrt(np.clip(values, 0, None)) if errors is None else np.asarray(errors.nxdata, dtype=np.float64).ravel()
        )
        name = str(axis.nxname)
        made = Axis(name, x, str(axis.attrs.get("units", "")), name.replace("_", " "))
    except (OSError, KeyError, NeXusError) as error:
        raise ComparisonError(f"{file} cannot be read as NeXus: {error}") from error
    if not len(x) == len(values) == len(sigma):
        raise ComparisonError(f"The axis and the errors of {data.nxpath} do not have as many values as its signal.")
    return Curve(made, values, sigma, f"measured ({file.name})")


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
