"""What becomes of each fault: whether an operator sees what a row says, and the table of ``docs/chaos.md`` made of the rows.

``python tests/chaos/outcomes.py`` writes the table anew. A test takes its row by its own name and asserts it: the words on
the page, the metrics and the lines in the log are looked for as they stand in ``rows.py``.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from outcome import Outcome
from rows import ROWS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "chaos.md"
BEGIN, END = "<!-- table: tests/chaos/rows.py -->", "<!-- end of the table -->"


def outcome_of(test: str, name: str = "") -> Outcome:
    """The row of a test, and of its parameter."""
    return ROWS[test][name]


def expected(world: Seen, outcome: Outcome, seconds: float = 90) -> None:
    """Wait until the operator sees what the row says.

    Raises:
        AssertionError: naming what is not to be seen.
    """
    signs = [(f"the metric {line}", lambda line=line: world.metric(line)) for line in outcome.metrics]
    signs += [(f"“{text}” in the log", lambda text=text: text in world.log()) for text in outcome.log]
    signs += [(f"the audit line {event}", lambda event=event: world.audited(event)) for event in outcome.audit]
    deadline = time.monotonic() + seconds
    for what, is_there in signs:
        while not is_there():
            assert time.monotonic() < deadline, f"an operator does not see {what}"
            time.sleep(0.2)


class Seen(Protocol):
    """Where an operator looks."""

    def metric(self, line: str) -> bool:
        """Whether this line is in the metrics."""

    def log(self) -> str:
        """The hub's log."""

    def audited(self, event: str) -> bool:
        """Whether such a line is in the audit log."""


def table() -> str:
    """The table, as Markdown."""
    head = "| fault | what people saw | what an operator sees | lost |\n| --- | --- | --- | --- |"
    return "\n".join([head, *(outcome.row() for rows in ROWS.values() for outcome in rows.values())])


def with_table(text: str) -> str:
    """The document with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
