"""What part of something a request wants, and whether it is still the same thing (RFC 9110, sections 13 and 14).

One range is answered. Several in one request are not: such a request gets the whole, which the RFC allows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{1,18})?|-\s*(\d{1,18}))\s*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True)
class Wanted:
    """How a request is answered.

    Attributes:
        status: 200, 206, 304, 412 or 416.
        start: first byte.
        end: after the last one.
        headers: those that go with the answer: ``ETag``, ``Content-Range``…
    """

    status: int
    start: int
    end: int
    headers: Mapping[str, str]


def wanted(headers: Mapping[str, str], size: int, tag: str, modified: float | None = None) -> Wanted:
    """How to answer a GET or HEAD.

    Args:
        headers: the request's, to be asked in any case.
        size: of the whole, in bytes.
        tag: its strong entity tag, without quotes.
        modified: when it was changed, seconds since 1970; None where that says nothing.
    """
    told = {"ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
    if modified is not None:
        told["Last-Modified"] = http_date(modified)
    if (stop := _stopped(headers, tag, modified)) is not None:
        return Wanted(stop, 0, 0, told)
    span = _span(headers.get("range"), size) if _range_counts(headers.get("if-range"), tag, modified) else None
    if span is None:
        return Wanted(200, 0, size, {**told, "Content-Length": str(size)})
    start, end = span
    if start >= end:
        return Wanted(416, 0, 0, {**told, "Content-Range": f"bytes */{size}"})
    part = {"Content-Range": f"bytes {start}-{end - 1}/{size}", "Content-Length": str(end - start)}
    return Wanted(206, start, end, told | part)


def http_date(moment: float) -> str:
    """As HTTP writes a time."""
    return format_datetime(datetime.fromtimestamp(int(max(0, moment)), UTC), usegmt=True)


def _span(value: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a Range header asks for; None for none, several, or one that is not understood."""
    match = _RANGE.fullmatch(value.strip()) if value else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return (max(0, size - int(suffix)), size) if int(suffix) else (size, size)
    start, end = int(first), size if last is None else min(size, int(last) + 1)
    if last is not None and int(last) < start:
        return None  # no range at all, by the RFC
    return start, end


def _stopped(headers: Mapping[str, str], tag: str, modified: float | None) -> int | None:
    """412 or 304 by the request's conditions, in the RFC's order (13.2.2)."""
    match, none = headers.get("if-match"), headers.get("if-none-match")
    if match is not None:
        if not _names(match, tag, weak=False):
            return 412
    elif modified is not None and (since := _time(headers.get("if-unmodified-since"))) and int(modified) > since:
        return 412
    if none is not None:
        return 304 if _names(none, tag, weak=True) else None
    since = _time(headers.get("if-modified-since")) if modified is not None else None
    return 304 if since and modified is not None and int(modified) <= since else None


def _range_counts(condition: str | None, tag: str, modified: float | None) -> bool:
    if condition is None:
        return True
    if (exact := _TAG.fullmatch(condition.strip())) is not None:
        return not exact[1] and exact[2] == tag
    return modified is not None and _time(condition) == int(modified)


def _names(condition: str, tag: str, *, weak: bool) -> bool:
    if condition.strip() == "*":
        return True
    return any(found[2] == tag and (weak or not found[1]) for found in _TAG.finditer(condition))


def _time(value: str | None) -> float | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
