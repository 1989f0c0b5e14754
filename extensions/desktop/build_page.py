"""Bundle the desktop's page, when the wheel is built: our modules and noVNC become one file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_HERE = Path(__file__).resolve().parent
_STAMP = _HERE / "node_modules" / ".panosc-stamp"


class PageHook(BuildHookInterface):  # type: ignore[misc]  # hatchling's base class is untyped
    """Runs npm, which lies beside Python or on the PATH."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make ``static/desktop.js``; a second build without changes takes less than a second."""
        del version, build_data
        wanted = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()
        if not _STAMP.exists() or _STAMP.read_text() != wanted:
            _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
            _STAMP.write_text(wanted)
        _npm("run", "build")


def _npm(*arguments: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    subprocess.run(["npm", *arguments], cwd=_HERE, env=os.environ | {"PATH": path}, check=True)
