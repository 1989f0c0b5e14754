"""Sizes and durations as people write them in TOML and forms: ``4G``, ``512M``, ``12h``, ``15m``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_SIZE = re.compile(r"(\d{1,12})(?:\.(\d{1,3}))?\s*([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"(\d{1,6})\s*([smhd])", re.ASCII)
_FACTOR = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_size(value: object) -> int:
    """Bytes of a size: an integer, or text such as ``512M``, ``4G``, ``1.5 GB`` (powers of 1024).

    Raises:
        ValueError: if it is not a size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{str(value)[:40]!r} is not a size; write for example 512M or 4G")
    whole, fraction, unit = match.groups()
    return int(float(f"{whole}.{fraction or 0}") * _FACTOR[unit.upper()])


def parse_duration(value: object) -> timedelta:
    """A duration: text such as ``90s``, ``15m``, ``12h``, ``3d``.

    Raises:
        ValueError: if it is not a duration.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{str(value)[:40]!r} is not a duration; write for example 90s, 15m, 12h or 3d")
    return timedelta(seconds=int(match.group(1)) * _SECONDS[match.group(2)])


def format_size(size: int) -> str:
    """A size in words: ``706 MB``, ``4 GB`` (powers of 1024, as the limits count)."""
    for unit, factor in (("TB", 1024**4), ("GB", 1024**3), ("MB", 1024**2), ("kB", 1024)):
        if size >= factor:
            return f"{size / factor:.1f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size} bytes"


def format_duration(span: timedelta) -> str:
    """A duration in words, two units at most: ``11 h 30 min``, ``3 days``."""
    minutes = max(0, int(span.total_seconds() // 60))
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    if days:
        return f"{days} day{'s' if days != 1 else ''}" + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{minutes} min" if minutes else "less than a minute"


class ByteSize(int):
    """A number of bytes; in TOML also as text (``4G``)."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> object:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda value: cls(parse_size(value)), serialization=core_schema.plain_serializer_function_ser_schema(int)
        )


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
