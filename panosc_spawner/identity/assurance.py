"""How well somebody's identity was vetted: the REFEDS Assurance Framework (RAF) values of ``eduperson_assurance``.

https://refeds.org/assurance: identity proofing (IAP) is ordered, low < medium < high; the profile Cappuccino holds IAP/medium,
Espresso IAP/high. Everything else is compared as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

PREFIX = "https://refeds.org/assurance"
_IAP = [f"{PREFIX}/IAP/{level}" for level in ("low", "medium", "high")]
_PROFILES = {f"{PREFIX}/profile/cappuccino": _IAP[1], f"{PREFIX}/profile/espresso": _IAP[2]}
MAX_VALUES = 200


def missing_assurance(required: Iterable[str], claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The required values that the claims do not hold, neither said nor implied.

    Args:
        required: of ``login.assurance``.
        claims: of userinfo. A value may come as text or in a list; anything else counts as nothing.
    """
    sent = claims.get("eduperson_assurance")
    values = [sent] if isinstance(sent, str) else sent if isinstance(sent, list) else []
    held = {value for value in values[:MAX_VALUES] if isinstance(value, str)}
    held |= {_PROFILES[value] for value in held if value in _PROFILES}
    highest = max((place for place, value in enumerate(_IAP) if value in held), default=-1)
    held |= set(_IAP[: highest + 1])
    return tuple(value for value in required if value not in held)
