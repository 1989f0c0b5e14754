"""Reading a file that may be anything: a pipe, a directory, a link to itself, or without end."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_regular(file: Path, most: int, follow: bool = True) -> bytes | None:
    """What is in a regular file; None if it is not one, cannot be read, or holds more than ``most`` bytes.

    Args:
        file: its path.
        most: bytes.
        follow: whether it may be a link.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(file, flags)
    except (OSError, ValueError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as handle:
            found = handle.read(most + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return found if len(found) <= most else None
