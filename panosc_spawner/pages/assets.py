"""The pages' own style and scripts: served by the hub itself, under an address that changes with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from tornado import web

from panosc_spawner.facilities.model import Facility

STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Assets:
    """All files of the pages, in memory, and the facilities' colours as a style sheet."""

    def __init__(self, facilities: Mapping[str, Facility]) -> None:
        self.files = {file.name: file.read_bytes() for file in sorted(STATIC.iterdir()) if file.suffix in _TYPES}
        self.files["facilities.css"] = facility_styles(facilities).encode()

    @cached_property
    def version(self) -> str:
        """One hash of all files: the scripts import each other by relative address, so they change together."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(name.encode() + b"\0" + self.files[name] + b"\0")
        return digest.hexdigest()[:16]


class AssetHandler(web.RequestHandler):
    """One file. Everybody may read these: they hold nothing of anybody's, and the login page needs them."""

    assets: Assets

    def get(self, version: str, name: str) -> None:
        """The file, for a year where the address names the content it has now."""
        body = self.assets.files.get(name)
        if body is None:
            raise web.HTTPError(404)
        current = version == self.assets.version
        self.set_header("Content-Type", _TYPES[Path(name).suffix])
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable" if current else "no-cache")
        self.finish(body)


def facility_styles(facilities: Mapping[str, Facility]) -> str:
    """A class for each facility's tag: its colour, and the text colour, black or white, that is read best on it."""
    return "".join(
        f".tag-{key}{{background-color:{facility.colour};color:{text_on(facility.colour)}}}\n"
        for key, facility in facilities.items()
    )


def text_on(colour: str) -> str:
    """Black or white, whichever has the higher contrast on a colour (WCAG 2: at least one of them has 4.5)."""
    shade = luminance(colour)
    return "#fff" if 1.05 / (shade + 0.05) >= (shade + 0.05) / 0.05 else "#000"


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, as WCAG 2 defines it."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
