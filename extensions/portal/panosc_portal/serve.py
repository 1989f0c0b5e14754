"""The portal as the hub runs it: everything that it needs is in the site's folder and in what the hub gives its services."""

from __future__ import annotations

import gc
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from pydantic import SecretStr

from panosc_portal.app import make_app
from panosc_portal.context import Portal
from panosc_portal.hub_client import HubAddresses, HubClient
from panosc_portal.login import Logins, LoginSettings
from panosc_portal.pages.look import templates
from panosc_spawner.errors import PanoscError
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site

_NEEDED = ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_API_URL", "JUPYTERHUB_CLIENT_ID", "JUPYTERHUB_SERVICE_URL")
_IDLE_SECONDS = 75
_STOP_SECONDS = 3


class NotAServiceError(PanoscError):
    """It was not started by a hub."""


def portal_of(site: Site, given: Mapping[str, str]) -> Portal:
    """The portal for a site and for what a hub gives its service.

    Args:
        site: as its folder describes it.
        given: the environment in which the hub started this process (JupyterHub's documentation, "Services").

    Raises:
        NotAServiceError: naming what is missing.
    """
    if missing := [name for name in _NEEDED if not given.get(name)]:
        raise NotAServiceError(
            f"The portal is started by the hub, which tells it where it is ({', '.join(missing)} not set). "
            "Write enabled = true beneath [portal] in site.toml, and start the hub."
        )
    base = given.get("JUPYTERHUB_SERVICE_PREFIX", "/services/portal/")
    public = given.get("JUPYTERHUB_PUBLIC_URL") or site.config.hub.public_url
    own_host = bool(site.config.hub.user_domains)
    hub_path = given.get("JUPYTERHUB_BASE_URL", "/").rstrip("/") + "/hub/"
    hub_base = f"{site.config.hub.public_url}/hub/" if own_host else hub_path
    secret = SecretStr(given["JUPYTERHUB_API_TOKEN"])
    client = HubClient(
        HubAddresses(
            given["JUPYTERHUB_API_URL"].rstrip("/"), proxy_address(site), given["JUPYTERHUB_CLIENT_ID"], secret
        )
    )
    portal = Portal(site, client, templates(site, base), base, hub_base)
    settings = LoginSettings(
        client_id=given["JUPYTERHUB_CLIENT_ID"],
        secret=secret,
        authorize_url=f"{hub_base}api/oauth2/authorize",
        redirect_uri=given.get("JUPYTERHUB_OAUTH_CALLBACK_URL") or f"{base}oauth_callback",
        base=base,
        secure=public.startswith("https://"),
        own_host=own_host,
    )
    portal.add(Logins(settings, client))
    return portal


def proxy_address(site: Site) -> str:
    """Where the hub's proxy is reached from here: it may listen on all addresses."""
    parts = urlsplit(site.config.hub.bind_url)
    host = parts.hostname or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://{f'[{host}]' if ':' in host else host}:{parts.port or 80}"


class _Server(uvicorn.Server):
    """Says when it is ready, to who keeps it running.

    Args:
        config: of uvicorn.
        ready: descriptor that the word goes to; None: nobody waits for it.
    """

    def __init__(self, config: uvicorn.Config, ready: int | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn."""
        await super().startup(sockets)
        # What is loaded now stays: a full collection that looks through it holds up everybody's pages for a third of a second.
        gc.collect()
        gc.freeze()
        if self._ready is not None:
            if self.started and not self.should_exit:
                os.write(self._ready, b"1")
            os.close(self._ready)
            self._ready = None


def serve(folder: Path, listening: int | None = None, ready: int | None = None, secret: int | None = None) -> int:
    """Run the portal until the hub ends it.

    Args:
        folder: the site's.
        listening: descriptor of a socket that listens already; None: it listens where the hub says.
        ready: descriptor that gets a ``1`` when it answers.
        secret: descriptor that the portal's token at the hub is read from; None: it is in ``JUPYTERHUB_API_TOKEN``, where a hub
            puts it that starts this without :mod:`panosc_spawner.portal.supervisor`.

    Raises:
        PanoscError: in words, if it cannot.
    """
    given = dict(os.environ)
    # Processes that this one starts do not inherit it. Its own environment in /proc is as it was at its start: hence the pipe.
    for name in ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"):
        os.environ.pop(name, None)
    if secret is not None:
        with os.fdopen(secret, "rb") as pipe:
            given["JUPYTERHUB_API_TOKEN"] = pipe.read().decode()
    logging.basicConfig(level=logging.INFO, format="[%(levelname)1.1s %(asctime)s portal] %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each question to a catalogue is too many
    site = load_site(folder)
    portal = portal_of(site, given)
    at = urlsplit(given["JUPYTERHUB_SERVICE_URL"])
    config = uvicorn.Config(
        make_app(portal),
        host=at.hostname or "127.0.0.1",
        port=at.port or site.config.portal.port,
        log_config=None,
        access_log=False,  # addresses hold what people look for
        proxy_headers=False,
        server_header=False,
        date_header=True,
        ws="none",
        lifespan="on",
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    sockets = [socket.socket(fileno=listening)] if listening is not None else None
    server = _Server(config, ready)
    server.run(sockets)
    return 0 if server.started else 1
