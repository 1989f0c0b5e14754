"""The end of a server's log, as it may be shown on a page."""

from __future__ import annotations

import re
from collections.abc import Iterable

LOG_LINES = 20
LINE_LENGTH = 400
_LOG_BYTES = 100_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SECRETS = re.compile(r"(?i)\b((?:token|secret|password|code)(?:['\"]?\s*[=:]\s*['\"]?|\s+)|bearer\s+)[^\s'\"&,;]{6,}")


def last_lines(log: bytes, secrets: Iterable[str] = ()) -> str:
    """The end of a log for a page: bounded, without control characters, and without anything that looks like a secret.

    Args:
        log: what the server wrote.
        secrets: values that must not show, whatever they look like.
    """
    if len(log) > _LOG_BYTES:
        log = log[-_LOG_BYTES:].partition(b"\n")[2]  # a line that is cut could hold half a secret
    text = _ESCAPES.sub("", log.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\r", "\n")
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[removed]")
    text = _UNPRINTABLE.sub("", _SECRETS.sub(r"\1[removed]", text))
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    return "\n".join(line[:LINE_LENGTH] for line in lines[-LOG_LINES:])
