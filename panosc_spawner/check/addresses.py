"""Where the hub listens, and the proxy that does it."""

from __future__ import annotations

import shutil
import socket
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
    yield from _check_names(hub.public_url, hub.user_domains)


def _check_names(public_url: str, user_domains: bool) -> Iterator[Finding]:
    """People's servers are another site to browsers than the hub."""
    from panosc_spawner.hub import LOOPBACK

    host = urlsplit(public_url).hostname or ""
    name = f"p-0.{host}"
    if not user_domains:
        if host not in LOOPBACK:
            yield warning(
                "user domains",
                "the hub and everybody's servers are one site to browsers: a page in one person's server, opened by another, can act as "
                "the other and read their data",
                f"hub.user_domains = true, with *.{host} in DNS and in the certificate (docs/operators.md)",
            )
        return
    try:
        socket.getaddrinfo(name, None)
        yield ok("user domains", f"each person's servers have a name of their own, such as {name}")
    except OSError as problem:
        yield error("user domains", f"{name} is not in DNS ({problem.strerror or problem})", f"a wildcard *.{host}")
