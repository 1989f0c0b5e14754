"""What Jupyter loads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.utils import url_path_join

from panosc_lab.activity import Activity
from panosc_lab.afterwards import Afterwards
from panosc_lab.connection import KEY as AFTERWARDS
from panosc_lab.image import ROOT, read_image
from panosc_lab.start import KEY, NoteHandler, RootHandler, Start

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def load(server_app: ServerApp) -> None:
    """Bring the examples, show the way in, count activity, and save what nobody waits for."""
    application = server_app.web_app
    start = Start(server_app, read_image(), ROOT / "notebooks", Path.home())
    application.settings[KEY] = start
    base = application.settings["base_url"]
    # Handlers that are added later come before those of the server itself, also before its own way in.
    application.add_handlers(  # type: ignore[no-untyped-call]
        ".*$",
        [(url_path_join(base, "panosc", "start"), NoteHandler), (base.rstrip("/") + r"/?", RootHandler)],
    )
    activity = Activity(server_app)
    activity.listen()
    afterwards = application.settings[AFTERWARDS] = Afterwards(server_app)
    server_app.io_loop.add_callback(start.begin)
    server_app.io_loop.add_callback(activity.begin)
    server_app.io_loop.add_callback(afterwards.begin)
