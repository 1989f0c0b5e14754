"""The code that the browser writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def write_snippets(asked: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The browser's own code for each ``{"flavour", "subject"}``."""
    done = subprocess.run(
        ["node", str(HERE / "write_snippets.mjs")], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, str]] = json.loads(done.stdout)
    return answers
