"""What the image says of itself: ``/opt/panosc/image.json``, made when it was built."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/opt/panosc")


@dataclass(frozen=True)
class Image:
    """The image's name, for people too, and the notebook that is shown first; empty where it does not say."""

    name: str = ""
    title: str = ""
    notebook: str = ""

    @property
    def first(self) -> str:
        """The first notebook, as ``<image>/<file>``; empty if there is none."""
        return f"{self.name}/{self.notebook}" if self.name and self.notebook else ""


def read_image(root: Path = ROOT) -> Image:
    """What is known of the image; nothing, where this is none of ours."""
    try:
        found = json.loads((root / "image.json").read_bytes())
    except (OSError, ValueError):
        return Image()
    if not isinstance(found, Mapping):
        return Image()
    name, notebook = str(found.get("name") or ""), str(found.get("notebook") or "")
    plain = r"[A-Za-z0-9][\w.-]{0,100}"
    return Image(
        name if re.fullmatch(plain, name) else "",
        str(found.get("title") or "")[:200],
        notebook if re.fullmatch(plain + r"\.ipynb", notebook) else "",
    )
