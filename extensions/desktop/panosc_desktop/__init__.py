"""A desktop in the browser, beside JupyterLab: the server's part."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "@panosc/jupyterlab-desktop"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "panosc_desktop"}]


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    from panosc_desktop.handlers import load

    load(server_app)
