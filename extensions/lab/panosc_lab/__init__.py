"""What a scientist's Jupyter server does besides: example notebooks, kernels of one's own, an honest last activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "panosc_lab"}]


def _load_jupyter_server_extension(server_app: ServerApp) -> None:
    from panosc_lab.extension import load

    load(server_app)
