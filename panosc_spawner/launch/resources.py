"""How much of the machine a server may use: the site's limits by group, and what was asked for."""

from __future__ import annotations

from collections.abc import Iterable

from panosc_spawner.facilities.model import Environment
from panosc_spawner.facilities.site import Limits, Resources
from panosc_spawner.facilities.units import ByteSize, format_size
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Reason, Refusal, Selection
from panosc_spawner.proposals.model import Grant


def policy_groups(person: Person, grants: Iterable[Grant]) -> frozenset[str]:
    """The groups that the limits of a server depend on: the person's own, and those of the proposals in it."""
    groups = {f"community:{person.community}", f"user:{person.username}"}
    if person.admin:
        groups.add("admin")
    for grant in grants:
        groups |= {f"facility:{grant.ref.facility}", f"role:{grant.role}", f"proposal:{grant.ref}"}
        groups |= {f"instrument:{grant.ref.facility}/{instrument}" for instrument in grant.proposal.instruments}
    return frozenset(groups)


def maximum_limits(resources: Resources, groups: frozenset[str]) -> Limits:
    """The most that members of these groups may use: the default, then each matching override in the order of its key."""
    limits = resources.default
    for key in sorted(resources.overrides):
        override = resources.overrides[key]
        if not groups.isdisjoint(override.groups):
            limits = limits.model_copy(update=override.model_dump(exclude={"groups"}, exclude_none=True))
    return limits


def choose_limits(
    resources: Resources, maximum: Limits, selection: Selection, environment: Environment
) -> Limits | Refusal:
    """What this server gets: what was asked for, within the maximum and what the environment needs."""
    unasked = max(min(resources.ask or maximum.memory, maximum.memory), environment.minimum_memory)
    memory = selection.memory if selection.memory is not None else unasked
    cpu = selection.cpu if selection.cpu is not None else maximum.cpu
    gpus = selection.gpus if selection.gpus is not None else environment.gpus
    if memory < environment.minimum_memory:
        needed = format_size(environment.minimum_memory)
        return Refusal(
            Reason.TOO_LITTLE,
            f"{environment.title} needs at least {needed} of memory; {format_size(memory)} was asked for.",
            "Ask for more memory, or choose another environment.",
        )
    for asked, most, words in (
        (memory > maximum.memory, format_size(maximum.memory), f"{format_size(memory)} of memory"),
        (cpu > maximum.cpu, f"{maximum.cpu:g} cores", f"{cpu:g} cores"),
        (gpus > maximum.gpus, f"{maximum.gpus} GPUs", f"{gpus} GPUs"),
    ):
        if asked:
            return Refusal(
                Reason.TOO_MUCH,
                f"{words} were asked for; a server of yours may use {most} at most.",
                "Ask for less, or ask the people who run this hub for more.",
            )
    return maximum.model_copy(update={"memory": ByteSize(memory), "cpu": cpu, "gpus": gpus})
