"""What the server opens on: the proposal's own page, else the image's notebook while it is new, else the data."""

from __future__ import annotations

import asyncio
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from panosc_lab.examples import EXAMPLES, Copied, copy_examples
from panosc_lab.image import Image

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

KEY = "panosc_lab"
_LAB_TREE = "lab/tree/"
_PATIENCE = 5.0
"""Seconds somebody waits for the examples; a home on slow storage then gets them while JupyterLab is open already."""


class Start:
    """Brings the examples into the home when the server starts, and knows where to go then.

    Args:
        server_app: the server.
        image: which image this is.
        shipped: where the image's notebooks lie.
        home: where they are brought to.
    """

    def __init__(self, server_app: ServerApp, image: Image, shipped: Path, home: Path) -> None:
        self._app, self._image, self._shipped, self._home = server_app, image, shipped, home
        self._copying: asyncio.Future[Copied] | None = None

    def begin(self) -> None:
        """Copy, in a thread: the server does not wait for it."""
        if self._shipped.is_dir() and self._copying is None:
            loop = asyncio.get_running_loop()
            self._copying = loop.run_in_executor(None, copy_examples, self._shipped, self._home)
            self._copying.add_done_callback(self._tell)

    async def examples(self) -> Copied:
        """What was copied; nothing so far, where that takes long."""
        if self._copying is None:
            return Copied()
        try:
            return await asyncio.wait_for(asyncio.shield(self._copying), _PATIENCE)
        except TimeoutError:
            return Copied()

    async def where(self) -> str:
        """The address to open."""
        default = self._default()
        copied = await self.examples()
        if self._is_page(default):
            return default
        if copied.problem:
            return url_path_join(self._app.base_url, "panosc", "start")
        # One that was worked in is not shown again and again: it is found where it lies.
        if self._image.first in copied.as_shipped and (path := self._in_lab(self._home / EXAMPLES / self._image.first)):
            return url_path_join(self._app.base_url, _LAB_TREE, quote(path))
        return default

    def lab(self) -> str:
        """JupyterLab, whatever there is to say before."""
        return self._default()

    def _default(self) -> str:
        default = str(self._app.web_app.settings["default_url"])
        return (
            url_path_join(self._app.base_url, "lab")
            if default.rstrip("/") in ("", self._app.base_url.rstrip("/"))
            else default
        )

    def _is_page(self, address: str) -> bool:
        """Whether an address is a file in JupyterLab that is there: a start page of the proposal's own."""
        _, found, path = address.partition(_LAB_TREE)
        root = Path(self._app.root_dir)
        return bool(found and path) and (root / unquote(path).lstrip("/")).is_file()

    def _in_lab(self, file: Path) -> str:
        """A file's path beneath what JupyterLab shows; empty if it is not there."""
        try:
            return file.resolve().relative_to(Path(self._app.root_dir).resolve()).as_posix()
        except (ValueError, OSError):
            return ""

    def _tell(self, copying: asyncio.Future[Copied]) -> None:
        if copying.cancelled():
            return
        if error := copying.exception():
            self._app.log.error("The example notebooks were not copied: %r", error)
            return
        copied = copying.result()
        if copied.new:
            self._app.log.info("Example notebooks: %d new in %s", len(copied.new), self._home / EXAMPLES)
        if copied.problem:
            self._app.log.warning("%s", copied.problem)


class _Handler(JupyterHandler):
    @property
    def start(self) -> Start:
        found: Start = self.settings[KEY]
        return found


class RootHandler(_Handler):
    """The server's first address."""

    @web.authenticated
    async def get(self) -> None:
        """To what the server opens on."""
        self.redirect(await self.start.where())


class NoteHandler(_Handler):
    """What went wrong with the examples, before JupyterLab is opened."""

    @web.authenticated
    async def get(self) -> None:
        """A page in words."""
        copied = await self.start.examples()
        words = copied.problem or "The example notebooks are in your home."
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(_NOTE.format(words=escape(words), lab=escape(self.start.lab(), quote=True)))

    def get_template_path(self) -> Any:
        """None: the page is in this file."""
        return None


_NOTE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Before JupyterLab opens</title>
<style>
  body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }}
  a {{ display: inline-block; padding: .6rem 1.25rem; border-radius: .375rem; background: #1f4e9c; color: #fff; text-decoration: none; }}
  a:focus-visible {{ outline: 3px solid #f5a623; outline-offset: 2px; }}
</style></head><body><main>
<h1>Before JupyterLab opens</h1>
<p>{words}</p>
<p>JupyterLab works without them. If your home is full, delete what you do not need any more, from its file list or in a terminal
(<code>du -sh ~/* ~/.[!.]*</code> shows what is large); the notebooks come when the server is started the next time.</p>
<p><a href="{lab}">Open JupyterLab</a></p>
</main></body></html>
"""
