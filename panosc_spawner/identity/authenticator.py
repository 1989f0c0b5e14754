"""Log in with a community: OpenID Connect, authorization code with PKCE, on top of oauthenticator.

What this class adds: people are keyed by issuer and ``voperson_id``; every refresh decides again who may be here; a login
service that is down is not a denial, for a bounded time; nothing can let everybody in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import OAuthCallbackHandler
from tornado import web
from tornado.httpclient import HTTPClientError, HTTPRequest
from traitlets import Any as AnyTrait
from traitlets import Float, List, TraitError, Unicode, default, validate

from panosc_spawner.errors import EntitlementError, IdentityError
from panosc_spawner.identity.claims import ClaimRules, person_from
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.entitlements import parse
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.setup import configure_authenticator
from panosc_spawner.secret_file import read_secret

__all__ = ["PanoscAuthenticator", "ProviderDown", "ProviderRefused", "configure_authenticator"]

MAX_ANSWER = 4 * 1024**2  # bytes of a token or userinfo answer
_REFUSALS = (400, 401, 403)
# Answers of a token endpoint that are about the hub or the provider, not about the person (RFC 6749, 5.2).
_NOT_THE_PERSON = ("invalid_client", "unauthorized_client", "server_error", "temporarily_unavailable")

# Settings of the parent classes that would let people in, or trust, by another rule than ours: each with its only value.
_FIXED: dict[str, Any] = {
    "allow_all": False,
    "allow_existing_users": False,
    "allowed_users": set(),
    "allowed_groups": set(),
    "allowed_scopes": [],
    "admin_users": set(),
    "admin_groups": set(),
    "enable_auth_state": True,
    "auth_refresh_strict": True,
    "refresh_pre_spawn": True,
    "refresh_user_hook": None,
    "enable_pkce": True,
    "validate_server_cert": True,
    "userdata_from_id_token": False,
    "userdata_token_method": "header",
    "manage_groups": False,
    "manage_roles": False,
    "auto_login": False,
}


class ProviderDown(web.HTTPError):
    """The login service did not answer, or not as one: says nothing about the person."""

    def __init__(self, title: str) -> None:
        super().__init__(
            503, f"{title} does not answer right now, so nobody can be logged in. Try again in a few minutes."
        )


class ProviderRefused(web.HTTPError):
    """The login service refused a token or a code: the person has to log in again."""

    def __init__(self, title: str) -> None:
        super().__init__(403, f"{title} did not confirm your login; it may have taken too long. Please log in again.")


class CallbackHandler(OAuthCallbackHandler):
    """Where the provider sends people back to."""

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Without the address: tornado would log its code and state. Called by tornado."""
        if isinstance(value, web.HTTPError):
            self.log.warning("Login failed: %s %.200r", value.status_code, value.log_message)
        else:
            self.log.error("Login failed", exc_info=(typ, value, tb))


class PanoscAuthenticator(GenericOAuthenticator):
    """Authenticator for one community; :func:`configure_authenticator` sets it up from a site."""

    callback_handler = CallbackHandler

    community = AnyTrait(
        config=True, help="The :class:`~panosc_spawner.identity.community.Community` that people log in with."
    )
    issuer = Unicode(
        config=True, help="The provider's issuer, exactly as in its discovery document. Part of every identity."
    )
    client_secret_file = Unicode(
        config=True, help="File (mode 0600) with the client secret, so that no configuration object holds it."
    )
    admins = List(
        Unicode(),
        config=True,
        help="Identities (voperson_id or sub) who administer the hub. Whoever is not in the list loses the right at the next refresh.",
    )
    required_entitlement = Unicode(
        config=True,
        help="Only members of this group may log in: ``urn:geant:…:group:umbrellaid``. Empty: the whole community.",
    )
    kept_claims = List(Unicode(), config=True, help="Claims that account mappings need. No others are stored.")
    outage_grace = Float(
        3600.0,
        min=0.0,
        config=True,
        help="Seconds since somebody's claims were last seen that they stay logged in while the login service is down.",
    )
    page_handlers = List(
        AnyTrait(),
        config=True,
        help="Handlers of the hub's own pages, (pattern, class) or (pattern, class, arguments). They come before JupyterHub's.",
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._refreshing: dict[str, asyncio.Task[bool | dict[str, Any]]] = {}
        if not isinstance(self.community, Community) or not self.issuer:
            raise TraitError("PanoscAuthenticator needs a community and an issuer: call configure_authenticator.")
        for name in _FIXED:  # a validator does not see a value that equals the parent's default
            _require_fixed(name, getattr(self, name))

    # -- settings that cannot be others -----------------------------------------------------------------------------

    @validate(*_FIXED)
    def _is_fixed(self, proposal: Any) -> Any:
        _require_fixed(proposal.trait.name, proposal.value)
        return proposal.value

    @validate("auth_refresh_age")
    def _refreshes(self, proposal: Any) -> Any:
        if not 0 < proposal.value <= 3600:
            raise TraitError(
                "PanoscAuthenticator.auth_refresh_age must be 1 to 3600 seconds: a right taken away must be seen."
            )
        return proposal.value

    @validate("required_entitlement")
    def _is_entitlement(self, proposal: Any) -> Any:
        if proposal.value:
            try:
                parse(proposal.value)
            except EntitlementError as error:
                raise TraitError(f"PanoscAuthenticator.required_entitlement: {error}") from error
        return proposal.value

    @default("enable_auth_state")
    def _enable_auth_state_default(self) -> bool:
        return True

    @default("auth_refresh_strict")
    def _auth_refresh_strict_default(self) -> bool:
        return True

    @default("any_allow_config")
    def _any_allow_config_default(self) -> bool:
        return True  # check_allowed decides; the hub need not warn that nobody can log in

    @default("login_service")
    def _login_service_default(self) -> str:
        return str(self.community.title) if self.community else "your community"

    @default("client_secret")
    def _client_secret_default(self) -> str:
        file = self.client_secret_file
        return read_secret(Path(file), "client secret").get_secret_value() if file else ""

    @default("http_request_kwargs")
    def _http_request_kwargs_default(self) -> dict[str, Any]:
        return {"connect_timeout": 5.0, "request_timeout": 10.0, "follow_redirects": False}

    def _validate_server_cert_default(self) -> bool:
        return True  # whatever OAUTH_TLS_VERIFY says

    # -- steps of a login; called by oauthenticator's authenticate, and by refresh_user ------------------------------

    def get_handlers(self, app: Any) -> list[Any]:
        """The hub's own pages, then the login's. Called by JupyterHub, which puts its own handlers after these."""
        return [*self.page_handlers, *super().get_handlers(app)]

    async def fetch(self, req: HTTPRequest, label: str = "fetching", parse_json: bool = True, **kwargs: Any) -> Any:
        """Ask the provider, logging nothing of what it says: answers hold tokens and claims.

        Raises:
            ProviderDown: no answer, or not one of a working provider.
            ProviderRefused: the provider refuses this token or code.
        """
        where = f"{req.method} {urlsplit(req.url).netloc}{urlsplit(req.url).path}"
        try:
            answer = await self.http_client.fetch(req, **kwargs)
        except HTTPClientError as error:
            self.log.warning("%s: %s answered %s", label, where, error.code)
            if error.code in _REFUSALS and _error_code(error) not in _NOT_THE_PERSON:
                raise ProviderRefused(self.login_service) from None
            raise ProviderDown(self.login_service) from None
        except (OSError, TimeoutError) as error:
            self.log.warning("%s: %s did not answer: %s", label, where, type(error).__name__)
            raise ProviderDown(self.login_service) from None
        if not parse_json:
            return answer
        document = _json_object(answer.body)
        if document is None:
            self.log.warning("%s: %s answered with something else than a JSON object", label, where)
            raise ProviderDown(self.login_service)
        return document

    async def get_token_info(self, handler: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Exchange a code or a refresh token; the answer has an access token.

        Raises:
            ProviderDown, ProviderRefused: as :meth:`fetch`.
        """
        token_info: dict[str, Any] = await self.httpfetch(
            self.token_url,
            "Fetching tokens",
            method="POST",
            headers=self.build_token_info_request_headers(),
            body=urlencode({name: value for name, value in params.items() if value not in (None, "")}),
        )
        if not isinstance(token_info.get("access_token"), str):
            self.log.warning("The token endpoint answered without an access token")
            raise ProviderDown(self.login_service)
        return {"token_type": "Bearer", **token_info}

    async def token_to_user(self, token_info: dict[str, Any]) -> dict[str, Any]:
        """The claims of userinfo, once :meth:`verify_identity` agrees."""
        user_info: dict[str, Any] = await super().token_to_user(token_info)
        await self.verify_identity(token_info, user_info)
        return user_info

    async def verify_identity(self, token_info: Mapping[str, Any], user_info: Mapping[str, Any]) -> None:
        """Check that tokens and claims belong together and to this login. Called by :meth:`token_to_user`.

        The place for validating the ID token (signature, issuer, audience, nonce) and for ``userinfo.sub == id_token.sub``.
        Raise :class:`tornado.web.HTTPError` 403 with words to refuse.
        """

    def user_info_to_username(self, user_info: Mapping[str, Any]) -> str:
        """The opaque name for issuer and subject; no claim can choose it."""
        return self._person(user_info).username

    def build_auth_state_dict(self, token_info: dict[str, Any], user_info: dict[str, Any]) -> dict[str, Any]:
        """Tokens and the :class:`Person`; claims that nobody needs are not stored."""
        state: dict[str, Any] = super().build_auth_state_dict(token_info, user_info)
        state.pop(self.user_auth_state_key, None)
        state["person"] = self._person(user_info).to_state()
        return state

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Display name for the pages and JupyterLab; administrator or not, always said (None would leave it as it was)."""
        person = Person.from_state(auth_model["auth_state"]["person"])
        initials = "".join(word[0] for word in person.display_name.split()[:2]).upper()
        auth_model["user_info"] = {
            "name": person.display_name,
            "display_name": person.display_name,
            "initials": initials,
        }
        auth_model["admin"] = person.admin
        return auth_model

    async def check_allowed(self, username: str, auth_model: dict[str, Any] | None) -> bool:
        """Whether this person may be here: of this community, and in the required group.

        Called by JupyterHub at login, and by :meth:`refresh_user`.

        Raises:
            tornado.web.HTTPError: 403 with words for the person.
        """
        try:
            person = Person.from_state(((auth_model or {}).get("auth_state") or {})["person"])
        except (KeyError, TypeError, IdentityError):
            return False
        if (person.issuer, person.community, person.username) != (self.issuer, self.community.id, username):
            return False
        if self.required_entitlement and not _holds(person, self.required_entitlement):
            group = ":".join(parse(self.required_entitlement).path)
            raise web.HTTPError(
                403,
                f"You are logged in to {self.login_service}, but only members of its group '{group}' may use this hub. "
                "Ask the people who run the group, or this hub, to add you; then log in again.",
            )
        return True

    def _person(self, user_info: Mapping[str, Any]) -> Person:
        rules = ClaimRules(self.community, self.issuer, frozenset(self.admins), tuple(self.kept_claims))
        try:
            return person_from(user_info, rules, datetime.now(UTC))
        except IdentityError as error:
            raise web.HTTPError(403, str(error)) from error

    # -- refresh -------------------------------------------------------------------------------------------------------

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> bool | dict[str, Any]:
        """Ask the provider again about somebody at work; decide again whether they may be here.

        oauthenticator's own is not used: it takes a provider that is down for a refusal, or for an error on every page,
        does not check who comes back or whether they are still allowed, and may spend a rotating refresh token twice.

        Returns:
            The new auth model; True to go on as before because the provider is down, within ``outage_grace``; False if the
            person must log in again. A failed refresh never makes ``Person.seen_at`` younger.
        """
        # JupyterHub 6.1.1 reads this after a False, but sets it for tokens only: a browser's request would end in an error.
        if handler is not None and not hasattr(handler, "_token_authenticated"):
            handler._token_authenticated = False
        # Requests of one person share one refresh: where the provider hangs, each in turn would wait for it again.
        refreshing = self._refreshing.get(user.name)
        if refreshing is None:
            refreshing = self._refreshing[user.name] = asyncio.create_task(self._refreshed(user))
            refreshing.add_done_callback(lambda _: self._refreshing.pop(user.name, None))
        model = await asyncio.shield(refreshing)
        return model if isinstance(model, bool) else {**model}

    async def _refreshed(self, user: Any) -> bool | dict[str, Any]:
        state = await user.get_auth_state() or {}
        try:
            known = Person.from_state(state["person"])
            model = await self._renewed(user, state)
            return model if await self._is_still(known, model) else self._log_in_again(user, "not allowed any more")
        except ProviderDown:
            return self._within_grace(known) or self._log_in_again(user, "the login service is down for too long")
        except (KeyError, TypeError, IdentityError):
            return self._log_in_again(user, "no usable login is stored")
        except web.HTTPError as error:
            return self._log_in_again(user, f"refused ({error.status_code})")

    async def _renewed(self, user: Any, state: Mapping[str, Any]) -> dict[str, Any]:
        """The auth model by the stored access token; where that is refused, by a new one for the refresh token."""
        tokens: dict[str, Any] = dict(state["token_response"])
        try:
            return dict(await self._token_to_auth_model(tokens))
        except ProviderRefused:
            if not state.get("refresh_token"):
                raise
        params = self.build_refresh_token_request_params(state["refresh_token"])
        tokens |= {"refresh_token": state["refresh_token"], **await self.get_token_info(None, params)}
        # Stored before it is used: with rotation the old one is spent, and using it again would revoke the login.
        renewed = {name: tokens.get(name) for name in ("access_token", "refresh_token", "id_token")}
        await user.save_auth_state({**state, **renewed, "token_response": tokens})
        return dict(await self._token_to_auth_model(tokens))

    async def _is_still(self, known: Person, model: Mapping[str, Any]) -> bool:
        """Whether the refreshed model is of the same person, and that person still may be here."""
        person = Person.from_state(model["auth_state"]["person"])
        if (person.issuer, person.subject, model["name"]) != (known.issuer, known.subject, known.username):
            return False
        return self.check_blocked_users(person.username, model) and await self.check_allowed(
            person.username, dict(model)
        )

    def _within_grace(self, known: Person) -> bool:
        return (datetime.now(UTC) - known.seen_at).total_seconds() <= self.outage_grace

    def _log_in_again(self, user: Any, reason: str) -> bool:
        self.log.info("%s must log in again: %s", user.name, reason)
        return False


def _require_fixed(name: str, value: Any) -> None:
    if value != _FIXED[name]:
        raise TraitError(
            f"PanoscAuthenticator.{name} cannot be {value!r}: who may log in is decided by the community, "
            "login.required_entitlement and login.admins of site.toml. Remove this setting."
        )


def _holds(person: Person, required: str) -> bool:
    wanted = parse(required)
    return any(parse(text).satisfies(wanted) for text in person.entitlements)  # only those that parse were kept


def _error_code(error: HTTPClientError) -> str:
    """The OAuth error code of an answer, for deciding; never logged."""
    document = _json_object(error.response.body if error.response else b"")
    return str((document or {}).get("error", ""))[:40]


def _json_object(body: bytes | None) -> dict[str, Any] | None:
    if not body or len(body) > MAX_ANSWER:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
