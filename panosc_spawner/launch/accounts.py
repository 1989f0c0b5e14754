"""One numeric account for one server: a container can only be one user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Account, NoAccount
from panosc_spawner.launch.model import Reason, Refusal

NFS_GROUP_LIMIT = 16
"""Groups that NFS with ``sec=sys`` carries (RFC 5531, authsys_parms: ``gids<16>``)."""

_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII)
_HIGHEST_ID = 2**31 - 2  # beyond lie (uid_t)-1 and values that Docker refuses
_NOBODY = 65534


def server_account(
    facilities: Iterable[str], accounts: Mapping[str, Account | NoAccount], site: Site
) -> tuple[Account, tuple[str, ...]] | Refusal:
    """The account a server with data of these facilities runs as, and warnings; or why there is none."""
    found: dict[str, Account] = {}
    for facility in facilities:
        account = accounts.get(facility, NoAccount("nobody has looked it up"))
        name = site.facilities[facility].short_name
        if isinstance(account, NoAccount):
            return Refusal(
                Reason.NO_ACCOUNT,
                f"You have no account for {name} data on this system: {account.reason}.",
                f"Ask the {site.facilities[facility].user_office.name} to link your login to your {name} account.",
            )
        if problem := _system_account(account, site):
            return Refusal(
                Reason.SYSTEM_ACCOUNT,
                f"Your account for {name} data cannot be used: {problem}.",
                "Tell the people who run this hub; they must correct the account mapping.",
            )
        found[facility] = account
    if len({(account.name, account.uid, account.gid) for account in found.values()}) > 1:
        each = "; ".join(f"{site.facilities[key].short_name}: {a.name} ({a.uid}:{a.gid})" for key, a in found.items())
        return Refusal(
            Reason.ACCOUNTS_DIFFER,
            f"These proposals need different accounts ({each}), and one server can only be one of them.",
            "Open them in separate servers.",
        )
    return _merged(list(found.values()), site)


def _system_account(account: Account, site: Site) -> str:
    policy = site.config.access
    if not _NAME.fullmatch(account.name):
        return f"'{account.name[:40]}' is not an account name"
    if not policy.minimum_uid <= account.uid <= _HIGHEST_ID or account.uid == _NOBODY:
        return f"user id {account.uid} belongs to the system (below {policy.minimum_uid}, or nobody's)"
    if not policy.minimum_gid <= account.gid <= _HIGHEST_ID:
        return f"group id {account.gid} belongs to the system (below {policy.minimum_gid})"
    return ""


def _merged(accounts: list[Account], site: Site) -> tuple[Account, tuple[str, ...]]:
    first = accounts[0]
    every = dict.fromkeys(gid for account in accounts for gid in account.gids if gid != first.gid)
    gids = tuple(gid for gid in every if site.config.access.minimum_gid <= gid <= _HIGHEST_ID)
    warnings = []
    if len(gids) > NFS_GROUP_LIMIT:
        warnings.append(
            f"You are in {len(gids)} groups; NFS passes on {NFS_GROUP_LIMIT} of them, so some data may be refused. "
            "If so, open fewer proposals at a time, or tell the people who run this hub."
        )
    return Account(first.name, first.uid, first.gid, gids), tuple(warnings)
