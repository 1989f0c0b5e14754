"""From claims to an identity, and from an identity to the hub's user name.

A person is the pair (issuer, subject), where the subject is the community's identifier ``voperson_id`` (AARC-G056), never
a name or an e-mail address: those can be chosen, change hands, and look alike. The user name is a hash of that pair:
opaque, fits a DNS label, a POSIX account name and a volume name, and two people cannot share it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.community import Community

MAX_SUBJECT = 256
_SCOPED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._=+-]*)@([A-Za-z0-9][A-Za-z0-9.-]*)", re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_ASK = "Please tell the people who run this hub: the login service must be set up to send it."


def username_for(issuer: str, subject: str) -> str:
    """The hub's user name: ``p-`` and 20 base32 characters (100 bits) of SHA-256(issuer, NUL, subject).

    Raises:
        IdentityError: if one of them holds a NUL.
    """
    if "\0" in issuer or "\0" in subject:  # or two pairs could be one text
        raise IdentityError("The login service sent an identity with a NUL character.")
    digest = hashlib.sha256(f"{issuer}\0{subject}".encode()).digest()
    return "p-" + base64.b32encode(digest).decode("ascii")[:20].lower()


def subject_of(claims: Mapping[str, Any], community: Community) -> str:
    """Who the claims are about: the canonical subject, by the community's identity claim.

    ``sub`` stands in for a missing ``voperson_id`` only where the community allows it; a wrong one is never replaced.

    Raises:
        IdentityError: in words for the person; no claim is repeated in it.
    """
    claim = community.identity_claim
    value = claims.get(claim)
    if value in (None, "", []) and claim == "voperson_id" and community.allow_sub:
        claim, value = "sub", claims.get("sub")
    return canonical_subject(value, community, claim=claim)


def canonical_subject(value: object, community: Community, *, claim: str = "voperson_id") -> str:
    """The one form of an identity claim's value: text, or a list of exactly one (SATOSA sends lists).

    ``voperson_id`` is lower-cased (caseIgnoreMatch) and its scope checked; ``sub`` is case-sensitive (OpenID Connect) and kept.

    Raises:
        IdentityError: in words for the person.
    """
    text = _single(value, community, claim)
    if len(text) > MAX_SUBJECT or not _PLAIN.fullmatch(text):
        raise IdentityError(f"{community.title} sent a '{claim}' that is not a plain identifier. {_ASK}")
    local, _, scope = text.lower().rpartition("@")
    if local == "test":
        raise IdentityError(f"'test@{scope}' is {community.title}'s monitoring account; it cannot log in here.")
    if claim != "voperson_id":
        return text
    if not _SCOPED.fullmatch(text):
        raise IdentityError(f"{community.title} sent a 'voperson_id' that is not of the form identifier@scope. {_ASK}")
    if community.identity_scopes and scope not in community.identity_scopes:
        allowed = " or ".join(f"@{name}" for name in community.identity_scopes)
        raise IdentityError(f"Your identifier was not issued by {community.title} (it does not end in {allowed}).")
    return text.lower()


def _single(value: object, community: Community, claim: str) -> str:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if value is None or value == "" or value == []:
        raise IdentityError(f"{community.title} did not say who you are: no '{claim}' came with your login. {_ASK}")
    if not isinstance(value, str):
        raise IdentityError(f"{community.title} sent more than one '{claim}', or one that is not text. {_ASK}")
    return value
