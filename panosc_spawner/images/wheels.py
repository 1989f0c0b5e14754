"""Wheels of this repository's own packages, which images install like any other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from panosc_spawner.errors import ImageError

_SCRIPT = Path("deploy") / "wheels.py"
# What hatchling reads a version from (hatch.pypa.io, "Versioning", regex).
_VERSION = re.compile(r"""^(?:__version__|VERSION)(?:: *str)? *= *["']v?([^"']+)["']""", re.MULTILINE | re.IGNORECASE)


def version(folder: Path) -> tuple[str, str] | None:
    """The name and version of a package of this repository; None where its folder does not say them."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        name = str(project["project"]["name"])
        if "version" in project["project"]:
            return name, str(project["project"]["version"])
        found = _VERSION.search((folder / project["tool"]["hatch"]["version"]["path"]).read_text("utf-8"))
    except (FileNotFoundError, KeyError):
        return None
    return (name, found[1]) if found else None


def make(folders: Sequence[str], repository: Path, target: Path) -> list[Path]:
    """Make a wheel of each folder (``extensions/hdf5``), with what ``deploy/bootstrap.py`` installed.

    Raises:
        ImageError: if one is not a package, or cannot be built.
    """
    made = []
    for folder in folders:
        if not (repository / folder / "pyproject.toml").is_file():
            raise ImageError(f"wheels: {folder} has no pyproject.toml")
        where = target / folder.replace("/", "-")
        where.mkdir(parents=True)
        command = [sys.executable, str(repository / _SCRIPT), folder, str(where)]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
        wheels = list(where.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            words = (done.stdout + done.stderr).strip()[-3000:]
            raise ImageError(
                f"The wheel of {folder} could not be made (deploy/bootstrap.py brings what does):\n{words}"
            )
        made += wheels
    return made
