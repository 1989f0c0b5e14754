"""An explanation as text for operators."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from panosc_spawner.explain.model import Explanation, Link, State

_COLOURS = {State.OK: "32", State.BROKEN: "31", State.UNKNOWN: "33"}
_STATE_WIDTH, _STEP_WIDTH = 9, 10
_INDENT = " " * (_STATE_WIDTH + 2 + _STEP_WIDTH + 2)


def as_text(explanation: Explanation, *, colours: bool = False, width: int = 100) -> str:
    """All links, one beneath the other, and at the end what must be mended first."""
    lines = [line for link in explanation.links for line in _lines(link, colours, width)]
    return "\n".join([*lines, "", *_wrapped(_conclusion(explanation), width, "")])


def as_json(explanation: Explanation) -> str:
    """See :meth:`Explanation.to_json`."""
    return json.dumps(explanation.to_json(), indent=2)


def _lines(link: Link, colours: bool, width: int) -> Iterator[str]:
    state = f"{link.state.value:<{_STATE_WIDTH}}"
    if colours:
        state = f"\033[{_COLOURS[link.state]}m{state}\033[0m"
    message = f"{link.subject}: {link.message}" if link.subject else link.message
    first, *rest = _wrapped(message, width) or [""]
    yield f"{state}  {link.step.value:<{_STEP_WIDTH}}  {first.strip()}"
    yield from rest
    if link.state is not State.OK and link.remedy:
        who = f" ({', '.join(helper.value for helper in link.who)})" if link.who else ""
        yield from _wrapped(f"-> {link.remedy}{who}", width)
    for text in (*link.notes, *((link.details,) if link.details else ())):
        yield from _wrapped(f"   {text}", width)


def _conclusion(explanation: Explanation) -> str:
    broken = explanation.broken
    if broken:
        subject = f" ({broken.subject})" if broken.subject else ""
        who = f" Who can: {', '.join(helper.value for helper in broken.who)}." if broken.who else ""
        return f"{explanation.proposal} cannot be opened: the link '{broken.step.value}'{subject} is broken [{broken.code}]. {broken.remedy}{who}"
    if explanation.opens:
        return f"{explanation.proposal} can be opened by {explanation.person}."
    unknown = next((link for link in explanation.links if link.state is State.UNKNOWN), None)
    where = f" '{unknown.step.value}': {unknown.message}" if unknown else ""
    return f"Whether {explanation.proposal} can be opened is not known. First link that is not known:{where}"


def _wrapped(text: str, width: int, indent: str = _INDENT) -> list[str]:
    plain = "".join(character if character.isprintable() else " " for character in text)
    room = max(40, width - len(indent))
    lines = textwrap.wrap(plain, room, break_long_words=False, break_on_hyphens=False)
    return [indent + line for line in lines]
