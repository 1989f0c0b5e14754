"""Real files that come with packages: `sasdata` (small-angle scattering) and `nexusformat`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

SUFFIXES = {".h5", ".hdf", ".hdf5", ".nxs", ".nx5", ".cxi"}
PLACES = {"sasdata": "example_data", "nexusformat": "examples"}


def real_files() -> list[Path]:
    """All of them, sorted. A package that is not installed is an error: there would be nothing to test."""
    found = []
    for package, folder in PLACES.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{package} is needed for its example files")
        place = Path(spec.origin).parent / folder
        found += [path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES]
    return sorted(found)
