"""The last links: where the data lie, as which account they are read, whether that may, and what a server would get."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath

from panosc_spawner.errors import IdError
from panosc_spawner.explain.model import Helper, Link, Question, State, Step
from panosc_spawner.explain.permission import Permission, is_nfs, try_directory
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.identity.accounts import resolve_account
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.identity.person_keys import claims_in
from panosc_spawner.launch.accounts import NFS_GROUP_LIMIT, server_account
from panosc_spawner.launch.model import LaunchPlan, Mount, Reason, Refusal, Selection
from panosc_spawner.launch.plan import granted_mounts, plan
from panosc_spawner.launch.selection import parse_ref
from panosc_spawner.proposals.model import Grant
from panosc_spawner.spawners.file_threads import in_file_thread, place_of
from panosc_spawner.spawners.real_mounts import real_directories
from panosc_spawner.spawners.refused import Refused

Found = tuple[tuple[Mount, Path], ...]
_TELL = "Tell the people who run this hub."
_AT_A_TIME = 4
"""Directories that are tried together; a proposal with many visits has hundreds."""
_WHOSE_FAULT = {
    Reason.NO_ACCOUNT: (Helper.USER_OFFICE,),
    Reason.SYSTEM_ACCOUNT: (Helper.OPERATOR,),
    Reason.ACCOUNTS_DIFFER: (Helper.PERSON,),
}


async def path_links(question: Question, grant: Grant, mounts: Sequence[Mount]) -> tuple[list[Link], Found]:
    """Does each directory's path render, exist, and stay beneath its root and with its proposal?"""
    if not mounts:
        refusal = granted_mounts(grant, PurePosixPath("/proposals"), question.site)
        details = refusal.message if isinstance(refusal, Refusal) else ""
        return [
            Link(
                Step.PATH,
                State.BROKEN,
                f"The data directories of {grant.ref.id} cannot be named from what {grant.source} says of it.",
                remedy=f"{_TELL} The entry in {grant.source} or the facility's paths must be corrected.",
                who=(Helper.OPERATOR, Helper.USER_OFFICE),
                code="path-not-rendered",
                details=details,
            )
        ], ()
    try:
        return await in_file_thread(place_of([grant.ref.facility]), _looked_up, question, mounts)
    except Refused as refused:  # the file system hangs
        words = refused.refusal.message
        return [_bad("the data", words, "file-system-hangs", f"{mounts[0].source} on this system")], ()


def _looked_up(question: Question, mounts: Sequence[Mount]) -> tuple[list[Link], Found]:
    links, found = [], []
    for mount in mounts:
        link, real = _one(question, mount)
        links.append(link)
        found += [(mount, real)] if real else []
    if not any(link.state is State.BROKEN for link in links):
        try:  # and together: one of them may lead into what another may only read
            real_directories([mount for mount, _ in found], question.site)
        except Refused as refused:
            links.append(_leads_away("the data", refused.refusal.message))
    return links, tuple(found)


def _one(question: Question, mount: Mount) -> tuple[Link, Path | None]:
    subject = _subject(mount)
    try:
        real = real_directories([mount], question.site).get(mount)
    except Refused as refused:
        if refused.refusal.reason is Reason.MISSING_DIRECTORY:
            return _missing(mount, subject), None
        if "is not a directory" in refused.refusal.message:
            words = f"Where the {mount.area} data should be there is something else than a directory."
            return _bad(subject, words, "not-a-directory", refused.refusal.message), None
        if "may not be looked at" in refused.refusal.message:
            words = f"The hub itself may not look at the {mount.area} data."
            return _bad(subject, words, "hub-may-not-look", refused.refusal.message), None
        return _leads_away(subject, refused.refusal.message), None
    if real is None:
        words = f"There are no {mount.area} data; a server is started without them."
        return Link(Step.PATH, State.OK, words, subject=subject, details=f"{mount.source} does not exist"), None
    return Link(Step.PATH, State.OK, "They are there.", subject=subject, details=str(real)), real


def _missing(mount: Mount, subject: str) -> Link:
    return Link(
        Step.PATH,
        State.BROKEN,
        f"The {mount.area} data of {mount.proposal.id} are not there.",
        subject=subject,
        remedy="If the experiment is new, its directory may not have been made yet. If it is old, the data may have been "
        "moved to tape: ask the facility to bring them back.",
        who=(Helper.USER_OFFICE, Helper.OPERATOR),
        code="missing-directory",
        details=f"{mount.source} does not exist on this system (not made yet, moved, or its file system is away)",
    )


def _leads_away(subject: str, details: str) -> Link:
    words = "A link in the directory leads to data that are not this proposal's alone, so nothing of it is used."
    return _bad(subject, words, "leads-away", details)


def _bad(subject: str, words: str, code: str, details: str) -> Link:
    who = (Helper.OPERATOR,)
    return Link(Step.PATH, State.BROKEN, words, subject=subject, remedy=_TELL, who=who, code=code, details=details)


def _subject(mount: Mount) -> str:
    label = mount.target.name
    return mount.area.value if label == mount.area else f"{mount.area} {label}"


async def account_link(question: Question, person: Person, ref: ProposalRef) -> tuple[Link, Account | None]:
    """Which account reads the data, and may it be used, also together with what else is to be in the server?"""
    site = question.site
    facilities = [ref.facility]
    for text in question.together:
        try:
            facilities.append(parse_ref(text, site).facility)
        except IdError:
            continue  # the command has refused it
    accounts: dict[str, Account | NoAccount] = {}
    for facility in dict.fromkeys(facilities):
        rule = site.account_rule(facility)
        if rule is None:
            accounts[facility] = NoAccount("the site has no account mapping for it")
        elif not question.from_login and any(claims_in(rule)):
            words = "The account comes from a claim of the login, and no login is at hand."
            return Link(Step.ACCOUNT, State.UNKNOWN, words), None
        else:
            accounts[facility] = await resolve_account(rule, person, site)
    if down := next(
        (account for account in accounts.values() if isinstance(account, NoAccount) and account.failed), None
    ):
        words, remedy = f"It could not be looked up: {down.reason}.", "Try again in a few minutes."
        who = (Helper.OPERATOR,)
        return Link(Step.ACCOUNT, State.BROKEN, words, remedy=remedy, who=who, code="directory-down"), None
    found = server_account(dict.fromkeys(facilities), accounts, site)
    if isinstance(found, Refusal):
        who = _WHOSE_FAULT.get(found.reason, (Helper.OPERATOR,))
        code, details = found.reason.value, "[account] of site.toml or of the facility's file"
        link = Link(Step.ACCOUNT, State.BROKEN, found.message, remedy=found.remedy, who=who, code=code, details=details)
        return link, None
    account, warnings = found
    groups = f", {len(account.gids)} more groups" if account.gids else ""
    words = f"{account.name} (user {account.uid}, group {account.gid}{groups})."
    details = f"groups {' '.join(map(str, account.gids))}" if account.gids else ""
    return Link(Step.ACCOUNT, State.OK, words, notes=warnings, details=details), account


async def permission_links(question: Question, account: Account, found: Found) -> list[Link]:
    """Can this account read each directory? Tried with its ids, where the hub may."""
    as_hub = question.site.config.hub.spawner == "local"
    turns = asyncio.Semaphore(_AT_A_TIME)

    async def tried_in_turn(mount: Mount, real: Path) -> Permission:
        async with turns:
            return await try_directory(real, account, write=not mount.read_only, as_hub=as_hub)

    tried = await asyncio.gather(*(tried_in_turn(mount, real) for mount, real in found))
    return [
        _permission(mount, real, account, permission, as_hub)
        for (mount, real), permission in zip(found, tried, strict=True)
    ]


def _permission(mount: Mount, real: Path, account: Account, tried: Permission, as_hub: bool) -> Link:
    subject, details = _subject(mount), f"{real}: {tried.facts}" if tried.facts else str(real)
    who = "The hub’s own account" if as_hub else f"{account.name} ({account.uid}:{account.gid})"
    notes = []
    if len(account.gids) > NFS_GROUP_LIMIT and is_nfs(real):
        notes.append(
            f"On NFS only {NFS_GROUP_LIMIT} of the {len(account.gids)} groups count, unless its server looks them up."
        )
    if tried.readable is None:
        return Link(
            Step.PERMISSION,
            State.UNKNOWN,
            f"{tried.reason[0].upper()}{tried.reason[1:]}.",
            subject=subject,
            details=details,
        )
    if not tried.readable:
        return Link(
            Step.PERMISSION,
            State.BROKEN,
            f"{who} may not {tried.reason} the {mount.area} data: the file system refuses it.",
            subject=subject,
            remedy="The groups or the permissions of the directory must be put right.",
            who=(Helper.OPERATOR, Helper.USER_OFFICE),
            code="not-readable",
            details=details,
            notes=tuple(notes),
        )
    able = "read and write" if tried.writable else "read"
    if not mount.read_only and not tried.writable:
        notes.append("By the hub they could be written, too; the file system refuses it.")
    return Link(
        Step.PERMISSION, State.OK, f"{who} may {able} them.", subject=subject, details=details, notes=tuple(notes)
    )


def mount_link(question: Question, person: Person, grant: Grant, account: Account, found: Found, now: datetime) -> Link:
    """What a server would get, where; and whether a server that runs has it."""
    site = question.site
    decision = plan(person, (grant,), Selection((grant.ref,)), site, {grant.ref.facility: account}, now)
    if isinstance(decision, Refusal):
        return Link(
            Step.MOUNT,
            State.BROKEN,
            decision.message,
            remedy=decision.remedy,
            who=(Helper.OPERATOR,),
            code=decision.reason.value,
        )
    return Link(
        Step.MOUNT,
        State.OK,
        f"A server gets {_what(decision, found)}.",
        notes=tuple(_now_in(question, grant.ref)),
        details="; ".join(f"{real} at {_target(decision, mount)}" for mount, real in found),
    )


def _what(decision: LaunchPlan, found: Found) -> str:
    return ", ".join(
        f"~/{_target(decision, mount).relative_to(decision.home.target)} ({'read only' if mount.read_only else 'read and write'})"
        for mount, _ in found
    )


def _target(decision: LaunchPlan, mount: Mount) -> PurePosixPath:
    return next(
        other.target
        for other in decision.mounts
        if (other.source, other.area, other.proposal) == (mount.source, mount.area, mount.proposal)
    )


def _now_in(question: Question, ref: ProposalRef) -> list[str]:
    have = [server.name for server in question.running if str(ref) in server.proposals]
    lack = [server.name for server in question.running if str(ref) not in server.proposals]
    notes = [f"It is in the running server {name}." for name in have]
    if lack and not have:
        notes.append(f"It is in no running server (there {'is' if len(lack) == 1 else 'are'} {', '.join(lack)}).")
    return notes
