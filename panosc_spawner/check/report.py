"""Findings as text for people and as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence

from panosc_spawner.check.finding import Finding, Level

_COLOURS = {Level.OK: "32", Level.WARNING: "33", Level.ERROR: "31"}
_LEVEL_WIDTH = max(len(level) for level in Level)
_SUBJECT_WIDTH = 18
_INDENT = " " * (_LEVEL_WIDTH + 2 + _SUBJECT_WIDTH + 2)


def as_line(finding: Finding, colours: bool, width: int = 100) -> str:
    """A finding: level, subject and message in columns, and beneath what to do."""
    level = f"{finding.level:<{_LEVEL_WIDTH}}"
    if colours:
        level = f"\033[{_COLOURS[finding.level]}m{level}\033[0m"
    message = _wrapped(finding.message, width)
    if len(finding.subject) <= _SUBJECT_WIDTH:
        text = f"{level}  {finding.subject:<{_SUBJECT_WIDTH}}  {message.lstrip()}"
    else:
        text = f"{level}  {finding.subject}\n{message}"
    return f"{text}\n{_wrapped('-> ' + finding.remedy, width)}" if finding.remedy else text


def _wrapped(text: str, width: int) -> str:
    """Text in the message's column. Words stay whole: paths and commands are there to be copied."""
    room = max(40, width - len(_INDENT))
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return "\n".join(_INDENT + line for line in lines)


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
