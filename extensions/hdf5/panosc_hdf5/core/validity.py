"""Which pixels do not count: the detector's mask, and values that mean "no value"."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from panosc_hdf5.core.context import Context
from panosc_hdf5.core.detector import Detector, describe
from panosc_hdf5.core.errors import Cancelled, DeadlineExceeded, HDF5Error
from panosc_hdf5.core.numeric import Array, either, marks
from panosc_hdf5.core.query import Query
from panosc_hdf5.core.selection import Selection, parse_slice

if TYPE_CHECKING:
    from panosc_hdf5.core.files import Located

MASK = ("auto", "none")


@dataclass(frozen=True)
class Validity:
    """What is left out of a picture.

    Attributes:
        mask: True where a pixel of the shown slice does not count; None if all do.
        sentinels: values that mean "no value".
        path: of the mask's data set.
        key: equal for equal validities.
    """

    mask: Array | None = None
    sentinels: tuple[int, ...] = ()
    path: str | None = None
    key: str = "none"

    def masked(self, y: int, x: int, height: int, width: int) -> Array | None:
        """What the mask excludes of a block of the slice; None if nothing."""
        if self.mask is None:
            return None
        found = self.mask[y : y + height, x : x + width]
        return found if found.any() else None

    def invalid(self, block: Array, y: int = 0, x: int = 0) -> Array | None:
        """What does not count in a block that begins at ``y``, ``x`` of the slice; None if all does."""
        return either(self.masked(y, x, *block.shape), marks(block, self.sentinels))

    def within(self, window: tuple[int, int, int, int]) -> Validity:
        """For a part of the slice, ``[y0, y1, x0, x1]``."""
        if self.mask is None:
            return self
        y0, y1, x0, x1 = window
        return Validity(self.mask[y0:y1, x0:x1], self.sentinels, self.path, self.key)


def validity_for(query: Query, located: Located, context: Context, selection: Selection) -> Validity:
    """By the parameter ``mask``: ``auto`` or ``none``."""
    if query.choice("mask", MASK, "auto") == "none":
        return Validity()
    return automatic(located, context, selection)


def automatic(located: Located, context: Context, selection: Selection) -> Validity:
    """The detector's own mask and sentinels, for a slice.

    Args:
        located: the data set.
        context: of the request.
        selection: with two kept dimensions. The mask applies where these are the data set's last two.
    """
    detector = describe(located)
    shown = selection.dimensions
    n = len(selection.shape)
    if detector.mask is None or shown != (n - 2, n - 1):
        return Validity(None, detector.sentinels, None, f"{detector.sentinels}")
    found = _mask(located, context, detector, detector.mask, selection.shape[-2:])
    if found is None:
        return Validity(None, detector.sentinels, None, f"{detector.sentinels}")
    whole, digest = found
    mask = whole[selection.index[-2:]]
    key = f"{detector.sentinels} {detector.mask} {digest}"
    return Validity(mask if mask.any() else None, detector.sentinels, detector.mask, key)


def _mask(
    located: Located, context: Context, detector: Detector, path: str, shape: tuple[int, ...]
) -> tuple[Array, str] | None:
    """The whole mask, and a digest of it that is the same in every process; None if it can't be read or does not fit."""
    from panosc_hdf5.core.reading import Reader

    def read() -> tuple[Array, str]:
        with context.services.files.locate(located.origin.path, path) as found:
            reader = Reader(found, context)
            if reader.shape is None or reader.shape[-2:] != shape or any(n != 1 for n in reader.shape[:-2]):
                raise HDF5Error("The mask does not fit.")
            mask = reader.read(parse_slice(None, reader.shape)).reshape(shape) != 0
            return mask, hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=12).hexdigest()

    try:
        key = ("mask", path, located.origin.stamp.key, *(stamp.key for stamp in detector.depends))
        found: tuple[Array, str] = context.services.decoded.get(key, read, lambda made: made[0].nbytes, context.check)
    except (Cancelled, DeadlineExceeded):
        raise
    except HDF5Error:
        return None
    return found
