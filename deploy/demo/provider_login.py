"""What a browser sees of the login service: choosing who to be, and logging out."""

from __future__ import annotations

import html
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
from provider_logout import log_out
from provider_state import Provider, Session
from provider_web import Handler

MAX_CLAIMS_PARAMETER = 10_000


class Authorize(Handler):
    """The page of people, and the choice."""

    async def get(self) -> None:
        """Show the people, or say what is wrong with the request; or go straight back, where somebody is known already."""
        asked = {name: self.get_query_argument(name, "") for name in self.request.query_arguments}
        if (
            asked.get("client_id") != self.provider.client_id
            or asked.get("redirect_uri") not in self.provider.redirect_uris
        ):
            self.page(
                "This link does not work", "<p>It names another hub. Go back to the hub, and log in again.</p>", 400
            )
        elif error := _wrong(asked):
            self._back(asked, error=error)
        elif session := self._known(asked):
            self._answer(asked, session)
        elif "none" in asked.get("prompt", "").split():
            self._back(asked, error="login_required")
        else:
            self._people(self.provider.choices.put(asked))

    def post(self) -> None:
        """Go back to the hub as the chosen person."""
        asked = self.provider.choices.pop(self.get_body_argument("choice", ""))
        persona = self.get_body_argument("persona", "")
        people = self.provider.personas()
        if asked is None:
            self.page("That took too long", "<p>Go back to the hub, and log in again.</p>", 400)
        elif persona not in people:
            self._back(asked, error="access_denied")
        else:
            session = Session(
                persona=persona,
                subject=people[persona]["id"],
                at=self.provider.now(),
                acr=people[persona].get("acr", ""),
                sid=secrets.token_urlsafe(16),
            )
            if self.provider.remembers:
                key = self.provider.sessions.put(session)
                self.set_cookie(cookie_name(self.provider), key, httponly=True, samesite="Lax", path="/")
            self._answer(asked, session)

    def _known(self, asked: Mapping[str, str]) -> Session | None:
        """The session of this browser, unless the client wants the person to show themselves anew."""
        if not self.provider.remembers or "login" in asked.get("prompt", "").split():
            return None
        session = self.provider.sessions.get(self.get_cookie(cookie_name(self.provider)) or "")
        if session is None or not self.provider.is_active(session):
            return None
        age = self.provider.now() - session.at
        return None if asked.get("max_age") and age > int(asked["max_age"]) else session

    def _answer(self, asked: dict[str, str], session: Session) -> None:
        wanted = acr_wanted(asked)
        if wanted.essential and (not session.acr or (wanted.values and session.acr not in wanted.values)):
            # OpenID Connect Core 5.5.1.1: a failed authentication; the code is of its errata for exactly this.
            self._back(asked, error="unmet_authentication_requirements")
        else:
            code = self.provider.log_in(session, asked, session.acr if wanted.asked else "")
            self._back(asked, code=code)

    def _people(self, choice: str) -> None:
        rows = "".join(
            f'<li><button name="persona" value="{html.escape(key)}"><b>{html.escape(person["claims"]["name"])}</b>'
            f"<span>{html.escape(person['sentence'])}</span></button></li>"
            for key, person in self.provider.personas().items()
        )
        self.page(
            "Who do you want to be?",
            f'<form method="post" action="/authorize"><input type="hidden" name="choice" value="{choice}">'
            f'<ul>{rows}</ul><p><button class="plain" name="persona" value="">Cancel</button></p></form>',
        )

    def _back(self, asked: Mapping[str, str], **answer: str) -> None:
        answer |= {"state": asked.get("state", ""), "iss": self.provider.issuer}
        self.redirect(f"{asked['redirect_uri']}?{urlencode(answer)}", status=303)


class EndSession(Handler):
    """Logout, asked for by the hub (OpenID Connect RP-Initiated Logout)."""

    async def get(self) -> None:
        """End the login that the hint names, or else this browser's, and go back to the hub."""
        hint = self._hint(self.get_query_argument("id_token_hint", ""))
        session = self.provider.sessions.pop(self.get_cookie(cookie_name(self.provider)) or "")
        self.clear_cookie(cookie_name(self.provider))
        if hint.get("sid"):
            await log_out(self.provider, subject=str(hint["sub"]), sid=str(hint["sid"]))
        elif session:
            await log_out(self.provider, subject=session.subject, sid=session.sid)
        target = self.get_query_argument("post_logout_redirect_uri", "")
        origins = {urlsplit(uri)[:2] for uri in self.provider.redirect_uris}
        if target and urlsplit(target)[:2] in origins:
            state = self.get_query_argument("state", "")
            self.redirect(target + (f"?{urlencode({'state': state})}" if state else ""), status=303)
        else:
            self.page("You are logged out", "<p>You can close this page.</p>")

    def _hint(self, token: str) -> Mapping[str, Any]:
        try:
            return self.provider.keys.verify(token, self.provider.client_id, self.provider.issuer)
        except jwt.PyJWTError:
            return {}


@dataclass(frozen=True)
class AcrWanted:
    """How the client wants people to have authenticated."""

    asked: bool
    essential: bool = False
    values: tuple[str, ...] = ()


def acr_wanted(asked: Mapping[str, str]) -> AcrWanted:
    """What ``claims`` says about acr (OpenID Connect Core 5.5.1.1), else ``acr_values``, which is only a wish.

    Raises:
        ValueError: if ``claims`` is not what it should be.
    """
    text = asked.get("claims", "")
    if not text:
        return AcrWanted(bool(asked.get("acr_values")), False, tuple(asked.get("acr_values", "").split()))
    if len(text) > MAX_CLAIMS_PARAMETER:
        raise ValueError("too long")
    claims = json.loads(text)
    wanted = claims["id_token"].get("acr", ...) if isinstance(claims.get("id_token"), dict) else ...
    if wanted is ...:
        return AcrWanted(bool(asked.get("acr_values")))
    wanted = {} if wanted is None else wanted
    values = wanted.get("values", [wanted["value"]] if "value" in wanted else [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("acr: not texts")
    return AcrWanted(True, wanted.get("essential") is True, tuple(values))


def cookie_name(provider: Provider) -> str:
    """Browsers send cookies to every port of a host: another provider's on this machine must not be taken for ours."""
    return f"login-service-{urlsplit(provider.issuer).port or 'default'}"


def _wrong(asked: Mapping[str, str]) -> str:
    """The error code for a request that names this client but is not right; empty if it is."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope"
    challenge = asked.get("code_challenge", "")
    if asked.get("code_challenge_method") != "S256" or not re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge):
        return "invalid_request"
    if not re.fullmatch(r"[0-9]{0,9}", asked.get("max_age", ""), re.ASCII):
        return "invalid_request"
    try:
        acr_wanted(asked)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return "invalid_request"
    return ""
