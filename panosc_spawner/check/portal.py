"""Whether the portal can be started: its package, its port."""

from __future__ import annotations

import http.client
import importlib.util
from collections.abc import Iterator

from panosc_spawner.check.finding import Finding, ok, warning
from panosc_spawner.facilities.portal_url import PATH
from panosc_spawner.facilities.site import Site
from panosc_spawner.portal.service import PACKAGE, portal_address

_WAIT = 5.0
_SUBJECT = "portal"


def check_portal(site: Site) -> Iterator[Finding]:
    """What ``[portal]`` says, if the site has one."""
    if site.config.portal.enabled and importlib.util.find_spec(PACKAGE) is not None:  # else check_catalogues says so
        yield from _port(site)


def _port(site: Site) -> Iterator[Finding]:
    port = site.config.portal.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WAIT)
    try:
        connection.request("GET", f"{PATH}health", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        ours = answer.status == 200 and answer.read(100) == b'{"status":"ok"}'
        starting = answer.status == 503 and answer.getheader("Retry-After") == "5"
    except ConnectionRefusedError:
        yield ok(_SUBJECT, f"port {port} is free; people find it at {portal_address(site)}")
        return
    except (OSError, http.client.HTTPException):
        ours = starting = False
    finally:
        connection.close()
    if ours:
        yield ok(_SUBJECT, f"it answers on port {port}; people find it at {portal_address(site)}")
    elif starting:
        yield warning(
            _SUBJECT,
            f"what keeps it running answers on port {port}, and the portal itself does not",
            "look into the hub's log for its last words; it is started again and again",
        )
    else:
        yield warning(
            _SUBJECT,
            f"something else than the portal answers on port {port}",
            "stop that, or write another port beneath [portal]",
        )
