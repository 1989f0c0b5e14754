"""What the demo's login service keeps: people, logins, codes and tokens. Its endpoints: ``provider.py``."""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import secrets
import time
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from provider_keys import Keyring

CODE_SECONDS, CHOICE_SECONDS, REFRESH_SECONDS = 60, 600, 8 * 3600
MAX_ENTRIES = 50_000
SCOPES: dict[str, tuple[str, ...]] = {
    "profile": ("name", "given_name", "family_name", "preferred_username"),
    "email": ("email", "email_verified"),
    "voperson_id": ("voperson_id",),
    "eduperson_entitlement": ("eduperson_entitlement",),
    "eduperson_assurance": ("eduperson_assurance",),
    "schac_home_organization": ("schac_home_organization",),
    "offline_access": (),
    "openid": (),
}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
T = TypeVar("T")


class Expiring(Generic[T]):
    """A bounded store of things that end; the oldest go first."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._entries: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, value: T) -> str:
        """Keep a value under a new random key."""
        key = secrets.token_urlsafe(32)
        self._entries[key] = (time.monotonic() + self.seconds, value)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return key

    def get(self, key: str) -> T | None:
        """The value, unless it ended."""
        ends, value = self._entries.get(key, (0.0, None))
        return value if time.monotonic() < ends else None

    def values(self) -> Iterator[T]:
        """Everything that is kept."""
        return (value for _, value in list(self._entries.values()))

    def drop(self, unwanted: Callable[[T], bool]) -> None:
        """Forget those of which this is true."""
        for key in [key for key, (_, value) in self._entries.items() if unwanted(value)]:
            del self._entries[key]

    def pop(self, key: str) -> T | None:
        """The value, for the last time."""
        value = self.get(key)
        self._entries.pop(key, None)
        return value


@dataclass(frozen=True)
class Session:
    """That somebody proved who they are: when, how (``acr``), and the session's name (``sid``)."""

    persona: str
    subject: str
    at: int
    acr: str
    sid: str


@dataclass
class Login:
    """What the client was told about one session at one authorization; ``revoked`` ends all its tokens."""

    session: Session
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    nonce: str
    acr: str  # as it is told; empty where the client did not ask
    revoked: bool = False


@dataclass
class OneUse:
    """A code or a refresh token: kept after its use, so that a second use is noticed."""

    login: Login
    used: bool = False


class Provider:
    """Everything the handlers share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.issuer: str = options.issuer or f"http://{options.address}:{options.port}"
        self.title: str = options.title
        self.personas_file: Path = options.personas
        self.client_id: str = options.client_id
        self.client_secret = secret_of(options.client_secret_file)
        self.control_token = secret_of(options.control_token_file) if options.control_token_file else ""
        self.redirect_uris: tuple[str, ...] = tuple(options.redirect_uri)
        self.logout_uri: str = options.backchannel_logout_uri
        self.audiences: tuple[str, ...] = tuple(options.exchange_audience)
        self.exchange_seconds: int = options.exchange_seconds
        self.remembers: bool = options.single_sign_on
        self.clock_offset: float = options.clock_offset
        self.keys = Keyring(options.algorithm)
        self.refreshes = not options.no_refresh_tokens
        self.choices: Expiring[dict[str, str]] = Expiring(CHOICE_SECONDS)
        self.sessions: Expiring[Session] = Expiring(REFRESH_SECONDS)
        self.logins: Expiring[Login] = Expiring(REFRESH_SECONDS)
        self.codes: Expiring[OneUse] = Expiring(CODE_SECONDS)
        self.access: Expiring[Login] = Expiring(options.access_token_seconds)
        self.refresh: Expiring[OneUse] = Expiring(REFRESH_SECONDS)
        self._people: tuple[tuple[int, ...], dict[str, dict[str, Any]]] = ((), {})

    def now(self) -> int:
        """Seconds of this provider's clock."""
        return int(time.time() + self.clock_offset)

    def personas(self) -> dict[str, dict[str, Any]]:
        """The people as the file says now, without the suspended ones."""
        status = self.personas_file.stat()
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if version != self._people[0]:
            people = tomllib.loads(self.personas_file.read_text(encoding="utf-8"))
            self._people = (version, {key: person for key, person in people.items() if person.get("enabled", True)})
        return self._people[1]

    def claims(self, login: Login) -> dict[str, Any] | None:
        """The person's claims as of now, for the scopes they agreed to; None if the login is over."""
        if login.revoked or not self.is_active(login.session):
            return None
        person = self.personas()[login.session.persona]
        known = {"voperson_id": person["id"], **person["claims"]}
        wanted = {claim for scope in login.scopes for claim in SCOPES.get(scope, ())}
        return {"sub": login.session.subject} | {name: value for name, value in known.items() if name in wanted}

    def is_active(self, session: Session) -> bool:
        """Whether the person is still in the file, under the same identity."""
        person = self.personas().get(session.persona)
        return person is not None and person["id"] == session.subject

    def revoke(self, *, sid: str = "", subject: str = "") -> int:
        """End logins: all of one session, or of one person. Returns how many were ended."""
        ended = 0
        self.sessions.drop(lambda session: session.sid == sid or session.subject == subject)
        for login in self.logins.values():
            if not login.revoked and (login.session.sid == sid or login.session.subject == subject):
                login.revoked = True
                ended += 1
        return ended

    def log_in(self, session: Session, asked: dict[str, str], acr: str) -> str:
        """A code for what was asked for."""
        login = Login(
            session=session,
            scopes=tuple(scope for scope in asked["scope"].split() if scope in SCOPES),
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            nonce=asked.get("nonce", ""),
            acr=acr,
        )
        self.logins.put(login)
        return self.codes.put(OneUse(login))

    def tokens(self, login: Login, *, refreshed: bool) -> dict[str, Any]:
        """A token answer: access token, rotated refresh token, ID token.

        Args:
            login: whose.
            refreshed: an ID token that comes of a refresh has no nonce (OpenID Connect Core, 12.2).
        """
        access = self.access.put(login)
        now = self.now()
        digest = hashlib.sha256(access.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "sub": login.session.subject,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 3600,
            "auth_time": login.session.at,
            "sid": login.session.sid,
            "at_hash": base64url(digest),
            "nonce": "" if refreshed else login.nonce,
            "acr": login.acr,
        }
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(self.access.seconds),
            **({"refresh_token": self.refresh.put(OneUse(login))} if self.refreshes else {}),
            "id_token": self.keys.sign({name: value for name, value in claims.items() if value != ""}),
            "scope": " ".join(login.scopes),
        }

    def exchanged(self, login: Login, audience: str, scopes: tuple[str, ...]) -> dict[str, Any]:
        """An access token of a person for one audience (RFC 8693, a JWT as RFC 9068 has it); worth nothing at userinfo."""
        now = self.now()
        claims = {
            "iss": self.issuer,
            "sub": login.session.subject,
            "aud": audience,
            "client_id": self.client_id,
            "iat": now,
            "exp": now + self.exchange_seconds,
            "jti": secrets.token_urlsafe(16),
            "scope": " ".join(scopes),
        }
        return {
            "access_token": self.keys.sign(claims, "at+jwt"),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": self.exchange_seconds,
            "scope": " ".join(scopes),
        }

    def logout_token(self, *, subject: str = "", sid: str = "") -> str:
        """What tells the client that a session, or all of somebody's, is over (OpenID Connect Back-Channel Logout 1.0)."""
        now = self.now()
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_urlsafe(16),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        } | {name: value for name, value in (("sub", subject), ("sid", sid)) if value}
        return self.keys.sign(claims, "logout+jwt")

    def discovery(self) -> dict[str, Any]:
        """The discovery document."""
        grants = ["authorization_code", "refresh_token", *([EXCHANGE] if self.audiences else [])]
        acrs = {person["acr"] for person in self.personas().values() if "acr" in person}
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/end_session",
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": grants,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.keys.algorithm],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", *sorted({claim for claims in SCOPES.values() for claim in claims})],
            "claims_parameter_supported": True,
            "acr_values_supported": sorted(acrs),
            "prompt_values_supported": ["none", "login"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    def jwks(self) -> dict[str, Any]:
        """The public keys that tokens are signed with."""
        return self.keys.published()


def secret_of(file: Path) -> str:
    """The secret in the file; a missing file is made, with a new random one, for its owner alone."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = file.read_text(encoding="ascii").strip()
    else:
        secret = secrets.token_urlsafe(32)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secret + "\n")
    if len(secret) < 16:
        raise SystemExit(f"{file}: the secret is too short")
    return secret


def base64url(data: bytes) -> str:
    """Base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
