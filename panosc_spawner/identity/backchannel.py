"""Where a login service reports that a login is over (OpenID Connect Back-Channel Logout 1.0).

Called by the provider's server, not by a browser: no cookies, no XSRF check, no user. What it says is believed because of its
signature alone.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from tornado import web

from panosc_spawner.audit import Event
from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.refusals import LoginRefused
from panosc_spawner.identity.renewal import Ending
from panosc_spawner.identity.seen import Seen
from panosc_spawner.identity.tokens import LOGOUT_LIFETIME, MAX_TOKEN, InvalidToken, LogoutToken, validate_logout_token

MAX_BODY = MAX_TOKEN + 1024
log = logging.getLogger(__name__)


@web.stream_request_body
class BackchannelLogoutHandler(web.RequestHandler):
    """``POST /backchannel-logout[/<community>]`` with ``logout_token``."""

    def initialize(self, hub: Any, login: PanoscAuthenticator, seen: Seen) -> None:
        """Called by tornado.

        Args:
            hub: the :class:`.CommunitiesAuthenticator`.
            login: the community that reports here.
            seen: the ids of this community's logout tokens that were taken.
        """
        self.hub, self.login, self.seen = hub, login, seen
        self.body = bytearray()

    def prepare(self) -> None:
        """Bound the body before it is read. Called by tornado."""
        if self.request.method == "POST":
            self.request.connection.set_max_body_size(MAX_BODY)  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        """Called by tornado with each part of the body."""
        self.body += chunk
        if len(self.body) > MAX_BODY:
            raise web.HTTPError(413)

    def check_xsrf_cookie(self) -> None:
        """Nothing: there is no browser and no cookie."""

    def set_default_headers(self) -> None:
        """No page of anybody's may read or keep the answer. Called by tornado."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.clear_header("Server")

    async def post(self) -> None:
        """200 when the login is over, or was before; 400 for what is no logout token of this provider; 503 to try again."""
        try:
            token = await self._validated(self._token())
        except InvalidToken as error:
            log.warning("A logout token for %s is not valid: %s", self.login.community.id, error.code)
            self._refuse(400, "invalid_request", error.code)
            return
        except LoginRefused:
            self._refuse(503, "temporarily_unavailable", "keys")
            return
        for open_login in self.hub.context.logins.find(self.login.issuer, token.subject, token.sid):
            await self._end(open_login.id, open_login.username, open_login.newest)
        self.finish("{}")

    def _token(self) -> str:
        content_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != "application/x-www-form-urlencoded":
            raise InvalidToken("content-type")
        try:
            form = parse_qs(self.body.decode("ascii"), strict_parsing=True, max_num_fields=20)
        except ValueError:
            raise InvalidToken("form") from None
        values = form.get("logout_token", [])
        if len(values) != 1:
            raise InvalidToken("form")
        return values[0]

    async def _validated(self, text: str) -> LogoutToken:
        now = datetime.now(UTC)
        token = await self.login.keys.validated(
            lambda keys: validate_logout_token(text, keys, self.login.expected, now)
        )
        if not self.seen.first_time(token.jti):
            raise InvalidToken("replay")
        return token

    async def _end(self, id: str, username: str, newest: bool) -> None:
        """End one login.

        Of a person who logged in again since, in another browser, the newer login is alive, and so is their work; the older
        browser's cookie is the same, so both have to log in again.
        """
        ending = Ending.LOGGED_OUT if newest else Ending.NO_LOGIN
        if self.hub.context.logins.end(id, ending):
            title = self.login.login_service
            self.hub.audit.record(
                Event.LOGOUT,
                person=username,
                by=self.login.community.id,
                community=self.login.community.id,
                reason="backchannel",
            )
            await self.hub.context.ended(
                username, ending, f"{title} says that you logged out there, or were logged out"
            )

    def _refuse(self, status: int, error: str, description: str) -> None:
        self.set_status(status)
        self.finish({"error": error, "error_description": description})

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Without a word of the request. Called by tornado."""
        self.finish({"error": "invalid_request" if status_code < 500 else "server_error"})


def seen_logouts() -> Seen:
    """A memory for the ids of one provider's logout tokens: as long as a token may be valid."""
    return Seen(LOGOUT_LIFETIME * 3)
