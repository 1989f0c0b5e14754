"""``stats``: the distribution of a picture's values, or of any other slice's."""

from __future__ import annotations

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.distribution import Distribution
from panosc_hdf5.core.errors import Unsupported
from panosc_hdf5.core.image import Image
from panosc_hdf5.core.numeric import shown, shown_dtype
from panosc_hdf5.core.picture import window_of
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.reading import Reader
from panosc_hdf5.core.selection import Selection, parse_slice, refuse_above
from panosc_hdf5.core.validity import Validity, validity_for
from panosc_hdf5.core.wire import Reply

MAX_ELEMENTS = 2_000_000_000
PIECE = 1_000_000


def stats(query: Query, context: Context) -> Reply:
    """Statistics and histogram, exact.

    Parameters: ``slice``, ``window`` (of a picture: y0,y1,x0,x1), ``mask``, ``bins``.

    Returns:
        ``IStats``, with ``suggested`` scale and domain.

    Raises:
        HDF5Error: in words.
    """
    bins = query.integer("bins", 256, low=2, high=4096)
    with context.services.files.locate(query.text("path"), query.text("h5path")) as located:
        reader = Reader(located, context)
        selection = parse_slice(query.text("slice", ""), reader.shape)
        if not selection.given:
            selection = selection.showing(2)
        if not selection.size:
            raise Unsupported("There is nothing to measure: the slice has no elements.", code="empty")
        refuse_above(selection.size, MAX_ELEMENTS, selection)
        if len(selection.dimensions) == 2:
            validity = validity_for(query, located, context, selection)
            found = Distribution(shown_dtype(reader.stored), validity.sentinels)
            image = Image(reader, selection, validity, window_of(query, selection))
            image.collect(None, found, image.units(), every_row=True)
        else:
            validity = _sentinels(query, reader, context, selection)
            found = Distribution(shown_dtype(reader.stored), validity.sentinels)
            _collect(reader, selection, found)
        summary = found.summary(bins)
        return Reply(summary.as_json() | {"suggested": summary.suggested()}, depends=located.depends)


def _sentinels(query: Query, reader: Reader, context: Context, selection: Selection) -> Validity:
    """Without a picture there is no mask, but values that mean nothing still do."""
    found = validity_for(query, reader.located, context, selection)
    return Validity(None, found.sentinels)


def _collect(reader: Reader, selection: Selection, found: Distribution) -> None:
    kept = selection.dimensions
    if not kept:
        found.add(np.atleast_2d(shown(reader.read(selection))))
        return
    first = selection.kept(kept[0])
    step = max(1, PIECE // max(1, selection.size // len(first)))
    parts = ((a, min(len(first), a + step)) for a in range(0, len(first), step))

    def work(part: tuple[int, int]) -> None:
        block = shown(reader.read(selection.within(kept[0], *part), keep=False, threads=False))
        found.add(block.reshape(1, -1))

    reader.each(work, parts, threads=len(first) > step)
