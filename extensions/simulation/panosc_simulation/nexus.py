"""Results as NeXus: an NXdata for each monitor, and where they come from.

/entry                 NXentry, default plot: the last monitor with bins
  <monitor>            NXdata: intensity, intensity_errors, rays; the scan's axes first, then the bins' centres
  <monitor>_total      NXdata, in scans: the intensity summed over the bins
  instrument           NXinstrument: name, source (probe), the parameters, a detector for each monitor with its place
  simulation           NXprocess: program, version, seed, number of rays, gravity; its note is the source itself
"""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .errors import SimulationError
from .monitors import Axis, Monitor

if TYPE_CHECKING:
    from .result import Result

_FORMAT = "panosc_simulation 1"
_RESERVED = {"instrument", "simulation", "title", "start_time", "end_time"}


def write_whole(path: Path, write: Any) -> Path:
    """Let `write` fill an HDF5 file that takes its name when it is whole, and is gone if that fails.

    Raises:
        SimulationError: if it cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In memory first: HDF5 keeps a file that it cannot flush to a full disk open for as long as the process lives.
        with io.BytesIO() as whole, part.open("wb") as written:
            with h5py.File(whole, "w") as file:
                write(file)
            written.write(whole.getbuffer())
            written.flush()
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise SimulationError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return path


def save(result: Result, path: Path) -> Path:
    """Write a result."""
    return write_whole(path, lambda file: _write(file, result))


def _write(file: Any, result: Result) -> None:
    from .result import default

    file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": _FORMAT})
    entry = group(file, "entry", "NXentry")
    shown = _name(default(result.monitors))
    if result.monitors[default(result.monitors)].axes:
        entry.attrs["default"] = shown
    entry["title"] = f"{result.instrument}, simulated with {result.code}"
    entry["start_time"], entry["end_time"] = result.started, result.ended
    instrument = group(entry, "instrument", "NXinstrument")
    instrument["name"] = result.instrument
    source = group(instrument, "source", "NXsource")
    source["name"], source["probe"] = f"{result.code} simulation", result.probe
    _write_values(group(instrument, "parameters", "NXcollection"), result.parameters, result.units)
    positions = group(instrument, "positions", "NXcollection")
    for name, monitor in result.monitors.items():
        _write_monitor(entry, _name(name), monitor)
        detector = group(instrument, _name(name), "NXdetector")
        detector["local_name"], detector["description"] = name, monitor.title or name
        if monitor.position:
            positions[_name(name)] = np.asarray(monitor.position)
            positions[_name(name)].attrs.update({"units": "m", "long_name": "x, y, z in the instrument's coordinates"})
    _write_provenance(group(entry, "simulation", "NXprocess"), result)


def _write_provenance(process: Any, result: Result) -> None:
    process["program"], process["version"], process["date"] = result.code, result.version, result.ended
    settings = group(process, "settings", "NXcollection")
    settings["seed"], settings["ncount"], settings["gravity"] = result.seed, result.ncount, result.gravity
    settings["ncount"].attrs["long_name"] = "rays" + (" at each point" if result.scan else "")
    settings["scan"] = [axis.name for axis in result.scan]
    settings["source_sha256"] = hashlib.sha256(result.source.encode()).hexdigest()
    note = group(process, "instrument_source", "NXnote")
    note["type"], note["file_name"], note["data"] = "text/plain", f"{result.instrument}.instr", result.source


def group(parent: Any, name: str, kind: str) -> Any:
    """A new group of a NeXus class."""
    made = parent.create_group(name, track_order=True)
    made.attrs["NX_class"] = kind
    return made


def _write_values(into: Any, values: Mapping[str, Any], units: Mapping[str, str]) -> None:
    for name, value in values.items():
        into[name] = value
        if name in units:
            into[name].attrs["units"] = units[name]


def _write_monitor(entry: Any, name: str, monitor: Monitor) -> None:
    if monitor.columns:
        events = group(entry, name, "NXcollection")
        events["title"] = monitor.title or monitor.name
        for number, column in enumerate(monitor.columns):
            events[column] = monitor.intensity[:, number]
        events.attrs["columns"] = list(monitor.columns)
        return
    long_name = f"{monitor.title or monitor.name} (1/s)"
    data = write_data(entry, name, monitor.axes, monitor.intensity, monitor.error, monitor.unit, long_name)
    if not monitor.axes:  # one number: nothing to plot
        data.attrs["NX_class"] = "NXcollection"
        del data.attrs["signal"]
    data["title"], data["rays"] = monitor.title or monitor.name, monitor.rays
    data["rays"].attrs["long_name"] = "number of rays"
    if monitor.scanned and monitor.intensity.ndim > monitor.scanned:
        scan = monitor.axes[: monitor.scanned]
        write_data(
            entry, f"{name}_total", scan, monitor.total, monitor.total_error, monitor.unit, f"total of {long_name}"
        )


def write_data(
    entry: Any, name: str, axes: tuple[Axis, ...], signal: Any, error: Any, unit: str, long_name: str
) -> Any:
    """An NXdata with its axes, errors and units; `error` may be None."""
    data = group(entry, name, "NXdata")
    data.attrs["signal"] = "intensity"
    values = np.asarray(signal)
    packing = {"compression": "gzip", "shuffle": True} if values.size > 4096 else {}
    data.create_dataset("intensity", data=values, **packing).attrs.update({"units": unit, "long_name": long_name})
    if error is not None:
        data.create_dataset("intensity_errors", data=error, **packing).attrs["units"] = unit
    if axes:
        data.attrs["axes"] = [axis.name for axis in axes]
    for number, axis in enumerate(axes):
        data.attrs[f"{axis.name}_indices"] = number
        data[axis.name] = axis.values
        data[axis.name].attrs["long_name"] = (
            f"{axis.label or axis.name} ({axis.unit})" if axis.unit else axis.label or axis.name
        )
        if axis.unit:
            data[axis.name].attrs["units"] = axis.unit
        if axis.label:
            data[axis.name].attrs["label"] = axis.label
    return data


def _name(monitor: str) -> str:
    return f"monitor_{monitor}" if monitor in _RESERVED else monitor


def load(path: Path) -> dict[str, Any]:
    """The parts of a result from its file.

    Raises:
        SimulationError: if it is not one.
    """
    try:
        with h5py.File(path) as file:
            if file.attrs.get("creator") != _FORMAT:
                raise SimulationError(f"{path} is not a result of panosc_simulation.")
            return _read(file["entry"])
    except OSError as error:
        raise SimulationError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (KeyError, ValueError, TypeError) as error:
        raise SimulationError(f"{path} is not whole: {error}.") from error


def _read(entry: Any) -> dict[str, Any]:
    process, instrument = entry["simulation"], entry["instrument"]
    settings, positions = process["settings"], instrument["positions"]
    names = [_text(name) for name in settings["scan"][()]]
    detectors = [name for name, one in instrument.items() if one.attrs.get("NX_class") == "NXdetector"]
    monitors = {}
    for name in detectors:
        one = _read_monitor(entry[name], instrument[name], positions.get(name), len(names))
        monitors[one.name] = one
    first = next((one for one in monitors.values() if one.scanned), None)
    parameters = instrument["parameters"]
    return {
        "instrument": _text(instrument["name"][()]),
        "code": _text(process["program"][()]),
        "version": _text(process["version"][()]),
        "source": _text(process["instrument_source/data"][()]),
        "parameters": {name: _plain(parameters[name][()]) for name in parameters},
        "units": {name: _text(one.attrs["units"]) for name, one in parameters.items() if "units" in one.attrs},
        "scan": first.axes[: len(names)] if first else (),
        "ncount": int(settings["ncount"][()]),
        "seed": int(settings["seed"][()]),
        "gravity": bool(settings["gravity"][()]),
        "probe": _text(instrument["source/probe"][()]),
        "started": _text(entry["start_time"][()]),
        "ended": _text(entry["end_time"][()]),
        "monitors": monitors,
    }


def _read_monitor(data: Any, detector: Any, place: Any, scanned: int) -> Monitor:
    position = () if place is None else tuple(place[()].tolist())
    name, title = _text(detector["local_name"][()]), _text(data["title"][()])
    if "columns" in data.attrs:
        columns = tuple(_text(one) for one in data.attrs["columns"])
        table = np.stack([data[one][()] for one in columns], axis=1)
        return Monitor(name, title, (), table, np.zeros(0), np.zeros(0), position, columns, "")
    axes = tuple(_read_axis(data[_text(one)]) for one in data.attrs.get("axes", ()))
    parts = (data["intensity"][()], data["intensity_errors"][()], data["rays"][()])
    intensity, error, rays = (np.asarray(part, dtype=np.float64) for part in parts)
    return Monitor(
        name, title, axes, intensity, error, rays, position, (), _text(data["intensity"].attrs["units"]), scanned
    )


def _read_axis(values: Any) -> Axis:
    about = values.attrs
    name = values.name.rsplit("/", 1)[1]
    return Axis(
        name, np.asarray(values[()], dtype=np.float64), _text(about.get("units", "")), _text(about.get("label", ""))
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> float | int | str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.generic):
        plain = value.item()
        return plain if isinstance(plain, float | int) else str(plain)
    return str(value)
