"""For all tests of this extension: the corpus."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus import Made, make

KEPT = Path(__file__).resolve().parents[3] / ".test" / "corpus"
# Workers and readers are processes of their own: they, too, run the sources, and not a copy that is installed.
os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])


@pytest.fixture(scope="session")
def corpus() -> Callable[[str], Made]:
    """The files of a name, made at their first use and kept between runs, in ``$PANOSC_HDF5_CORPUS`` or ``.test/corpus``."""
    directory = Path(os.environ.get("PANOSC_HDF5_CORPUS", KEPT))
    return lambda name: make(directory, name)
