"""The pages' common look: templates, and static files whose names change with their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jupyterhub._data import DATA_FILES_PATH

from panosc_portal.pages import words as portal_words
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.units import format_size
from panosc_spawner.launch.roles import ROLE_WORDS
from panosc_spawner.pages import words
from panosc_spawner.pages.assets import Assets

_HERE = Path(__file__).parent
_HUB = Path(DATA_FILES_PATH) / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
}
# The hub's own: its Bootstrap, and what switches between light and dark. Served from here, since it may have another host.
_OF_HUB = {"hub.css": "css/style.min.css", "darkmode.js": "js/darkmode.js", "favicon.ico": "favicon.ico"}


class StaticFiles:
    """All static files, in memory: the hub's, those of its pages, and the portal's own (``pages/static``)."""

    def __init__(self, site: Site) -> None:
        self.files: dict[str, bytes] = {name: (_HUB / source).read_bytes() for name, source in _OF_HUB.items()}
        # Its icons' fonts would be looked for beside it, and no page of ours has any.
        self.files["hub.css"] = re.sub(rb"@import[^;]*;", b"", self.files["hub.css"])
        self.files |= Assets(site.facilities).files
        self.files |= {file.name: file.read_bytes() for file in sorted((_HERE / "static").iterdir()) if _served(file)}

    @cached_property
    def version(self) -> str:
        """One hash of all files: scripts import each other by relative address, so they change together."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(name.encode() + b"\0" + self.files[name] + b"\0")
        return digest.hexdigest()[:16]

    def address(self, base: str, name: str) -> str:
        """Where a file is; a name that is none is a mistake in a template.

        Raises:
            KeyError: naming it.
        """
        if name not in self.files:
            raise KeyError(f"no static file is called {name!r}")
        return f"{base}static/{self.version}/{name}"


def _served(file: Path) -> bool:
    return file.suffix in _TYPES


def templates(site: Site, base: str = "/services/portal/") -> Environment:
    """The environment of all templates (``pages/templates``): escaped, and strict about names that are not there.

    Beside what a page is given, templates know ``asset(name)`` (a static file's address), ``words`` (of times, as on the hub's
    pages), ``now()``, ``facilities`` (short names by key), ``role_words``, and the filters ``size`` (bytes as people write them)
    and ``number``.
    """
    files = StaticFiles(site)
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        asset=lambda name: files.address(base, name),
        static_files=files,
        words=words,
        now=lambda: datetime.now(UTC),
        role_words={role.value: said for role, said in ROLE_WORDS.items()},
        facilities={key: facility.short_name for key, facility in site.facilities.items()},
    )
    environment.filters["size"] = _size
    environment.filters["number"] = portal_words.number
    return environment


def _size(value: int | None) -> str:
    return "" if value is None else format_size(value)


def static_routes(environment: Environment) -> APIRouter:
    """Static files. Everybody may read these: they hold nothing of anybody's."""
    router = APIRouter(include_in_schema=False)
    files: StaticFiles = environment.globals["static_files"]  # type: ignore[assignment]

    @router.get("/static/{version}/{name}")
    async def static(request: Request, version: str, name: str) -> Response:
        body = files.files.get(name)
        if body is None:
            raise HTTPException(404)
        current = version == files.version
        return Response(body, media_type=_TYPES[Path(name).suffix], headers=_kept(current))

    return router


def _kept(current: bool) -> Mapping[str, str]:
    return {"Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache"}
