"""What a simulation gave: monitors, and all that is needed to do it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import nexus
from .errors import SimulationError
from .instrument import Value
from .monitors import Axis, Monitor


@dataclass(frozen=True)
class Result(Mapping[str, Monitor]):
    """Monitors by name: ``result["detector"].intensity``. In a scan each array has the scan's axes first."""

    instrument: str
    code: str  # McStas or McXtrace
    version: str
    source: str
    parameters: dict[str, Value]
    units: dict[str, str]
    scan: tuple[Axis, ...]
    ncount: int
    seed: int
    gravity: bool
    probe: str
    started: str
    ended: str
    monitors: dict[str, Monitor]

    def __getitem__(self, name: str) -> Monitor:
        try:
            return self.monitors[name]
        except KeyError:
            raise KeyError(f"There is no monitor {name}; there are {', '.join(self.monitors) or 'none'}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.monitors)

    def __len__(self) -> int:
        return len(self.monitors)

    def save(self, path: str | Path) -> Path:
        """Write a NeXus file that opens on its plot; it takes its name when it is whole.

        Raises:
            SimulationError: if it cannot be written there.
        """
        return nexus.save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read back what `save` wrote.

        Raises:
            SimulationError: if it is not such a file.
        """
        return cls(**nexus.load(Path(path)))

    def plot(self, monitor: str | None = None, axes: Any = None, log: bool = False) -> Any:
        """Draw one monitor: a curve with error bars, an image, or totals against the scanned parameter.

        Args:
            monitor: which; the one that the file opens on if not given.
            axes: matplotlib axes to draw into.
            log: whether the intensity is on a logarithmic scale.

        Returns:
            The matplotlib axes.
        """
        import matplotlib.pyplot as plt

        one = self[monitor or default(self.monitors)]
        drawn = axes or plt.subplots()[1]
        if one.columns or one.intensity.ndim not in (1, 2):
            raise SimulationError(f"{one.name} is not a curve or an image; it has the shape {one.intensity.shape}.")
        if one.intensity.ndim == 1:
            axis = one.axes[0]
            drawn.errorbar(axis.values, one.intensity, one.error, fmt=".-", ms=3, lw=1, elinewidth=0.7)
            drawn.set_ylabel(intensity_label(one))
            if log:
                drawn.set_yscale("log")
        else:
            y, axis = one.axes
            image = drawn.pcolormesh(
                axis.values, y.values, one.intensity, norm="log" if log else None, shading="nearest"
            )
            drawn.set_ylabel(label(y))
            drawn.figure.colorbar(image, ax=drawn, label=intensity_label(one))
        drawn.set_xlabel(label(axis))
        drawn.set_title(one.title or one.name)
        return drawn

    def to_mcstasscript(self) -> list[Any]:
        """The monitors as McStasScript's own data, for its ``make_plot`` and ``make_sub_plot``. Not for scans."""
        from mcstasscript.data.data import McStasDataBinned, McStasMetaData

        if self.scan:
            raise SimulationError("McStasScript has no data of scans: take the result of a run.")
        return [
            _binned(one, McStasMetaData(), McStasDataBinned)
            for one in self.monitors.values()
            if one.intensity.ndim in (1, 2)
        ]

    def __repr__(self) -> str:
        what = (
            f"scan over {' × '.join(f'{axis.name} ({len(axis.values)})' for axis in self.scan)}" if self.scan else "run"
        )
        lines = [f"{self.instrument}: {what} of {self.code} {self.version}, {self.ncount:.3g} rays, seed {self.seed}"]
        for one in self.monitors.values():
            shape = (
                "list of " + " ".join(one.columns)
                if one.columns
                else "×".join(map(str, one.intensity.shape)) or "one number"
            )
            total = "" if one.columns else f"  {float(np.sum(one.total)):.4g} {self.particles}/s"
            lines.append(f"  {one.name}: {shape}{total}  {one.title}")
        return "\n".join(lines)

    @property
    def particles(self) -> str:
        """What is counted: neutrons or photons."""
        return "neutrons" if self.probe == "neutron" else "photons"


def default(monitors: Mapping[str, Monitor]) -> str:
    """The monitor to look at first: the last of the beam that has bins; else the last."""
    binned = [name for name, one in monitors.items() if one.intensity.ndim and not one.columns]
    names = binned or list(monitors)
    if not names:
        raise SimulationError("The instrument has no monitor that wrote anything.")
    return names[-1]


def label(axis: Axis) -> str:
    """An axis' label with its unit."""
    return f"{axis.label or axis.name} ({axis.unit})" if axis.unit else axis.label or axis.name


def intensity_label(one: Monitor) -> str:
    """The intensity's label with its unit."""
    own = one.intensity.ndim > one.scanned
    return f"intensity ({one.unit or 'arbitrary'}{' per bin' if own else ''})"


def _binned(one: Monitor, metadata: Any, make: Any) -> Any:
    image = one.intensity.ndim == 2
    x, y = one.axes[-1], one.axes[0]
    size = f"{len(x.values)}, {len(y.values)}" if image else f"{len(x.values)}"
    about = {
        "type": f"array_{one.intensity.ndim}d({size})",
        "component": one.name,
        "filename": f"{one.name}.dat",
        "title": one.title,
        "xlabel": label(x),
        "ylabel": label(y) if image else "Intensity",
        "values": f"{float(one.total)} {float(one.total_error)} {float(one.rays.sum())}",
    }
    ends = [end for axis in ((x, y) if image else (x,)) for end in _ends(axis)]
    about["xylimits" if image else "xlimits"] = " ".join(map(str, ends))
    for key, value in about.items():
        metadata.add_info(key, value)
    metadata.extract_info()
    return make(metadata, one.intensity, one.error, one.rays, xaxis=[] if image else x.values)


def _ends(axis: Axis) -> tuple[float, float]:
    step = float(axis.values[1] - axis.values[0]) if len(axis.values) > 1 else 1.0
    return float(axis.values[0]) - step / 2, float(axis.values[-1]) + step / 2
