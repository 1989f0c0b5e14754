"""Files that a disk, a network or a bad day has damaged: seeded, so that a number says which damage it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Damage = Callable[[bytearray, np.random.Generator], None]
HEADERS = 4096


def flip_bits(raw: bytearray, random: np.random.Generator) -> None:
    """1 to 64 bits anywhere."""
    for at in random.integers(0, len(raw), int(random.integers(1, 65))):
        raw[at] ^= 1 << int(random.integers(8))


def flip_header(raw: bytearray, random: np.random.Generator) -> None:
    """1 to 8 bits near the start, where the root's headers are."""
    for at in random.integers(0, min(len(raw), HEADERS), int(random.integers(1, 9))):
        raw[at] ^= 1 << int(random.integers(8))


def flip_metadata(raw: bytearray, random: np.random.Generator) -> None:
    """Bits behind a signature of HDF5's own structures: trees, heaps, headers, chunk indexes."""
    signatures = (
        b"TREE",
        b"HEAP",
        b"SNOD",
        b"OHDR",
        b"OCHK",
        b"GCOL",
        b"FRHP",
        b"FHDB",
        b"BTHD",
        b"BTLF",
        b"FAHD",
        b"EAHD",
    )
    found = [at for signature in signatures if (at := raw.find(signature, int(random.integers(len(raw))))) >= 0]
    if not found:
        flip_header(raw, random)
        return
    start = found[int(random.integers(len(found)))]
    for _ in range(int(random.integers(1, 5))):
        at = min(len(raw) - 1, start + int(random.integers(0, 96)))
        raw[at] = int(random.choice(np.array([0, 1, 0x7F, 0x80, 0xFF, random.integers(256)])))


def truncate(raw: bytearray, random: np.random.Generator) -> None:
    """The end is missing."""
    del raw[int(random.integers(0, len(raw))) :]


def zero_block(raw: bytearray, random: np.random.Generator) -> None:
    """A block of the file system that never reached the disk."""
    _fill(raw, random, b"\0")


def ones_block(raw: bytearray, random: np.random.Generator) -> None:
    """A block of erased flash."""
    _fill(raw, random, b"\xff")


def noise_block(raw: bytearray, random: np.random.Generator) -> None:
    """A block of another file."""
    _fill(raw, random, random.bytes(4096))


def _fill(raw: bytearray, random: np.random.Generator, pattern: bytes) -> None:
    size = int(random.choice(np.array([16, 512, 4096])))
    start = int(random.integers(0, max(1, len(raw) - size)))
    size = min(size, len(raw) - start)
    raw[start : start + size] = (pattern * (size // len(pattern) + 1))[:size]


KINDS: tuple[Damage, ...] = (flip_bits, flip_header, flip_metadata, truncate, zero_block, ones_block, noise_block)


def damaged(good: bytes, number: int) -> tuple[str, bytes]:
    """The damage of a number: its kind, and what is left of the file."""
    random = np.random.default_rng(number)
    kind = KINDS[number % len(KINDS)]
    raw = bytearray(good)
    kind(raw, random)
    return kind.__name__, bytes(raw)
