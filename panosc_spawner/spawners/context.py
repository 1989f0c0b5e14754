"""What every spawner and page of one hub shares: the site, and the book of grants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from panosc_spawner.audit import FILE, AuditLog
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.notices import Notices
from panosc_spawner.outages import Outages
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.spawners.images_here import AllHere, Images


@dataclass(frozen=True)
class HubContext:
    """The site and its grants, made once when the configuration is loaded."""

    site: Site
    book: GrantBook
    audit: AuditLog = field(default_factory=lambda: AuditLog(None))
    notices: Notices = field(default_factory=Notices)
    outages: Outages = field(default_factory=Outages)
    people: PeopleStore | None = None  # None where nobody logs in: dry runs
    images: Images = field(default_factory=AllHere)

    def __deepcopy__(self, memo: dict[int, Any]) -> HubContext:
        """Itself: traitlets copies what a configuration holds, and the book's cache must stay one."""
        return self


def audit_log(site: Site) -> AuditLog:
    """The hub's audit log, in its state directory. Nothing is touched before the first line."""
    rules = site.config.audit
    return AuditLog(site.config.hub.state_dir / FILE, max_bytes=rules.max_size, keep=rules.keep, sync=rules.sync)
