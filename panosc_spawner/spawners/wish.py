"""That a server which was stopped is to be started again, as its state says over the hub's own end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

KEY = "start_again"


def wished_at(state: Mapping[str, Any] | None) -> datetime | None:
    """When a server was stopped to be started again at once; None if it is not to be."""
    try:
        found = datetime.fromisoformat(str((state or {})[KEY]))
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def without_wish(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """A server's state with nothing more to be done."""
    return {key: value for key, value in (state or {}).items() if key != KEY}
