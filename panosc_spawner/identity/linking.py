"""Linking and unlinking by the person: only with sign-ins that were proven in one browser within minutes.

*To link*, the browser goes to the login service twice, each time with ``prompt=login`` and a fresh ``auth_time``: first with a
login that the account has, then with the new one. A page then names both and says what it means; only its button links. *To
unlink*, it goes there once, with a login that the account keeps, so that nobody shuts themselves out or is shut out by whoever
found an open browser. E-mail addresses, names and ORCIDs play no part: nothing here reads them.

What was proven so far is kept in the browser, in a signed cookie that ends after some minutes and is good once.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tornado.httputil import url_concat

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.attempts import Attempt
from panosc_spawner.identity.claims import former_identities
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import KnownIdentity, Moved, State
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.refusals import LoginRefused
from panosc_spawner.identity.seen import Seen

LIFETIME = timedelta(minutes=15)
"""From the first click to the confirmation."""

COOKIE = "panosc-linking"
PAGE = "account/confirm"
"""Where the browser goes after each sign-in, beneath the hub's address."""

OWN_WISH = "the person's own wish"
_AGAIN = "Nothing was changed. Go to “My identities” and begin again."
_spent = Seen(LIFETIME)


@dataclass(frozen=True)
class Proof:
    """A sign-in that was proven: which identity, in which community, shown as whom, and when (Unix time)."""

    issuer: str
    subject: str
    community: str
    shown: str
    at: float

    @property
    def identity(self) -> Identity:
        """Of which it is the proof."""
        return Identity(self.issuer, self.subject)

    def __str__(self) -> str:
        return f"sign-in with {self.community} as {self.subject} at {datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True)
class Linking:
    """What somebody is about to do with the logins of their account, and what is proven of it.

    ``wanted`` is the community to link a login of; ``target`` the identity to unlink. ``kept`` proves a login of the account,
    ``other`` the new one.
    """

    id: str
    kind: Literal["link", "unlink"]
    for_user: str
    began: float
    wanted: str = ""
    target: Identity | None = None
    kept: Proof | None = None
    other: Proof | None = None

    @classmethod
    def begin(
        cls, kind: Literal["link", "unlink"], user: str, wanted: str = "", target: Identity | None = None
    ) -> Linking:
        """Nothing proven yet."""
        return cls(secrets.token_urlsafe(16), kind, user, time.time(), wanted, target)

    @property
    def fresh(self) -> bool:
        """Whether it has not taken too long."""
        return 0 <= time.time() - self.began + 1 <= LIFETIME.total_seconds()

    @property
    def proven(self) -> bool:
        """Whether only the person's word is missing."""
        return self.kept is not None and (self.kind == "unlink" or self.other is not None)

    def to_text(self) -> str:
        """For the cookie."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | bytes | None) -> Linking | None:
        """Read :meth:`to_text` back; None if it is something else."""
        try:
            table = json.loads(text or "")
            for name in ("kept", "other"):
                table[name] = Proof(**table[name]) if table[name] else None
            table["target"] = Identity(*table["target"]) if table["target"] else None
            linking = cls(**table)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        texts = (linking.id, linking.for_user, linking.wanted, *(linking.target or ()))
        right = all(isinstance(text, str) for text in texts) and type(linking.began) in (int, float)
        return linking if right and linking.kind in ("link", "unlink") else None


def keep(handler: Any, linking: Linking) -> None:
    """Keep it in the browser."""
    age = int(LIFETIME.total_seconds())
    path = handler.hub.base_url
    # JupyterHub's, as for its own cookies: Secure over https, HttpOnly, signed.
    handler._set_cookie(COOKIE, linking.to_text(), expires_days=None, max_age=age, path=path, samesite="Lax")


def kept(handler: Any) -> Linking | None:
    """What this browser is about to do for the person who is logged in in it, if it is not over."""
    linking = Linking.from_text(handler.get_secure_cookie(COOKIE, max_age_days=LIFETIME.total_seconds() / 86400))
    user = handler.current_user
    right = linking is not None and user is not None and linking.for_user == user.name and linking.fresh
    return linking if right else None


def forget(handler: Any) -> None:
    """It is done, or given up."""
    handler.clear_cookie(COOKIE, path=handler.hub.base_url)


def used_now(linking: Linking) -> bool:
    """Whether it was not used before; it is from now on, whatever copies of the cookie there are."""
    return _spent.first_time(linking.id)


def sign_in_url(handler: Any, community: str) -> str:
    """Where a login of a community is proven."""
    return str(url_concat(f"{handler.hub.base_url}oauth_login", {"community": community, "link": "1"}))


async def finish(handler: Any, attempt: Attempt, person: Person) -> None:
    """A sign-in for linking came back, verified. Called by :class:`.CallbackHandler` instead of logging somebody in.

    Ends the request by sending the browser to the page that says what comes next.

    Raises:
        LoginRefused: in words for the person; nothing is changed.
        PeopleError: if the book of people cannot be read.
    """
    linking = kept(handler)
    if linking is None or attempt.purpose != "link" or attempt.for_user != linking.for_user:
        raise LoginRefused("link", f"Linking took too long, or was begun in another browser. {_AGAIN}", 400)
    people: PeopleStore = handler.authenticator.people
    proof = Proof(person.issuer, person.subject, person.community, person.display_name, time.time())
    if linking.kept is None:
        if attempt.began < linking.began:
            raise LoginRefused("link", f"This sign-in was begun before. {_AGAIN}", 400)
        _require_own(people, linking, proof)
        linking = replace(linking, kept=proof)
    else:
        if attempt.began < linking.kept.at:
            raise LoginRefused("link", f"This sign-in was begun before. {_AGAIN}", 400)
        community = handler.authenticator.communities[attempt.community].community
        for former in former_identities(proof.identity, community):  # a new scope is no way around being shut out
            _require_not_removed(people.known(former))
        require_linkable(people, linking.for_user, proof.identity, handler.authenticator.blocked_users)
        linking = replace(linking, other=proof)
    keep(handler, linking)
    # Also between the two: a login service may forbid its page (form-action) to be led on to another one than the hub.
    handler.redirect(f"{handler.hub.base_url}{PAGE}", status=303)


def _require_own(people: PeopleStore, linking: Linking, proof: Proof) -> None:
    if proof.identity not in people.identities_of(linking.for_user):
        raise LoginRefused(
            "link", f"You signed in with a login that does not belong to the account you are in. {_AGAIN}", 403
        )
    if linking.kind == "unlink" and proof.identity == linking.target:
        raise LoginRefused(
            "link", f"You signed in with the very login that you want to unlink. Use one that you keep. {_AGAIN}", 403
        )


def _require_not_removed(known: KnownIdentity | None) -> None:
    if known and known.state is State.REMOVED:
        raise LoginRefused("link", "This login was shut out from this hub. Ask the people who run it.", 403)


def require_linkable(people: PeopleStore, user: str, identity: Identity, blocked: set[str]) -> KnownIdentity | None:
    """Check that an identity may become another login of a person; returns what the book knows about it.

    Raises:
        LoginRefused: in words for the person.
    """
    known = people.known(identity)
    _require_not_removed(known)
    if known is None:
        return None
    if known.state is State.ACTIVE and known.username == user:
        raise LoginRefused(
            "link",
            "You signed in with a login that belongs to this account already. To link another one, log out at the login "
            f"service, or choose another account or institute there. {_AGAIN}",
            409,
        )
    if known.state is State.ACTIVE and known.username in blocked:
        raise LoginRefused("link", "The account of this login is blocked. Ask the people who run this hub.", 403)
    return known


def link(people: PeopleStore, linking: Linking, leaving: str) -> Moved | None:
    """Do what the person confirmed.

    Args:
        people: the book.
        linking: with both sign-ins proven.
        leaving: the account that the question named, which the other login has had of its own until now; or "".

    Raises:
        IdentityError: in words, if it is not as the question said any more.
        PeopleError: if the book cannot be written.
    """
    if linking.kept is None or linking.other is None:
        raise IdentityError(f"Both logins must be shown. {_AGAIN}")
    if linking.kept.identity not in people.identities_of(linking.for_user):
        raise IdentityError(f"The login that you showed first does not belong to this account any more. {_AGAIN}")
    proof = f"{linking.kept}; {linking.other}; in one browser"
    return people.link(
        linking.for_user,
        linking.other.identity,
        by=linking.for_user,
        reason=OWN_WISH,
        proof=proof[:500],
        leaving=leaving,
    )


def unlink(people: PeopleStore, linking: Linking) -> str:
    """Do what the person confirmed; returns the account that the login goes back to, or "".

    Raises:
        IdentityError: in words, if it cannot be.
        PeopleError: if the book cannot be written.
    """
    if linking.kept is None or linking.target is None or linking.kept.identity == linking.target:
        raise IdentityError(f"A login that you keep must be shown. {_AGAIN}")
    if linking.kept.identity not in people.identities_of(linking.for_user):
        raise IdentityError(f"The login that you showed does not belong to this account any more. {_AGAIN}")
    return people.unlink(
        linking.for_user, linking.target, by=linking.for_user, reason=OWN_WISH, proof=str(linking.kept)[:500]
    )
