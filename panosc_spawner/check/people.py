"""Who people are on the file system, and which proposals they have."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator

from panosc_spawner.check.finding import Finding, error, ok, warning
from panosc_spawner.errors import ConfigurationError, SourceError
from panosc_spawner.facilities.model import AccountRule, NssAccount, SharedAccount, TableAccount
from panosc_spawner.facilities.site import Site
from panosc_spawner.proposals.http.base import HttpProposals
from panosc_spawner.proposals.make import sources_of
from panosc_spawner.proposals.source import ProposalSource


def check_accounts(site: Site) -> Iterator[Finding]:
    """How a person's uid and gid are found, for each facility."""
    for facility in site.facilities:
        rule = site.account_rule(facility)
        if rule is not None:
            yield _account(f"{facility} accounts", rule, demo=site.config.hub.demo)


def check_sources(site: Site) -> Iterator[Finding]:
    """Each proposal source answers."""
    try:
        sources = sources_of(site)
    except ConfigurationError as problem:
        yield error("sources", str(problem), "put it right; the hub does not start without it")
        return
    wait = site.config.access.source_timeout.total_seconds()
    yield from asyncio.run(_ask_all(sources, wait))


def _account(subject: str, rule: AccountRule, demo: bool) -> Finding:
    if isinstance(rule, NssAccount):
        if shutil.which("getent") is None:
            return error(
                subject, "getent is not installed", "install it (Debian: libc-bin), or choose another account.kind"
            )
        return ok(subject, f"getent, for {'names of a table' if rule.table else f'the claim {rule.claim!r}'}")
    if isinstance(rule, TableAccount):
        if not rule.people:
            return warning(subject, "the table is empty: nobody has an account", "add [account.people.<identity>]")
        return ok(subject, f"a table of {len(rule.people)}")
    if isinstance(rule, SharedAccount):
        words = f"everybody runs as {rule.name} ({rule.uid}:{rule.gid})"
        if demo:
            return ok(subject, words)
        return warning(subject, f"{words}: the file system cannot tell people apart", "for courses and demos only")
    return ok(subject, f"the claims {rule.uid!r} and {rule.gid!r}")


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
