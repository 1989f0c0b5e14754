"""How long a token is good for, as the answer that it came in says (RFC 6749, 5.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

RUNS_OUT = "runs_out_at"
"""Key of the stored state: the Unix time from which a refusal of the access token may be just its end; None: not known."""

_MARGIN = 0.1  # of a lifetime, at most: providers end tokens some moments early, and clocks are set


def lifetime(answer: Mapping[str, Any]) -> float | None:
    """The seconds of ``expires_in``, which some write as a text; None if it is missing or says nothing."""
    value = answer.get("expires_in")
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        return None
    return float(min(value, 1e10))


def runs_out_at(answer: Mapping[str, Any], asked_at: float, skew: float) -> float | None:
    """When the access token of an answer runs out, at the earliest.

    Args:
        answer: of the token endpoint.
        asked_at: when it was asked, in Unix time: the token may be as old as that.
        skew: seconds by which clocks may be wrong; of short lifetimes only a tenth.
    """
    seconds = lifetime(answer)
    return None if seconds is None else asked_at + seconds - min(skew, seconds * _MARGIN)


def has_run_out(state: Mapping[str, Any], now: float) -> bool:
    """Whether the access token of a stored state is known to have run out by itself."""
    moment = state.get(RUNS_OUT)
    return isinstance(moment, int | float) and now >= moment
