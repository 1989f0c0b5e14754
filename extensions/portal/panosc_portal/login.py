"""Who is at the browser: logged in by the hub (OAuth 2.0 with PKCE), for as long as the hub says so.

The hub's token for a person lies encrypted in their browser's cookie, bound to the hub's session there: who logs out of the hub is
logged out here at once, and whose login the hub ends, within a minute. Nothing of it is kept on disk.

For pages::

    @router.get("/transfers")
    async def transfers(request: Request, login: Annotated[Login, Depends(signed_in)]) -> Response: ...

    @router.post("/transfers")
    async def start(request: Request, login: Annotated[Login, Depends(form_checked)]) -> Response: ...
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol
from urllib.parse import quote, urlencode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr

from panosc_portal.errors import HubError
from panosc_portal.hub import Login
from panosc_spawner.portal.addresses import beneath

RECHECK = 60.0
"""Seconds for which the hub's word about a token holds."""
LOGIN_SECONDS = 600
"""How long a login may take, from here to the hub and back."""
HUB_SESSION = "jupyterhub-session-id"
"""The hub's own cookie, which tells its sessions apart; it is everywhere at the hub's host."""
_MOST_KEPT = 10_000
_MOST_ATTEMPTS = 6
_BEARER = re.compile(r"(?:token|bearer)\s+(\S{1,4096})\s*", re.IGNORECASE)


class LoginNeeded(Exception):
    """Somebody has to log in first; the application sends a browser that only looks to the hub, and tells all others so."""


class QuietLoginNeeded(LoginNeeded):
    """Everybody may see this page, but the hub may know who is at this browser: it is sent there, once."""


class FormRefused(Exception):
    """A form without this browser's own token: an old page, or another site's."""


class TokenService(Protocol):
    """What the hub does for logins."""

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> SecretStr:
        """The token for a code that the hub gave a browser.

        Raises:
            HubError: if the hub gives none.
        """

    async def who(self, token: SecretStr) -> Login | None:
        """Whose token this is; None if it does not count (any more).

        Raises:
            HubError: 503 if the hub does not answer.
        """


@dataclass(frozen=True)
class LoginSettings:
    """How browsers log in here.

    Attributes:
        client_id: of the portal at the hub.
        secret: what the cookies' key is made of; as long-lived as the portal's own registration at the hub.
        authorize_url: where the hub asks; a path, or https where the hub has another host.
        redirect_uri: where the hub sends the browser back to; as registered.
        base: the portal's path.
        secure: whether people come by https.
        own_host: whether the portal has a host name of its own, so that its cookies can be bound to that.
    """

    client_id: str
    secret: SecretStr
    authorize_url: str
    redirect_uri: str
    base: str
    secure: bool = False
    own_host: bool = False


@dataclass
class _Known:
    login: Login | None
    at: float


@dataclass
class Logins:
    """All logins of a running portal. Share one: ``portal.add(Logins(settings, hub))``."""

    settings: LoginSettings
    hub: TokenService
    at_logout: list[Callable[[str], None]] = field(default_factory=list)
    """Called with the name of whose login ended: for what else is kept for them here."""
    _known: OrderedDict[bytes, _Known] = field(default_factory=OrderedDict)
    _asking: dict[bytes, asyncio.Task[Login | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        secret = self.settings.secret.get_secret_value().encode()
        self._cipher = Fernet(base64.urlsafe_b64encode(_key(secret, b"panosc-portal cookies")))
        self._form_key = _key(secret, b"panosc-portal forms")

    @property
    def cookie(self) -> str:
        """The name of the cookie with the login."""
        if self.settings.own_host and self.settings.secure:
            return "__Host-panosc-portal"
        return "__Secure-panosc-portal" if self.settings.secure else "panosc-portal"

    # --- Logging in -------------------------------------------------------------------------------------------------

    def begin(self, request: Request, following: str) -> Response:
        """Send a browser to the hub, and remember where it wanted to go."""
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "response_type": "code",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        response = RedirectResponse(f"{self.settings.authorize_url}?{urlencode(query)}", status_code=303)
        response.headers["Cache-Control"] = "no-store"
        attempts = [name for name in request.cookies if name.startswith(f"{self.cookie}-to-")]
        for name in attempts if len(attempts) >= _MOST_ATTEMPTS else ():
            self._forget(response, name)
        self._set(
            response, self._attempt(state), {"state": state, "verifier": verifier, "next": following}, LOGIN_SECONDS
        )
        return response

    def begin_quietly(self, request: Request, following: str) -> Response:
        """The same for a page that everybody may see, once for each of the hub's sessions.

        Where the login at the hub has ended, the next such page is shown to nobody in particular, with a link to log in.
        """
        response = self.begin(request, following)
        self._set(response, self._tried, {"session": request.cookies.get(HUB_SESSION, "")}, None)
        return response

    def may_be_quiet(self, request: Request) -> bool:
        """Whether somebody only looks at a page, in a browser in which somebody logged in at the hub, and was not sent there yet."""
        session = request.cookies.get(HUB_SESSION, "")
        # As browsers say it of a page that somebody goes to. Whatever does not say it is a program, a picture, or an old browser.
        looks = (
            request.headers.get("Sec-Fetch-Mode") == "navigate" and request.headers.get("Sec-Fetch-Dest") == "document"
        )
        if not session or request.method != "GET" or not looks or "Authorization" in request.headers:
            return False
        return bool(self._open(request, self._tried).get("session", "") != session)

    @property
    def _tried(self) -> str:
        return f"{self.cookie}-tried"

    async def finish(self, request: Request) -> Response:
        """The hub sent the browser back: the code becomes a token, and the token a cookie.

        Raises:
            HubError: in words.
        """
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        attempt = self._open(request, self._attempt(state), LOGIN_SECONDS) if state else {}
        if not code or not hmac.compare_digest(str(attempt.get("state", "")).encode(), state.encode()) or not attempt:
            raise HubError(
                400,
                "This login was not begun in this browser, it took longer than ten minutes, or it was finished before.",
                "Log in again.",
            )
        token = await self.hub.exchange(code, attempt["verifier"], self.settings.redirect_uri)
        login = await self.hub.who(token)
        if login is None:
            raise HubError(401, "The hub ended this login while it was made.", "Log in again.")
        self._keep(_digest(token), login)
        response = RedirectResponse(attempt["next"], status_code=303)
        response.headers["Cache-Control"] = "no-store"
        self._forget(response, self._attempt(state))
        self.set_cookie(response, token, request.cookies.get(HUB_SESSION, ""))
        return response

    def end(self, request: Request, hub_logout: str) -> Response:
        """Forget the login in this browser, and go on to where the hub ends its own."""
        opened = self._open(request, self.cookie)
        if opened:
            self._over(self._known.pop(_digest(SecretStr(opened["token"])), None))
        response = RedirectResponse(hub_logout, status_code=303)
        response.headers["Cache-Control"] = "no-store"
        self._forget(response, self.cookie)
        return response

    def set_cookie(self, response: Response, token: SecretStr, session: str) -> None:
        """Give a browser its login."""
        held = {"token": token.get_secret_value(), "session": session, "nonce": secrets.token_urlsafe(18)}
        self._set(response, self.cookie, held, None)

    # --- Being logged in --------------------------------------------------------------------------------------------

    async def login_of(self, request: Request) -> Login | None:
        """Who asks: by the token in ``Authorization``, else by this browser's cookie. None: nobody that the hub knows.

        Raises:
            HubError: 503, if the hub does not answer and its last word is too old.
        """
        if (header := request.headers.get("Authorization")) is not None:
            match = _BEARER.fullmatch(header)
            login = await self._who(SecretStr(match[1])) if match else None
            return replace(login, own_token=True) if login else None
        held = self._open(request, self.cookie)
        if not held or held.get("session", "") != request.cookies.get(HUB_SESSION, ""):
            return None  # the hub's session in this browser has ended, or is somebody else's
        request.state.xsrf = self.form_token(held["nonce"])
        return await self._who(SecretStr(held["token"]))

    def form_token(self, nonce: str) -> str:
        """What this browser's forms have to carry."""
        return hmac.new(self._form_key, nonce.encode(), hashlib.sha256).hexdigest()

    def forget(self, login: Login) -> None:
        """Ask the hub again at the next request: it has just refused this token."""
        self._known.pop(_digest(login.token), None)

    async def _who(self, token: SecretStr) -> Login | None:
        key = _digest(token)
        known = self._known.get(key)
        if known and time.monotonic() - known.at < RECHECK:
            self._known.move_to_end(key)
            return known.login
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self.hub.who(token))
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _asked(self, key: bytes, task: asyncio.Task[Login | None]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            self._keep(key, task.result())

    def _over(self, known: _Known | None) -> None:
        if known is not None and known.login is not None:
            for forget in self.at_logout:
                forget(known.login.username)

    def _keep(self, key: bytes, login: Login | None) -> None:
        if login is None:
            self._over(self._known.get(key))
        self._known[key] = _Known(login, time.monotonic())
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)

    # --- Cookies ----------------------------------------------------------------------------------------------------

    def _attempt(self, state: str) -> str:
        """Each attempt has a cookie of its own: two tabs may log in at a time."""
        return f"{self.cookie}-to-{hashlib.sha256(state.encode()).hexdigest()[:12]}"

    @property
    def _path(self) -> str:
        # Not sent to anything else of the hub's host: people's own servers may be there.
        return "/" if self.cookie.startswith("__Host-") else self.settings.base

    def _set(self, response: Response, name: str, held: Mapping[str, str], seconds: int | None) -> None:
        response.set_cookie(
            name,
            self.seal({**held, "for": name}),
            max_age=seconds,
            path=self._path,
            secure=self.settings.secure,
            httponly=True,
            samesite="lax",
        )

    def seal(self, held: Mapping[str, str]) -> str:
        """A cookie's value, which only this portal can read."""
        return self._cipher.encrypt(json.dumps(held).encode()).decode()

    def _forget(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path=self._path, secure=self.settings.secure, httponly=True, samesite="lax")

    def _open(self, request: Request, name: str, seconds: int | None = None) -> dict[str, Any]:
        """What a cookie of ours holds; empty if there is none, it was made by others, or it is too old."""
        try:
            held = json.loads(self._cipher.decrypt(request.cookies.get(name, "").encode(), ttl=seconds))
        except (InvalidToken, ValueError):
            return {}
        return held if isinstance(held, dict) and held.get("for") == name else {}


def _key(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret)


def _digest(token: SecretStr) -> bytes:
    return hashlib.sha256(token.get_secret_value().encode()).digest()


def logins_of(request: Request) -> Logins:
    """The running portal's logins."""
    found: Logins = request.app.state.portal.part(Logins)
    return found


async def maybe_signed_in(request: Request) -> Login | None:
    """Who asks, or nobody: for pages that everybody may see.

    Raises:
        QuietLoginNeeded: if it is nobody here, but the hub may know them.
        HubError: 503, if somebody says to be logged in and the hub does not answer.
    """
    logins = logins_of(request)
    login = await logins.login_of(request)
    again = "panosc_login" in request.scope  # an answer that lasts asks again, when it has begun long ago
    if login is None and not again and logins.may_be_quiet(request):
        raise QuietLoginNeeded
    request.scope["panosc_login"] = login  # for the head of an error's page
    return login


async def signed_in(login: Annotated[Login | None, Depends(maybe_signed_in)]) -> Login:
    """Who asks.

    Raises:
        LoginNeeded: if that is nobody.
        HubError: 503.
    """
    if login is None:
        raise LoginNeeded
    return login


async def form_checked(request: Request, login: Annotated[Login, Depends(signed_in)]) -> Login:
    """Who sent a form of ours. Its token is the field ``_xsrf`` (``form_token`` of macros.html) or the header ``X-XSRFToken``.

    A request that names its own token in ``Authorization`` needs none: no browser sends that by itself.

    Raises:
        LoginNeeded: if nobody is logged in.
        FormRefused: if the form is not of this browser's own pages.
    """
    if "Authorization" in request.headers:
        return login
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise FormRefused
    given = request.headers.get("X-XSRFToken") or ""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not given and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        field_ = (await request.form()).get("_xsrf", "")
        given = field_ if isinstance(field_, str) else ""
    if not hmac.compare_digest(given.encode(), str(request.state.xsrf or secrets.token_hex()).encode()):
        raise FormRefused
    return login


def own_path(base: str, following: str) -> str:
    """An address within the portal to go to after something; the portal's first page for any other.

    Args:
        base: the portal's path.
        following: what was asked for, from outside.
    """
    return following if beneath(base, following) else base


def own_address(request: Request) -> str:
    """The address that a browser asks for, to come back to; the portal's first page where it is not fit for that."""
    path = (request.scope.get("raw_path") or quote(request.url.path).encode()).decode("ascii", "replace")
    query = request.url.query
    return own_path(logins_of(request).settings.base, path + (f"?{query}" if query else ""))


def login_routes() -> APIRouter:
    """The addresses of logging in and out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def login(request: Request, next: str = "") -> Response:
        """Log in, then go on."""
        logins = logins_of(request)
        return logins.begin(request, own_path(logins.settings.base, next))

    @router.get("/oauth_callback")
    async def callback(request: Request) -> Response:
        """The hub sends the browser here."""
        return await logins_of(request).finish(request)

    @router.get("/logout")
    async def logout(request: Request) -> Response:
        """Log out here and at the hub."""
        return logins_of(request).end(request, f"{request.app.state.portal.hub_base}logout")

    return router
