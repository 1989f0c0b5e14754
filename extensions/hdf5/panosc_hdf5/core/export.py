"""``export``: a slice as CSV, NPY, TIFF, or as an HDF5 file with NXdata."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import HDF5Error, TooLarge, Unsupported
from panosc_hdf5.core.failures import in_words
from panosc_hdf5.core.fields import as_text, attribute_text
from panosc_hdf5.core.nexus import plot_of
from panosc_hdf5.core.numeric import Array, shown
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, parse_slice, refuse_above
from panosc_hdf5.core.session import Session
from panosc_hdf5.core.tiff import tiff
from panosc_hdf5.core.wire import Reply

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located

MAX_CELLS = 2_000_000
FORMATS = ("csv", "npy", "tiff", "h5")
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "npy": "application/octet-stream",
    "tiff": "image/tiff",
    "h5": "application/x-hdf5",
}


@dataclass
class Table:
    """What is exported.

    Attributes:
        located: the data set.
        selection: the slice.
        values: as stored.
        companions: axes, errors and the like that fit the slice: by role (``axis0``, ``errors``), name and values.
        title: of the plot.
    """

    located: Located
    selection: Selection
    values: Array
    companions: dict[str, tuple[str, Array, str]] = field(default_factory=dict)
    title: str = ""

    @property
    def name(self) -> str:
        """Of the data set, without its path."""
        return self.located.asked.rsplit("/", 1)[-1] or "data"

    @property
    def units(self) -> str:
        """Of the values."""
        return attribute_text(self.located.dataset().id, b"units") or ""

    @property
    def provenance(self) -> str:
        """Where this is from, in one line."""
        return f"{self.located.origin.name}::{self.located.asked} [{self.selection.text}]"


def export(query: Query, context: Context) -> Reply:
    """A slice as a file.

    Parameters: ``slice``; ``format``: ``csv``, ``npy``, ``tiff`` or ``h5``.

    Returns:
        The file.

    Raises:
        TooLarge: beyond what one answer may be.
        HDF5Error: in words.
    """
    form = query.choice("format", FORMATS)
    path, h5path = query.text("path"), query.text("h5path")
    with context.services.files.locate(path, h5path) as located:
        dataset = located.dataset()
        selection = parse_slice(query.text("slice", ""), dataset.shape)
        refuse_above(selection.nbytes(dataset.dtype.itemsize), context.services.limits.reply_bytes, selection)
        if form == "csv" and selection.size > MAX_CELLS:
            raise TooLarge(
                f"This is {selection.size:,} cells; a CSV may have {MAX_CELLS:,}.",
                "Export it as NPY or HDF5, or a slice.",
            )
        table = Table(located, selection, _values(located, context, selection))
        if form in ("csv", "h5"):
            _find_companions(table, context, path)
        context.check()
        body = _WRITERS[form](table)
        name = filename(f"{located.origin.name.rsplit('.', 1)[0]}_{table.name}", form)
        return Reply(body=body, media_type=MEDIA_TYPES[form], filename=name, depends=located.depends)


def filename(stem: str, extension: str) -> str:
    """A file name that every system takes."""
    return (re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._")[:100] or "data") + "." + extension


def _values(located: Located, context: Context, selection: Selection) -> Array:
    """Numbers by the fast lane, anything else by h5py."""
    try:
        reader = Reader(located, context)
    except Unsupported:
        if selection.size > MAX_CELLS // 10:
            raise TooLarge(f"This is {selection.size:,} values that are no numbers.", "Export a slice.") from None
        try:
            return np.asarray(located.dataset()[selection.index])
        except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
            raise in_words(error, located.name) from error
    return reader.read(selection, keep=False)


def _find_companions(table: Table, context: Context, path: str) -> None:
    """Axes and errors by NeXus' rules; what does not fit, or can't be read, is left out."""
    asked = table.located.asked
    try:
        with Session(context.services.files, path) as session:
            plot = plot_of(session, asked)
            table.located.depend_on(session.stamps().values())
    except HDF5Error:
        return
    if plot is None or plot.get("signal") != asked:
        return
    table.title = str(plot.get("title") or "")
    whole = table.selection.shape
    if plot.get("errors"):
        _take(table, context, path, "errors", plot["errors"], tuple(range(len(whole))))
    for axis in plot.get("axes", ()):
        if axis.get("h5path") and axis["dimension"] in table.selection.dimensions:
            _take(table, context, path, f"axis{axis['dimension']}", axis["h5path"], (axis["dimension"],))


def _take(table: Table, context: Context, path: str, role: str, h5path: str, dimensions: tuple[int, ...]) -> None:
    try:
        with context.services.files.locate(path, h5path) as located:
            reader = Reader(located, context)
            if reader.shape != tuple(table.selection.shape[d] for d in dimensions):
                return
            part = Selection(reader.shape, tuple(table.selection.items[d] for d in dimensions))
            units = attribute_text(reader.dataset.id, b"units") or ""
            table.companions[role] = (h5path.rsplit("/", 1)[-1], reader.read(part, keep=False), units)
    except HDF5Error:
        return


# writers


def _csv(table: Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    text.write(f"# {' '.join(table.provenance.splitlines())}\n")  # a name may hold the end of a line, and a formula
    values = table.values
    if values.ndim == 1:
        _write_columns(writer, table)
    else:
        columns = values.shape[-1] if values.ndim else 1
        rows = values.reshape(values.size // columns if columns else 0, columns)
        for row in _cells(rows):
            writer.writerow(row)
    return text.getvalue().encode("utf-8", "replace")


def _write_columns(writer: Any, table: Table) -> None:
    (dimension,) = table.selection.dimensions
    columns: list[tuple[str, Array]] = []
    if f"axis{dimension}" in table.companions:
        name, axis, units = table.companions[f"axis{dimension}"]
        columns.append((_label(name, units), axis))
    else:
        columns.append(("index", np.array(table.selection.kept(dimension))))
    if table.values.dtype.names:
        columns += [(name, table.values[name]) for name in table.values.dtype.names]
    else:
        columns.append((_label(table.name, table.units), table.values))
    if "errors" in table.companions:
        name, errors, units = table.companions["errors"]
        columns.append((_label(name, units), errors))
    writer.writerow([_harmless(name) for name, _ in columns])
    for row in zip(*(_cells(array) for _, array in columns), strict=True):
        writer.writerow(row)


def _label(name: str, units: str) -> str:
    return f"{name} ({units})" if units else name


def _cells(array: Array) -> list[Any]:
    """Values for CSV, nested like the array."""
    if array.dtype.kind in "biufc":
        if array.dtype.kind in "bf" and array.dtype.itemsize in (1, 2, 16):
            array = shown(array)
        found: list[Any] = array.tolist()
        return found
    return [_cells(row) if row.ndim else _text(row.item()) for row in map(np.asarray, array)]


def _text(value: Any) -> str:
    return _harmless(as_text(value) if isinstance(value, (str, bytes)) else str(value))


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _npy(table: Table) -> bytes:
    if table.values.dtype.hasobject:
        raise Unsupported("Text, references and sequences can't be exported as NPY.", "Export it as CSV.")
    body = io.BytesIO()
    np.lib.format.write_array(body, np.asarray(table.values), allow_pickle=False)
    return body.getvalue()


def _tiff(table: Table) -> bytes:
    values = shown(table.values) if table.values.dtype.kind in "biufc" else table.values
    if values.dtype.kind not in "uif" or values.ndim not in (2, 3) or not values.size:
        raise Unsupported("A TIFF holds pictures of numbers; this slice is none.", "Keep two dimensions of the slice.")
    return tiff(values if values.ndim == 3 else values[None], table.provenance)


def _h5(table: Table) -> bytes:
    with _in_memory() as h5:
        try:
            _fill(h5, table)
        except (TypeError, ValueError, RuntimeError, OSError) as error:
            raise Unsupported("This type can't be written to a new file.", "Export it as CSV or NPY.") from error
        h5.flush()
        image: bytes = h5.id.get_file_image()
        return image


def _in_memory() -> h5py.File:
    return h5py.File("export.h5", "w", driver="core", backing_store=False)


def _fill(h5: h5py.File, table: Table) -> None:
    entry = h5.create_group("entry")
    data = entry.create_group("data")
    h5.attrs["NX_class"], h5.attrs["default"] = "NXroot", "entry"
    entry.attrs["NX_class"], entry.attrs["default"] = "NXentry", "data"
    data.attrs["NX_class"] = "NXdata"
    # Names come from a file: a fixed one is used where they could not be one.
    signal = table.name if table.name not in (".", "..") else "data"
    dataset = table.located.dataset()
    kept = data.create_dataset(signal, data=table.values, dtype=dataset.dtype)
    _copy_attributes(dataset, kept)
    data.attrs["signal"] = signal
    axes: list[str] = []
    for dimension in table.selection.dimensions:
        found = table.companions.get(f"axis{dimension}")
        name = found[0] if found is not None else "."
        if found is not None and name not in data:
            axis = data.create_dataset(name, data=found[1])
            if found[2]:
                axis.attrs["units"] = found[2]
            data.attrs[f"{name}_indices"] = len(axes)
        axes.append(name)
    if axes:
        data.attrs["axes"] = axes
    if "errors" in table.companions:
        data.create_dataset(f"{signal}_errors", data=table.companions["errors"][1])
    if table.title:
        data["title"] = table.title
    located = table.located
    data.attrs["source_file"] = located.origin.name
    data.attrs["source_path"] = located.asked
    data.attrs["source_slice"] = table.selection.text
    data.attrs["exported"] = datetime.now(UTC).isoformat(timespec="seconds")


def _copy_attributes(source: h5py.Dataset, target: h5py.Dataset) -> None:
    for name in ("units", "long_name", "interpretation", "description"):
        if (value := attribute_text(source.id, name.encode())) is not None:
            target.attrs[name] = value


_WRITERS: dict[str, Callable[[Table], bytes]] = {"csv": _csv, "npy": _npy, "tiff": _tiff, "h5": _h5}
