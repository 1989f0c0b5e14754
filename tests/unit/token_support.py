"""Tokens as providers and forgers make them: any header, any claims, any key."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

ISSUER = "https://proxy.eduteams.example"
CLIENT = "hub"


def b64(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class RsaKey:
    """An RSA key of a provider."""

    def __init__(self, kid="one", bits=2048):
        self.kid, self.private = kid, rsa.generate_private_key(65537, bits)

    def jwk(self, **changes):
        public = self.private.public_key().public_numbers()
        entry = {"kty": "RSA", "kid": self.kid, "use": "sig", "n": number(public.n), "e": number(public.e)}
        return {name: value for name, value in (entry | changes).items() if value is not None}

    def jwks(self, *others):
        return {"keys": [self.jwk(), *(other.jwk() for other in others)]}

    def signature(self, message, algorithm):
        digest = getattr(hashes, "SHA" + algorithm[2:])()
        salt = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return self.private.sign(message, padding.PKCS1v15() if algorithm.startswith("RS") else salt, digest)


class EcKey:
    """A key on an elliptic curve."""

    def __init__(self, kid="curve", curve=ec.SECP256R1, name="P-256"):
        self.kid, self.name, self.private = kid, name, ec.generate_private_key(curve())

    def jwk(self, **changes):
        public = self.private.public_key().public_numbers()
        size = (self.private.key_size + 7) // 8
        point = {name: b64(getattr(public, name).to_bytes(size, "big")) for name in ("x", "y")}
        return {"kty": "EC", "kid": self.kid, "crv": self.name, **point} | changes

    def signature(self, message, algorithm):
        digest = getattr(hashes, "SHA" + algorithm[2:])()
        r, s = utils.decode_dss_signature(self.private.sign(message, ec.ECDSA(digest)))
        size = (self.private.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


class Shared:
    """Whatever is signed with a secret that both know, such as a public key's own bytes."""

    def __init__(self, secret, kid="one"):
        self.secret, self.kid = secret, kid

    def signature(self, message, algorithm):
        return hmac.new(self.secret, message, "sha" + algorithm[2:]).digest()


class Unsigned:
    """No signature at all."""

    kid = "one"

    def signature(self, message, algorithm):
        return b""


KEY = RsaKey()


def sign(claims, key=KEY, algorithm="RS256", **header):
    """A token; a header of None leaves it out."""
    header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | header
    head = b64({name: value for name, value in header.items() if value is not None})
    message = f"{head}.{b64(claims)}"
    return f"{message}.{b64(key.signature(message.encode(), algorithm))}"


def id_claims(**changes):
    """The claims of a right ID token, with changes; None leaves one out."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "x", "aud": CLIENT, "iat": now, "exp": now + 600, "nonce": "n-0123456789"}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def logout_claims(**changes):
    """The claims of a right logout token, with changes; None leaves one out."""
    now = int(time.time())
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    claims = {"iss": ISSUER, "sub": "x", "aud": CLIENT, "iat": now, "exp": now + 120, "jti": "j1", "events": event}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def at_hash(access_token, algorithm="RS256"):
    digest = hashlib.new("sha" + algorithm[2:], access_token.encode()).digest()
    return b64(digest[: len(digest) // 2])
