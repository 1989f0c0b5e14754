"""Asking a login service again about somebody who is logged in, and deciding again whether they may be here.

oauthenticator's own refresh is not used: it takes a provider that is down for a refusal, or for an error on every page, does not
check who comes back or whether they are still allowed, and may spend a rotating refresh token twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.logins import ProvenLogin
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.refusals import LoginRefused, ProviderDown, ProviderRefused
from panosc_spawner.identity.renewal import Ending, Renewal
from panosc_spawner.metrics import LOGIN_RENEWALS
from panosc_spawner.outages import Silences, seen_enough

log = logging.getLogger(__name__)

_FOR_GOOD = (Ending.REFUSED, Ending.OTHER_IDENTITY, Ending.TOO_OLD)
"""These need a new login in any case, so the provider is not asked about this one again."""


class Hub(Protocol):
    """What renewals need of the authenticator of the hub."""

    context: LoginContext
    outage_grace: float
    max_session_age: float

    def community(self, id: str) -> PanoscAuthenticator | None:
        """The authenticator of a community; None if the site has none of this name."""

    def check_blocked_users(self, username: str, authentication: Any = None) -> bool | None:
        """Whether they are not blocked."""


class Renewals:
    """Renews logins, one at a time for each person.

    Args:
        hub: whose logins.
        silences: of communities, and about persons: one whose answers cannot be verified may be the only one.
    """

    def __init__(self, hub: Hub, silences: Silences[tuple[str, str]] | None = None) -> None:
        self._hub = hub
        self._silences = silences or Silences()
        self._running: dict[str, asyncio.Task[Renewal]] = {}

    async def renew(self, user: Any) -> Renewal:
        """Ask the provider about a person, or share the answer that is on its way.

        Args:
            user: JupyterHub's ``User``.

        Returns:
            The new auth model, for JupyterHub to store; or that all stays as it is because the provider is down, for
            ``outage_grace`` since it last answered, and for two minutes in which this process itself heard nothing; or why the
            login is over. Only a good answer makes ``Person.seen_at`` younger.
        """
        running = self._running.get(user.name)
        if running is None:
            running = self._running[user.name] = asyncio.create_task(self._renewed(user))
            running.add_done_callback(lambda _: self._running.pop(user.name, None))
        return await asyncio.shield(running)

    async def _renewed(self, user: Any) -> Renewal:
        state = await user.get_auth_state() or {}
        try:
            known, login = Person.from_state(state["person"]), ProvenLogin.from_state(state["login"])
        except (KeyError, TypeError, IdentityError):
            return self._told(user, "", Renewal(ending=Ending.NO_LOGIN))
        if ending := self._hub.context.logins.ended(login.id):
            return self._told(user, known.community, Renewal(ending=ending))
        renewal = await self._asked(user, state, known, login)
        if renewal.ending in _FOR_GOOD:
            self._hub.context.logins.end(login.id, renewal.ending)
        return self._told(user, known.community, renewal)

    async def _asked(self, user: Any, state: Mapping[str, Any], known: Person, login: ProvenLogin) -> Renewal:
        community = self._hub.community(known.community)
        if community is None:  # the site has it no more
            return Renewal(ending=Ending.NOT_ALLOWED)
        if _age(known.logged_in_at or known.seen_at) > timedelta(seconds=self._hub.max_session_age):
            return Renewal(ending=Ending.TOO_OLD)
        if not state.get("access_token"):
            return Renewal(ending=Ending.NO_LOGIN)
        try:
            if community.resting():
                raise ProviderDown(community.login_service)
            model = await community.renewed(user, state, known)
            person = Person.from_state(model["auth_state"]["person"])
            if (person.identity, person.username) != (known.identity, user.name):
                return Renewal(ending=Ending.OTHER_IDENTITY)
            allowed = self._hub.check_blocked_users(person.username, model)
            allowed = bool(allowed) and await community.check_allowed(person.username, model)
        except LoginRefused as refused:
            return self._refused(refused, known, login)
        except IdentityError:
            return Renewal(ending=Ending.NO_LOGIN)
        self._heard(known)
        return Renewal(model=model) if allowed else Renewal(ending=Ending.NOT_ALLOWED)

    def _refused(self, refused: LoginRefused, known: Person, login: ProvenLogin) -> Renewal:
        if refused.status_code >= 500:  # says nothing about the person
            grace = timedelta(seconds=self._hub.outage_grace)
            silence = max([self._silences.failed(key) for key in _silent(known)])
            over = _age(known.seen_at) > grace and seen_enough(silence, grace)
            return Renewal(ending=Ending.OUTAGE) if over else Renewal()
        self._heard(known)
        if refused.code == "other-identity":
            return Renewal(ending=Ending.OTHER_IDENTITY)
        if refused.code != "provider-refused":
            return Renewal(ending=Ending.NOT_ALLOWED)
        if isinstance(refused, ProviderRefused) and self._is_of_the_token(refused):
            self._hub.context.logins.end(login.id, Ending.NO_LOGIN)
            return Renewal(ending=Ending.NO_LOGIN)
        return Renewal(ending=Ending.REFUSED)

    def _is_of_the_token(self, refused: ProviderRefused) -> bool:
        """Whether a token is refused for what became of it, and not the person.

        It ran out, and there is no other; or the answer to our last try was lost with the new one in it, and this is the spent one.
        """
        return refused.ran_out or 0 < refused.after_loss <= self._hub.outage_grace

    def _heard(self, known: Person) -> None:
        for key in _silent(known):
            self._silences.answered(key)

    def _told(self, user: Any, community: str, renewal: Renewal) -> Renewal:
        outcome = renewal.ending.value if renewal.ending else "kept" if renewal.kept else "renewed"
        LOGIN_RENEWALS.labels(community or "none", outcome).inc()
        if renewal.ending:
            log.info("The login of %s is over: %s", user.name, outcome)
        elif renewal.kept:
            # JupyterHub's: requests need not ask again for auth_refresh_age. A new model's receiver says so once it is stored:
            # before, a request would go on with what was known.
            user._auth_refreshed = time.monotonic()
        return renewal


def _silent(known: Person) -> tuple[tuple[str, str], ...]:
    """What is silent when nothing is heard about a person."""
    return ("community", known.community), ("person", known.username)


def _age(moment: datetime) -> timedelta:
    return datetime.now(UTC) - moment
