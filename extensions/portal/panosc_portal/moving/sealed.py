"""A person's login, kept with their unfinished jobs so that these go on after the portal was started again.

Only the hub's own token is kept (never one of a catalogue), encrypted, beside the key that only the portal's user may read,
and only until the job is over. The hub ends the token when the person logs out; the job then waits for them.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from panosc_portal.hub import Login
from panosc_spawner.secret_file import read_secret


class Seal:
    """Encrypts logins.

    Args:
        file: of the key, made when missing; None: a key that ends with the process.

    Raises:
        ConfigurationError: if the key cannot be read, or others may read it.
    """

    def __init__(self, file: Path | None) -> None:
        if file is None:
            self._key = Fernet(Fernet.generate_key())
            return
        with suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.write(Fernet.generate_key())
        self._key = Fernet(read_secret(file, "key of the portal's jobs", least=44).get_secret_value().encode())

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
