"""The portal as a service of the hub: its command, its address, and the little that it may do."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any
from urllib.parse import urlsplit

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.access_rules import TokenRule
from panosc_spawner.facilities.catalogues import catalogues_of
from panosc_spawner.facilities.portal_url import PATH, portal_url
from panosc_spawner.facilities.site import Site
from panosc_spawner.portal.addresses import beneath

NAME = "portal"
CLIENT = f"service-{NAME}"
"""Its OAuth client at the hub: tokens of this client alone may ask for a person's data."""
PACKAGE = "panosc_portal"
_START_SECONDS = 20


def portal_service(site: Site) -> dict[str, Any]:
    """For ``c.JupyterHub.services``. The hub starts what keeps it running (:mod:`~panosc_spawner.portal.supervisor`).

    It has no scopes of its own; every user of the hub may use it (``identity.roles``). In a person's name, by a token that ends
    with their login, it may find out who they are, and ask what is beneath ``/hub/panosc/portal/``.

    Raises:
        ConfigurationError: if the package is not installed here.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigurationError(
            site.folder / "site.toml",
            "portal.enabled",
            "the portal's package is not installed",
            "pip install extensions/portal, or write enabled = false",
        )
    return {
        "name": NAME,
        "url": f"http://127.0.0.1:{site.config.portal.port}",
        "command": [sys.executable, "-m", "panosc_spawner.portal.supervisor", str(site.folder)],
        "oauth_no_confirm": True,  # it is a part of the hub
        "oauth_client_allowed_scopes": [],
        "display": False,  # the pages have links of their own
        "timeout": _START_SECONDS,
    }


def catalogue_audiences(site: Site) -> dict[str, str]:
    """For whom tokens of people are made, by the name of the catalogue: of those that the site asks in people's names."""
    return {one.rule.name: one.rule.audience for one in catalogues_of(site) if one.rule.audience}


def storage_tokens(site: Site) -> dict[str, TokenRule]:
    """The tokens of ``[tokens]`` with which the portal fetches people's data from other storages, or archives them, by name."""
    portal = site.config.portal
    rules = [one.token for one in portal.staging.remotes] + [one.token for one in portal.archive.sites]
    names = {rule.catalogue for rule in rules if rule.by == "person"}
    return {name: rule for name, rule in site.config.tokens.items() if name in names}


def portal_address(site: Site) -> str:
    """Where people's browsers find it, with a slash at the end: a path, or an address where it has a host of its own."""
    if site.config.hub.user_domains:
        return portal_url(site)
    return urlsplit(portal_url(site)).path


def within_portal(site: Site, address: str) -> str:
    """The address, if it is one of the portal's pages as this site serves it; else nothing.

    Args:
        site: whose portal.
        address: from outside: a path beneath ``/services/portal/``.
    """
    clean = address.isascii() and not set(address) & set('"<>^`{|}') and len(address) < 4096
    if not (site.config.portal.enabled and clean and beneath(PATH, address)):
        return ""
    return portal_address(site) + address.removeprefix(PATH)
