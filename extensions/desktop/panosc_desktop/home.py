"""What is wrong with the person's home, in words for the desktop's page."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def home_problem(home: Path | None = None) -> str:
    """Words if programs cannot save anything there, else nothing.

    Tried by writing a block: a quota, unlike a full disk, shows in nothing else.
    """
    where = home or Path(os.environ.get("HOME", "/"))
    try:
        with tempfile.TemporaryFile(dir=where) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        if error.errno in _FULL:
            return "Your home is full: programs cannot save files or settings. Remove what you do not need, for example with Files."
        return f"Your home cannot be written to ({error.strerror}): programs cannot save files or settings."
    return ""
