"""An OpenID provider that tells the truth until a test tells it to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

CLIENT_ID = "panosc-hub"
Claims = dict[str, Any]


def segment(data: object) -> str:
    """A part of a JOSE object."""
    raw = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Lies:
    """How answers are changed before they leave. Each may be replaced by a test."""

    token: Callable[[Claims], Any] | None = None  # from right claims to what is sent as the ID token
    claims: Callable[[Claims], Any] = lambda claims: claims  # of userinfo
    back: Callable[[dict[str, str]], dict[str, str]] = lambda answer: answer  # the parameters of the callback
    answer: Callable[[Claims], Any] = lambda answer: answer  # of the token endpoint
    checks_pkce: bool = True


@dataclass
class Login:
    """A login at the provider."""

    subject: str
    nonce: str
    challenge: str
    sid: str


@dataclass
class Asked:
    """What the hub asked for, for tests to look at."""

    authorize: dict[str, str] = field(default_factory=dict)
    refreshed: int = 0


class ControlledProvider:
    """A provider in a thread, on loopback. Whoever comes is ``person``; there are no pages."""

    def __init__(self, id: str, folder: Path) -> None:
        self.id = id
        self.key = RSAKey.generate_key(2048, {"kid": f"{id}-key", "use": "sig", "alg": "RS256"})
        self.secret = secrets.token_urlsafe(32)
        self.secret_file = folder / f"{id}-secret"
        self.secret_file.touch(0o600)
        self.secret_file.write_text(self.secret)
        self.ca = None
        self.people: dict[str, Claims] = {}
        self.person = ""
        self.lies, self.asked = Lies(), Asked()
        self.codes: dict[str, Login] = {}
        self.access: dict[str, Login] = {}
        self.refresh: dict[str, Login] = {}
        self.given: list[str] = []  # every secret that ever left: for looking for them elsewhere
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def scope(self) -> str:
        """Behind the @ of its people's identifiers."""
        return f"{self.id}.example"

    @property
    def namespace(self) -> str:
        """That it may speak for."""
        return f"urn:geant:{self.id}.example"

    def community(self) -> str:
        """Its community's file."""
        return (
            f'id = "{self.id}"\ntitle = "Community {self.id}"\ndescription = "For tests."\nissuer_required = true\n'
            f'identity_scopes = ["{self.scope}"]\nnamespaces = ["{self.namespace}"]\n'
            'scopes = ["openid", "profile", "email", "voperson_id", "eduperson_entitlement"]\n'
        )

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """The truth again."""
        self.lies, self.asked = Lies(), Asked()

    def add(self, key: str, **claims: Any) -> str:
        """Somebody new, or other claims of somebody known; their subject."""
        subject = f"{key.encode().hex():0<32}@{self.scope}"
        known = {"voperson_id": subject, "name": key.title(), "preferred_username": key, "email": f"{key}@univ.example"}
        self.people[subject] = known | claims
        return subject

    def claims(self, login: Login) -> Claims:
        """A right ID token's claims."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "sub": login.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 600,
            "auth_time": now,
            "nonce": login.nonce,
            "sid": login.sid,
        }

    def sign(self, claims: object, key: RSAKey | None = None, **header: Any) -> str:
        """A signed token, right but for what is changed."""
        fields = {"alg": "RS256", "kid": f"{self.id}-key"} | header
        fields = {name: value for name, value in fields.items() if value is not None}
        return raw_signed(fields, claims, key or self.key)

    def log_out_token(self, login: Login, **changes: Any) -> Claims:
        """A right logout token's claims, with changes; None leaves one out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_urlsafe(16),
            "sub": login.subject,
            "sid": login.sid,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    # -- endpoints ---------------------------------------------------------------------------------------------------

    def discovery(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
        }

    def jwks(self) -> Claims:
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes back to, as ``person``."""
        self.asked.authorize = asked
        code = self.keep(
            self.codes, Login(self.person, asked["nonce"], asked["code_challenge"], secrets.token_urlsafe(16))
        )
        back = self.lies.back({"code": code, "state": asked["state"], "iss": self.issuer})
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def token(self, form: dict[str, str]) -> tuple[int, Any]:
        if form["grant_type"] == "refresh_token":
            self.asked.refreshed += 1
            login = self.refresh.pop(form["refresh_token"], None)
        else:
            login = self.codes.pop(form["code"], None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if login and self.lies.checks_pkce and segment(digest) != login.challenge:
                login = None
        if login is None or login.subject not in self.people:
            return 400, {"error": "invalid_grant"}
        claims = self.claims(login)
        token = self.lies.token(claims) if self.lies.token else self.sign(claims)
        answer = {
            "access_token": self.keep(self.access, login),
            "refresh_token": self.keep(self.refresh, login),
            "token_type": "Bearer",
            "expires_in": 600,
            "id_token": token,
        }
        if isinstance(token, str):
            self.given.append(token)
        return 200, self.lies.answer(answer)

    def userinfo(self, token: str) -> tuple[int, Any]:
        login = self.access.get(token)
        if login is None or login.subject not in self.people:
            return 401, {"error": "invalid_token"}
        return 200, self.lies.claims({"sub": login.subject, **self.people[login.subject]})

    def keep(self, store: dict[str, Login], login: Login) -> str:
        """Put a login under a new secret."""
        made = secrets.token_urlsafe(32)
        store[made] = login
        self.given.append(made)
        return made


def raw_signed(header: Claims, claims: object, key: RSAKey) -> str:
    """RS256 over whatever header and claims, also such as no library would write."""
    first, second = segment(header), segment(claims)
    made = jws.serialize_compact({"alg": "RS256"}, b"", key)  # proves that the key signs
    assert made
    signature = jws.JWSRegistry(algorithms=["RS256"]).get_alg("RS256").sign(f"{first}.{second}".encode(), key)
    return f"{first}.{second}.{segment(signature)}"


def _handler(provider: ControlledProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/authorize":
                self.send_response(303)
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()
            elif url.path == "/userinfo":
                self._answer(*provider.userinfo(self.headers.get("Authorization", "").removeprefix("Bearer ")))
            elif url.path == "/jwks":
                self._answer(200, provider.jwks())
            elif url.path == "/.well-known/openid-configuration":
                self._answer(200, provider.discovery())
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            self._answer(*provider.token({name: values[0] for name, values in parse_qs(body).items()}))

        def _answer(self, status: int, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
