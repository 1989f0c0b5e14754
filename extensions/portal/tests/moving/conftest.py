"""Folders that the person may reach: pytest's own are its user's alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dav_peer import DavPeer, dav_peer
from staging_support import VISIT


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


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """For staging: the proposal's directory at the storage elsewhere."""
    made = tmp_path / "elsewhere" / VISIT
    made.mkdir(parents=True)
    return made


@pytest.fixture
def peer(tmp_path: Path, there: Path) -> Iterator[DavPeer]:
    """For staging: the storage elsewhere (WsgiDAV), with the person's token."""
    with dav_peer(tmp_path / "elsewhere", {"token-for-elsewhere": ("/", False)}) as running:
        yield running


@pytest.fixture
def root(open_folder: Path) -> Path:
    """For staging: the facility's root here."""
    made = open_folder / "esrf"
    made.mkdir(mode=0o755)
    return made
