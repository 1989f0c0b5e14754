"""What the portal's pages share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse

from panosc_portal.hub import Hub, Login
from panosc_spawner.facilities.site import Site

T = TypeVar("T")


@dataclass
class Portal:
    """One running portal. Each part's ``router(portal)`` gets it; ``parts`` hold what a part shares with others, by type.

    Attributes:
        site: the site as its folder describes it.
        hub: the hub that decides.
        templates: of the pages.
        base: the portal's path at the hub, with slashes around it: ``/services/portal/``.
        hub_base: the hub's: ``/hub/``.
    """

    site: Site
    hub: Hub
    templates: Environment
    base: str = "/services/portal/"
    hub_base: str = "/hub/"
    parts: dict[type[Any], Any] = field(default_factory=dict)

    def add(self, part: object) -> None:
        """Share a part: a federation, an index, the jobs."""
        self.parts[type(part)] = part

    def part(self, kind: type[T]) -> T:
        """A shared part."""
        found: T = self.parts[kind]
        return found

    def page(
        self, request: Request, template: str, login: Login | None, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A page in the common look."""
        shown = self.templates.get_template(template).render(portal=self, request=request, login=login, **values)
        return HTMLResponse(shown, status_code=status, headers={"Cache-Control": "no-store"})
