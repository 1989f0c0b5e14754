"""What kind of object lies at an address, by the first bytes of its header: quicker than HDF5, which decodes all of it.

Only for deciding where a search must look further. Whatever is not certain is left to HDF5.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from panosc_hdf5.core.numeric import Array

UNKNOWN, GROUP, OTHER = 0, 1, 2
HEAD = 48
"""Bytes of a header that are looked at."""
WINDOW = 128 * 1024
"""Bytes that are read at once where headers lie close to each other."""
CLOSE = 2048
"""Bytes from one header to the next, on average, up to which they do."""

# Types of messages: the first one of a header is one that only this kind of object has.
_OF_GROUPS = (0x02, 0x06, 0x0A, 0x11)  # link info, link, group info, symbol table
_OF_OTHERS = (0x01, 0x03)  # dataspace, datatype
_KINDS = np.zeros(256, np.uint8)
_KINDS[list(_OF_GROUPS)] = GROUP
_KINDS[list(_OF_OTHERS)] = OTHER


def kinds(descriptor: int, base: int, addresses: Sequence[int]) -> Array:
    """The kind of the object at each address: ``GROUP``, ``OTHER`` or ``UNKNOWN``. Never raises for what the file holds.

    Args:
        descriptor: of the file.
        base: where its addresses begin to count.
        addresses: of object headers.
    """
    if not addresses:
        return np.zeros(0, np.uint8)
    order = sorted(range(len(addresses)), key=addresses.__getitem__)
    heads = np.frombuffer(_heads(descriptor, [base + addresses[i] for i in order]), np.uint8).reshape(-1, HEAD)
    found = np.zeros(len(addresses), np.uint8)
    found[order] = np.where(_is_new(heads), _new(heads), _old(heads))
    return found


def _heads(descriptor: int, places: list[int]) -> bytes:
    close = places[-1] - places[0] <= CLOSE * len(places)
    window, begin, pieces = b"", 0, []
    for place in places:
        at = place - begin
        if not 0 <= at <= len(window) - HEAD:
            window, begin, at = _read(descriptor, place, WINDOW if close else HEAD), place, 0
        piece = window[at : at + HEAD]
        pieces.append(piece if len(piece) == HEAD else piece.ljust(HEAD, b"\xff"))
    return b"".join(pieces)


def _read(descriptor: int, place: int, nbytes: int) -> bytes:
    try:
        return os.pread(descriptor, nbytes, place)
    except (OSError, OverflowError):
        return b""


def _is_new(heads: Array) -> Array:
    """Which headers are of the second version: ``OHDR`` and a 2."""
    signed: Array = (heads[:, :5] == np.frombuffer(b"OHDR\x02", np.uint8)).all(axis=1)
    return signed


def _new(heads: Array) -> Array:
    """By the flags it follows where the first message begins."""
    flags = heads[:, 5].astype(np.intp)
    first = 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1) + (1 << (flags & 3))
    found: Array = _KINDS[heads[np.arange(len(heads)), first]]
    return found


def _old(heads: Array) -> Array:
    """The first message's type follows 16 bytes; those of two bytes are all below 256."""
    plain = (heads[:, 0] == 1) & (heads[:, 1] == 0) & (heads[:, 17] == 0)
    return np.where(plain, _KINDS[heads[:, 16]], np.uint8(UNKNOWN))
