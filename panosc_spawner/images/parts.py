"""What neither pip nor dpkg knows of an image, as far as the builder knows it: JavaScript that own wheels bundle.

Lines are those of ``/opt/panosc/parts.tsv``: type, name, version, architecture, distribution, source and its version. See
``images/steps/common/note-parts``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ImageError

_SHARED = ("@jupyterlab/", "@jupyter-widgets/", "@jupyter/", "@lumino/", "@types/")
_SHARED_NAMES = frozenset({"react", "react-dom", "yjs"})
"""These are JupyterLab's own, and come with its Python package, or are types; extensions bundle none of them."""


def bundled(folders: Iterable[Path]) -> list[str]:
    """A line for each npm package that wheels made from these folders bundle; none for a folder without JavaScript.

    Raises:
        ImageError: if a folder's ``package-lock.json`` is missing, or lacks something.
    """
    found = set()
    for folder in folders:
        file = folder / "package.json"
        if file.is_file():
            lock = folder / "package-lock.json"
            if not lock.is_file():
                raise ImageError(f"{lock} is missing: what {folder.name} bundles is not known")
            wanted = json.loads(file.read_text("utf-8")).get("dependencies", {})
            found |= _closure(wanted, json.loads(lock.read_text("utf-8")).get("packages", {}), lock)
    return [f"npm\t{name}\t{version}\t\t\t\t" for name, version in sorted(found)]


def _closure(wanted: Iterable[str], packages: Mapping[str, Mapping[str, Any]], lock: Path) -> set[tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    waiting = [("", name) for name in wanted]
    while waiting:
        under, name = waiting.pop()
        if name.startswith(_SHARED) or name in _SHARED_NAMES:
            continue
        path = _resolve(under, name, packages)
        if path is None:
            raise ImageError(f"{lock} lacks {name}; npm install makes it anew")
        if path not in found:
            found[path] = (name, str(packages[path].get("version", "")))
            waiting += [(path, other) for other in packages[path].get("dependencies", {})]
    return set(found.values())


def _resolve(under: str, name: str, packages: Mapping[str, Any]) -> str | None:
    """Where npm finds a package that another one requires: beneath it, else beneath what that lies in (Node's rule)."""
    while True:
        path = f"{under}/node_modules/{name}" if under else f"node_modules/{name}"
        if path in packages:
            return path
        if not under:
            return None
        under = under.rpartition("node_modules/")[0].rstrip("/")
