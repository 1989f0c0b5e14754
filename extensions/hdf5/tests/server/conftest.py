"""A real Jupyter server in the test's process, with real workers that know a few operations made for tests."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import server_operations
from panosc_hdf5.core.operations import TABLE
from panosc_hdf5.server.extension import KEY, Extension
from pytest_jupyter.jupyter_server import *  # noqa: F403 - its fixtures, for this folder only
from server_helpers import Ask, settle
from tornado.httpclient import HTTPClientError, HTTPResponse

SETTINGS: dict[str, Any] = {
    "workers": 1,
    "grace_seconds": 0.5,
    "silence_seconds": 2.0,
    "preload": ["numpy", "isal.isal_zlib", "operations_preload"],
    "cache_dir": "none",
}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """Tests here run in the loop of pytest-jupyter's server, not in one that pytest-asyncio makes."""
    found = yield
    if collector.funcnamefilter(name) and inspect.iscoroutinefunction(obj):
        return list(collector._genfunctions(name, obj))
    return found


@pytest.fixture
def hdf5_settings() -> dict[str, Any]:
    """Changes to the settings; tests override it by parametrising indirectly."""
    return {}


@pytest.fixture
def jp_server_config(hdf5_settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"panosc_hdf5": True, "jupyter_server_terminals": False}},
        "PanoscHDF5": SETTINGS | hdf5_settings,
    }


@pytest.fixture(autouse=True)
def operations(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in server_operations.ENTRIES.items():
        monkeypatch.setitem(TABLE, name, entry)
    before = os.environ.get("PYTHONPATH")
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", here if not before else os.pathsep.join((here, before)))


@pytest.fixture
def extension(jp_serverapp: Any, jp_asyncio_loop: Any) -> Iterator[Extension]:
    found: Extension = jp_serverapp.web_app.settings[KEY]
    yield found
    jp_asyncio_loop.run_until_complete(found.close())


@pytest.fixture
def file(jp_root_dir: Path) -> Path:
    """A file that was not written just now."""
    path = jp_root_dir / "data.h5"
    path.write_bytes(b"not really HDF5")
    settle(path)
    return path


@pytest.fixture
def ask(jp_fetch: Any, extension: Extension, file: Path) -> Ask:
    """GET an operation; errors are answers, too."""

    async def get(
        operation: str, /, path: str = "data.h5", headers: dict[str, str] | None = None, **parameters: Any
    ) -> HTTPResponse:
        try:
            return await jp_fetch(
                "panosc-hdf5",
                operation,
                params={"path": path} | parameters,
                headers=dict(headers or {}),
                decompress_response=False,
            )
        except HTTPClientError as error:
            assert error.response is not None
            return error.response

    return get
