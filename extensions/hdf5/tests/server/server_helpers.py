"""What several of these tests need."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tornado.httpclient import HTTPResponse

Ask = Callable[..., Awaitable[HTTPResponse]]


def settle(path: Path) -> None:
    """Make a file an hour old."""
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))


def words(response: HTTPResponse) -> dict[str, Any]:
    """The error that a response carries."""
    found: dict[str, Any] = json.loads(response.body)
    assert found["code"]
    assert found["message"]
    return found
