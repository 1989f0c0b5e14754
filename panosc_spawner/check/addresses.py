"""Where the hub listens, and the proxy that does it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from panosc_spawner.check.finding import Finding, error, ok, warning
from panosc_spawner.facilities.site import Site


def check_addresses(site: Site) -> Iterator[Finding]:
    """The proxy is installed, and nobody reaches it without TLS."""
    from panosc_spawner.hub import LOOPBACK, proxy_command

    program = proxy_command()[0]
    if shutil.which(program):
        yield ok("proxy", f"{program} is installed")
    else:
        yield error(
            "proxy",
            f"there is no program {program}",
            "install it (npm install -g configurable-http-proxy), or name it in PANOSC_PROXY_COMMAND",
        )
    hub = site.config.hub
    if urlsplit(hub.bind_url).hostname in LOOPBACK:
        yield ok("address", f"{hub.public_url}, by {hub.bind_url}")
    else:
        yield warning(
            "address",
            f"{hub.bind_url} can be reached from other machines, without TLS",
            "listen on http://127.0.0.1:8000, with a reverse proxy before it, or let a firewall see to it",
        )
