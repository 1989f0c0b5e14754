"""``values``: exact values for tables."""

from __future__ import annotations

import math
from typing import Any

import h5py

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.errors import HDF5Error, TooLarge, Unsupported
from panosc_hdf5.core.exact import Encoder
from panosc_hdf5.core.failures import in_words, missing_filter
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.selection import Selection, parse_slice, refuse_above
from panosc_hdf5.core.storage import missing_filters
from panosc_hdf5.core.tree import shape_of
from panosc_hdf5.core.types import type_json
from panosc_hdf5.core.wire import Reply


def values(query: Query, context: Context) -> Reply:
    """``IValues``: a slice's values, each as exact as JSON can be made to be.

    Raises:
        TooLarge: before anything is read, with a slice that would do.
    """
    h5path = query.text("h5path", "/")
    with context.services.files.locate(query.text("path"), h5path) as located:
        dataset = located.dataset()
        kind = type_json(dataset.id.get_type())
        selection = parse_slice(query.text("slice", ""), shape_of(dataset.id))
        limits = context.services.limits
        _refuse(dataset, kind, selection, limits.cells, limits.reply_bytes)
        context.check()
        encoded = Encoder(kind, dataset, 4 * limits.cells).encode(
            read(dataset, selection, h5path), len(selection.result_shape)
        )
        header = {
            "h5path": h5path,
            "slice": selection.text,
            "shape": list(selection.result_shape),
            "type": kind,
            "values": encoded,
        }
        return Reply(header, depends=located.depends)


def read(dataset: h5py.Dataset, selection: Selection, what: str) -> Any:
    """Read a checked selection.

    Raises:
        HDF5Error: in words.
    """
    try:
        return dataset[selection.index]
    except TypeError as error:
        raise Unsupported(f"{what} has a type that numpy cannot hold.", code="no_numpy_type") from error
    except Exception as error:
        found = in_words(error, what)
        if found.code in ("missing_filter", "damaged_chunk") and (names := missing_filters(dataset.id)):
            found = missing_filter(what, ", ".join(names))
        raise found from error


def cells_of(kind: dict[str, Any]) -> int:
    """How many table cells one element takes."""
    if kind["class"] == "compound":
        return sum(cells_of(field["type"]) for field in kind["fields"]) or 1
    if kind["class"] == "array":
        count = 1
        for n in kind["dims"]:
            count *= n
        return count * cells_of(kind["base"])
    return 1


def _refuse(dataset: h5py.Dataset, kind: dict[str, Any], selection: Selection, cells: int, limit: int) -> None:
    refuse_above(selection.nbytes(int(dataset.id.get_type().get_size())), limit, selection)
    # Empty lists in lists are cells, too.
    wanted = math.prod(max(1, n) for n in selection.result_shape) * cells_of(kind)
    if wanted <= cells:
        return
    try:
        refuse_above(wanted, cells, selection)
    except HDF5Error as error:
        raise TooLarge(
            f"These are {wanted:,} values; a table shows {cells:,} at once.",
            "Ask for a part of the rows and columns, or export them.",
            **{**error.details, "cells": wanted, "limit": cells},
        ) from None
