"""All checks of a site, in the order in which an operator would put things right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from panosc_spawner.check.accounts import check_accounts, check_person_keys
from panosc_spawner.check.addresses import check_addresses
from panosc_spawner.check.audit import check_audit
from panosc_spawner.check.catalogues import check_catalogues
from panosc_spawner.check.engines import check_docker, check_local
from panosc_spawner.check.files import (
    check_client_secret,
    check_facility_paths,
    check_home,
    check_metrics_token,
    check_state_dir,
    check_who_may_write,
)
from panosc_spawner.check.finding import Finding, error, ok, warning
from panosc_spawner.check.login import check_login
from panosc_spawner.check.people import check_source_rules, check_sources
from panosc_spawner.check.portal import check_portal
from panosc_spawner.facilities.load import examine_site
from panosc_spawner.facilities.site import Site

_CHECKS: tuple[Callable[[Site], Iterable[Finding]], ...] = (
    check_addresses,
    check_state_dir,
    check_audit,
    check_client_secret,
    check_metrics_token,
    check_who_may_write,
    check_facility_paths,
    check_home,
    check_accounts,
    check_person_keys,
    check_source_rules,
    check_sources,
    check_login,
    check_catalogues,
    check_docker,
    check_local,
    check_portal,
)


def check_site(folder: Path) -> Iterator[Finding]:
    """Read the folder and try what it names; findings come as they are made. Never raises for what a site gets wrong."""
    examined = examine_site(folder)
    for mistake in examined.errors:
        where = f"{mistake.file}: {mistake.key}" if mistake.key else str(mistake.file)
        yield error(where, mistake.reason, mistake.suggestion or "correct the file")
    if examined.site is None:
        yield warning("everything else", "was not tried", "correct the mistakes above and run this again")
        return
    hub = examined.site.config.hub
    yield ok("configuration", f"hub {hub.id!r} serves {', '.join(hub.facilities)} with {hub.spawner} servers")
    for check in _CHECKS:
        yield from check(examined.site)
