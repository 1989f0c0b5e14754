"""The decision: from a person, their grants and what they selected, to a plan or a refusal in words.

This is the one place where a mount is made. It fails closed: no live grant, no mount.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from panosc_spawner.errors import PathError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Access, Area, Environment, Role
from panosc_spawner.facilities.paths import PathMap
from panosc_spawner.facilities.site import Limits, Site
from panosc_spawner.facilities.units import format_duration
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.launch.accounts import server_account
from panosc_spawner.launch.model import HomeMount, LaunchPlan, Mount, Reason, Refusal, Selection
from panosc_spawner.launch.resources import choose_limits, maximum_limits, policy_groups
from panosc_spawner.proposals.model import Grant

LABEL = "org.panosc."
PROPOSALS_DIRECTORY = "proposals"
_STRONGEST_FIRST = tuple(Role)


def plan(
    person: Person,
    grants: Iterable[Grant],
    selection: Selection,
    site: Site,
    accounts: Mapping[str, Account | NoAccount],
    now: datetime,
    absent: Collection[str] = (),
) -> LaunchPlan | Refusal:
    """Decide about one launch. Pure and total: every input gives a plan or a refusal.

    Args:
        person: who asks, as the AAI proved them.
        grants: what the site's sources say about them; those of other proposals do not matter.
        selection: what they ask for.
        site: the site and its facilities.
        accounts: the person's account for each facility.
        now: the time, with zone.
        absent: images that are known not to be on this machine, and are not downloaded: nothing starts with them.
    """
    chosen = live_grants(grants, selection.proposals, site, now)
    if isinstance(chosen, Refusal):
        return chosen
    maximum = maximum_limits(site.config.resources, policy_groups(person, chosen))
    environment = _environment(
        selection.environment or suggested_environment(chosen, site, maximum, absent), chosen, site, absent
    )
    if isinstance(environment, Refusal):
        return environment
    limits = choose_limits(site.config.resources, maximum, selection, environment[1])
    if isinstance(limits, Refusal):
        return limits
    account = server_account(_facilities(chosen), accounts, site)
    if isinstance(account, Refusal):
        return account
    home = _home(person, account[0], site)
    mounts = _mounts(chosen, home.target, site)
    if isinstance(mounts, Refusal):
        return mounts
    return LaunchPlan(
        username=person.username,
        proposals=tuple(grant.ref for grant in chosen),
        environment_id=environment[0],
        environment=environment[1],
        account=account[0],
        home=home,
        mounts=mounts,
        start_pages=_start_pages(mounts, home.target, site),
        variables=_variables(chosen, limits.cpu),
        limits=limits,
        labels=_labels(person, chosen, site),
        warnings=account[1],
        ends_at=min([now + limits.lifetime, *(grant.ends_at for grant in chosen if grant.ends_at)]),
    )


def live_grants(
    grants: Iterable[Grant], wanted: Sequence[ProposalRef], site: Site, now: datetime
) -> list[Grant] | Refusal:
    """The strongest live grant for each wanted proposal, in the order asked for; or why one of them may not be opened."""
    if not wanted:
        return Refusal(Reason.NO_PROPOSAL, "No proposal was chosen.", "Choose at least one of your proposals.")
    candidates: dict[ProposalRef, list[Grant]] = {ref: [] for ref in wanted}
    for grant in grants:
        if grant.ref in candidates:
            candidates[grant.ref].append(grant)
    chosen = []
    for ref, found in candidates.items():
        reasons = [_why_not(grant, site, now) for grant in found]
        live = [grant for grant, reason in zip(found, reasons, strict=True) if reason is None]
        if not live:
            return next((reason for reason in reasons if reason), _not_granted(ref, site))
        chosen.append(min(live, key=lambda grant: _STRONGEST_FIRST.index(grant.role)))
    return chosen


def suggested_environment(chosen: Sequence[Grant], site: Site, most: Limits, absent: Collection[str] = ()) -> str:
    """The environment for these proposals: the source's, else one made for the instrument, else the facility's default.

    One whose image is not here, that needs more than the person may have, or that is deprecated is passed over; only where
    none is left, the first is named all the same.
    """
    offered = offered_environments(_facilities(chosen), site)
    wished = [key for grant in chosen for key in _wished(grant, site) if key in offered]
    here = [key for key in wished if offered[key].image not in absent]
    fitting = [key for key in here if offered[key].minimum_memory <= most.memory and offered[key].gpus <= most.gpus]
    current = [key for key in fitting if offered[key].status == "current"]
    return next(iter(current or fitting or here or wished), "")


def _wished(grant: Grant, site: Site) -> list[str]:
    """All environments of the proposal's facility, as ``<facility>/<id>``, the best first."""
    facility = site.facilities[grant.ref.facility]
    instruments = {name.lower() for name in grant.proposal.instruments}
    made_for = [
        key
        for key, environment in facility.environments.items()
        if instruments & {name.lower() for name in environment.instruments}
    ]
    # A site's own are named after the shipped ones, and come before them.
    ordered = (grant.proposal.environment, *reversed(made_for), facility.default_environment, *facility.environments)
    return [f"{facility.id}/{key}" for key in dict.fromkeys(ordered) if key in facility.environments]


def offered_environments(facilities: Iterable[str], site: Site) -> dict[str, Environment]:
    """The environments that servers with these facilities' data may use, by ``<facility>/<id>``."""
    return {
        f"{facility}/{key}": environment
        for facility in facilities
        for key, environment in site.facilities[facility].environments.items()
        if environment.status != "withdrawn"
    }


def _why_not(grant: Grant, site: Site, now: datetime) -> Refusal | None:
    facility = site.facilities.get(grant.ref.facility)
    if facility is None or facility.paths is None:
        return _not_granted(grant.ref, site)
    what, office = f"{grant.ref.id} ({facility.short_name})", facility.user_office.name
    if grant.not_before and now < grant.not_before:
        return Refusal(
            Reason.NOT_YET,
            f"Your access to {what} begins on {grant.not_before:%d %B %Y, %H:%M %Z}.",
            f"Come back then, or ask the {office}.",
        )
    if grant.ends_at and now >= grant.ends_at:
        return Refusal(
            Reason.ENDED,
            f"Your access to {what} ended on {grant.ends_at:%d %B %Y, %H:%M %Z} ({grant.source}).",
            f"Ask the {office} to extend it.",
        )
    if not grant.confirmed or now - grant.seen_at > site.config.access.max_grant_age:
        return Refusal(
            Reason.STALE,
            f"Your access to {what} could not be confirmed: {grant.source} last answered "
            f"{format_duration(now - grant.seen_at)} ago.",
            "Try again in a few minutes. Servers that are running go on.",
        )
    return None


def _not_granted(ref: ProposalRef, site: Site) -> Refusal:
    facility = site.facilities.get(ref.facility)
    if facility is None:
        return Refusal(
            Reason.NOT_GRANTED,
            f"This hub does not serve proposals of '{ref.facility[:20]}'.",
            "Choose one of your own proposals.",
        )
    return Refusal(
        Reason.NOT_GRANTED,
        f"You are not on proposal {ref.id} ({facility.short_name}), as far as this hub can see.",
        f"Ask its main proposer to add you, or ask the {facility.user_office.name}. "
        "If you were added today, reload your list of proposals.",
    )


def _environment(
    wanted: str, chosen: Sequence[Grant], site: Site, absent: Collection[str]
) -> tuple[str, Environment] | Refusal:
    offered = offered_environments(_facilities(chosen), site)
    here = {key: environment for key, environment in offered.items() if environment.image not in absent}
    if wanted in here:
        return wanted, here[wanted]
    names = ", ".join(dict.fromkeys(environment.title for environment in here.values()))
    if refusal := _withdrawn(wanted, chosen, site, names):
        return refusal
    if wanted in offered:
        return Refusal(
            Reason.MISSING_IMAGE,
            f"“{offered[wanted].title}” is not on this machine.",
            (f"Choose one that is: {names}. " if names else "") + "The people who run this hub can add it.",
        )
    return Refusal(
        Reason.NO_ENVIRONMENT,
        f"'{wanted[:60]}' is not an environment for these proposals." if wanted else "No environment is offered.",
        f"Choose one of: {names}." if names else "Tell the people who run this hub.",
    )


def _withdrawn(wanted: str, chosen: Sequence[Grant], site: Site, others: str) -> Refusal | None:
    facility, _, key = wanted.partition("/")
    if facility not in _facilities(chosen):
        return None
    environment = site.facilities[facility].environments.get(key)
    if environment is None or environment.status != "withdrawn":
        return None
    note = f" {environment.status_note.rstrip('.')}." if environment.status_note else ""
    return Refusal(
        Reason.NO_ENVIRONMENT,
        f"“{environment.title}” was withdrawn, and starts no more.{note}",
        f"Choose one of: {others}." if others else "Tell the people who run this hub.",
    )


def _facilities(chosen: Sequence[Grant]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(grant.ref.facility for grant in chosen))


def _home(person: Person, account: Account, site: Site) -> HomeMount:
    rule = site.config.home
    source = rule.source.format(account=account.name, user=person.username, uid=account.uid)
    return HomeMount(rule.kind, source, PurePosixPath("/home") / account.name, rule.create)


def _mounts(chosen: Sequence[Grant], home: PurePosixPath, site: Site) -> tuple[Mount, ...] | Refusal:
    mounts: dict[PurePosixPath, Mount] = {}
    for grant in chosen:
        made = granted_mounts(grant, home / PROPOSALS_DIRECTORY, site)
        if isinstance(made, Refusal):
            return made
        for mount in made:
            if mounts.setdefault(mount.target, mount) != mount:
                return _bad_path(grant, f"two directories would be {mount.target.relative_to(home)}")
    return tuple(mounts.values())


def granted_mounts(grant: Grant, proposals: PurePosixPath, site: Site) -> list[Mount] | Refusal:
    """The directories that a live grant gives, beneath ``proposals``; or why it gives none."""
    facility = site.facilities[grant.ref.facility]
    paths = PathMap(facility)
    visits = [visit.path_fields for visit in grant.proposal.visits] or [{}]
    mounts = []
    for area in Area:
        rule = facility.areas.get(area)
        access = rule.access_for(grant.role) if rule else Access.NONE
        if rule is None or access is Access.NONE:
            continue
        for fields in visits:
            try:
                source, label = paths.render(grant.ref, area, fields), paths.label(fields)
            except PathError as error:
                return _bad_path(grant, str(error))
            mounts.append(
                Mount(
                    source=source,
                    root=paths.root(area),
                    target=proposals / grant.ref.facility / grant.ref.id / area / label,
                    read_only=area is Area.RAW or access is not Access.WRITE,
                    required=rule.required,
                    proposal=grant.ref,
                    area=area,
                )
            )
    if not mounts:
        return Refusal(
            Reason.NO_AREA,
            f"As {grant.role} you may not open any data of {grant.ref.id} ({facility.short_name}).",
            f"Ask the {facility.user_office.name}.",
        )
    return mounts


def _bad_path(grant: Grant, reason: str) -> Refusal:
    return Refusal(
        Reason.BAD_PATH,
        f"The data directories of {grant.ref.id} cannot be named: {reason}.",
        f"Tell the people who run this hub; the entry in {grant.source} or the facility's paths must be corrected.",
    )


def _start_pages(mounts: Sequence[Mount], home: PurePosixPath, site: Site) -> tuple[PurePosixPath, ...]:
    pages = []
    for mount in mounts:
        area, _, file = site.facilities[mount.proposal.facility].start_page.partition("/")
        if file and mount.area == area:
            pages.append(mount.target.relative_to(home) / file)
    return tuple(pages)


def _variables(chosen: Sequence[Grant], cpu: float) -> dict[str, str]:
    threads = str(max(1, math.floor(cpu)))
    return {
        "PANOSC_PROPOSALS": " ".join(str(grant.ref) for grant in chosen),
        # Numerical libraries count the machine's cores, not the server's share of them.
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }


def _labels(person: Person, chosen: Sequence[Grant], site: Site) -> dict[str, str]:
    return {
        f"{LABEL}hub": site.config.hub.id,
        f"{LABEL}person": person.username,
        f"{LABEL}proposals": ",".join(str(grant.ref) for grant in chosen),
        f"{LABEL}facility": ",".join(_facilities(chosen)),
    }
