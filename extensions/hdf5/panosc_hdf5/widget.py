"""The viewer in a notebook's cell: ``panosc_hdf5.view("file.h5", "/entry/data")``.

What is shown is a set of traits that code sets and observes, and that follow what the person does in the viewer::

    view = panosc_hdf5.view("scan.h5", "/entry/data", slice=0, scale="log")
    view.slice = "17, :, :"
    view.observe(lambda change: print(change.new), "roi")
    view.data[100:200, 300:400].sum()

The browser asks the Jupyter server for the data if the file lies beneath the server's root. If not, it asks the kernel, and a
process of the kernel's own reads. The kernel takes such questions between two cells (ipykernel 7 with JupyterLab 4.4 or newer:
also during one, in a subshell); a question that was taken is answered while cells run.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import ipywidgets
import numpy as np
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Tuple, Unicode, observe, validate

import panosc_hdf5
from panosc_hdf5.core.errors import BadRequest, HDF5Error, Unsupported
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.files import FileCache
from panosc_hdf5.core.selection import parse_slice
from panosc_hdf5.core.sources import ascertain
from panosc_hdf5.notebook.conversation import Conversation
from panosc_hdf5.notebook.reader import shared_reader
from panosc_hdf5.notebook.source import Source, absolute, find, is_remote, opened, parse, resolve, signal_of, slice_text

VIEWS = ("scalar", "line", "heatmap", "scatter", "rgb", "matrix", "compound", "complex", "raw", "group")
SCALES = ("linear", "log", "symlog", "sqrt")
REDUCERS = ("max", "mean", "min", "first")


def view(source: Any, h5path: str | None = None, *, slice: Any = None, **shown: Any) -> HDF5View:
    """Show a data set, a group or a whole file in this cell.

    Args:
        source: the file's path or URL; a silx data URL (``silx:///data/file.h5?path=/entry/data&slice=0``,
            ``file.h5::/entry/data[0]``, or a ``silx.io.url.DataUrl``); or an object of h5py, silx or nexusformat.
        h5path: of the object inside the file, or inside the group that was given; the NeXus default if there is none.
        slice: which part of a data set: text in numpy's syntax (``"3, :, :"``), a number, slices, or a tuple of these.
        shown: further traits of :class:`HDF5View`: ``vis``, ``range``, ``scale``, ``color_map``, ``roi``, ``profile``,
            ``zoom``, ``follow``, ``height`` and more.

    Raises:
        HDF5Error: no such file or object, or a slice that doesn't fit, in words.
        TraitError: something else that can't be, in words.
    """
    found = parse(source)
    if h5path is not None:
        inside = h5path if h5path.startswith("/") else f"{found.h5path.rstrip('/')}/{h5path}"
        found = replace(found, h5path=inside, handle=None)
    if slice is not None:
        found = replace(found, slice=slice_text(slice))
    if unknown := sorted(set(shown) - set(HDF5View.class_trait_names())):
        raise BadRequest(f"The viewer has no {', '.join(unknown)}.", f"It has {', '.join(HDF5View.shown_traits())}.")
    found, _ = resolve(found)
    return HDF5View(found, **shown)


def _optional(trait: Any) -> Any:
    return trait(default_value=None, allow_none=True).tag(sync=True)


def _numbers(count: int, trait: Any = Float) -> Any:
    return Tuple(*(trait() for _ in range(count)), default_value=None, allow_none=True).tag(sync=True)


class HDF5View(ipywidgets.DOMWidget):  # type: ignore[misc]
    """A viewer of one HDF5 file. Every trait is set by code and by what the person does.

    Attributes:
        path: the file, or its URL.
        h5path: the object that is shown; ``/`` leads to the NeXus default.
        slice: numpy syntax, such as ``"3, :, :"``; None is what the viewer finds useful.
        vis: one of ``VIEWS``; None is the best one.
        axes: which dimensions are shown as y and x, or as x.
        range: colour or value range; None is the useful one.
        scale: ``linear``, ``log``, ``symlog`` or ``sqrt``; None is the useful one.
        color_map: name of a colour map, such as ``Viridis``.
        invert_color_map: the other way round.
        reduce: how pixels are joined when there are more than the screen has: ``max``, ``mean``, ``min``, ``first``.
        mask: ``auto`` takes masked pixels and sentinels off, ``none`` shows everything as stored.
        zoom: what is in sight, ``(y0, y1, x0, x1)`` in pixels of the data, half open.
        keep_aspect: square pixels.
        follow: show the last frame of a data set that grows.
        roi: the region that is measured, ``(y0, y1, x0, x1)``, half open: ``view.data[y0:y1, x0:x1]``.
        profile: the line that is measured, ``(y0, x0, y1, x1)``.
        x: path of a data set that is the X axis of curves.
        curves: further curves, ``{"h5path": …, "slice": …, "path": …}``.
        compare: another image, like one of ``curves``.
        compare_mode: ``side``, ``difference`` or ``swipe``.
        height: of the viewer, in CSS pixels.
    """

    _model_name = Unicode("HDF5ViewModel").tag(sync=True)
    _model_module = Unicode("@panosc/jupyterlab-hdf5").tag(sync=True)
    _model_module_version = Unicode(f"^{panosc_hdf5.__version__}").tag(sync=True)
    _view_name = Unicode("HDF5ViewView").tag(sync=True)
    _view_module = Unicode("@panosc/jupyterlab-hdf5").tag(sync=True)
    _view_module_version = Unicode(f"^{panosc_hdf5.__version__}").tag(sync=True)
    # Where the file is, so that the browser can find out whether its server has it too.
    _place = Dict().tag(sync=True)

    path = Unicode().tag(sync=True)
    h5path = Unicode("/").tag(sync=True)
    slice = _optional(Unicode)
    vis = Enum(VIEWS, default_value=None, allow_none=True).tag(sync=True)
    axes = List(Int(min=0, max=31), default_value=None, allow_none=True, maxlen=2).tag(sync=True)
    range = _numbers(2)
    scale = Enum(SCALES, default_value=None, allow_none=True).tag(sync=True)
    color_map = _optional(Unicode)
    invert_color_map = Bool(False).tag(sync=True)
    reduce = Enum(REDUCERS, default_value=None, allow_none=True).tag(sync=True)
    mask = Enum(("auto", "none"), default_value="auto").tag(sync=True)
    zoom = _numbers(4)
    keep_aspect = Bool(default_value=None, allow_none=True).tag(sync=True)
    follow = Bool(False).tag(sync=True)
    roi = _numbers(4, Int)
    profile = _numbers(4)
    x = _optional(Unicode)
    curves = List(Dict(), default_value=[]).tag(sync=True)
    compare = _optional(Dict)
    compare_mode = Enum(("side", "difference", "swipe"), default_value=None, allow_none=True).tag(sync=True)
    height = Int(480, min=120, max=4000).tag(sync=True)

    def __init__(self, source: Source | str, **shown: Any) -> None:
        found = source if isinstance(source, Source) else resolve(parse(source))[0]
        self._handle = found.handle
        self._conversation = Conversation(self._say, lambda: self.path, shared_reader)
        first = {"path": found.path, "h5path": found.h5path, "slice": found.slice}
        super().__init__(**{**first, **shown})
        self.on_msg(self._hear)

    @classmethod
    def shown_traits(cls) -> list[str]:
        """The names of the traits that say what is shown."""
        inherited = set(ipywidgets.DOMWidget.class_trait_names())
        return sorted(name for name in cls.class_trait_names(sync=True) if name[0] != "_" and name not in inherited)

    @property
    def data(self) -> np.ndarray[Any, Any]:
        """What is shown, as stored: the slice of the data set, or of the group's signal, without mask or reduction, read now.

        Without a slice it is everything of a data set of up to two dimensions, and the first image or curve of a larger one.
        Strings are text.

        Raises:
            HDF5Error: in words: nothing that has values is shown, or it can't be read.
        """
        if is_remote(self.path):
            return self._remote_data()
        if self._handle is not None and self._handle and self._handle.name == self.h5path:
            return _read(self._handle, self.slice)
        with opened(self.path) as file:
            item = find(file, Source(self.path, self.h5path))[1]
            if not hasattr(item, "dtype") and (signal := signal_of(self.path, self.h5path)) is not None:
                item = file[signal[0]]
            return _read(item, self.slice)

    def close(self) -> None:
        """Take the viewer away."""
        self._conversation.close()
        super().close()

    def __repr__(self) -> str:
        name = self.path if is_remote(self.path) else Path(self.path).name
        part = f"[{self.slice}]" if self.slice else ""
        return f"HDF5View({name}::{self.h5path}{part})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = cast(dict[str, Any], super()._repr_mimebundle_(**kwargs))
        bundle["text/plain"] = self._summary()
        return bundle

    def _summary(self) -> str:
        """What a terminal or a saved notebook shows where the viewer can't be."""
        if is_remote(self.path):
            return repr(self)
        try:
            with opened(self.path) as file:
                item = file[self.h5path]
                if not hasattr(item, "dtype"):
                    return f"{self!r}: group with {len(item)} children" if hasattr(item, "keys") else repr(self)
                return f"{self!r}: {item.dtype} {item.shape}"
        except (HDF5Error, KeyError, OSError, RuntimeError, TypeError, ValueError):
            return repr(self)

    def _say(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(message, buffers)

    def _hear(self, _: Any, message: Any, __: Any) -> None:
        self._conversation.take(message)

    def _remote_data(self) -> np.ndarray[Any, Any]:
        cache = FileCache()
        try:
            with cache.locate(self.path, self.h5path) as located:
                return _read(located.dataset(), self.slice)
        finally:
            cache.close()

    @validate("path")
    def _valid_path(self, proposal: Any) -> str:
        path = absolute(str(proposal["value"]))
        if not is_remote(path):
            with _told(), opened(path):
                pass
        return path

    @validate("h5path")
    def _valid_h5path(self, proposal: Any) -> str:
        with _told():
            return self._resolved(str(proposal["value"]), None)

    @validate("slice")
    def _valid_slice(self, proposal: Any) -> str | None:
        text = proposal["value"]
        if text is None or not self.path or is_remote(self.path):
            return cast("str | None", text)
        with _told():
            return resolve(self._source(self.h5path, text))[0].slice

    @observe("path", "h5path")
    def _moved(self, change: Any) -> None:
        """What doesn't fit the new object is forgotten: code that walks over scans need not care."""
        if change.name == "path" or not self._place:
            self._place = _place(self.path)
        if change.name == "path" or (self._handle and self._handle.name != self.h5path):
            self._handle = None
        with contextlib.suppress(HDF5Error):
            resolve(self._source(self.h5path, self.slice))
            return
        try:
            resolve(self._source(self.h5path, None))
        except HDF5Error:
            self.h5path = "/"
        self.slice = None

    def _source(self, h5path: str, slice: str | None) -> Source:
        handle = self._handle if self._handle and self._handle.name == h5path else None
        return Source(self.path, h5path, slice, handle)

    def _resolved(self, h5path: str, slice: str | None) -> str:
        return resolve(self._source(h5path, slice))[0].h5path if self.path else h5path

    @validate("range")
    def _valid_range(self, proposal: Any) -> Any:
        value = _finite(proposal)
        if value is not None and not value[0] < value[1]:
            raise TraitError(f"The range starts at {value[0]} and ends at {value[1]}; it must end above its start.")
        return value

    @validate("zoom", "roi")
    def _valid_window(self, proposal: Any) -> Any:
        value = _finite(proposal)
        if value is not None and not (value[0] < value[1] and value[2] < value[3]):
            name = proposal["trait"].name
            raise TraitError(f"{name} is (y0, y1, x0, x1), half open, in pixels of the data; {value} holds nothing.")
        return value

    @validate("profile")
    def _valid_profile(self, proposal: Any) -> Any:
        return _finite(proposal)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """An HDF5Error as what traits raise; the words are the same."""
    try:
        yield
    except HDF5Error as error:
        raise TraitError(f"{error.message} {error.remedy}".strip()) from error


def _finite(proposal: Any) -> Any:
    value = proposal["value"]
    if value is not None and not all(math.isfinite(number) for number in value):
        raise TraitError(f"{proposal['trait'].name} must be made of finite numbers, not {value}.")
    return value


def _read(dataset: Any, slice: str | None) -> np.ndarray[Any, Any]:
    if not hasattr(dataset, "dtype"):
        raise Unsupported(f"{dataset.name} is a group; it has no values of its own.", "Set h5path to a data set.")
    selection = parse_slice(slice, dataset.shape)
    if not selection.given:
        selection = selection.showing(2)
    if getattr(dataset, "is_virtual", False):
        _refuse_endless(dataset)
    text = dataset.asstr() if _is_text(dataset) else dataset
    try:
        return np.asarray(text[selection.index])
    except (OSError, RuntimeError, ValueError) as error:
        raise in_words(error, str(dataset.name)) from error


def _refuse_endless(dataset: Any) -> None:
    """HDF5 ends the process, and with it the kernel, when a virtual data set is its own source."""
    cache = FileCache()
    try:
        with cache.locate(dataset.file.filename, dataset.name) as located:
            ascertain(dataset, dataset.name, located.file, cache)
    finally:
        cache.close()


def _is_text(dataset: Any) -> bool:
    from h5py import check_string_dtype

    return check_string_dtype(dataset.dtype) is not None


def _place(path: str) -> dict[str, Any]:
    if is_remote(path):
        return {"url": path}
    real = Path(path).resolve()
    place: dict[str, Any] = {"real": str(real), "home": str(Path.home())}
    with contextlib.suppress(OSError):
        stat = real.stat()
        place |= {"size": stat.st_size, "modified": stat.st_mtime}
    if root := os.environ.get("JUPYTER_SERVER_ROOT"):
        place["root"] = str(Path(root).expanduser().resolve())
    return place
