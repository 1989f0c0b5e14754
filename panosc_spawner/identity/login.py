"""The way to the login service and back: the login page, where an attempt begins, and where it ends."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LoginHandler
from tornado import web
from tornado.httputil import url_concat

from panosc_spawner.audit import Event
from panosc_spawner.errors import PeopleError
from panosc_spawner.identity import linking
from panosc_spawner.identity.attempts import LIFETIME, MAX_OPEN, Attempt, attempt_cookies, cookie_name
from panosc_spawner.identity.authenticator import PanoscAuthenticator
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.refusals import LoginRefused
from panosc_spawner.identity.seen import Rate, Seen
from panosc_spawner.metrics import LOGINS

LAST_COMMUNITY = "panosc-community"
"""Cookie with the id of the community that somebody last logged in with, and nothing else."""

MAX_CODE = 4096  # characters
UNPROVEN_LINES = 120
"""Lines a minute in the audit log about refusals of nobody in particular. Anybody can be refused, as often as they like: without a bound
they could push the log's older lines out."""
_LAST_DAYS = 400  # as long as browsers keep a cookie

# Fixed texts for the errors of RFC 6749 (4.1.2.1) and OpenID Connect Core (3.1.2.6). What the provider writes beside them may be
# anybody's words, so it is not shown.
_PROVIDER_ERRORS = {
    "access_denied": "The login was cancelled, or {title} did not allow it. Nobody is logged in.",
    "login_required": "{title} needs you to log in there first. Please try again.",
    "interaction_required": "{title} needs something from you first. Please try again.",
    "consent_required": "{title} needs your consent to tell this hub who you are. Please try again, and agree.",
    "account_selection_required": "{title} needs you to choose an account. Please try again.",
    "unmet_authentication_requirements": "{title} could not log you in as strongly as this hub needs. Use a second factor there, "
    "or ask your institute's help desk for one.",
    "temporarily_unavailable": "{title} is not available right now. Try again in a few minutes.",
    "server_error": "{title} had an error of its own. Try again in a few minutes.",
    "invalid_scope": "{title} does not give this hub what it asks for. Tell the people who run this hub.",
    "unauthorized_client": "{title} does not accept this hub. Tell the people who run this hub.",
}
_OTHER_ERROR = "{title} did not log you in. Please try again; if it stays like this, tell the people who run this hub."
_BACK = "Go back to the hub's login page, and log in again."


@dataclass(frozen=True)
class Card:
    """A community on the login page."""

    id: str
    title: str
    description: str
    url: str
    last_used: bool = False


class LoginPageHandler(LoginHandler):
    """``/login``: one card for each community, the one last used first."""

    def render_template(self, name: str, **values: Any) -> Any:
        """With the cards. Called by JupyterHub's own handler."""
        return super().render_template(name, **{"cards": self._cards(), **values})

    async def post(self) -> None:
        """Nothing: there are no passwords here."""
        raise web.HTTPError(405)

    def _cards(self) -> list[Card]:
        last = self.get_cookie(LAST_COMMUNITY, "")
        start = self.authenticator.login_url(self.hub.base_url)
        cards = []
        for id, login in self.authenticator.communities.items():
            arguments = {"community": id} if len(self.authenticator.communities) > 1 else {}
            if self.get_argument("next", ""):
                arguments["next"] = self.get_argument("next")
            community = login.community
            cards.append(
                Card(id, community.title, community.description, url_concat(start, arguments), last_used=id == last)
            )
        return sorted(cards, key=lambda card: not card.last_used)


class OwnAddressHandler(BaseHandler):
    """A step of a login: nothing of its address goes into the next page's, code and state least of all."""

    def append_query_parameters(self, url: str, exclude: Any = None) -> str:
        """The address as it is; JupyterHub would append this request's parameters."""
        return url


class BeginHandler(OwnAddressHandler):
    """``/oauth_login?community=<id>[&next=…][&link=1]``: to the login service."""

    async def get(self) -> None:
        """Begin an attempt, and send the browser on."""
        login = self._chosen()
        if login is None:
            self.redirect(url_concat(self.settings["login_url"], self._wanted()))
            return
        link = self.get_query_argument("link", "") == "1"
        if link and self.current_user is None:
            raise web.HTTPError(403, "Log in first; then link another identity to yours.")
        attempt = Attempt.begin(
            login.community.id,
            next_url=self.get_next_url() if self._wanted() else "",
            purpose="link" if link else "login",
            for_user=self.current_user.name if link else "",
        )
        self._keep(attempt)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.redirect(url_concat(login.authorize_url, login.authorize_params(attempt)), status=303)

    def _chosen(self) -> PanoscAuthenticator | None:
        """The community that the request names, or the only one; None: the person has to choose."""
        name = self.get_query_argument("community", "")
        if not name and len(self.authenticator.communities) == 1:
            only: PanoscAuthenticator = self.authenticator.first
            return only
        login: PanoscAuthenticator | None = self.authenticator.community(name)
        return login

    def _wanted(self) -> dict[str, str]:
        wanted = self.get_query_argument("next", "")
        return {"next": wanted} if wanted else {}

    def _keep(self, attempt: Attempt) -> None:
        """The attempt in a cookie of its own. Of too many open ones the oldest give way."""
        name = cookie_name(attempt.state, host_only=_is_https(self))
        open_ones = []
        for other in attempt_cookies(self.request.cookies):
            kept = _read(self, other)
            if kept is None or not kept.fresh:
                self.clear_cookie(other, path=self.hub.base_url)
            else:
                open_ones.append((kept.began, other))
        for _, other in sorted(open_ones)[: max(0, len(open_ones) - MAX_OPEN + 1)]:
            self.clear_cookie(other, path=self.hub.base_url)
        self._set_cookie(
            name,
            attempt.to_text(),
            expires_days=None,
            max_age=int(LIFETIME.total_seconds()),
            path=self.hub.base_url,
            samesite="Lax",
        )


class CallbackHandler(OwnAddressHandler):
    """``/oauth_callback[/<community>]``: where the login service sends people back to."""

    spent = Seen(LIFETIME)
    unproven = Rate(UNPROVEN_LINES)

    def initialize(self, community: str) -> None:
        """Called by tornado with the community whose callback this is: an answer of another one is refused (mix-up)."""
        self.community = community

    async def get(self) -> None:
        """Log somebody in, or prove an identity for linking."""
        login: PanoscAuthenticator = self.authenticator.communities[self.community]
        try:
            attempt = self._attempt()
            self._check_issuer(login)
            self._check_error(login)
            code = self._code()
            if attempt.purpose == "link":
                await self._link(login, attempt, code)
                return
            user = await self.login_user({"attempt": attempt, "code": code})
            if user is None:
                raise LoginRefused("not-allowed", self.authenticator.custom_403_message)
        except LoginRefused as refused:
            self._refused(refused.code, refused.identity)
            raise
        except PeopleError as error:
            self.log.error("The book of people cannot be used: %s", error)
            self._refused("people")
            raise LoginRefused(
                "people", "This hub cannot look up who you are right now. Try again later.", 503
            ) from error
        except web.HTTPError as error:  # JupyterHub's, for who is blocked
            self._refused(f"http-{error.status_code}")
            raise
        LOGINS.labels(self.community, "ok").inc()
        self._set_cookie(
            LAST_COMMUNITY,
            self.community,
            encrypted=False,
            expires_days=_LAST_DAYS,
            path=self.hub.base_url,
            samesite="Lax",
        )
        self.redirect(self._next_url(user, attempt))

    # -- the answer, in the order in which it may be believed ----------------------------------------------------------

    def _attempt(self) -> Attempt:
        """The attempt that this answer belongs to: begun in this browser, for this community, not long ago, and not used."""
        state = self._one("state")
        name = cookie_name(state, host_only=_is_https(self))
        attempt = _read(self, name) if name else None
        if attempt is None or not attempt.is_of(state):
            raise LoginRefused("state", f"This login was not begun in this browser, or a while ago. {_BACK}", 400)
        self.clear_cookie(name, path=self.hub.base_url)
        if attempt.community != self.community:
            raise LoginRefused("state", f"This login was begun with another community. {_BACK}", 400)
        if not attempt.fresh:
            raise LoginRefused("too-late", f"The login took too long. {_BACK}", 400)
        if not self.spent.first_time(state):
            raise LoginRefused("replay", f"This login was used already. {_BACK}", 400)
        if attempt.purpose == "link" and (self.current_user is None or self.current_user.name != attempt.for_user):
            raise LoginRefused(
                "state", "You were logged out, or logged in as somebody else, meanwhile. Begin again.", 400
            )
        return attempt

    def _check_issuer(self, login: PanoscAuthenticator) -> None:
        """RFC 9207: an answer that says who it is from must be from the right one, also an error."""
        said = self._one("iss")
        if said and not hmac.compare_digest(said.encode("utf-8", "replace"), login.issuer.encode()):
            raise LoginRefused(
                "issuer", f"The answer did not come from {login.login_service}. Nobody is logged in.", 400
            )
        if not said and login.endpoints.names_issuer:
            raise LoginRefused(
                "issuer", f"The answer does not say that it came from {login.login_service}. {_BACK}", 400
            )

    def _check_error(self, login: PanoscAuthenticator) -> None:
        error = self._one("error")
        if error:
            known = error if error in _PROVIDER_ERRORS else "other"
            words = _PROVIDER_ERRORS.get(error, _OTHER_ERROR).format(title=login.login_service)
            raise LoginRefused(f"provider-said-{known}", words, 400)

    def _code(self) -> str:
        code = self._one("code")
        if not code or len(code) > MAX_CODE or not code.isascii() or not code.isprintable():
            raise LoginRefused("no-code", f"The answer of the login service is not complete. {_BACK}", 400)
        return code

    def _one(self, name: str) -> str:
        """A parameter; empty if it is missing. One that stands twice is two different ones, to two different readers."""
        values = self.request.query_arguments.get(name, [])
        if len(values) > 1:
            raise LoginRefused("parameters", f"The answer of the login service says '{name}' twice. {_BACK}", 400)
        return values[0].decode("utf-8", "replace") if values else ""

    # -- what comes of it ---------------------------------------------------------------------------------------------

    async def _link(self, login: PanoscAuthenticator, attempt: Attempt, code: str) -> None:
        model = await login.log_in(attempt, code)
        person = Person.from_state(model["auth_state"]["person"])
        if not await login.check_allowed(person.username, model):
            raise LoginRefused("not-allowed", self.authenticator.custom_403_message)
        await linking.finish(self, attempt, person)

    def _next_url(self, user: Any, attempt: Attempt) -> str:
        """Where to go, by JupyterHub's own rules: the attempt's ``next``, and none that stands in the callback's address."""
        for arguments in (self.request.arguments, self.request.query_arguments):
            arguments.clear()
            if attempt.next_url:
                arguments["next"] = [attempt.next_url.encode()]
        return str(self.get_next_url(user))

    def _refused(self, code: str, identity: str = "") -> None:
        LOGINS.labels(self.community, code).inc()
        if not identity and not self.unproven.allows():
            return  # the metric has counted it
        self.authenticator.audit.record(Event.LOGIN_REFUSED, identity=identity, community=self.community, reason=code)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Without the address: tornado would log its code and state. Called by tornado."""
        if isinstance(value, web.HTTPError):
            self.log.warning("Login failed: %s %.200r", value.status_code, value.log_message)
        else:
            self.log.error("Login failed", exc_info=(typ, value, tb))


def _is_https(handler: BaseHandler) -> bool:
    public = handler.settings.get("public_url")
    return bool(public) and public.scheme == "https"


def _read(handler: BaseHandler, name: str) -> Attempt | None:
    days = LIFETIME.total_seconds() / 86400
    return Attempt.from_text(handler.get_secure_cookie(name, max_age_days=days))
