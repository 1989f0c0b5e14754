"""Where the portal is for those who are elsewhere: in a notebook, a paper, a harvested record, or a page of another host."""

from __future__ import annotations

from urllib.parse import urlsplit

from panosc_spawner.facilities.site import Site

PATH = "/services/portal/"
HOST = "portal--service"
"""As JupyterHub names the host of a service where each person's servers have one (``subdomain_hook_idna``)."""


def portal_url(site: Site, page: str = "") -> str:
    """The whole address of a page of the portal.

    Args:
        site: whose portal.
        page: its path beneath the portal, with its query; empty: the first page.
    """
    hub = site.config.hub
    if not hub.user_domains:
        return f"{hub.public_url}{PATH}{page}"
    parts = urlsplit(hub.public_url)
    return f"{parts.scheme}://{HOST}.{parts.netloc}{PATH}{page}"
