"""How asking a catalogue turned out, as pages and programs are told."""

from __future__ import annotations

from dataclasses import dataclass, replace

from panosc_portal.errors import CatalogueError, Outcome
from panosc_portal.search.source import Part, Source


@dataclass(frozen=True)
class SourceOutcome:
    """How one catalogue's answer turned out.

    Attributes:
        source: its name.
        title: as people see it.
        outcome: which way.
        shown: data sets of it in this page.
        total: how many it has, as far as it says.
        reason: what happened, in words; empty if all is well.
        notes: more words, of the catalogue or on what could not be checked.
        own: asked in the person's name, so that their own data are among it.
        age: seconds since the answer was given, where it is an old one.
        retry: asking again may help.
    """

    source: str
    title: str
    outcome: Outcome
    shown: int = 0
    total: int | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    own: bool = False
    age: float | None = None
    retry: bool = False


def outcome_of(source: Source, part: Part, own: bool, note: str) -> SourceOutcome:
    """Of what it has for a page; ``own``: asked in the person's name, ``note``: why not."""
    notes = tuple(words for words in (note, *part.notes) if words)
    if part.trouble is not None:
        missed = failed(source, part.trouble)
        return replace(missed, shown=len(part.found), notes=notes, own=own, total=part.total)
    reason = "it does not answer now" if part.age is not None else ""
    return SourceOutcome(
        source=source.name,
        title=source.title,
        outcome=Outcome.OK if part.position.over else Outcome.PARTIAL,
        shown=len(part.found),
        total=part.total,
        reason=reason,
        notes=notes,
        own=own,
        age=part.age,
        retry=part.age is not None,
    )


def failed(source: Source, error: CatalogueError) -> SourceOutcome:
    """Of a catalogue that gave nothing."""
    again = error.outcome is not Outcome.CANNOT
    return SourceOutcome(source.name, source.title, error.outcome, reason=error.reason, retry=again)
