"""A real Jupyter server in the test's process, with a home of its own."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from panosc_lab import extension
from panosc_lab.image import read_image
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures, for this folder only


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """Tests here run in the loop of pytest-jupyter's server, not in one that pytest-asyncio makes."""
    found = yield
    if collector.funcnamefilter(name) and inspect.iscoroutinefunction(obj):
        return list(collector._genfunctions(name, obj))
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's home; JupyterLab shows it."""
    made = tmp_path / "person"
    made.mkdir()
    monkeypatch.setattr(Path, "home", lambda: made)
    return made


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image's /opt/panosc with two notebooks."""
    root = tmp_path / "opt-panosc"
    for name in ("base/start-here.ipynb", "sans/start-here.ipynb", "sans/data/water.txt"):
        file = root / "notebooks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name}, first edition")
    (root / "image.json").write_text(json.dumps({"name": "sans", "title": "SANS", "notebook": "start-here.ipynb"}))
    monkeypatch.setattr(extension, "ROOT", root)
    monkeypatch.setattr(extension, "read_image", lambda: read_image(root))
    return root


@pytest.fixture
def jp_root_dir(home: Path) -> Path:
    return home


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"panosc_lab": True, "jupyter_server_terminals": True},
            "kernel_spec_manager_class": "panosc_lab.kernels.OwnKernelSpecManager",
            "kernel_websocket_connection_class": "panosc_lab.connection.KeepingConnection",
        }
    }
