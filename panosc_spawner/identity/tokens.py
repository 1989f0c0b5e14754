"""Whether an ID token or a logout token is one: pure, a token and keys in, its claims out, or a reason why not.

OpenID Connect Core 1.0 (3.1.3.7, 12.2) and Back-Channel Logout 1.0 (2.6). The signature comes first; the algorithm is never
the token's choice; an issuer is one text, the same to the letter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from panosc_spawner.errors import IdentityError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""What a provider may sign with. Never ``none``, never one with a shared key (HS…)."""

MAX_TOKEN = 64 * 1024  # characters; ID tokens with many claims have been seen with ten thousand
MAX_KEYS = 50
MAX_ID = 256  # characters of sub (OpenID Connect: 255), sid, jti
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_LIFETIME = timedelta(minutes=5)
"""How old a logout token may be. Back-Channel Logout 1.0 wants it short-lived; this bounds what replay must remember."""

_MIN_RSA_BITS = 2048
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_ID_TYPES = ("jwt", "application/jwt")
_LOGOUT_TYPES = ("logout+jwt", "application/logout+jwt", *_ID_TYPES)  # the last two: providers before the final text

Key = RSAKey | ECKey


class InvalidToken(IdentityError):
    """A token is not what it has to be. ``code`` says why, for the log; no part of the token is in it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"token refused: {code}")


class UnknownKey(InvalidToken):
    """No key of the provider fits, or its signature does not: it may have new keys since they were fetched."""


@dataclass(frozen=True)
class Keys:
    """A provider's public keys."""

    keys: tuple[Key, ...] = ()

    @classmethod
    def from_document(cls, document: object) -> Keys:
        """Read a JWKS document; keys that are of no use here are left out.

        Raises:
            ValueError: if it is not a JWKS document.
        """
        entries = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(entries, list):
            raise ValueError("not a JWKS document")
        return cls(tuple(key for entry in entries[:MAX_KEYS] if (key := _usable(entry)) is not None))

    def fitting(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """Those that may have signed with this algorithm, and have this id if the token names one."""
        named = self.keys if kid is None else tuple(key for key in self.keys if key.kid == kid)
        return tuple(key for key in named if _fits(key, algorithm))


@dataclass(frozen=True)
class Expected:
    """What a provider's tokens must be.

    ``issuer`` and ``client_id`` exactly so; signed with one of ``algorithms``; clocks differ by ``skew`` at most.
    """

    issuer: str
    client_id: str
    algorithms: tuple[str, ...] = ALGORITHMS
    skew: timedelta = timedelta(seconds=60)


@dataclass(frozen=True)
class IdToken:
    """What a valid ID token says about the login."""

    subject: str
    issued_at: datetime
    nonce: str = ""
    sid: str = ""
    acr: str = ""
    auth_time: datetime | None = None


@dataclass(frozen=True)
class LogoutToken:
    """What a valid logout token says: whose login ended (``subject``), which of them (``sid``), or both."""

    jti: str
    issued_at: datetime
    subject: str = ""
    sid: str = ""


def validate_id_token(
    token: object, keys: Keys, expected: Expected, now: datetime, *, nonce: str | None, access_token: str = ""
) -> IdToken:
    """Validate an ID token.

    Args:
        token: as the token endpoint sent it.
        keys: the provider's, from its own ``jwks_uri``.
        expected: what the token must be.
        now: the time to compare with.
        nonce: the one of this login attempt, which the token must hold. None at a refresh, where the token may leave it out;
            the caller then compares what it holds with the login's.
        access_token: the one that came with it, compared with ``at_hash`` if the token has one.

    Raises:
        UnknownKey: if newer keys may help.
        InvalidToken: for anything else.
    """
    header, claims = _verified(token, keys, expected, _ID_TYPES)
    _check_times(claims, expected, now)
    _check_nonce(claims, nonce)
    _check_access_token(claims, str(header["alg"]), access_token)
    subject = _text(claims, "sub")
    if not subject:
        raise InvalidToken("sub")
    return IdToken(
        subject,
        _moment(claims, "iat"),
        _text(claims, "nonce"),
        _text(claims, "sid"),
        _text(claims, "acr"),
        _moment(claims, "auth_time") if claims.get("auth_time") is not None else None,
    )


def validate_logout_token(token: object, keys: Keys, expected: Expected, now: datetime) -> LogoutToken:
    """Validate a logout token; whether its ``jti`` was seen before is for the caller to say.

    Raises:
        UnknownKey: if newer keys may help.
        InvalidToken: for anything else.
    """
    _, claims = _verified(token, keys, expected, _LOGOUT_TYPES)
    issued_at = _moment(claims, "iat")
    if not now - LOGOUT_LIFETIME - expected.skew <= issued_at <= now + expected.skew:
        raise InvalidToken("iat")
    # `exp` is required since the text's errata; providers of before leave it out, and iat bounds the token's life anyway.
    if claims.get("exp") is not None and _moment(claims, "exp") <= now - expected.skew:
        raise InvalidToken("exp")
    if "nonce" in claims:  # or an ID token could be sent as one
        raise InvalidToken("nonce")
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT_EVENT), Mapping):
        raise InvalidToken("events")
    subject, sid, jti = _text(claims, "sub"), _text(claims, "sid"), _text(claims, "jti")
    if not jti:
        raise InvalidToken("jti")
    if not subject and not sid:
        raise InvalidToken("sub")
    return LogoutToken(jti, issued_at, subject, sid)


# -- the signature --------------------------------------------------------------------------------------------------------


class _Registry(JWSRegistry):
    """joserfc's limits, wide enough for what providers send. MAX_TOKEN bounds the whole."""

    max_header_length = 4096
    max_payload_length = MAX_TOKEN
    max_signature_length = 2048


_registry = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


def _verified(
    token: object, keys: Keys, expected: Expected, types: Sequence[str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims of a token whose signature, type, issuer and audience are right."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != 2:
        raise InvalidToken("form")
    header = _object(_decoded(token.split(".", 1)[0]), "header")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in expected.algorithms or algorithm not in ALGORITHMS:
        raise InvalidToken("alg")
    if "crit" in header or "b64" in header:  # extensions that must be understood; there is none that we do
        raise InvalidToken("crit")
    if kid is not None and not isinstance(kid, str):
        raise InvalidToken("kid")
    if "typ" in header and (not isinstance(header["typ"], str) or header["typ"].lower() not in types):
        raise InvalidToken("typ")
    claims = _object(_payload(token, keys.fitting(kid, algorithm), algorithm), "claims")
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer != expected.issuer:
        raise InvalidToken("iss")
    _check_audience(claims, expected.client_id)
    return header, claims


def _payload(token: str, keys: Iterable[Key], algorithm: str) -> bytes:
    problem = "key"
    for key in keys:  # more than one where a token names none, or a provider gives two the same id
        try:
            return jws.deserialize_compact(token, key, [algorithm], _registry).payload
        except (JoseError, ValueError, TypeError):
            problem = "signature"
    raise UnknownKey(problem)


def _usable(entry: object) -> Key | None:
    """The key of a JWKS entry; None if it is for another use, weak, of another kind, or broken."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("kty") not in ("RSA", "EC"):
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if entry["kty"] == "RSA" and len(str(entry.get("n"))) * 6 < _MIN_RSA_BITS:  # joserfc would only warn
        return None
    public = {name: entry[name] for name in ("kty", "kid", "alg", "crv", "x", "y", "n", "e") if name in entry}
    try:
        key = import_key(public)
        if isinstance(key, RSAKey):
            return key if key.public_key.key_size >= _MIN_RSA_BITS else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, ECKey) else None


def _fits(key: Key, algorithm: str) -> bool:
    if key.alg is not None and key.alg != algorithm:
        return False
    if isinstance(key, ECKey):
        return _CURVES.get(algorithm) == key.curve_name
    return algorithm[:2] in ("RS", "PS")


# -- the claims -----------------------------------------------------------------------------------------------------------


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    several = [audience] if isinstance(audience, str) else audience
    if not isinstance(several, list) or not all(isinstance(one, str) for one in several) or client_id not in several:
        raise InvalidToken("aud")
    if len(several) > 1 and claims.get("azp") is None:
        raise InvalidToken("azp")
    if claims.get("azp") is not None and claims["azp"] != client_id:
        raise InvalidToken("azp")


def _check_times(claims: Mapping[str, Any], expected: Expected, now: datetime) -> None:
    issued_at, ends_at = _moment(claims, "iat"), _moment(claims, "exp")
    if ends_at <= now - expected.skew or ends_at < issued_at:
        raise InvalidToken("exp")
    if issued_at > now + expected.skew:
        raise InvalidToken("iat")
    if claims.get("nbf") is not None and _moment(claims, "nbf") > now + expected.skew:
        raise InvalidToken("nbf")


def _check_nonce(claims: Mapping[str, Any], nonce: str | None) -> None:
    if nonce is None:
        return
    sent = claims.get("nonce")
    if (
        not nonce
        or not isinstance(sent, str)
        or not hmac.compare_digest(sent.encode("utf-8", "replace"), nonce.encode())
    ):
        raise InvalidToken("nonce")


def _check_access_token(claims: Mapping[str, Any], algorithm: str, access_token: str) -> None:
    """``at_hash`` (OpenID Connect Core, 3.1.3.6): the left half of the token's hash."""
    if claims.get("at_hash") is None:
        return
    digest = hashlib.new("sha" + algorithm[2:], access_token.encode("utf-8", "replace")).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")
    sent = claims["at_hash"]
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode("utf-8", "replace"), half.encode()):
        raise InvalidToken("at_hash")


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A claim that is text; empty if it is missing."""
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_ID or not value.isprintable():
        raise InvalidToken(name)
    return value


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(name)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidToken(name) from None


def _object(data: bytes, what: str) -> Mapping[str, Any]:
    try:
        document = json.loads(data, object_pairs_hook=_no_repetition)
    except (ValueError, RecursionError):
        raise InvalidToken(what) from None
    if not isinstance(document, dict):
        raise InvalidToken(what)
    return document


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which a name stands twice means one thing here and another there."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidToken("header") from None
