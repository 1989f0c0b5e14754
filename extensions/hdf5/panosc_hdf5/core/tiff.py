"""Baseline TIFF, uncompressed: grey values of 8 to 64 bits, one page for each picture."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from panosc_hdf5.core.numeric import Array

_SHORT, _LONG, _ASCII = 3, 4, 2
_FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(pages: Array, description: str) -> bytes:
    """A little-endian TIFF file.

    Args:
        pages: numbers with three dimensions (page, row, column), none of them 0; below 4 GB.
        description: ASCII, in the first page.
    """
    count, height, width = pages.shape
    pages = np.ascontiguousarray(pages, pages.dtype.newbyteorder("<"))
    page_bytes = height * width * pages.dtype.itemsize
    text = description.encode("ascii", "replace") + b"\0"
    text += b"\0" * (len(text) % 2)
    parts = [struct.pack("<2sHI", b"II", 42, 8 + len(text)), text]
    place = 8 + len(text)
    directory = 2 + 12 * 11 + 4
    for n in range(count):
        data = place + directory
        following = data + page_bytes + page_bytes % 2
        tags: list[tuple[int, int, int, int]] = [
            (254, _LONG, 1, 2 if count > 1 else 0),
            (256, _LONG, 1, width),
            (257, _LONG, 1, height),
            (258, _SHORT, 1, 8 * pages.dtype.itemsize),
            (259, _SHORT, 1, 1),
            (262, _SHORT, 1, 1),
            (270, _ASCII, len(text), 8),
            (273, _LONG, 1, data),
            (278, _LONG, 1, height),
            (279, _LONG, 1, page_bytes),
            (339, _SHORT, 1, _FORMATS[pages.dtype.kind]),
        ]
        parts.append(struct.pack("<H", len(tags)))
        parts += [struct.pack("<HHII", *tag) for tag in tags]
        parts.append(struct.pack("<I", following if n + 1 < count else 0))
        parts.append(_bytes(pages[n]))
        parts.append(b"\0" * (page_bytes % 2))
        place = following
    return b"".join(parts)


def _bytes(page: Any) -> bytes:
    found: bytes = page.tobytes()
    return found
