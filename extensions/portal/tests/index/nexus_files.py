"""Small NeXus files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py


def write(path: Path, title: str = "A scan", **more: Any) -> Path:
    """One with an entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["title"] = title
        for name, value in more.items():
            entry[name] = value
    return path
