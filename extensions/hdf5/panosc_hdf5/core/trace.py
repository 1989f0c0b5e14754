"""``trace``: one pixel over a stack."""

from __future__ import annotations

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import BadRequest, Unsupported
from panosc_hdf5.core.fields import attribute_text
from panosc_hdf5.core.numeric import shown
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, parse_slice, refuse_above
from panosc_hdf5.core.wire import Reply


def trace(query: Query, context: Context) -> Reply:
    """The values of one pixel along an axis.

    Parameters: ``axis`` (0 if not given), ``point`` (indices of the other kept dimensions of the slice, such as y,x),
    ``slice`` (fixes further dimensions; its entry for the axis does not count if it is an index).

    Returns:
        ``ITraceHeader`` and the array ``value``.

    Raises:
        HDF5Error: in words.
    """
    with context.services.files.locate(query.text("path"), query.text("h5path")) as located:
        reader = Reader(located, context)
        given = parse_slice(query.text("slice", ""), reader.shape)
        axis = axis_of(query, given)
        point = query.integers("point")
        if point is None:
            raise BadRequest("The parameter point is missing.")
        selection = _at(along(given, axis), axis, point)
        refuse_above(selection.nbytes(reader.stored.itemsize), context.services.limits.reply_bytes, selection)
        value = shown(reader.read(selection, keep=False))
        header = {
            "h5path": located.asked,
            "axis": axis,
            "length": len(value),
            "done": len(value),
            "complete": True,
        } | units(reader)
        return Reply(header, {"value": value}, located.depends)


def axis_of(query: Query, selection: Selection) -> int:
    """The parameter ``axis``.

    Raises:
        BadRequest: there is no such dimension.
        Unsupported: the data set has none at all.
    """
    n = len(selection.shape)
    if not n:
        raise Unsupported("The data set is a single value.", code="not_a_stack")
    axis = query.integer("axis", 0)
    if axis >= n:
        raise BadRequest(f"There is no dimension {axis}: the data set has {n}.")
    return axis


def along(selection: Selection, axis: int) -> Selection:
    """The slice with all of an axis, unless it has a range there already."""
    if isinstance(selection.items[axis], int):
        return selection.with_item(axis, range(selection.shape[axis]))
    return selection


def _at(selection: Selection, axis: int, point: tuple[int, ...]) -> Selection:
    others = [d for d in selection.dimensions if d != axis]
    surplus = len(others) - len(point)
    if surplus < 0 or (surplus and selection.given):
        raise BadRequest(
            f"The point has {len(point)} numbers; the slice {selection.text!r} leaves {len(others)} dimensions to it."
        )
    for d in others[:surplus]:
        selection = selection.with_item(d, _index(selection, d, 0))
    for d, i in zip(others[surplus:], point, strict=True):
        selection = selection.with_item(d, _index(selection, d, i))
    return selection


def _index(selection: Selection, dimension: int, index: int) -> int:
    item = selection.kept(dimension)
    if not 0 <= index < len(item):
        raise BadRequest(f"The point lies outside: dimension {dimension} of the slice has {len(item)} elements.")
    return item[index]


def units(reader: Reader) -> dict[str, str]:
    """The data set's units, if they are text."""
    found = attribute_text(reader.dataset.id, b"units")
    return {} if found is None else {"units": found[:100]}
