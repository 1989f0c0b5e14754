"""What the demo's login service keeps: people, codes, tokens and its key. Its pages and endpoints: ``provider.py``."""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import secrets
import time
import tomllib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CODE_SECONDS, CHOICE_SECONDS, REFRESH_SECONDS = 60, 600, 8 * 3600
MAX_ENTRIES = 10_000
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

    def values(self) -> list[T]:
        """Everything that is kept."""
        return [value for _, value in self._entries.values()]

    def pop(self, key: str) -> T | None:
        """The value, for the last time."""
        value = self.get(key)
        self._entries.pop(key, None)
        return value


@dataclass
class Login:
    """One login of one person; ``revoked`` ends all its tokens."""

    persona: str
    subject: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    nonce: str
    at: int
    sid: str
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
        self.personas_file: Path = options.personas
        self.client_id: str = options.client_id
        self.client_secret = client_secret(options.client_secret_file)
        self.redirect_uris: tuple[str, ...] = tuple(options.redirect_uri)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.choices: Expiring[dict[str, str]] = Expiring(CHOICE_SECONDS)
        self.codes: Expiring[OneUse] = Expiring(CODE_SECONDS)
        self.access: Expiring[Login] = Expiring(options.access_token_seconds)
        self.refresh: Expiring[OneUse] = Expiring(REFRESH_SECONDS)

    def personas(self) -> dict[str, dict[str, Any]]:
        """The people as the file says now, without the suspended ones."""
        people = tomllib.loads(self.personas_file.read_text(encoding="utf-8"))
        return {key: person for key, person in people.items() if person.get("enabled", True)}

    def claims(self, login: Login) -> dict[str, Any] | None:
        """The person's claims as of now, for the scopes they agreed to; None if the login is over."""
        person = self.personas().get(login.persona)
        if login.revoked or person is None or person["id"] != login.subject:
            return None
        known = {"voperson_id": person["id"], **person["claims"]}
        wanted = {claim for scope in login.scopes for claim in SCOPES.get(scope, ())}
        return {"sub": login.subject} | {name: value for name, value in known.items() if name in wanted}

    def revoke(self, sid: str) -> None:
        """End a login: all its tokens."""
        for store in (self.refresh, self.codes):
            for given in store.values():
                given.login.revoked |= given.login.sid == sid

    def tokens(self, login: Login) -> dict[str, Any]:
        """A token answer: access token, rotated refresh token, ID token."""
        access = self.access.put(login)
        now = int(time.time())
        digest = hashlib.sha256(access.encode()).digest()[:16]
        id_token = {
            "iss": self.issuer,
            "sub": login.subject,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 3600,
            "auth_time": login.at,
            "sid": login.sid,
            "at_hash": base64url(digest),
        } | ({"nonce": login.nonce} if login.nonce else {})
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(self.access.seconds),
            "refresh_token": self.refresh.put(OneUse(login)),
            "id_token": jwt.encode(id_token, self.key, "RS256", headers={"kid": "demo"}),
            "scope": " ".join(login.scopes),
        }

    def discovery(self) -> dict[str, Any]:
        """The discovery document."""
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
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", *sorted({claim for claims in SCOPES.values() for claim in claims})],
            "authorization_response_iss_parameter_supported": True,
        }

    def jwks(self) -> dict[str, Any]:
        """The public key that ID tokens are signed with."""
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "demo", "use": "sig", "alg": "RS256"}]}


def client_secret(file: Path) -> str:
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
        raise SystemExit(f"{file}: the client secret is too short")
    return secret


def base64url(data: bytes) -> str:
    """Base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
