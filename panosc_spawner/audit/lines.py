"""One line of the audit log as bytes: whatever the values hold, it is one line of ASCII, of bounded length, without secrets."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

MAX_TEXT = 500
MAX_ITEMS = 100
MAX_FIELDS = 40
MAX_LINE = 32 * 1024  # bytes
_HUGE = 2**63
_REMOVED = "[removed]"

# Nobody hands tokens to the audit log. If a mistake elsewhere puts one in an error message, it still does not get here.
_SECRET = re.compile(
    r"eyJ[\w-]{8,}\.[\w.-]+"  # JWTs and JWEs
    r"|(?i:\b(?:bearer|basic|token)\s+[\w.~+/=-]{16,})"
    r"|(?i:\b(?:access_token|refresh_token|id_token|logout_token|client_secret|code_verifier|code|password|_xsrf)=[^\s&;,]+)"
)


def encode(line: Mapping[str, object]) -> bytes:
    """The line with its newline. Never raises.

    ASCII alone: a reader that takes U+2028 or U+0085 for the end of a line, and a terminal that obeys control characters,
    see neither.
    """
    fields = {str(key)[:60]: plain(value) for key, value in list(line.items())[:MAX_FIELDS] if value not in ("", None)}
    text = json.dumps(fields)
    if len(text) > MAX_LINE:
        short = {key: value for key, value in fields.items() if not isinstance(value, list)}
        text = json.dumps({**{key: _shorter(value) for key, value in short.items()}, "cut": True})
    return text.encode("ascii") + b"\n"


def plain(value: object) -> object:
    """A value as JSON can hold it: bounded, and without what looks like a token."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < _HUGE else "a number beyond all bounds"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) if not isinstance(item, list | tuple) else _text(item) for item in list(value)[:MAX_ITEMS]]
    return _text(value)


def _text(value: object) -> str:
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:  # somebody's __str__ must not keep a line from being written
        text = f"[{type(value).__name__}]"
    # Cut well before looking: the expression is not run over a megabyte that somebody sent.
    text = _SECRET.sub(_REMOVED, text[: 4 * MAX_TEXT])
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def _shorter(value: object) -> object:
    return value[:100] if isinstance(value, str) else value
