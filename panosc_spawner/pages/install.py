"""Putting the pages into a hub.

``panosc_spawner.hub`` uses it as::

c.CommunitiesAuthenticator.page_handlers = page_handlers(context, community)
c.JupyterHub.template_paths = [TEMPLATES]
c.JupyterHub.template_vars = template_vars(context, community, isolation_warning)
c.JupyterHub.redirect_to_server = False  # after login: /home
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panosc_spawner.identity.community import Community
from panosc_spawner.pages.access import AccessHandler
from panosc_spawner.pages.account import (
    AccountHandler,
    ConfirmHandler,
    LinkHandler,
    UnlinkedHandler,
    UnlinkHandler,
)
from panosc_spawner.pages.actions import DismissHandler, ExtendHandler, StopHandler
from panosc_spawner.pages.assets import AssetHandler, Assets
from panosc_spawner.pages.explain import ExplainHandler
from panosc_spawner.pages.handler import Pages
from panosc_spawner.pages.home import HomeHandler, LogoutHandler, NoticeHandler, ProposalsHandler, WhyHandler
from panosc_spawner.pages.open import OpenHandler, SpawnHandler, ToPortalHandler
from panosc_spawner.pages.rows import Listings
from panosc_spawner.pages.start import StartHandler
from panosc_spawner.pages.words import shown_name, words_for_error
from panosc_spawner.portal.service import portal_address
from panosc_spawner.spawners.context import HubContext

TEMPLATES = str(Path(__file__).parent / "templates")
"""For ``c.JupyterHub.template_paths``."""

_ROUTES: list[tuple[str, type]] = [
    (r"/home", HomeHandler),
    (r"/why", WhyHandler),
    (r"/explain", ExplainHandler),
    (r"/access", AccessHandler),
    (r"/account", AccountHandler),
    (r"/account/link", LinkHandler),
    (r"/account/unlink", UnlinkHandler),
    (r"/account/confirm", ConfirmHandler),
    (r"/account/unlinked", UnlinkedHandler),
    (r"/logout", LogoutHandler),
    (r"/open", OpenHandler),
    (r"/spawn", SpawnHandler),
    (r"/spawn/([^/]+)", SpawnHandler),
    (r"/spawn/([^/]+)/([^/]+)", SpawnHandler),
    (r"/panosc/proposals", ProposalsHandler),
    (r"/panosc/to-portal", ToPortalHandler),
    (r"/panosc/portal/start", StartHandler),
    (r"/panosc/extend/([^/]+)", ExtendHandler),
    (r"/panosc/stop/([^/]+)", StopHandler),
    (r"/panosc/dismiss/([^/]+)", DismissHandler),
    (r"/panosc/notice/([0-9]{1,15})", NoticeHandler),
]


def page_handlers(context: HubContext, community: Community) -> list[tuple[str, type]]:
    """The pages' addresses and handlers, for ``c.CommunitiesAuthenticator.page_handlers``: they come before the hub's own."""
    assets = Assets(context.site.facilities)
    pages = Pages(context, community, assets, Listings())
    made: dict[type, type] = {}
    for _, handler in _ROUTES:
        made.setdefault(handler, type(handler.__name__, (handler,), {"pages": pages}))
    static = type("AssetHandler", (AssetHandler,), {"assets": assets})
    return [
        *((route, made[handler]) for route, handler in _ROUTES),
        (r"/panosc/static/([0-9a-f]+)/([a-z0-9.-]+)", static),
    ]


def template_vars(context: HubContext, community: Community, isolation_warning: str = "") -> dict[str, Any]:
    """What every page needs, the hub's own among them, for ``c.JupyterHub.template_vars``.

    Args:
        context: the site.
        community: whom people log in with.
        isolation_warning: shown on every page where servers are not separated from each other.
    """
    hub = context.site.config.hub
    return {
        "panosc": {
            "title": hub.title,
            "demo": hub.demo,
            "support": hub.support,
            "assets": Assets(context.site.facilities).version,
            "community": community,
            "words_for_error": words_for_error,
            "facilities": {key: facility.short_name for key, facility in context.site.facilities.items()},
            "portal": portal_address(context.site) if context.site.config.portal.enabled else "",
        },
        "isolation_warning": isolation_warning,
        "person_name": shown_name,
    }
