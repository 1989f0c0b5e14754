"""Sharing servers is off: a share is a shell with its owner's data. What could still be shared is withdrawn."""

from __future__ import annotations

import logging
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.shares import ServerShareAPIHandler, ServerShareCodeAPIHandler
from jupyterhub.handlers.base import BaseHandler
from tornado import web

from panosc_spawner.audit import AuditLog, Event

WORDS = (
    "Servers cannot be shared here: whoever gets into a server reads the proposals in it. "
    "Ask the main proposer, or the facility's user office, to add the other person to the proposal."
)
log = logging.getLogger(__name__)


class _NoSharing:
    """Refuses in words, and writes down who tried what."""

    audit: AuditLog
    current_user: Any
    request: Any

    def refuse(self) -> None:
        """Refuse.

        Raises:
            web.HTTPError: always.
        """
        if self.current_user is not None:
            self.audit.record(
                Event.SHARING_REFUSED,
                person=self.current_user.name,
                reason=self.request.method,
                evidence=self.request.path,
            )
        raise web.HTTPError(403, WORDS)


class NoShare(_NoSharing, ServerShareAPIHandler):
    """``/api/shares``: what there is can be listed and withdrawn, as in JupyterHub; nothing can be added."""

    async def post(self, *_: str) -> None:
        """Refuse."""
        self.refuse()


class NoShareCode(_NoSharing, ServerShareCodeAPIHandler):
    """``/api/share-codes``: as :class:`NoShare`."""

    async def post(self, *_: str) -> None:
        """Refuse."""
        self.refuse()


class NoAccept(_NoSharing, BaseHandler):
    """``/accept-share``: a code from elsewhere, or from before, is worth nothing."""

    async def get(self) -> None:
        """Refuse."""
        self.refuse()

    async def post(self) -> None:
        """Refuse."""
        self.refuse()


def sharing_handlers(audit: AuditLog) -> list[tuple[str, type[web.RequestHandler]]]:
    """The addresses by which JupyterHub shares servers, and handlers that do not."""
    routes: list[tuple[str, type]] = [
        (r"/api/shares/([^/]+)", NoShare),
        (r"/api/shares/([^/]+)/([^/]*)", NoShare),
        (r"/api/share-codes/([^/]+)", NoShareCode),
        (r"/api/share-codes/([^/]+)/([^/]*)", NoShareCode),
        (r"/accept-share", NoAccept),
    ]
    made = {handler: type(handler.__name__, (handler,), {"audit": audit}) for _, handler in routes}
    return [(route, made[handler]) for route, handler in routes]


def withdraw_all_shares(db: Any) -> int:
    """Withdraw all shares and codes that there are, from before or by another way; returns how many."""
    number = sum(int(db.query(kind).delete()) for kind in (orm.Share, orm.ShareCode))
    db.commit()
    if number:
        log.warning("Withdrew %d shares of servers: sharing is off", number)
    return number
