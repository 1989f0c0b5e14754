"""EPOCH: decks checked before a run, the program started, its SDF files read.

EPOCH itself is in the image only where the operator has built it with its source (``panosc-hub images build --with epoch=…``);
checking and reading work without it.
"""

from .deck import Block, DeckError, Problem, check, read, require
from .plasma import debye_length, skin_depth
from .program import find, run, snapshots

__all__ = [
    "Block",
    "DeckError",
    "Problem",
    "check",
    "debye_length",
    "find",
    "read",
    "require",
    "run",
    "skin_depth",
    "snapshots",
]
