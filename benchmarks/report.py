"""How benchmarks report: a table for people, and with ``--json`` one object ``{"rows": [...]}``."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure.

    ``value`` is ours, in ``unit``. ``peer`` and ``floor`` are what it was compared with in the same run, in the same unit
    (for a ratio: the peer's own figure, in words). ``target`` is the most it may be; ``met`` whether it is.
    """

    name: str
    value: float
    unit: str
    peer: str | float | None = None
    floor: str | float | None = None
    target: float | None = None
    met: bool | None = None


def row(
    name: str,
    value: float,
    unit: str,
    *,
    peer: str | float | None = None,
    floor: str | float | None = None,
    target: float | None = None,
) -> Row:
    """A row whose target is an upper bound."""
    met = None if target is None else value <= target
    return Row(name, round(value, 4), unit, peer, floor, target, met)


def ratio(name: str, ours: Sequence[float], theirs: Sequence[float], peer: str, *, target: float) -> Row:
    """The ratio of two medians of interleaved measurements in seconds."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    words = f"{peer}: {other:.2f} s, ours {mine:.2f} s, n = {len(theirs)}"
    return row(name, mine / other, "ratio", peer=words, target=target)


def report(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print the rows."""
    if as_json:
        json.dump({"rows": [asdict(item) for item in rows]}, sys.stdout, indent=1)
        print()
        return
    width = max(len(item.name) for item in rows)
    for item in rows:
        target = "" if item.target is None else f"  target <= {item.target:g}: {'met' if item.met else 'NOT MET'}"
        compared = f"  [{item.peer}]" if item.peer is not None else ""
        compared += f"  [floor {item.floor}]" if item.floor is not None else ""
        print(f"{item.name:<{width}}  {item.value:>9.3f} {item.unit:<6}{target}{compared}")
