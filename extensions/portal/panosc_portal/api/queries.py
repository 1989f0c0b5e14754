"""Filters in brackets, as LoopBack's clients may write them: ``filter[where][title][like]=%25iron%25&filter[limit]=5``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from panosc_portal.index.language import MAX_FILTER
from panosc_portal.index.values import FilterError

_MAX_KEYS, _MAX_DEPTH = 200, 30
_KEY = re.compile(r"\[([^\[\]]{0,100})\]")


def nested(pairs: Iterable[tuple[str, str]], name: str) -> dict[str, Any]:
    """An object from a query's parameters in brackets; empty if there are none.

    Raises:
        FilterError: if they do not make one.
    """
    found: dict[str, Any] = {}
    size = many = 0
    for key, value in pairs:
        if not key.startswith(f"{name}["):
            continue
        path = _KEY.findall(key[len(name) :])
        many, size = many + 1, size + len(key) + len(value)
        if "".join(f"[{part}]" for part in path) != key[len(name) :] or len(path) > _MAX_DEPTH:
            raise FilterError(f"{name}: its brackets do not fit together.")
        if many > _MAX_KEYS or size > MAX_FILTER:
            raise FilterError(f"The {name} is too long.")
        _put(found, path, value, name)
    return {key: _lists(value) for key, value in found.items()}


def _put(into: dict[str, Any], path: list[str], value: str, name: str) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
        if not isinstance(into, dict):
            raise FilterError(f"{name}: [{part}] is both a value and an object.")
    last = path[-1] or str(len(into))  # filter[fields][]=pid
    if last in into:
        raise FilterError(f"{name}: [{last}] is there twice.")
    into[last] = value


def _lists(value: Any) -> Any:
    """Objects whose names are 0, 1, 2 … are lists."""
    if not isinstance(value, dict):
        return {"true": True, "false": False}.get(value, value)
    found = {key: _lists(inner) for key, inner in value.items()}
    numbers = sorted((key for key in found if key.isdecimal() and key.isascii() and len(key) < 4), key=int)
    if len(numbers) == len(found) and found:
        return [found[key] for key in numbers]
    return found
