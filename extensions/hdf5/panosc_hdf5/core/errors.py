"""What can go wrong, typed inside and words at the edge: what happened, why, what to do.

HDF5Error
├── BadRequest          400  the request itself is wrong
├── Forbidden           403  the path, a link's target or a source leads outside of what may be read
├── NotFound            404  no such file, object, attribute
├── Unsupported         415  not HDF5, or a type that this view cannot show
├── TooLarge            413  refused before any I/O, with the way to get it
├── Unreadable          422  truncated, corrupt, a filter that is missing, a dangling link, a cycle
├── Busy                503  locked, or the reader was replaced
├── DeadlineExceeded    504  took longer than it may
└── Cancelled           499  nobody waits for the answer any more
"""

from __future__ import annotations

import math
from typing import Any


class HDF5Error(Exception):
    """A refusal or a failure that a person can read.

    Args:
        message: what happened and why, one or two sentences, without a traceback or a path outside the server's root.
        remedy: what to do; empty if there is nothing.
        code: a stable name for programs, such as ``missing_filter``.
        details: further facts for programs (sizes, the tile to ask for).
    """

    status = 500
    default_code = "error"

    def __init__(self, message: str, remedy: str = "", *, code: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code or self.default_code
        self.details = details

    def as_json(self) -> dict[str, Any]:
        """The object that answers and per-child errors carry."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.remedy:
            found["remedy"] = self.remedy
        if self.details:
            found["details"] = _plain(self.details)
        return found


def _plain(value: Any) -> Any:
    """What JSON can carry: numpy's numbers as Python's, what is not finite as text."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    item = getattr(value, "item", None)
    return _plain(item()) if callable(item) else str(value)


class BadRequest(HDF5Error):
    """The request itself is wrong."""

    status = 400
    default_code = "bad_request"


class Forbidden(HDF5Error):
    """The path, a link's target or a source leads outside of what may be read."""

    status = 403
    default_code = "forbidden"


class NotFound(HDF5Error):
    """No such file or object."""

    status = 404
    default_code = "not_found"


class Unsupported(HDF5Error):
    """Not HDF5, or a type that this view cannot show."""

    status = 415
    default_code = "unsupported"


class TooLarge(HDF5Error):
    """Refused before any I/O. ``remedy`` and ``details`` say how to get it: tile, slice or stride."""

    status = 413
    default_code = "too_large"


class Unreadable(HDF5Error):
    """Truncated, corrupt, encrypted by a filter that is missing, a dangling link, a cycle of links."""

    status = 422
    default_code = "unreadable"


class Busy(HDF5Error):
    """Locked by a writer, or the reader was replaced; asking again may help."""

    status = 503
    default_code = "busy"


class DeadlineExceeded(HDF5Error):
    """It took longer than it may."""

    status = 504
    default_code = "deadline"


class Cancelled(HDF5Error):
    """Nobody waits for the answer any more."""

    status = 499
    default_code = "cancelled"


KINDS: dict[int, type[HDF5Error]] = {
    kind.status: kind
    for kind in (
        BadRequest,
        Forbidden,
        NotFound,
        Unsupported,
        TooLarge,
        Unreadable,
        Busy,
        DeadlineExceeded,
        Cancelled,
    )
}
"""By status: how an error is made again on the other side of a process boundary."""
