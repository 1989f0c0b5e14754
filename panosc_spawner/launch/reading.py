"""Reading a proposal's data without a server: which directories, and as whom. Pure, and decided as a start is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Account, NoAccount
from panosc_spawner.launch.accounts import server_account
from panosc_spawner.launch.model import Mount, Refusal
from panosc_spawner.launch.plan import granted_mounts, live_grants
from panosc_spawner.proposals.model import Grant

INSIDE = PurePosixPath("/proposals")
"""Where the mounts of a reading stand; what is beneath it is what a server shows in ``~/proposals``."""


@dataclass(frozen=True)
class Reading:
    """One proposal's directories as one person may read them now, by this grant, with this account."""

    grant: Grant
    mounts: tuple[Mount, ...]
    account: Account
    warnings: tuple[str, ...]


def reading(
    grants: Iterable[Grant],
    proposal: ProposalRef,
    site: Site,
    accounts: Mapping[str, Account | NoAccount],
    now: datetime,
) -> Reading | Refusal:
    """Decide as :func:`~panosc_spawner.launch.plan.plan` does, about one proposal, and without an environment or a home.

    Args:
        grants: what the site's sources say about the person.
        proposal: whose data.
        site: the site and its facilities.
        accounts: the person's account for the proposal's facility.
        now: the time, with zone.
    """
    chosen = live_grants(grants, [proposal], site, now)
    if isinstance(chosen, Refusal):
        return chosen
    account = server_account([proposal.facility], accounts, site)
    if isinstance(account, Refusal):
        return account
    mounts = granted_mounts(chosen[0], INSIDE, site)
    if isinstance(mounts, Refusal):
        return mounts
    return Reading(chosen[0], tuple(mounts), account[0], account[1])
