"""Tokens for people's own code: a fresh one, for one audience, for a running server that may have it.

In a notebook::

    import json, os, urllib.request
    hub = os.environ["JUPYTERHUB_API_URL"].removesuffix("/api")
    request = urllib.request.Request(
        f"{hub}/panosc/token/archive", headers={"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}
    )
    token = json.load(urllib.request.urlopen(request))["token"]

or ``curl -H "Authorization: token $JUPYTERHUB_API_TOKEN" ${JUPYTERHUB_API_URL%/api}/panosc/token/archive``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from tornado import web

from panosc_spawner.access.broker import Exchange
from panosc_spawner.audit import Event
from panosc_spawner.errors import IdentityError, TokenError
from panosc_spawner.facilities.access_rules import TokenRule
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.launch.plan import live_grants
from panosc_spawner.launch.selection import parse_ref
from panosc_spawner.metrics import TOKENS
from panosc_spawner.spawners.context import HubContext

PER_MINUTE = 12
"""Tokens that one server may fetch in a minute: it can use each for minutes."""
_FRESH = timedelta(seconds=20)
_ASK_HUB = "Ask the people who run this hub."


class Refused(Exception):
    """No token: the HTTP status, a code for the records, and words for the person."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code = status, code


@dataclass
class TokenDesk:
    """Who may have which token; one for all requests of a hub."""

    context: HubContext
    exchange: Exchange
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _given: dict[tuple[str, str], deque[float]] = field(default_factory=dict)

    def rule(self, name: str) -> TokenRule:
        """The site's rule for a token.

        Raises:
            Refused: if the site has none of this name.
        """
        rule = self.context.site.config.tokens.get(name)
        if rule is None:
            known = ", ".join(self.context.site.config.tokens) or "none"
            raise Refused(404, "unknown", f"This hub gives no token of this name; it gives: {known}.")
        return rule

    def server_of(self, user: Any, token: Any) -> Any:
        """The running server whose own token this is.

        Raises:
            Refused: for any other token, and for a server that is not running or is shared.
        """
        for spawner in user.spawners.values():
            if token is not None and spawner.token and spawner.token == token.id:
                if not spawner.ready:
                    raise Refused(403, "not-running", "This server is not running now.")
                if spawner.orm_spawner.shares or spawner.orm_spawner.share_codes:
                    raise Refused(
                        403, Reason.SHARED, "This server is shared, so it gets no tokens. End its sharing first."
                    )
                return spawner
        raise Refused(
            403, "not-a-server", "Only a running server can ask for this, with the token that it was started with."
        )

    def slow_down(self, user: Any, spawner: Any) -> None:
        """Count a request of a server.

        Raises:
            Refused: if there were too many in the last minute.
        """
        now, key = time.monotonic(), (user.name, spawner.name)
        times = self._given.setdefault(key, deque())
        while times and now - times[0] > 60:
            times.popleft()
        if len(times) >= PER_MINUTE:
            raise Refused(
                429, "too-many", f"{PER_MINUTE} tokens a minute are enough; each can be used for some minutes."
            )
        times.append(now)
        if len(self._given) > 20_000:
            self._given = {k: kept for k, kept in self._given.items() if kept and now - kept[-1] <= 60}

    async def proposal_for(self, person: Person, spawner: Any, rule: TokenRule) -> str:
        """A proposal in the server that allows this token, by a right that is live now.

        Raises:
            Refused: if there is none.
        """
        site = self.context.site
        held = [parse_ref(text, site) for text in spawner.summary.get("proposals") or ()]
        allowing = [ref for ref in held if ref.facility in rule.facilities]
        names = ", ".join(site.facilities[key].short_name for key in rule.facilities if key in site.facilities)
        if not allowing:
            raise Refused(
                403, "no-proposal", f"This token is for servers with proposals of: {names}. This one has none."
            )
        report = await self.context.book.report(person, max_age=_FRESH)
        last: Refusal | None = None
        for ref in allowing:
            live = live_grants(report.grants, [ref], site, self.clock())
            if not isinstance(live, Refusal):
                return str(ref)
            last = live
        assert last  # noqa: S101 - allowing is not empty
        raise Refused(403, last.reason, f"{last.message} {last.remedy}")

    async def give(self, user: Any, rule: TokenRule) -> tuple[str, datetime]:
        """A fresh token, and when it ends.

        Raises:
            Refused: if the login service gives none, or one that is good for longer than the rule allows.
        """
        try:
            given = await self.exchange.exchange_token(user, rule.audience, rule.scope)
        except TokenError as error:
            raise Refused(503, "no-exchange", str(error)) from error
        skew = self.context.site.config.access.clock_skew
        if given.expires_at - self.clock() > rule.lifetime + skew:
            raise Refused(
                503,
                "too-long",
                f"The login service gave a token that is good for longer than this hub allows. {_ASK_HUB}",
            )
        return given.value.get_secret_value(), given.expires_at


class TokenHandler(BaseHandler):
    """``GET /panosc/token/<name>``: ``{"token": …, "expires_at": …}``, or ``{"message": …}`` with why not."""

    desk: TokenDesk
    # JupyterHub's: a page of another site that a person looks at cannot make their browser ask.
    _accept_token_auth = True
    _accept_cookie_auth = False

    def get_content_type(self) -> str:
        """JSON, also for the errors of it."""
        return "application/json"

    async def get(self, name: str) -> None:
        """Give a token, and write down that it was given, or refused. The token itself is written nowhere."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Pragma", "no-cache")
        user, token = self.current_user, self.get_token()
        if token is None or not isinstance(getattr(user, "orm_user", None), orm.User):
            return self._refuse(
                Refused(403, "not-a-server", "Ask with the token of your server: see the documentation.")
            )
        spawner, proposal = None, ""
        try:
            rule = self.desk.rule(name)
            spawner = self.desk.server_of(user, token)
            self.desk.slow_down(user, spawner)
            proposal = await self.desk.proposal_for(await self._person(user), spawner, rule)
            value, expires_at = await self.desk.give(user, rule)
            # Asked again after all the waiting: the server may have been shared, or stopped, meanwhile.
            self.desk.server_of(user, token)
        except Refused as refused:
            return self._refuse(refused, user.name, name, spawner)
        TOKENS.labels(name, "given").inc()
        self.desk.context.audit.record(
            Event.TOKEN_GIVEN,
            person=user.name,
            server=spawner.name,
            proposal=proposal,
            reason=name,
            audience=rule.audience,
            expires=expires_at.isoformat(timespec="seconds"),
        )
        self.finish({"token": value, "expires_at": expires_at.isoformat(timespec="seconds")})
        return None

    async def _person(self, user: Any) -> Person:
        try:
            person = Person.from_state((await user.get_auth_state() or {})["person"])
        except (KeyError, IdentityError):
            raise Refused(403, Reason.LOGIN_EXPIRED, "Your login has ended. Log in again, then ask again.") from None
        return person

    def _refuse(self, refused: Refused, person: str = "", name: str = "", spawner: Any = None) -> None:
        known = name if name in self.desk.context.site.config.tokens else "unknown"
        TOKENS.labels(known, str(refused.code)).inc()
        if person:
            self.desk.context.audit.record(
                Event.TOKEN_REFUSED,
                person=person,
                server=spawner.name if spawner else "",
                reason=str(refused.code),
                evidence=name[:40],
            )
        self.set_status(refused.status)
        if refused.status == 429:
            self.set_header("Retry-After", "60")
        self.finish({"message": str(refused)})


def token_handlers(desk: TokenDesk) -> list[tuple[str, type[web.RequestHandler]]]:
    """The addresses and handlers of tokens, before the hub's own."""
    return [(r"/panosc/token/([^/]+)", type("TokenHandler", (TokenHandler,), {"desk": desk}))]
