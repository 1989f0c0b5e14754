"""Findings as text for people and as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence

from panosc_spawner.check.finding import Finding, Level

_COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.ERROR: "31"}
_LEVEL_WIDTH = max(len(level) for level in Level)


def as_line(finding: Finding, colours: bool, width: int = 100) -> str:
    """A finding: level and subject, the message beside it, and beneath what to do."""
    level = f"{finding.level:<{_LEVEL_WIDTH}}"
    if colours:
        level = f"\033[{_COLOURS[finding.level]}m{level}\033[0m"
    indent = " " * (_LEVEL_WIDTH + 2)
    lines = textwrap.wrap(
        f"{finding.subject}: {finding.message}",
        max(40, width - len(indent)),
        break_long_words=False,
        break_on_hyphens=False,
    )
    text = f"{level}  " + f"\n{indent}".join(lines)
    return f"{text}\n{indent}-> {finding.remedy}" if finding.remedy else text


def summary(findings: Sequence[Finding]) -> str:
    """The last line: how many of each, and whether the hub can be started."""
    counts = Counter(finding.level for finding in findings)
    numbers = f"{counts[Level.OK]} ok, {_many(counts[Level.WARNING], 'warning')}, {_many(counts[Level.ERROR], 'error')}"
    return numbers + ("; the hub cannot do its work yet" if counts[Level.ERROR] else "")


def as_json(findings: Sequence[Finding]) -> str:
    """``{"ok": bool, "findings": [{"level", "subject", "message", "remedy"}]}``."""
    good = all(finding.level is not Level.ERROR for finding in findings)
    return json.dumps({"ok": good, "findings": [finding.to_json() for finding in findings]}, indent=2)


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
