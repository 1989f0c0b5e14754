"""What every spawner and page of one hub shares: the site, and the book of grants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from panosc_spawner.audit import AuditLog
from panosc_spawner.facilities.site import Site
from panosc_spawner.proposals.book import GrantBook


@dataclass(frozen=True)
class HubContext:
    """The site and its grants, made once when the configuration is loaded."""

    site: Site
    book: GrantBook
    audit: AuditLog = field(default_factory=lambda: AuditLog(None))

    def __deepcopy__(self, memo: dict[int, Any]) -> HubContext:
        """Itself: traitlets copies what a configuration holds, and the book's cache must stay one."""
        return self
