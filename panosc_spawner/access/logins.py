"""Asking the login services about those who are logged in, no more often than needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from panosc_spawner.access.hands import Hands
from panosc_spawner.errors import IdentityError, PeopleError
from panosc_spawner.facilities.source_rules import EntitlementSource
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.renewal import Ending, Renewal
from panosc_spawner.metrics import LOGIN_SERVICE_UP
from panosc_spawner.spawners.context import HubContext

KEPT = timedelta(minutes=5)
"""How old what is stored of an unchanged login may become: storing it is the dearest part of a renewal."""
SILENT_SECONDS = 5.0
"""While a login service does not answer, one person is asked about so often, and the others not at all."""


class Authenticator(Protocol):
    """What the watch needs of the hub's authenticator."""

    async def renew(self, user: Any) -> Renewal:
        """Ask the login service again about somebody."""


@dataclass(frozen=True)
class Known:
    """Who somebody is, as far as it is known, and why their login is over, if it is."""

    person: Person | None = None
    ending: Ending | None = None
    details: str = ""


class LoginWatch:
    """Renews logins for the watch.

    Args:
        context: of the hub.
        authenticator: the hub's.
        hands: store what a renewal brings.
        clock: the time, for tests.
    """

    def __init__(
        self,
        context: HubContext,
        authenticator: Authenticator,
        hands: Hands,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._context, self._authenticator, self._hands, self._now = context, authenticator, hands, clock
        policy = context.site.config.access
        lifetimes = [rule.lifetime for rule in context.site.config.sources if isinstance(rule, EntitlementSource)]
        self._grace = policy.outage_grace
        self._needed = policy.recheck.total_seconds() * 0.6
        self._kept = min([KEPT, policy.outage_grace / 10, policy.max_grant_age / 3, *(one / 3 for one in lifetimes)])
        self._silent_until: dict[str, float] = {}

    async def look(self, user: Any) -> Known:
        """Who a user is now. Asks their login service, unless it was asked a moment ago or does not answer at all."""
        state = await user.get_auth_state() or {}
        person = self._with_links(_person(state))
        if "login" not in state:  # over already: what is left says whose the servers are that go on
            if state and not any(spawner.active for spawner in user.spawners.values()):
                await user.save_auth_state(None)
            return Known(person)
        if self._need_not_ask(user, person):
            return Known(person)
        renewal = await self._authenticator.renew(user)
        if person:
            self._note(person.community, renewal)
        if not await self._is_same_login(
            user, state
        ):  # they logged in, or out, meanwhile: this was about an older login
            return Known(self._with_links(_person(await user.get_auth_state() or {})))
        if renewal.ending:
            return Known(person, renewal.ending, "found by the watch")
        return Known(await self._stored(user, state, renewal, person))

    def _need_not_ask(self, user: Any, person: Person | None) -> bool:
        # JupyterHub has no public word for when a login was refreshed; auth_refresh_age is counted from this.
        if user._auth_refreshed and time.monotonic() - user._auth_refreshed < self._needed:
            return True
        if person is None or self._now() - person.seen_at > self._grace:
            return False
        return time.monotonic() < self._silent_until.get(person.community, 0.0)

    def _note(self, community: str, renewal: Renewal) -> None:
        silent = renewal.kept or renewal.ending is Ending.OUTAGE
        if silent:
            self._silent_until[community] = time.monotonic() + SILENT_SECONDS
            self._context.outages.failed("login", community, "no answer")
        elif renewal.model is not None or renewal.ending is Ending.REFUSED:
            self._silent_until.pop(community, None)
            self._context.outages.answered("login", community)
        else:
            return
        LOGIN_SERVICE_UP.labels(community).set(not silent)

    async def _is_same_login(self, user: Any, state: Mapping[str, Any]) -> bool:
        now = await user.get_auth_state() or {}
        return _login(now) == _login(state)

    async def _stored(
        self, user: Any, state: Mapping[str, Any], renewal: Renewal, person: Person | None
    ) -> Person | None:
        """Who they are by a renewal, which is stored if it brought anything new, or what is stored becomes old."""
        if renewal.model is None:
            return person
        model = renewal.model
        new = _person(model.get("auth_state") or {})
        stored = await user.get_auth_state() or {}
        same = new and person and _timeless(model["auth_state"]) == _timeless(stored)
        if not same or user.admin or self._now() - person.seen_at > self._kept:  # type: ignore[union-attr]
            await self._hands.keep_login(user, model)
        else:
            self._hands.was_asked(user)
        return self._with_links(new)

    def _with_links(self, person: Person | None) -> Person | None:
        """The person with the identities that are linked now; those of the login may be linked no more."""
        people = self._context.people
        if person is None or people is None:
            return person
        try:
            return replace(person, linked=people.linked(person.username, person.identity))
        except PeopleError:
            return person


def _person(state: Mapping[str, Any]) -> Person | None:
    try:
        return Person.from_state(state["person"])
    except (KeyError, TypeError, IdentityError):
        return None


def _login(state: Mapping[str, Any]) -> object:
    login = state.get("login")
    return login.get("id") if isinstance(login, Mapping) else None


def _timeless(state: Mapping[str, Any]) -> dict[str, Any]:
    """A login without when it was last confirmed."""
    return {**state, "person": {**state.get("person", {}), "seen_at": "", "linked": []}}
