"""Folders that the person may reach: pytest's own are its user's alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A fresh directory that everybody may read."""
    made = Path(tempfile.mkdtemp(prefix="panosc-moving-")).resolve()
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def as_root() -> None:
    """For what only root can do: become somebody else."""
    assert os.geteuid() == 0, "run these tests as root: they become another user"
