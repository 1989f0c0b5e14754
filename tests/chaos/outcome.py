"""One row of the table of faults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One row.

    Attributes:
        fault: what was done.
        saw: what people saw, in words; ``words`` are the pages' own, in quotation marks, which the test looks for.
        words: texts of pages.
        metrics: lines of ``/hub/metrics`` that are there while it lasts.
        log: texts of the hub's log.
        audit: events in the audit log.
        lost: what was lost.
    """

    fault: str
    saw: str
    words: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    audit: tuple[str, ...] = ()
    lost: str = "nothing"

    def row(self) -> str:
        """The row of the table."""
        saw = " ".join([self.saw, *(f"“{words}”" for words in self.words)])
        operator = "; ".join(
            [
                *(f"`{metric}`" for metric in self.metrics),
                *(f"log: “{text}”" for text in self.log),
                *(f"audit: `{event}`" for event in self.audit),
            ]
        )
        return f"| {self.fault} | {saw} | {operator or '–'} | {self.lost} |"
