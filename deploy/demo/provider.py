"""The demo's login service: a small OpenID provider with a page of people to be, instead of passwords.

Run as ``python deploy/demo/provider.py --port 8001 --personas personas.toml --client-secret-file secret
--redirect-uri http://127.0.0.1:8000/hub/oauth_callback``. It listens on loopback only, keeps everything in memory, has one
client, and does what a community's provider does: authorization code with PKCE (S256, required), discovery, signed ID tokens,
refresh tokens that rotate (using a spent one revokes the login), userinfo as of now, logout. People are read from the file at
each look-up, so that a claim can be changed or a person suspended while they are logged in.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import html
import ipaddress
import re
import secrets
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote_plus, urlencode, urlsplit

import jwt
from provider_state import SCOPES, Login, OneUse, Provider, base64url
from tornado import web

PAGE = Path(__file__).with_name("provider.html")


class Handler(web.RequestHandler):
    """Common to all: the provider, safe headers, no other host name than the issuer's (DNS rebinding)."""

    provider: Provider

    def initialize(self, provider: Provider) -> None:
        """Called by tornado."""
        self.provider = provider

    def prepare(self) -> None:
        """Refuse other host names."""
        if self.request.host != urlsplit(self.provider.issuer).netloc:
            raise web.HTTPError(421, "wrong host")

    def set_default_headers(self) -> None:
        """Called by tornado."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.clear_header("Server")

    def refuse(self, status: int, error: str) -> None:
        """Answer as RFC 6749 wants errors."""
        self.set_status(status)
        self.write({"error": error})

    def page(self, title: str, content: str, status: int = 200) -> None:
        """Answer with a page; ``content`` is HTML."""
        nonce = secrets.token_urlsafe(16)
        origins = " ".join({f"{urlsplit(uri).scheme}://{urlsplit(uri).netloc}" for uri in self.provider.redirect_uris})
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self' {origins}; base-uri 'none'; frame-ancestors 'none'",
        )
        self.set_status(status)
        text = PAGE.read_text(encoding="utf-8")
        for name, value in (("nonce", nonce), ("title", html.escape(title)), ("content", content)):
            text = text.replace("{{ " + name + " }}", value)
        self.finish(text)


class Document(Handler):
    """Discovery and keys."""

    def initialize(self, provider: Provider, name: str) -> None:  # type: ignore[override]
        """Called by tornado, with the name of the document."""
        super().initialize(provider)
        self.name = name

    def get(self) -> None:
        """Answer with the document."""
        self.write(getattr(self.provider, self.name)())


class Authorize(Handler):
    """The page of people, and the choice."""

    def get(self) -> None:
        """Show the people, or say what is wrong with the request."""
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
            login = Login(
                persona=persona,
                subject=people[persona]["id"],
                scopes=tuple(scope for scope in asked["scope"].split() if scope in SCOPES),
                redirect_uri=asked["redirect_uri"],
                challenge=asked["code_challenge"],
                nonce=asked.get("nonce", ""),
                at=int(time.time()),
                sid=secrets.token_urlsafe(16),
            )
            self._back(asked, code=self.provider.codes.put(OneUse(login)))

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


class Token(Handler):
    """Codes and refresh tokens for tokens."""

    def check_xsrf_cookie(self) -> None:
        """Nothing: called by the client, not by a browser."""

    def post(self) -> None:
        """Answer with tokens, or with an error of RFC 6749."""
        form = {name: self.get_body_argument(name) for name in self.request.body_arguments}
        if not self._is_client(form):
            self.set_header("WWW-Authenticate", 'Basic realm="demo"')
            self.refuse(401, "invalid_client")
            return
        if form.get("grant_type") not in ("authorization_code", "refresh_token"):
            self.refuse(400, "unsupported_grant_type")
            return
        store = self.provider.codes if form["grant_type"] == "authorization_code" else self.provider.refresh
        given = store.get(form.get("code" if store is self.provider.codes else "refresh_token", ""))
        if given is not None and given.used:
            given.login.revoked = True  # somebody else has it
        if given is None or given.used or not self._may_have(given.login, form):
            self.refuse(400, "invalid_grant")
            return
        given.used = True
        self.write(self.provider.tokens(given.login))

    def _may_have(self, login: Login, form: Mapping[str, str]) -> bool:
        if self.provider.claims(login) is None:
            return False
        if form["grant_type"] == "refresh_token":
            return True
        verifier = form.get("code_verifier", "")
        proof = base64url(hashlib.sha256(verifier.encode("utf-8", "replace")).digest())
        return hmac.compare_digest(proof, login.challenge) and form.get("redirect_uri") == login.redirect_uri

    def _is_client(self, form: Mapping[str, str]) -> bool:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, credentials = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                decoded = base64.b64decode(credentials, validate=True).decode("utf-8")
            except ValueError:
                return False
            name, _, secret = (unquote_plus(part) for part in decoded.partition(":"))
        return name == self.provider.client_id and hmac.compare_digest(
            secret.encode(), self.provider.client_secret.encode()
        )


class Userinfo(Handler):
    """A person's claims as of now."""

    def get(self) -> None:
        """Answer with the claims, or 401."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        login = self.provider.access.get(token) if scheme.lower() == "bearer" else None
        claims = self.provider.claims(login) if login else None
        if claims is None:
            self.set_header("WWW-Authenticate", 'Bearer error="invalid_token"')
            self.refuse(401, "invalid_token")
        else:
            self.write(claims)


class EndSession(Handler):
    """Logout, asked for by the hub (OpenID Connect RP-Initiated Logout)."""

    def get(self) -> None:
        """End the login that the hint names, and go back to the hub."""
        if sid := self._sid(self.get_query_argument("id_token_hint", "")):
            self.provider.revoke(sid)
        target = self.get_query_argument("post_logout_redirect_uri", "")
        origins = {urlsplit(uri)[:2] for uri in self.provider.redirect_uris}
        if target and urlsplit(target)[:2] in origins:
            state = self.get_query_argument("state", "")
            self.redirect(target + (f"?{urlencode({'state': state})}" if state else ""), status=303)
        else:
            self.page("You are logged out", "<p>You can close this page.</p>")

    def _sid(self, token: str) -> str:
        try:
            claims = jwt.decode(
                token,
                self.provider.key.public_key(),
                algorithms=["RS256"],
                audience=self.provider.client_id,
                issuer=self.provider.issuer,
                options={"verify_exp": False},
            )
        except jwt.PyJWTError:
            return ""
        return str(claims.get("sid", ""))


def _wrong(asked: Mapping[str, str]) -> str:
    """The error code for a request that names this client but is not right; empty if it is."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in asked.get("scope", "").split():
        return "invalid_scope"
    challenge = asked.get("code_challenge", "")
    if asked.get("code_challenge_method") != "S256" or not re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge):
        return "invalid_request"
    return "login_required" if asked.get("prompt") == "none" else ""


def make_app(provider: Provider) -> web.Application:
    """The web application of a provider."""
    shared = {"provider": provider}
    return web.Application(
        [
            ("/.well-known/openid-configuration", Document, shared | {"name": "discovery"}),
            ("/jwks", Document, shared | {"name": "jwks"}),
            ("/authorize", Authorize, shared),
            ("/token", Token, shared),
            ("/userinfo", Userinfo, shared),
            ("/end_session", EndSession, shared),
        ],
        log_function=lambda handler: None,  # addresses hold codes
    )


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; refuses to listen where others could reach it."""
    parser = argparse.ArgumentParser(description="The demo's login service: choose who to be, no passwords.")
    parser.add_argument("--address", default="127.0.0.1", help="loopback only")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--personas", type=Path, default=Path(__file__).with_name("personas.toml"))
    parser.add_argument("--client-id", default="panosc-hub")
    parser.add_argument("--client-secret-file", type=Path, required=True, help="made when missing")
    parser.add_argument("--redirect-uri", action="append", required=True, help="may be given more than once")
    parser.add_argument("--issuer", default="", help="http://<address>:<port> if not given")
    parser.add_argument("--access-token-seconds", type=float, default=600.0)
    options = parser.parse_args(arguments)
    try:
        loopback = ipaddress.ip_address(options.address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        parser.error(f"--address {options.address}: anybody could be anybody here, so this listens on loopback only")
    return options


async def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    options = parse_options()
    provider = Provider(options)
    provider.personas()  # a mistake in the file is told at once
    make_app(provider).listen(options.port, options.address)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"login service ready {provider.issuer}", flush=True)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
