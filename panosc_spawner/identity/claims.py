"""From a provider's claims to a :class:`~.person.Person`. Pure: claims in, a person or words out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from panosc_spawner.errors import EntitlementError, IdentityError
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.entitlements import parse
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.username import subject_of, username_for

ENTITLEMENT_CLAIMS = ("eduperson_entitlement", "entitlements")
"""The names of AARC-G002 and of RFC 9068/AARC-G069; providers send either, or both."""

MAX_ENTITLEMENTS = 2000
MAX_NAME = 100
MAX_CLAIM = 1024
MAX_CLAIM_VALUES = 65536  # as many groups as Linux has for one process


@dataclass(frozen=True)
class ClaimRules:
    """How this site reads claims.

    ``issuer`` is the verified one. ``admins`` are canonical subjects. ``kept`` names the claims that account mappings need;
    no others are kept.
    """

    community: Community
    issuer: str
    admins: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()


def person_from(claims: Mapping[str, Any], rules: ClaimRules, now: datetime) -> Person:
    """Who these claims, seen now, are about.

    Raises:
        IdentityError: in words for the person, repeating no claim.
    """
    subject = subject_of(claims, rules.community)
    return Person(
        issuer=rules.issuer,
        subject=subject,
        username=username_for(rules.issuer, subject),
        display_name=_display_name(claims),
        community=rules.community.id,
        seen_at=now,
        admin=subject in rules.admins,
        entitlements=_entitlements(claims, rules.community),
        claims={name: claims[name] for name in rules.kept if _may_be_kept(claims.get(name))},
    )


def former_identities(identity: Identity, community: Community) -> tuple[Identity, ...]:
    """What the same identity was called before, by the community's rule (``former_scopes``): same part before the '@'."""
    local, at, scope = identity.subject.rpartition("@")
    if not at or community.identity_claim != "voperson_id" or scope not in community.identity_scopes:
        return ()
    return tuple(Identity(identity.issuer, f"{local}@{former}") for former in community.former_scopes)


def _entitlements(claims: Mapping[str, Any], community: Community) -> tuple[str, ...]:
    """Those that parse and lie in a namespace that this community may speak for; the others are somebody else's words."""
    texts: dict[str, None] = {}
    for claim in ENTITLEMENT_CLAIMS:
        texts.update(dict.fromkeys(_texts(claims.get(claim), claim, community)))
    if len(texts) > MAX_ENTITLEMENTS:
        raise IdentityError(f"{community.title} sent {len(texts)} groups; this hub reads at most {MAX_ENTITLEMENTS}.")
    return tuple(text for text in texts if _is_trusted(text, community.namespaces))


def _texts(value: object, claim: str, community: Community) -> Sequence[str]:
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value  # one group may come as text, not as its letters
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise IdentityError(
            f"{community.title} sent a '{claim}' that is not a list of texts. Please tell this hub's people."
        )
    return values


def _is_trusted(text: str, namespaces: Iterable[str]) -> bool:
    try:
        entitlement = parse(text)
    except EntitlementError:
        return False
    return any(entitlement.within(namespace) for namespace in namespaces)


def _display_name(claims: Mapping[str, Any]) -> str:
    """For people to read; never an identity, never HTML."""
    names = [
        _shown(claims.get("name")),
        f"{_shown(claims.get('given_name'))} {_shown(claims.get('family_name'))}".strip(),
    ]
    return next((name for name in (*names, _shown(claims.get("preferred_username"))) if name), "Unnamed person")


def _shown(value: object) -> str:
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(value, str):
        return ""
    # Control and format characters (such as right-to-left override) can make one name look like another.
    plain = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in value[:1000])
    return " ".join(plain.split())[:MAX_NAME]


def _may_be_kept(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= MAX_CLAIM_VALUES and all(_is_plain(one) for one in value)
    return _is_plain(value)


def _is_plain(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= MAX_CLAIM)
