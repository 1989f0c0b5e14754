"""A login attempt, from the browser's way to the login service until it comes back: once, soon, and in the same browser.

Each attempt has a state, a nonce and a PKCE verifier of its own, in a signed cookie of its own, so that several tabs can log
in at once and nothing of the hub's can be filled by whoever does not come back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Literal

Purpose = Literal["login", "link"]

LIFETIME = timedelta(minutes=15)
"""How long somebody may take at the login service: to find their institute, a second factor, consent."""

MAX_OPEN = 8
"""Attempts of one browser at a time; the oldest gives way. Each is a cookie, and browsers and servers bound those."""

MAX_NEXT = 1500  # characters of the page to go to afterwards: a cookie has 4096
_STATE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NAME = re.compile(r"(?:__Host-)?panosc-login-[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True)
class Attempt:
    """One attempt.

    ``began`` is Unix time. ``next_url`` is where to go afterwards. ``purpose`` is "login", or "link": then it proves a second
    identity of ``for_user``, who is logged in already.
    """

    community: str
    state: str
    nonce: str
    verifier: str
    began: float
    next_url: str = ""
    purpose: Purpose = "login"
    for_user: str = ""

    @classmethod
    def begin(cls, community: str, *, next_url: str = "", purpose: Purpose = "login", for_user: str = "") -> Attempt:
        """A new attempt, with 256 random bits each for state, nonce and verifier."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        next_url = next_url if len(next_url) <= MAX_NEXT else ""
        return cls(community, state, nonce, verifier, time.time(), next_url, purpose, for_user)

    @property
    def challenge(self) -> str:
        """Of PKCE, with S256 (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

    @property
    def fresh(self) -> bool:
        """Whether it has not taken too long."""
        return 0 <= time.time() - self.began + 1 <= LIFETIME.total_seconds()

    def is_of(self, state: str) -> bool:
        """Whether this is the attempt that the callback's state names."""
        return hmac.compare_digest(self.state.encode(), state.encode("utf-8", "replace"))

    def to_text(self) -> str:
        """For the cookie."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | bytes | None) -> Attempt | None:
        """Read :meth:`to_text` back; None if it is something else (the cookie of another version)."""
        try:
            attempt = cls(**json.loads(text or ""))
            texts = (
                attempt.community,
                attempt.state,
                attempt.nonce,
                attempt.verifier,
                attempt.next_url,
                attempt.for_user,
            )
            right = all(isinstance(value, str) for value in texts) and isinstance(attempt.began, int | float)
        except (ValueError, TypeError):
            return None
        return attempt if right and attempt.purpose in ("login", "link") else None


def cookie_name(state: str, *, host_only: bool) -> str:
    """The name of an attempt's cookie; empty if this is no state that we made.

    Args:
        state: of the attempt.
        host_only: over https: no other host of the domain can set such a cookie (``__Host-``).
    """
    if not _STATE.fullmatch(state):
        return ""
    return ("__Host-" if host_only else "") + "panosc-login-" + hashlib.sha256(state.encode()).hexdigest()[:16]


def attempt_cookies(names: Iterable[str]) -> list[str]:
    """Those of these cookies that are attempts'."""
    return [name for name in names if _NAME.fullmatch(name)]
