"""JSON from services, within bounds: UTF-8, no duplicate keys, no endless nesting, no numbers that are none."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_VALUES = 500_000


class NotAnAnswer(ValueError):
    """Text that is not JSON, or JSON beyond the bounds; says what is wrong without repeating the text."""


def parse(body: bytes) -> Any:
    """The value of a JSON text.

    Duplicate keys are refused: which of two owners counts must not depend on the parser.

    Raises:
        NotAnAnswer: in words.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_whole,
            parse_float=_real,
        )
    except UnicodeDecodeError as error:
        raise NotAnAnswer("not UTF-8") from error
    except NotAnAnswer:
        raise
    except RecursionError as error:
        raise NotAnAnswer(f"nested more than {MAX_DEPTH} levels deep") from error
    except ValueError as error:
        raise NotAnAnswer("not JSON" if body.strip() else "empty") from error
    _bounded(value)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAnAnswer("a key is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise NotAnAnswer("not JSON (NaN or Infinity)")


def _whole(text: str) -> int:
    if len(text) > 20:
        raise NotAnAnswer("a number has more than 20 digits")
    return int(text)


def _real(text: str) -> float:
    value = float(text[:400])
    if value in (float("inf"), float("-inf")) or len(text) > 400:
        raise NotAnAnswer("a number is too big")
    return value


def _bounded(value: Any) -> None:
    level, count = [value], 0
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict | list):
                count += len(item)
                inner.extend(item.values() if isinstance(item, dict) else item)
        if count > MAX_VALUES:
            raise NotAnAnswer(f"more than {MAX_VALUES} values")
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return
    raise NotAnAnswer(f"nested more than {MAX_DEPTH} levels deep")
