"""A small file for the notebook's tests."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file with a stack, a curve, text and a group."""
    path = tmp_path / "small.h5"
    with h5py.File(path, "w") as file:
        file["entry/data"] = np.arange(60, dtype="u4").reshape(3, 4, 5)
        file["entry/curve"] = np.linspace(0, 1, 11)
        file["entry/title"] = "µ-XRF"
        file["entry/name[0]"] = np.arange(3)
        file["other/data"] = np.arange(6).reshape(2, 3)
    return path
