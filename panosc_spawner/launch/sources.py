"""When a right is missing because a source did not answer, say that instead of "you are not on it"."""

from __future__ import annotations

from collections.abc import Iterable

from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.proposals.model import SourceOutcome


def with_sources(refusal: Refusal, outcomes: Iterable[SourceOutcome]) -> Refusal:
    """The refusal, or the one that names the sources that did not answer where they may be the cause."""
    failed = [outcome for outcome in outcomes if outcome.error]
    if refusal.reason not in (Reason.NOT_GRANTED, Reason.STALE) or not failed:
        return refusal
    names = "; ".join(f"{outcome.source} ({outcome.error}, asked {outcome.asked_at:%H:%M %Z})" for outcome in failed)
    return Refusal(
        Reason.SOURCE_DOWN,
        f"Your access could not be confirmed, because this did not answer: {names}.",
        "Try again in a few minutes. Servers that are running go on.",
    )
