"""The end of a login: sessions, tokens and, where the reason asks for it, servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from jupyterhub import orm, roles

from panosc_spawner.access.stopping import Stopper
from panosc_spawner.audit import Event
from panosc_spawner.identity.renewal import Ending
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.metrics import LOGINS_ENDED, REVOCATIONS
from panosc_spawner.spawners.context import HubContext

_WHY = {
    Ending.REFUSED: "your login service does not confirm it any more, because it ran out or was ended there",
    Ending.NOT_ALLOWED: "you may not use this hub any more",
    Ending.OTHER_IDENTITY: "your login turned out to be somebody else's",
    Ending.TOO_OLD: "it was made too long ago",
    Ending.OUTAGE: "your login service has not answered for longer than this hub may wait",
    Ending.NO_LOGIN: "it cannot be used any more",
    Ending.UNLINKED: "one of your logins was unlinked from this account",
    Ending.LOGGED_OUT: "you were logged out at your login service",
}
log = logging.getLogger(__name__)


def ending_refusal(ending: Ending) -> Refusal:
    """Why a server ended with a login, for its owner."""
    return Refusal(
        Reason.LOGIN_ENDED,
        f"This server was stopped because your login has ended: {_WHY[ending]}.",
        "Your home and the processed data are kept. Log in and open the proposal again."
        + (" If you cannot, ask your login service." if ending is Ending.REFUSED else ""),
    )


class Endings:
    """Ends logins.

    Args:
        context: of the hub.
        stopper: stops servers.
        forget: told of each user whose login ended, to drop what is kept of it (tokens for sources).
    """

    def __init__(self, context: HubContext, stopper: Stopper, forget: Callable[[str], None] = lambda _: None) -> None:
        self._context, self._stopper, self._forget = context, stopper, forget
        self._stops: set[asyncio.Task[None]] = set()

    async def ended_hook(self, username: str, ending: Ending, details: str) -> None:
        """For ``authenticator.ended_hooks``."""
        await self.end_access(username, ending, details)

    async def end_access(self, username: str, ending: Ending, details: str = "") -> None:
        """End a login now. When this returns its sessions and tokens are gone; servers end in the background.

        Servers that go on (:attr:`Ending.ends_servers`) keep the tokens they speak to the hub with, and the hub keeps who
        their owner is, without the login's tokens, so that the sources can still be asked about what they hold.

        Args:
            username: whose; somebody whom the hub does not know has nothing to end.
            ending: why.
            details: more, in words, for the audit log.
        """
        app = self._stopper.hands.app
        row = orm.User.find(app.db, username)
        if row is None:
            return
        user = app.users[row]
        self._forget(username)
        state = await user.get_auth_state() or {}
        servers = [name for name, spawner in user.spawners.items() if spawner.active]
        end_sessions(app.db, row, keep=set() if ending.ends_servers else tokens_of_servers(user))
        kept = {"person": state["person"]} if servers and not ending.ends_servers and "person" in state else None
        if state != (kept or {}):
            await user.save_auth_state(kept)
            self._write_down(username, ending, details, servers if ending.ends_servers else [])
        if ending.ends_servers:
            for name in servers:
                self._in_background(user, name, ending)

    async def finish(self) -> None:
        """Wait for the stops under way."""
        await asyncio.gather(*self._stops, return_exceptions=True)

    def _write_down(self, username: str, ending: Ending, details: str, servers: list[str]) -> None:
        LOGINS_ENDED.labels(ending.value).inc()
        self._context.audit.record(
            Event.LOGIN_ENDED, person=username, by="hub", reason=ending.value, evidence=details, servers=servers
        )
        if servers:
            self._context.notices.add(username, "ended", str(ending_refusal(ending)))

    def _in_background(self, user: Any, name: str, ending: Ending) -> None:
        task = asyncio.create_task(self._stop(user, name, ending))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    async def _stop(self, user: Any, name: str, ending: Ending) -> None:
        REVOCATIONS.labels(f"login-{ending.value}").inc()
        try:
            await self._stopper.stop(user, name, ending_refusal(ending))
        except Exception:
            log.exception("The server %s of %s could not be stopped", name, user.name)


def end_sessions(db: Any, row: Any, keep: set[int]) -> None:
    """Drop everything by which somebody could act as this user: cookies, tokens, codes that could become one, further roles.

    Args:
        db: the hub's session.
        row: the user's row.
        keep: numbers of the tokens that stay: those of servers that go on.
    """
    for token in db.query(orm.APIToken).filter_by(user_id=row.id):
        if token.id not in keep:
            db.delete(token)
    for code in db.query(orm.OAuthCode).filter_by(user_id=row.id):
        db.delete(code)
    row.cookie_id = orm.new_token()
    for role in [role for role in row.roles if role.name != "user"]:
        row.roles.remove(role)
    row.admin = False
    db.commit()


def withdraw_admin(db: Any) -> None:
    """Take JupyterHub's role admin from everybody whom an older version of this hub gave it."""
    for row in db.query(orm.User).filter(orm.User.admin.is_(True)):
        row.admin = False
        roles.assign_default_roles(db, entity=row)
    db.commit()


def tokens_of_servers(user: Any) -> set[int]:
    """The numbers of the tokens with which a user's running servers speak to the hub."""
    numbers = {int(spawner.token) for spawner in user.spawners.values() if spawner.active and spawner.token}
    # A server that starts has one that was not written down yet.
    for spawner in user.spawners.values():
        if spawner.active and spawner.api_token and (found := orm.APIToken.find(user.db, spawner.api_token)):
            numbers.add(int(found.id))
    return numbers
