"""A person's login, kept with their unfinished jobs so that these go on after the portal was started again.

Only the hub's own token is kept (never one of a catalogue), encrypted, beside the key that only the portal's user may read,
and only until the job is over. The hub ends the token when the person logs out; the job then waits for them.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.fernet import InvalidToken
from pydantic import SecretStr

from panosc_portal.hub import Login
from panosc_portal.moving.key_file import kept_fernet


class Seal:
    """Encrypts logins.

    Args:
        file: of the key, made when missing; None: a key that ends with the process.

    Raises:
        ConfigurationError: if the key cannot be read, or others may read it.
    """

    def __init__(self, file: Path | None) -> None:
        self._key = kept_fernet(file, "key of the portal's jobs")

    def close(self, login: Login) -> bytes:
        """The login, encrypted."""
        plain = {
            "username": login.username,
            "token": login.token.get_secret_value(),
            "display_name": login.display_name,
            "admin": login.admin,
        }
        return self._key.encrypt(json.dumps(plain).encode())

    def open(self, sealed: bytes | None) -> Login | None:
        """The login again; None if there is none, or it was encrypted with another key."""
        if sealed is None:
            return None
        try:
            plain = json.loads(self._key.decrypt(sealed))
        except (InvalidToken, ValueError):
            return None
        return Login(plain["username"], SecretStr(plain["token"]), plain["display_name"], plain["admin"])
