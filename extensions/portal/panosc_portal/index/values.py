"""Values in filters: of the fields' types, bounded, or refused in words."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, TypeAlias

import re2

from panosc_portal.errors import PortalError
from panosc_portal.index.entities import Field, Type
from panosc_portal.index.store import compiled

MAX_TEXT, MAX_PATTERN = 1000, 200

Value: TypeAlias = "str | float | bool | None"


class FilterError(PortalError):
    """A filter that is not one, in words that name the place."""


def limit_of(found: Field, value: Any, at: str) -> Value:
    """A bound of an order."""
    if value is None or found.type in {Type.LIST, Type.BOOLEAN}:
        raise FilterError(f"{at}: {found.name} has no order by which it could be compared with this.")
    return value_of(found, value, at)


def must_be_text(found: Field, at: str) -> None:
    """Refuse what patterns cannot be tried on."""
    if found.type not in {Type.TEXT, Type.ANY, Type.LIST}:
        raise FilterError(f"{at}: {found.name} is no text.")


def value_of(found: Field, value: Any, at: str) -> Value:
    """A value of the field's type, from what JSON and addresses make of it."""
    if value is None:
        return None
    if found.type in {Type.TEXT, Type.LIST}:
        if isinstance(value, bool):
            return "true" if value else "false"
        return text_of(
            f"{value:.15g}" if isinstance(value, float) else str(value) if isinstance(value, int) else value, at
        )
    if found.type is Type.BOOLEAN:
        if value in (True, False, "true", "false"):
            return value in (True, "true")
        raise FilterError(f"{at}: must be true or false.")
    if found.type is Type.TIME:
        return _time(value, at)
    if found.type is Type.ANY and isinstance(value, str):
        return text_of(value, at)
    return number_of(value, at)


def number_of(value: Any, at: str) -> float:
    """A finite number, or a text of one."""
    if isinstance(value, str) and len(value) <= 40 and re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", value):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterError(f"{at}: must be a number.")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise FilterError(f"{at}: must be a finite number.")
    return found


def _time(value: Any, at: str) -> str:
    if not isinstance(value, str) or len(value) > 40:
        raise FilterError(f"{at}: must be a date or a time, as 2026-03-31 or 2026-03-31T10:00:00Z.")
    try:
        return instant(datetime.fromisoformat(value.strip()))
    except (ValueError, OverflowError):
        raise FilterError(f"{at}: {shown(value)} is no date; write 2026-03-31 or 2026-03-31T10:00:00Z.") from None


def instant(when: datetime) -> str:
    """A time as the API writes it: UTC, three decimals of a second. Times without a zone are taken as UTC."""
    exact = when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
    return exact.strftime(f"{exact.year:04d}-%m-%dT%H:%M:%S.") + f"{exact.microsecond // 1000:03d}Z"


def text_of(value: Any, at: str) -> str:
    """A text that a database can hold."""
    if not isinstance(value, str):
        raise FilterError(f"{at}: must be a text.")
    if len(value) > MAX_TEXT:
        raise FilterError(f"{at}: is longer than {MAX_TEXT} characters.")
    if "\0" in value or re.search("[\ud800-\udfff]", value):
        raise FilterError(f"{at}: holds characters that no text has.")
    return value


def pattern_of(text: str, at: str) -> str:
    """A LIKE pattern as a GLOB pattern. ``%`` is anything, ``_`` one character; without ``%``, it may stand anywhere."""
    if len(text) > MAX_PATTERN or text.count("%") > 10:
        raise FilterError(f"{at}: a pattern has at most {MAX_PATTERN} characters and 10 '%'.")
    made, free, place = "", False, 0
    while place < len(text):
        sign = text[place]
        if sign == "\\" and place + 1 < len(text):
            place += 1
            made += _literal(text[place])
        elif sign == "%":
            made, free = made + "*", True
        else:
            made += "?" if sign == "_" else _literal(sign)
        place += 1
    return made if free else f"*{made}*"


def _literal(sign: str) -> str:
    return f"[{sign}]" if sign in "*?[" else sign


def holding(text: str) -> str:
    """The GLOB pattern of texts that hold this one."""
    return "*" + "".join(map(_literal, text)) + "*"


def regexp_of(value: Any, at: str) -> tuple[str, str]:
    """A regular expression of RE2's, plain or as ``/…/i``, with its flags."""
    text, flags = text_of(value, at), ""
    if slashed := re.fullmatch(r"/(.*)/([gimuy]{0,5})", text, re.DOTALL):
        text, flags = slashed.groups()
    if len(text) > MAX_PATTERN:
        raise FilterError(f"{at}: is longer than {MAX_PATTERN} characters.")
    flags = "".join(sorted(set(flags) & {"i", "m"}))
    try:
        compiled(text, flags)
    except re2.error:
        raise FilterError(
            f"{at}: is no regular expression that is searched for here (RE2: without look-ahead and back-references)."
        ) from None
    return text, flags


def shown(value: object) -> str:
    """Something of a filter, short and harmless, for words."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:56] + "…'"


def plain(name: str) -> str:
    """A name of a filter, for words."""
    return name if re.fullmatch(r"[A-Za-z_]{1,40}", name) else shown(name)
