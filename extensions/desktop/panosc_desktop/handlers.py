"""The desktop's page, and its connection. Both answer the owner of the server and nobody else."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shlex
import shutil
import time
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jinja2 import Environment, PackageLoader, select_autoescape
from jupyter_server._tz import utcnow
from jupyter_server.base.handlers import APIHandler, FileFindHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from jupyter_server_proxy.handlers import AddSlashHandler
from jupyter_server_proxy.rawsocket import RawSocketHandler
from tornado import web
from tornado.ioloop import PeriodicCallback
from tornado.websocket import WebSocketClosedError

from panosc_desktop.home import home_problem
from panosc_desktop.session import Session, SessionError

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

HEARTBEAT_SECONDS = 4.0
"""How often the page hears that the connection is alive."""

PERSON_DID_SOMETHING = frozenset((4, 5, 255))
"""RFB's first bytes of what a person causes: a key, the pointer, a key as QEMU sends it (RFC 6143, 7.5).

Not the clipboard (6): noVNC answers the server's clipboard by itself, and a paste comes with a key or the pointer.
"""

NOT_YOURS = "This desktop belongs to somebody else. A desktop has its owner's rights and data, so it is not shared with the server."
CLOSED_WITH_WORDS = 4000
"""The websocket's closing code after a message with words."""

_PACKAGE = Path(__file__).parent
_templates = Environment(loader=PackageLoader("panosc_desktop", ""), autoescape=select_autoescape())


def is_owner(handler: JupyterHandler) -> bool:
    """Whether the request comes from whom the server belongs to.

    JupyterHub lets others in with whom a server is shared, and administrators. Without a hub, who has the token is the
    owner.
    """
    owner = os.environ.get("JUPYTERHUB_USER")
    user = handler.current_user
    if not user:
        return False
    return owner is None or getattr(user, "username", None) == owner


class OwnersHandler(JupyterHandler):
    """What the desktop's handlers have in common: they know the desktop, and of all who are logged in its owner alone gets to them.

    Whoever is not logged in is sent to log in by ``web.authenticated``, on each method; a websocket is refused by jupyter-server-proxy.
    """

    session: Session

    def initialize(self, session: Session) -> None:
        """Remember whose desktop it is."""
        self.session = session

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler's
        """Refuse others, before anything starts."""
        await super().prepare()
        if self.current_user and not is_owner(self):
            raise web.HTTPError(403, NOT_YOURS)


class DesktopPage(OwnersHandler):
    """``desktop/``: the page. The desktop starts while the page loads."""

    @web.authenticated
    async def get(self) -> None:
        """The page, or words for everybody else."""
        _start_in_background(self.session)
        server = self.base_url
        self.set_header("Cache-Control", "no-store")
        self.write(
            _templates.get_template("page.html").render(
                base=server,
                static=url_path_join(server, "desktop/static/"),
                version=_asset_version(),
                lab=url_path_join(server, "lab"),
                hub=_hub_page(self),
                home=home_problem(),
            )
        )


class DesktopState(OwnersHandler):
    """``desktop/state``: what the page asks when its connection is gone. Asking is no activity."""

    @web.authenticated
    async def get(self) -> None:
        """Whether there is a desktop, and what is wrong with the home."""
        self.set_header("Cache-Control", "no-store")
        self.finish({"running": self.session.running, "home": home_problem()})


class DesktopRestart(OwnersHandler, APIHandler):
    """``desktop/restart``: end the desktop; the page's next connection starts a new one."""

    @web.authenticated
    async def post(self) -> None:
        """End it."""
        await self.session.stop()
        self.set_status(204)


class DesktopOpen(OwnersHandler, APIHandler):
    """``desktop/open``: open a file of the person's in silx view, on their desktop."""

    @web.authenticated
    async def post(self) -> None:
        """Open ``{"path": …}``, as the file browser names it: beneath the server's folder."""
        path = self._file()
        try:
            await self.session.ensure()
            environment = os.environ | self.session.environment
        except SessionError as error:
            raise web.HTTPError(503, str(error)) from error
        viewer = shutil.which("silx")
        if viewer is None:
            raise web.HTTPError(404, "There is no silx view in this environment.")
        await asyncio.create_subprocess_exec(
            viewer, "view", str(path), env=environment, cwd=path.parent, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        self.set_status(204)

    def _file(self) -> Path:
        body = self.get_json_body()
        asked = body.get("path") if isinstance(body, dict) else None
        if not isinstance(asked, str) or not asked or "\0" in asked:
            raise web.HTTPError(400, 'Say which file: {"path": …}')
        root = Path(self.settings["server_root_dir"]).expanduser()
        path = Path(os.path.normpath(root / asked.lstrip("/")))
        if not path.is_relative_to(root) or not path.is_file():
            raise web.HTTPError(404, f"There is no file {shlex.quote(asked[:200])} here.")
        return path


class DesktopSocket(OwnersHandler, RawSocketHandler):  # type: ignore[misc]  # jupyter-server-proxy is untyped
    """``desktop/socket``: the page's connection to the VNC socket, through jupyter-server-proxy.

    To what that does it adds: the owner alone; a start on demand, with words when it fails; a heartbeat for the page; no
    more of the picture than the network takes; and that only what a person does counts as activity, not a picture that
    changes.
    """

    name = "desktop"
    unix_socket: ClassVar[str | None] = None

    def initialize(self, session: Session) -> None:
        """Remember whose desktop it is."""
        super().initialize(session)
        self.update_last_activity = False
        self._heart: PeriodicCallback | None = None

    async def open(self, path: str = "") -> None:
        """Connect to the desktop; start it if there is none."""
        del path
        # Before the first picture: a connection that waits for a slow start is alive.
        self._heart = PeriodicCallback(self._beat, HEARTBEAT_SECONDS * 1000)
        self._heart.start()
        try:
            socket = await self.session.ensure()
            self.ws_transp, _ = await asyncio.get_running_loop().create_unix_connection(
                lambda: _Picture(self), str(socket)
            )
        except SessionError as error:
            self.say(problem=str(error))
            self.close(CLOSED_WITH_WORDS, "problem")
        except OSError as error:
            self.log.warning("The desktop's socket: %s", error)
            self.close(1011, "no connection to the desktop")

    def on_message(self, message: str | bytes) -> None:
        """Pass on what the page sends; a person's input is activity."""
        if not isinstance(message, bytes) or not message or not hasattr(self, "ws_transp"):
            return
        if message[0] in PERSON_DID_SOMETHING:
            self.settings["panosc_person_at"] = time.time()
            self.settings.setdefault("last_activity_times", {})["panosc_desktop"] = utcnow()
        self.ws_transp.write(message)

    def on_ping(self, data: bytes) -> None:
        """A ping is no activity."""

    def on_close(self) -> None:
        """The page is gone; the desktop stays."""
        if self._heart is not None:
            self._heart.stop()
        super().on_close()

    def say(self, **words: object) -> Awaitable[None] | None:
        """Words for the page, beside the picture's bytes: a text message."""
        try:
            answer: Awaitable[None] = self.write_message(json.dumps(words))
        except WebSocketClosedError:
            return None
        return answer

    def _beat(self) -> None:
        self.say(alive=True)


class _Picture(asyncio.Protocol):
    """From the VNC socket to the page, no faster than the network takes it."""

    def __init__(self, handler: DesktopSocket) -> None:
        self.handler = handler
        self.transport: asyncio.Transport | None = None
        self.work: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a unix stream's
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            return
        self.transport.pause_reading()
        self._keep(self._send(data, self.transport))

    async def _send(self, data: bytes, transport: asyncio.Transport) -> None:
        try:
            await self.handler.write_message(data, binary=True)
        except WebSocketClosedError:
            transport.close()
            return
        if not transport.is_closing():
            transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._keep(self._say_why())

    async def _say_why(self) -> None:
        """The person left the desktop, or the connection broke: say which, then close."""
        handler = self.handler
        if await handler.session.ended(within=1.0):
            handler.say(ended=True)
            handler.close(CLOSED_WITH_WORDS, "the desktop ended")
        else:
            handler.close(1011, "no connection to the desktop")

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self.work.add(task)
        task.add_done_callback(self.work.discard)


def _hub_page(handler: JupyterHandler) -> str:
    """The address of the person's page at the hub; nothing without a hub."""
    return str(handler.serverapp.jinja_template_vars.get("hub_control_panel_url", "")) if handler.serverapp else ""


def _start_in_background(session: Session) -> None:
    async def start() -> None:
        try:
            await session.ensure()
        except SessionError as error:
            # The page hears the same words when it connects.
            session.log.warning("%s", error)

    task = asyncio.ensure_future(start())
    _starting.add(task)
    task.add_done_callback(_starting.discard)


_starting: set[asyncio.Task[None]] = set()


def _asset_version() -> str:
    newest = max(path.stat().st_mtime_ns for path in (_PACKAGE / "static").iterdir())
    return f"{newest:x}"


def load(server_app: ServerApp) -> None:
    """Add the desktop to a Jupyter server."""
    session = Session(server_app.log)
    server_app.web_app.settings["panosc_desktop"] = session
    atexit.register(session.close)
    base = url_path_join(server_app.web_app.settings["base_url"], "desktop")
    mine: dict[str, Any] = {"session": session}
    server_app.web_app.add_handlers(  # type: ignore[no-untyped-call]
        ".*",
        [
            (base, AddSlashHandler),
            (url_path_join(base, "/"), DesktopPage, mine),
            (url_path_join(base, "state"), DesktopState, mine),
            (url_path_join(base, "restart"), DesktopRestart, mine),
            (url_path_join(base, "open"), DesktopOpen, mine),
            (url_path_join(base, "socket()"), DesktopSocket, mine),
            # As JupyterLab's own: open to all. JupyterHub would send a module's request, made without its header, to log in.
            (url_path_join(base, "static/(.*)"), FileFindHandler, {"path": [str(_PACKAGE / "static")]}),
        ],
    )
