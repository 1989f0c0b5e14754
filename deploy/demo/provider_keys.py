"""The keys that the demo's login service signs with, and their rollover."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ALGORITHMS = ("RS256", "PS256", "ES256")


@dataclass(frozen=True)
class Key:
    """A private key and the name it is published under."""

    kid: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    def public(self, algorithm: str) -> dict[str, Any]:
        """The public half, as a JSON Web Key."""
        made = (
            jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
            if isinstance(self.private, rsa.RSAPrivateKey)
            else jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        )
        return {**made, "kid": self.kid, "use": "sig", "alg": algorithm}


class Keyring:
    """The key that signs now, and the one before it, which stays published until the next rollover.

    Args:
        algorithm: one of :data:`ALGORITHMS`.
    """

    def __init__(self, algorithm: str = "RS256") -> None:
        self.algorithm = algorithm
        self.keys: list[Key] = [self._new()]  # the newest first

    def _new(self) -> Key:
        private = (
            ec.generate_private_key(ec.SECP256R1())
            if self.algorithm == "ES256"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )
        return Key(secrets.token_urlsafe(12), private)  # after a restart, the same name must not be another key

    def roll_over(self, *, withdraw: bool = False) -> str:
        """Sign with a new key from now on; returns its name.

        Args:
            withdraw: the old key is not published any more, as after it was stolen: what it signed is worth nothing.
        """
        self.keys = [self._new(), *([] if withdraw else self.keys[:1])]
        return self.keys[0].kid

    def sign(self, claims: dict[str, Any], kind: str = "JWT") -> str:
        """A signed token; ``kind`` is its ``typ``."""
        key = self.keys[0]
        return jwt.encode(claims, key.private, self.algorithm, headers={"kid": key.kid, "typ": kind})

    def verify(self, token: str, audience: str, issuer: str) -> dict[str, Any]:
        """The claims of a token that one of the published keys signed, ended or not.

        Raises:
            jwt.PyJWTError: if none did, or it is for somebody else.
        """
        kid = jwt.get_unverified_header(token).get("kid")
        key = next((key for key in self.keys if key.kid == kid), None)
        if key is None:
            raise jwt.InvalidKeyError("no such key")
        return jwt.decode(
            token,
            key.private.public_key(),
            algorithms=[self.algorithm],
            audience=audience,
            issuer=issuer,
            options={"verify_exp": False, "verify_iat": False},
        )

    def published(self) -> dict[str, Any]:
        """The JSON Web Key Set."""
        return {"keys": [key.public(self.algorithm) for key in self.keys]}
