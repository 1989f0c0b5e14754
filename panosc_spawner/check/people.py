"""Which proposals people have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from panosc_spawner.check.finding import Finding, error, ok, warning
from panosc_spawner.errors import ConfigurationError, SourceError
from panosc_spawner.facilities.model import Access, Facility, Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import FileSource
from panosc_spawner.facilities.table_source_rules import LdapSource, SqlSource
from panosc_spawner.proposals.http.base import HttpProposals
from panosc_spawner.proposals.make import sources_of
from panosc_spawner.proposals.source import ProposalSource


def check_sources(site: Site) -> Iterator[Finding]:
    """Each proposal source answers."""
    try:
        sources = sources_of(site)
    except ConfigurationError as problem:
        yield error("sources", str(problem), "put it right; the hub does not start without it")
        return
    wait = site.config.access.source_timeout.total_seconds()
    yield from asyncio.run(_ask_all(sources, wait))


def check_source_rules(site: Site) -> Iterator[Finding]:
    """What is allowed, and will not do what it looks like."""
    limit = site.config.access.source_timeout
    for source in site.config.sources:
        subject = f"source {source.name}"
        if isinstance(source, SqlSource) and source.database.statement_timeout >= limit:
            yield warning(
                subject,
                "a slow question is given up by the hub before the database gives it up",
                "set its statement_timeout below access.source_timeout",
            )
        if isinstance(source, LdapSource) and source.server.timeout * len(source.server.urls) > limit:
            yield warning(
                subject,
                "when the first server hangs, the hub stops waiting before the next one is asked",
                "set its server.timeout so that all servers fit into access.source_timeout",
            )
        if isinstance(source, FileSource | SqlSource) and source.open_data:
            for key in source.facilities if isinstance(source, FileSource) else (source.facility,):
                if key in site.facilities and not _shows_anything(site.facilities[key]):
                    yield warning(
                        subject,
                        f"open_data is set, but no area of {key} gives the role 'public' anything",
                        f'write public = "ro" in areas.<area>.access of facilities/{key}.toml',
                    )


def _shows_anything(facility: Facility) -> bool:
    return any(rule.access_for(Role.PUBLIC) is not Access.NONE for rule in facility.areas.values())


async def _ask_all(sources: tuple[ProposalSource, ...], wait: float) -> list[Finding]:
    findings = list(await asyncio.gather(*(_ask(source, wait) for source in sources)))
    for source in sources:
        if isinstance(source, HttpProposals):
            await source.aclose()
    return findings


async def _ask(source: ProposalSource, wait: float) -> Finding:
    subject = f"source {source.name}"
    try:
        return ok(subject, await asyncio.wait_for(source.check(), wait))
    except SourceError as problem:
        return error(
            subject,
            problem.reason,
            "put it right; until it answers, people see its last answer, if any, and new servers soon do without its proposals",
        )
    except TimeoutError:
        return error(subject, f"did not answer within {wait:g} s", "see whether it is up, or set access.source_timeout")
