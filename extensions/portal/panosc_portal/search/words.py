"""What the search's pages say: of catalogues that answered and of those that did not, and of what was not checked."""

from __future__ import annotations

from collections.abc import Sequence

from panosc_portal.catalogues.model import Kind
from panosc_portal.errors import Outcome
from panosc_portal.search.merge import Hit
from panosc_portal.search.outcomes import SourceOutcome

KINDS = {
    Kind.TEXT: "words",
    Kind.PID: "identifier",
    Kind.TECHNIQUE: "technique",
    Kind.FACILITY: "facility",
    Kind.INSTRUMENT: "instrument",
    Kind.YEARS: "year",
    Kind.SAMPLE: "sample",
    Kind.PARAMETER: "measured conditions",
    Kind.AVAILABILITY: "access",
}
_ANSWERED = (Outcome.OK, Outcome.PARTIAL)


def unchecked_words(hit: Hit) -> str:
    """The conditions that nobody checked: "technique, sample"."""
    return ", ".join(KINDS[kind] for kind in hit.unchecked)


def outcome_words(one: SourceOutcome) -> str:
    """What became of asking a catalogue."""
    if one.age is not None:
        return f"{_shown(one)}, as it was {_age(one.age)} ago: {one.reason}"
    match one.outcome:
        case Outcome.OK | Outcome.PARTIAL:
            return _shown(one)
        case Outcome.TIMEOUT:
            words = one.reason
        case Outcome.CANNOT:
            words = f"cannot answer this: {one.reason}"
        case Outcome.RESTING:
            words = one.reason
        case Outcome.REFUSED:
            words = f"refused: {one.reason}"
        case Outcome.GARBLED:
            words = f"answered with something that cannot be used: {one.reason}"
        case _:
            words = one.reason or "did not answer"
    return f"{words}; {_shown(one)} came before" if one.shown else words


def _shown(one: SourceOutcome) -> str:
    if one.total is not None and one.total > one.shown:
        return f"{one.shown:,} of {one.total:,}"
    if one.outcome is Outcome.PARTIAL:
        return f"{one.shown:,}, and there are more"
    return f"{one.shown:,}" if one.shown else "nothing found"


def _age(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else "a minute" if minutes else f"{max(1, round(seconds))} seconds"


def summary(shown: int, outcomes: Sequence[SourceOutcome], asked: int, *, page: int, over: bool) -> str:
    """The line above the results, also read out by screen readers."""
    answered = sum(one.outcome in _ANSWERED for one in outcomes)
    sets = "1 data set" if shown == 1 else f"{shown:,} data sets"
    catalogues = "1 catalogue" if asked == 1 else f"{asked} catalogues"
    if not over:
        return (
            f"{sets} so far. {answered} of {catalogues} answered; asking the others …"
            if outcomes
            else f"Asking {catalogues} …"
        )
    where = f" on page {page}" if page > 1 else ""
    if answered == asked:
        return f"{sets}{where}. {'The catalogue' if asked == 1 else f'All {catalogues}'} answered."
    failed = ", ".join(one.title for one in outcomes if one.outcome not in _ANSWERED)
    return f"{sets}{where}. {answered} of {catalogues} answered; results may be missing from {failed}."
