"""Numba in an image that nobody can write to: FBPIC's compiled functions come with the image, one's own are kept at home.

FBPIC's functions take half a minute to compile. The image's build leaves them in `SHIPPED`, compiled for any x86-64
processor, and each person gets a copy, because numba takes only a cache that it could write to.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

SHIPPED = Path("/opt/panosc/numba-cache")


def prepare(shipped: Path = SHIPPED) -> Path | None:
    """Point numba to a cache that has what the image ships; one thread, unless the person wants more.

    Returns:
        The cache's folder; None where the person has chosen one, or numba is imported already and cannot be told.
    """
    # A notebook server has few cores, and threads do not pay at a notebook's sizes.
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if "numba" in sys.modules or os.environ.get("NUMBA_CACHE_DIR"):
        return None
    os.environ.setdefault("NUMBA_CPU_NAME", "generic")
    cache = _own_copy(shipped)
    os.environ["NUMBA_CACHE_DIR"] = str(cache)
    return cache


def _own_copy(shipped: Path) -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        return _fill(base / "panosc-numba", shipped)
    except OSError:  # no home, a full one, or one that cannot be written
        return _fill(Path(tempfile.mkdtemp(prefix="numba-")), shipped)


def _fill(cache: Path, shipped: Path) -> Path:
    """Copy what is not there yet; numba itself renews what belongs to another version of a source file."""
    cache.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=cache).close()
    for folder in shipped.iterdir() if shipped.is_dir() else ():
        target = cache / folder.name
        if not target.exists():
            part = Path(tempfile.mkdtemp(dir=cache))
            shutil.copytree(folder, part, dirs_exist_ok=True)
            try:
                part.rename(target)
            except OSError:  # another kernel was first
                shutil.rmtree(part, ignore_errors=True)
    return cache
