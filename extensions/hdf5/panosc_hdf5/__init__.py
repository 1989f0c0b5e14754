"""HDF5 and NeXus at beamline scale in JupyterLab: the server's part, and ``view`` for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "@panosc/jupyterlab-hdf5"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "panosc_hdf5"}]


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    from panosc_hdf5.server.extension import load

    load(server_app)


def __getattr__(name: str) -> Any:
    # The server must not import ipywidgets, nor a notebook Tornado's handlers.
    if name in ("view", "HDF5View"):
        from panosc_hdf5 import widget

        return getattr(widget, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
