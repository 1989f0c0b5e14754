"""What an NXdata group says about its plot: signal, axes, errors, further signals, and which of NeXus' rules it breaks.

Groups that were written before 2014 say it in the data sets' attributes instead; canSAS has ways of its own. A group that
breaks the rules is shown all the same, as far as it goes, with what is wrong in words.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from panosc_hdf5.core.fields import attribute_texts, attribute_value, first_integer
from panosc_hdf5.core.grids import axis_values
from panosc_hdf5.core.links import join
from panosc_hdf5.core.session import Session, basename
from panosc_hdf5.core.types import dtype_text, is_numeric, type_json

MAX_AXIS_VALUES = 100_000
MAX_CANDIDATES = 200
_INTERPRETATIONS = {
    "scaler": "scalar",
    "scalar": "scalar",
    "spectrum": "spectrum",
    "image": "image",
    "rgb-image": "rgb-image",
    "rgba-image": "rgb-image",
    "rgb image": "rgb-image",
    "vertex": "vertex",
}


@dataclass
class _Data:
    """One group while it is read."""

    session: Session
    path: str
    group: h5py.Group
    problems: list[dict[str, Any]] = field(default_factory=list)

    def problem(self, code: str, message: str) -> None:
        found = {"code": code, "message": message}
        if found not in self.problems:
            self.problems.append(found)

    def child(self, name: str) -> h5py.Dataset | None:
        return self.session.dataset(join(self.path, name)) if name and name != "." else None

    def texts(self, name: str) -> list[str]:
        return attribute_texts(self.group, name) or []


def is_nxdata(session: Session, h5path: str) -> bool:
    """Whether a group wants to be plotted."""
    group = session.group(h5path)
    return group is not None and (session.nx_class(h5path) == "NXdata" or attribute_value(group, "signal") is not None)


def plot_of_group(session: Session, h5path: str, signal: str | None = None) -> dict[str, Any] | None:
    """``IPlot`` of an NXdata group, without what concerns detectors; None if it has nothing to plot.

    Args:
        session: the file.
        h5path: of the group.
        signal: plot this child rather than the group's own signal.
    """
    group = session.group(h5path)
    if group is None:
        return None
    data = _Data(session, h5path, group)
    name, auxiliary = _signal(data)
    if signal is not None:
        name, auxiliary = signal, []
    dataset = data.child(name)
    if dataset is None or dataset.shape is None:
        return None
    style = _style(group) or _small_angle_style(data, dataset)
    axes, scatter = _axes(data, name, dataset, style)
    kind = type_json(dataset.id.get_type())
    found = {
        "signal": join(h5path, name),
        "title": _title(data, name, dataset),
        "shape": [int(n) for n in dataset.shape],
        "dtype": dtype_text(kind),
        "scale": style.get("signal"),
        "axes": axes,
        "auxiliary": _auxiliary(data, auxiliary, dataset),
        "sentinels": [],
        "problems": data.problems,
    }
    optional = {
        "units": _text_of(dataset, "units"),
        "interpretation": _interpretation(dataset, group),
        "errors": _errors(data, name, dataset, is_signal=True),
        "scatter": scatter or None,
    }
    return found | {key: value for key, value in optional.items() if value is not None}


def plain_plot(session: Session, h5path: str) -> dict[str, Any] | None:
    """``IPlot`` of a data set by itself, with index axes; None for what no plot can be made of."""
    dataset = session.dataset(h5path)
    kind = session.kind(h5path)
    if dataset is None or not dataset.shape or not is_numeric(kind):
        return None
    found: dict[str, Any] = {
        "signal": h5path,
        "title": _text_of(dataset, "long_name") or basename(h5path),
        "shape": [int(n) for n in dataset.shape],
        "dtype": dtype_text(kind),
        "scale": None,
        "axes": [],
        "auxiliary": [],
        "sentinels": [],
        "problems": [],
    }
    optional = {"units": _text_of(dataset, "units"), "interpretation": _interpretation(dataset, None)}
    return found | {key: value for key, value in optional.items() if value is not None}


def _text_of(obj: h5py.Group | h5py.Dataset, name: str) -> str | None:
    found = attribute_texts(obj, name)
    if not found and name == "units":
        found = attribute_texts(obj, "unit")  # some of canSAS' writers
    return (found[0][:200] or None) if found else None


def _title(data: _Data, name: str, dataset: h5py.Dataset) -> str:
    title = data.session.string(join(data.path, "title")) or _text_of(data.group, "title")
    return (title or _text_of(dataset, "long_name") or name)[:300]


def _interpretation(dataset: h5py.Dataset, group: h5py.Group | None) -> str | None:
    said = _text_of(dataset, "interpretation") or (_text_of(group, "interpretation") if group is not None else None)
    return _INTERPRETATIONS.get(said.strip().lower()) if said else None


def _split(texts: list[str]) -> list[str]:
    """Names in a list, or in one string with colons or commas, perhaps in brackets, as before 2014."""
    if len(texts) == 1:
        texts = re.split(r"[:,]", texts[0].strip().strip("[]"))
    return [name.strip() for name in texts]


# --- signal ---------------------------------------------------------------------------------------------------------------


def _signal(data: _Data) -> tuple[str, list[str]]:
    """The signal's name and the further ones'."""
    said = [name for name in data.texts("signal") if name]
    auxiliary = [name for name in _split(data.texts("auxiliary_signals")) if name] + said[1:]
    if said and data.child(said[0]) is not None:
        return said[0], auxiliary
    if said:
        data.problem("no_signal", f"The signal {said[0]!r} that the group names is not there, or is no data set.")
    names = [name for name in data.session.names(data.path, MAX_CANDIDATES) if data.child(name) is not None]
    marked = sorted((order, name) for name in names if (order := _mark(data, name)))
    if marked:
        return marked[0][1], auxiliary + [name for _, name in marked[1:]]
    if not said:
        data.problem("no_signal", "The group does not say which of its data sets is the signal (NeXus: @signal).")
    return _guess(data, names), auxiliary


def _mark(data: _Data, name: str) -> int:
    """The old form: ``signal=1`` on the data set; 2 and more are further signals."""
    dataset = data.child(name)
    return (first_integer(attribute_value(dataset, "signal")) or 0) if dataset is not None else 0


def _guess(data: _Data, names: list[str]) -> str:
    """Numbers with most dimensions, which are no axis; ``data`` first among equals."""
    axes = set(_split(data.texts("axes")))
    best, best_rank = "", (-1, False)
    for name in names:
        dataset = data.child(name)
        if dataset is None or dataset.shape is None or name in axes or name.endswith(("_errors", "_weights", "_set")):
            continue
        if is_numeric(type_json(dataset.id.get_type())):
            rank = (len(dataset.shape), name == "data")
            if rank > best_rank:
                best, best_rank = name, rank
    return best


# --- axes -----------------------------------------------------------------------------------------------------------------


def _axes(data: _Data, signal: str, dataset: h5py.Dataset, style: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    names = _axis_names(data, signal, dataset)
    shape = tuple(int(n) for n in dataset.shape)
    if _is_scatter(data, names, shape):
        return [_axis(data, name, d, style, names) for d, name in enumerate(names)], True
    found: dict[int, dict[str, Any]] = {}
    for position, name in enumerate(_components(data, names, shape)):
        if name in (".", ""):
            continue
        for dimension in _indices(data, name, position, shape):
            if dimension in found:
                continue  # several axes for one dimension: the first named one is the default
            if _fits(data, name, dimension, shape):
                found[dimension] = _axis(data, name, dimension, style, names)
    return [found[dimension] for dimension in sorted(found)], False


def _components(data: _Data, names: list[str], shape: tuple[int, ...]) -> list[str]:
    """A vector that canSAS names twice (``Q,Q``) is there as its components (``Qx``, ``Qy``)."""
    if len(shape) != 2 or len(names) != 2 or names[0] != names[1] or data.child(names[0]) is not None:
        return names
    found = [f"{names[0]}y", f"{names[0]}x"]
    return found if all(data.child(name) is not None for name in found) else names


def _axis_names(data: _Data, signal: str, dataset: h5py.Dataset) -> list[str]:
    """From the group, from canSAS' ``I_axes``, from the signal, or from ``axis=1`` on the axes themselves."""
    for texts in (data.texts("axes"), data.texts(f"{signal}_axes"), attribute_texts(dataset, "axes")):
        if texts:
            names = _split(texts)
            if len(names) > len(dataset.shape) and not _is_scatter(data, names, dataset.shape):
                data.problem("axes", f"{len(names)} axes are named for {len(dataset.shape)} dimensions.")
            return names
    return _numbered_axes(data, signal, dataset)


def _numbered_axes(data: _Data, signal: str, dataset: h5py.Dataset) -> list[str]:
    names = ["."] * len(dataset.shape)
    ranks: dict[int, int] = {}
    for name in data.session.names(data.path, MAX_CANDIDATES):
        other = data.child(name)
        number = first_integer(attribute_value(other, "axis")) if other is not None and name != signal else None
        if number is None or other is None:
            continue
        dimension, primary = number - 1, first_integer(attribute_value(other, "primary")) or 99
        if 0 <= dimension < len(names) and primary < ranks.get(dimension, 1000):
            names[dimension], ranks[dimension] = name, primary
    return names


def _indices(data: _Data, name: str, position: int, shape: tuple[int, ...]) -> list[int]:
    """Which of the signal's dimensions an axis belongs to."""
    value = attribute_value(data.group, f"{name}_indices")
    if value is None:
        return [position] if position < len(shape) else []
    try:
        flat = np.asarray(value).reshape(-1).tolist()
        parts = data.texts(f"{name}_indices")
        numbers = [int(item) for item in (_split(parts) if parts else flat)]
    except (TypeError, ValueError, OverflowError):
        data.problem("axes", f"The attribute {name}_indices is no list of numbers.")
        return [position] if position < len(shape) else []
    fitting = [n for n in numbers if 0 <= n < len(shape)]
    if len(fitting) < len(numbers):
        data.problem("axes", f"The axis {name!r} is said to belong to a dimension that the signal does not have.")
    return fitting


def _fits(data: _Data, name: str, dimension: int, shape: tuple[int, ...]) -> bool:
    axis = data.child(name)
    if axis is None:
        data.problem("axes", f"The axis {name!r} is not there, or is no data set; the index is shown instead.")
        return False
    if axis.shape is not None and axis.shape == shape and len(shape) == 2:
        if axis_values(data.session, join(data.path, name), dimension) is not None:
            return True
        data.problem("axes", f"The axis {name!r} is not the same in every row; the index is shown instead.")
        return False
    if axis.shape is None or len(axis.shape) > 1:
        many = "no" if axis.shape is None else len(axis.shape)
        data.problem("axes", f"The axis {name!r} has {many} dimensions; the index is shown instead.")
        return False
    if len(axis.shape) == 1 and axis.shape[0] not in (shape[dimension], shape[dimension] + 1):
        data.problem(
            "axes",
            f"The axis {name!r} has {axis.shape[0]} values for {shape[dimension]} points; the index is shown instead.",
        )
        return False
    return bool(axis.shape) or shape[dimension] == 1


def _is_scatter(data: _Data, names: list[str], shape: tuple[int, ...]) -> bool:
    """Points in a plane: as many values as each of two axes has."""
    if len(shape) != 1 or len(names) != 2:
        return False
    axes = [data.child(name) for name in names]
    return all(axis is not None and axis.shape == shape for axis in axes)


def _axis(data: _Data, name: str, dimension: int, style: dict[str, Any], names: list[str]) -> dict[str, Any]:
    axis = data.child(name)
    assert axis is not None  # noqa: S101
    scales = style.get("axes", [])
    position = names.index(name) if name in names else dimension
    found = {
        "h5path": join(data.path, name),
        "label": _text_of(axis, "long_name") or name,
        "dimension": dimension,
        "has_values": _has_values(axis, dimension),
        "scale": scales[position] if position < len(scales) else "linear",
    }
    optional = {"units": _text_of(axis, "units"), "errors": _errors(data, name, axis, is_signal=False)}
    return found | {key: value for key, value in optional.items() if value is not None}


def _has_values(axis: h5py.Dataset, dimension: int) -> bool:
    kind = type_json(axis.id.get_type())["class"]
    length = axis.shape[dimension] if len(axis.shape) > 1 else axis.size
    return kind in ("integer", "float", "boolean") and 0 < length <= MAX_AXIS_VALUES


# --- errors, further signals, style ---------------------------------------------------------------------------------------


def _errors(data: _Data, name: str, dataset: h5py.Dataset, *, is_signal: bool) -> str | None:
    """The path of the standard deviations, by any of the names that they have had."""
    said: list[str] = []
    for word in ("uncertainties", "uncertainty"):
        said += attribute_texts(dataset, word) or data.texts(f"{name}_{word}")
    names = [*said, f"{name}_errors", f"{name}_error"] + (["errors"] if is_signal else [])
    for candidate in names:
        errors = data.child(candidate)
        if errors is None or candidate == name:
            continue
        if errors.shape == dataset.shape:
            return join(data.path, candidate)
        data.problem("errors", f"The errors {candidate!r} have another shape than {name!r}; they are not shown.")
    return None


def _auxiliary(data: _Data, names: list[str], signal: h5py.Dataset) -> list[dict[str, Any]]:
    found = []
    for name in dict.fromkeys(names):
        dataset = data.child(name)
        if dataset is None:
            data.problem("auxiliary", f"The further signal {name!r} is not there, or is no data set.")
        elif dataset.shape != signal.shape:
            data.problem(
                "auxiliary", f"The further signal {name!r} has another shape than the signal; it is not shown."
            )
        else:
            entry = {"h5path": join(data.path, name), "label": _text_of(dataset, "long_name") or name}
            errors = _errors(data, name, dataset, is_signal=False)
            found.append(entry | ({"errors": errors} if errors else {}))
    return found


def _small_angle_style(data: _Data, signal: h5py.Dataset) -> dict[str, Any]:
    """A curve of small-angle scattering spans decades both ways: everybody draws it with logarithmic axes."""
    if signal.ndim == 1 and "SASdata" in [*data.texts("canSAS_class"), *data.texts("NX_class")]:
        return {"axes": ["log"], "signal": "log"}
    return {}


def _style(group: h5py.Group) -> dict[str, Any]:
    """``SILX_style``: which scales the writer thinks useful."""
    said = attribute_texts(group, "SILX_style")
    if not said:
        return {}
    try:
        style = json.loads(said[0])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(style, dict):
        return {}
    scales = style.get("axes_scale_types", [])
    scales = [scales] if isinstance(scales, str) else scales if isinstance(scales, list) else []
    found: dict[str, Any] = {"axes": ["log" if scale == "log" else "linear" for scale in scales[:32]]}
    if style.get("signal_scale_type") in ("linear", "log"):
        found["signal"] = style["signal_scale_type"]
    return found
