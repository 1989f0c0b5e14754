"""Axes that are written as one value a pixel, and are a regular grid all the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from panosc_hdf5.core.session import Session

TOLERANCE = 1e-3  # of a step


def axis_values(session: Session, h5path: str, dimension: int) -> np.ndarray[Any, Any] | None:
    """An axis' values along one dimension of the signal; None if they are not the same in every row.

    Args:
        session: the file.
        h5path: of the axis, with one dimension or with two.
        dimension: of the signal.
    """
    value = session.value(h5path)
    if value is None:
        return None
    values = np.atleast_1d(np.asarray(value))
    if values.ndim == 1:
        return values
    if values.ndim != 2 or dimension not in (0, 1) or values.dtype.kind not in "iuf":
        return None
    along = values[:, 0] if dimension == 0 else values[0, :]
    step = float(np.ptp(along)) / max(1, along.size - 1)
    other = along[:, None] if dimension == 0 else along[None, :]
    same = step > 0 and bool(np.all(np.abs(values - other) <= TOLERANCE * step))
    return np.ascontiguousarray(along) if same else None
