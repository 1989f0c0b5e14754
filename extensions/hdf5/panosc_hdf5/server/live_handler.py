"""``WebSocket panosc-hdf5/live?path=&h5path=``: an object's state, now and whenever it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from panosc_hdf5.server.extension import KEY, Extension


class LiveHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """Authenticated and authorised as Jupyter's own WebSockets; says an ``ILiveState`` a message, and listens to nothing."""

    auth_resource = "contents"

    def initialize(self) -> None:
        """Nothing is followed yet."""
        self._stop: Callable[[], None] | None = None

    def set_default_headers(self) -> None:
        """None: they make no sense for WebSockets."""

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open it, if its user may read files here."""
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "read", self.auth_resource)):
            raise web.HTTPError(403)
        if not self._argument("path"):
            raise web.HTTPError(400, "The parameter path is missing.")
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Follow the object."""
        super().open(*args, **kwargs)
        extension = cast(Extension, self.settings[KEY])
        self._stop = extension.live.follow(self._argument("path"), self._argument("h5path") or "/", self._say)

    def on_message(self, message: str | bytes) -> None:
        """Nothing is to be said to it."""

    def on_close(self) -> None:
        """The last one who follows an object ends the looking at it."""
        if self._stop is not None:
            self._stop()
        super().on_close()

    def _say(self, text: str) -> None:
        try:
            self.write_message(text)
        except WebSocketClosedError:
            self.on_close()

    def _argument(self, name: str) -> str:
        # As it is: Tornado's own way takes away spaces, which names in a file may have.
        return self.request.query_arguments.get(name, [b""])[-1].decode("utf-8", "surrogateescape")
