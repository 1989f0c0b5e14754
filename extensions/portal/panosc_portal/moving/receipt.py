"""Receipts of archives: what was sent where, by whom, and that it was verified; signed by this portal (Ed25519)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from panosc_portal.moving.key_file import kept_key
from panosc_spawner.errors import ConfigurationError


def _new() -> bytes:
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw())


class Signer:
    """Signs receipts.

    Args:
        file: of the key, made when missing; None: a key that ends with the process.

    Raises:
        ConfigurationError: if the key cannot be read, or others may read it.
    """

    def __init__(self, file: Path | None) -> None:
        if file is None:
            self._key = Ed25519PrivateKey.generate()
            return
        try:
            raw = base64.b64decode(kept_key(file, "key of receipts", _new).get_secret_value(), validate=True)
            self._key = Ed25519PrivateKey.from_private_bytes(raw)
        except ValueError as error:
            raise ConfigurationError(file, "", "is no key of receipts", "remove it; a new one is made") from error

    @property
    def public(self) -> str:
        """The public key, in base64: with it anybody can verify a receipt."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, said: Mapping[str, Any]) -> bytes:
        """A receipt: what is said, and the signature of it."""
        signature = base64.b64encode(self._key.sign(plain(said))).decode()
        signed = {**said, "signature": {"algorithm": "Ed25519", "key": self.public, "value": signature}}
        return json.dumps(signed, indent=1, sort_keys=True, ensure_ascii=False).encode("utf-8") + b"\n"


def plain(said: Mapping[str, Any]) -> bytes:
    """What is signed: the receipt without its signature, as JSON with sorted keys and no spaces, in UTF-8."""
    rest = {key: value for key, value in said.items() if key != "signature"}
    return json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def verified(receipt: bytes, public: str) -> bool:
    """Whether a receipt is what the owner of a public key signed."""
    try:
        said = json.loads(receipt)
        value = base64.b64decode(said["signature"]["value"], validate=True)
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True)).verify(value, plain(said))
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True
