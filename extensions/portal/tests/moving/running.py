"""A portal on a real server, on loopback: what is streamed and broken off is seen as a client sees it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx
import uvicorn
from panosc_portal.app import make_app
from panosc_portal.context import Portal
from panosc_portal.hub import PersonReport
from panosc_portal.login import HUB_SESSION, Logins
from panosc_portal.moving.runner import Runner
from support import BASE, FakeHub, make_portal, make_site


@dataclass
class Running:
    """A running portal, and a browser at it."""

    portal: Portal
    hub: FakeHub
    client: httpx.AsyncClient
    address: str
    xsrf: str = ""

    def log_in(self, username: str = "ada") -> None:
        """The browser is this person's from here on."""
        self.hub.people.setdefault(username, PersonReport())
        logins = self.portal.part(Logins)
        held = {"token": f"token-{username}", "session": "s", "nonce": f"n-{username}", "for": logins.cookie}
        self.client.cookies.set(logins.cookie, logins.seal(held))
        self.client.cookies.set(HUB_SESSION, "s")
        self.xsrf = logins.form_token(f"n-{username}")


@contextlib.asynccontextmanager
async def running(portal: Portal, hub: FakeHub, parts: Sequence[str]) -> AsyncIterator[Running]:
    """Serve some of ``app.PARTS`` on a free port."""
    app = make_app(portal, tuple(parts))
    runner = portal.parts.get(Runner) if "moving.job_pages" not in parts else None
    if runner:
        await runner.start()
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}{BASE}"
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:
            yield Running(portal, hub, client, address)
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=10)
        listening.close()
        if runner:
            await runner.stop()


__all__ = ["FakeHub", "Running", "make_portal", "make_site", "running"]
