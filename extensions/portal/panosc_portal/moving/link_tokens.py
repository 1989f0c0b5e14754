"""Tokens for programs (curl, wget, rclone): each opens one proposal's chosen folders for one person, until it ends.

A token is never part of an address: addresses are in histories, logs and lists of processes. Programs send it in the header
``Authorization``, which they read from a small file of the person's. It is encrypted by this portal and holds the person's
login at it, so that each use asks the hub for rights that are live: it ends with the right, with the login, or at its own time,
whichever comes first. Nothing of it is kept here.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath

from cryptography.fernet import InvalidToken
from pydantic import SecretStr

from panosc_portal.hub import Login
from panosc_portal.moving.key_file import kept_fernet

PREFIX = "panosc-dl."
_MOST = 8192


@dataclass(frozen=True)
class Link:
    """What a token opens: folders (``raw/scan1``; none: all) of a proposal, for a person, until ``ends`` (seconds since 1970)."""

    login: Login
    ref: str
    paths: tuple[str, ...]
    ends: float

    def covers(self, ref: str, path: str) -> bool:
        """Whether it opens this path of this proposal."""
        if ref != self.ref or ".." in path.split("/"):
            return False
        wanted = PurePosixPath(path.strip("/"))
        return not self.paths or any(wanted.is_relative_to(PurePosixPath(one)) for one in self.paths)

    def leads_to(self, ref: str, path: str) -> bool:
        """Whether it opens this, or something beneath it: such folders are listed with what it opens alone."""
        wanted = PurePosixPath(path.strip("/"))
        return self.covers(ref, path) or (
            ref == self.ref and any(PurePosixPath(one).is_relative_to(wanted) for one in self.paths)
        )


class LinkTokens:
    """Makes and reads tokens.

    Args:
        file: of the key, made when missing; removing it ends all tokens. None: a key that ends with the process.

    Raises:
        ConfigurationError: if the key cannot be read, or others may read it.
    """

    def __init__(self, file: Path | None) -> None:
        self._key = kept_fernet(file, "key of download tokens")

    def make(self, login: Login, ref: str, paths: Sequence[str], lifetime: timedelta) -> SecretStr:
        """A token, to be sent as ``Authorization: Bearer …``."""
        held = {
            "u": login.username,
            "t": login.token.get_secret_value(),
            "r": ref,
            "p": list(paths),
            "e": int(time.time() + lifetime.total_seconds()),
        }
        return SecretStr(PREFIX + self._key.encrypt(json.dumps(held).encode()).decode().rstrip("="))

    def open(self, token: str) -> Link | None:
        """What it opens; None if it is not ours, was altered, or is over."""
        if not token.startswith(PREFIX) or len(token) > _MOST or not token.isascii():
            return None
        body = token.removeprefix(PREFIX)
        try:
            held = json.loads(self._key.decrypt(body + "=" * (-len(body) % 4)))
        except (InvalidToken, ValueError):
            return None
        if held["e"] < time.time():
            return None
        return Link(Login(held["u"], SecretStr(held["t"])), held["r"], tuple(held["p"]), float(held["e"]))


def fits(paths: Sequence[str]) -> bool:
    """Whether a token for so many folders is short enough to be sent as a header."""
    return sum(len(base64.b64encode(path.encode("utf-8", "surrogatepass"))) + 8 for path in paths) < _MOST // 3
